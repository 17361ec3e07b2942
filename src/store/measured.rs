//! A store whose operations are timed for the metrics.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    CallerToken, Continuation, FlowId, Found, Held, IndexKey, Lifetimes, PushedRequest, ReplayKey,
    Spend, Start, Store, StoreError, Usage, Visit,
};
use crate::clock::{Stopwatch, Timestamp};
use crate::oauth::request_uri::Reference;
use crate::telemetry::metrics::{StoreOperation, meter};

/// Does what the store in it does, and says how long that took.
#[derive(Debug)]
pub struct Measured(Arc<dyn Store>);

impl Measured {
    /// Measures `store`.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

async fn timed<T>(operation: StoreOperation, work: impl Future<Output = T>) -> T {
    let began = Stopwatch::start();
    let outcome = work.await;
    meter().store_operation(operation, began.elapsed());
    outcome
}

#[async_trait]
impl Store for Measured {
    async fn put(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        timed(StoreOperation::Put, self.0.put(reference, request, lifetimes)).await
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        timed(StoreOperation::Start, self.0.start(reference, visit)).await
    }

    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError> {
        timed(StoreOperation::UndoStart, self.0.undo_start(reference, caller)).await
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        timed(StoreOperation::Read, self.0.read(reference)).await
    }

    async fn find(&self, key: &IndexKey) -> Result<Option<Found>, StoreError> {
        timed(StoreOperation::Read, self.0.find(key)).await
    }

    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError> {
        let work = self.0.put_continuation(reference, flow, handle, continuation);
        timed(StoreOperation::Put, work).await
    }

    async fn continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError> {
        timed(StoreOperation::Read, self.0.continuation(reference, flow, handle)).await
    }

    async fn spend(&self, reference: &Reference, flow: FlowId) -> Result<Spend, StoreError> {
        timed(StoreOperation::Spend, self.0.spend(reference, flow)).await
    }

    async fn first_use(&self, key: ReplayKey, until: Timestamp) -> Result<bool, StoreError> {
        timed(StoreOperation::FirstUse, self.0.first_use(key, until)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        timed(StoreOperation::Ping, self.0.ping()).await
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}
