//! A store whose operations are timed for the metrics, and show in traces where these are recorded.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    CallerToken, Completion, Continuation, FlowId, Found, Held, IndexKey, Lifetimes, PushedRequest,
    ReplayKey, Spend, Start, Store, StoreError, Usage, Visit,
};
use crate::clock::{Stopwatch, WallTime};
use crate::oauth::request_uri::Reference;
use crate::telemetry::metrics::{StoreOperation, meter};
use crate::telemetry::trace::{self, Kind};

/// Does what the store in it does, and says how long that took. Each call is a step of the request
/// that it is made for.
#[derive(Debug)]
pub struct Observed {
    inner: Arc<dyn Store>,
    system: System,
}

/// What the store is, as spans name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// In this process.
    Memory,
    /// Over a network.
    Redis,
}

impl Observed {
    /// Watches the calls of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, system: System) -> Self {
        Self { inner, system }
    }

    /// Names of spans are of a closed list; nothing of the call shows but whether it failed.
    async fn step<T>(
        &self,
        (operation, name): (StoreOperation, &'static str),
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (kind, system) = match self.system {
            System::Memory => (Kind::Internal, "memory"),
            System::Redis => (Kind::Client, "redis"),
        };
        let told = async {
            trace::note("db.system.name", system);
            let outcome = call.await;
            if let Err(error) = &outcome {
                trace::fail(error.as_str());
            }
            outcome
        };
        timed(operation, trace::step(name, kind, told)).await
    }
}

async fn timed<T>(operation: StoreOperation, work: impl Future<Output = T>) -> T {
    let began = Stopwatch::start();
    let outcome = work.await;
    meter().store_operation(operation, began.elapsed());
    outcome
}

#[async_trait]
impl Store for Observed {
    async fn put(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        let call = self.inner.put(reference, request, lifetimes);
        self.step((StoreOperation::Put, "store put"), call).await
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        let call = self.inner.start(reference, visit);
        self.step((StoreOperation::Start, "store start"), call).await
    }

    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError> {
        let call = self.inner.undo_start(reference, caller);
        self.step((StoreOperation::UndoStart, "store undo_start"), call).await
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        let call = self.inner.read(reference);
        self.step((StoreOperation::Read, "store read"), call).await
    }

    async fn find(&self, key: &IndexKey) -> Result<Option<Found>, StoreError> {
        self.step((StoreOperation::Read, "store find"), self.inner.find(key)).await
    }

    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError> {
        let call = self.inner.put_continuation(reference, flow, handle, continuation);
        self.step((StoreOperation::Put, "store put_continuation"), call).await
    }

    async fn continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError> {
        let call = self.inner.continuation(reference, flow, handle);
        self.step((StoreOperation::Read, "store continuation"), call).await
    }

    async fn spend(
        &self,
        reference: &Reference,
        completion: Completion<'_>,
    ) -> Result<Spend, StoreError> {
        let call = self.inner.spend(reference, completion);
        self.step((StoreOperation::Spend, "store spend"), call).await
    }

    async fn first_use(
        &self,
        key: ReplayKey,
        until: WallTime,
        client_id: &Arc<str>,
    ) -> Result<bool, StoreError> {
        let call = self.inner.first_use(key, until, client_id);
        self.step((StoreOperation::FirstUse, "store first_use"), call).await
    }

    fn expect_clients(&self, count: usize) {
        self.inner.expect_clients(count);
    }

    /// The only one without a step: no request asks for it.
    async fn ping(&self) -> Result<(), StoreError> {
        timed(StoreOperation::Ping, self.inner.ping()).await
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
