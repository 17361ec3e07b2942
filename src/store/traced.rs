//! A store whose operations show in traces. Put around a store only where traces are recorded.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    CallerToken, Continuation, FlowId, Found, Held, IndexKey, Lifetimes, PushedRequest, ReplayKey,
    Spend, Start, Store, StoreError, Usage, Visit,
};
use crate::clock::Timestamp;
use crate::oauth::request_uri::Reference;
use crate::telemetry::trace::{self, Kind};

/// The store within, each call of it a step of the request that it is made for.
#[derive(Debug)]
pub struct TracedStore {
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

impl TracedStore {
    /// Puts spans around the calls of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, system: System) -> Self {
        Self { inner, system }
    }

    /// Names of spans are of a closed list; nothing of the call shows but whether it failed.
    async fn step<T>(
        &self,
        name: &'static str,
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
        trace::step(name, kind, told).await
    }
}

#[async_trait]
impl Store for TracedStore {
    async fn put(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        self.step("store put", self.inner.put(reference, request, lifetimes)).await
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        self.step("store start", self.inner.start(reference, visit)).await
    }

    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError> {
        self.step("store undo_start", self.inner.undo_start(reference, caller)).await
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        self.step("store read", self.inner.read(reference)).await
    }

    async fn find(&self, key: &IndexKey) -> Result<Option<Found>, StoreError> {
        self.step("store find", self.inner.find(key)).await
    }

    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError> {
        let call = self.inner.put_continuation(reference, flow, handle, continuation);
        self.step("store put_continuation", call).await
    }

    async fn continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError> {
        self.step("store continuation", self.inner.continuation(reference, flow, handle)).await
    }

    async fn spend(&self, reference: &Reference, flow: FlowId) -> Result<Spend, StoreError> {
        self.step("store spend", self.inner.spend(reference, flow)).await
    }

    async fn first_use(&self, key: ReplayKey, until: Timestamp) -> Result<bool, StoreError> {
        self.step("store first_use", self.inner.first_use(key, until)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
