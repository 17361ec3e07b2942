//! The store of a single replica: moka holds the requests, our own queue says when to look for
//! expired ones, our own account of bytes bounds it. moka has neither capacity nor expiry here, so
//! it never evicts what is alive.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use parking_lot::{RwLock, RwLockReadGuard};

use super::account::Account;
use super::due::Due;
use super::{
    CallerToken, Continuation, FlowId, Found, Held, IndexKey, Lifetimes, MOST_CONTINUATIONS,
    PushedRequest, ReplayKey, Spend, Start, Store, StoreError, Usage, Visit,
};
use crate::clock::{Clock, Timestamp};
use crate::oauth::request_uri::Reference;

use entry::{Entry, Kept};
use index::Index;
use replays::{REPLAY_OVERHEAD, Replays, Use};

pub use saved::Tally;

mod entry;
mod index;
mod record;
mod replays;
mod saved;

/// Bytes a request costs beside its query: key, entry, and moka's own nodes, as measured over a
/// million entries (`docs/performance.md`), and the state of the login it may become.
const REQUEST_OVERHEAD: u64 = 616;

/// Bytes that finding a request by the index costs: the key beside it, and an entry of the index.
/// Its room is reserved by the push, so that a start finds it.
const INDEX_OVERHEAD: u64 = 344;

/// Bytes a continuation costs beside path and query.
const CONTINUATION_OVERHEAD: u64 = 160;

/// Entries outlive their judged expiry by this much, so that an answer says that they expired.
const GRACE: Duration = Duration::from_secs(2);

/// Requests in this process's memory.
#[derive(Debug)]
pub struct MemoryStore {
    requests: Cache<Address, Arc<Entry>>,
    index: Index,
    replays: Replays,
    due_requests: Due<Address>,
    account: Account,
    clock: Arc<dyn Clock>,
    /// Whether no call is taken any more. Every call holds it for reading.
    frozen: RwLock<bool>,
}

impl MemoryStore {
    /// A store that refuses pushes above `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            requests: Cache::builder().build(),
            index: Index::new(),
            replays: Replays::new(),
            due_requests: Due::new(),
            account: Account::new(max_bytes),
            clock,
            frozen: RwLock::new(false),
        }
    }

    /// Ends the store's work: calls that are under way end, and every later one is refused as
    /// [`StoreError::Unavailable`], so that what is saved now is the last word.
    pub fn freeze(&self) {
        *self.frozen.write() = true;
    }

    /// Takes calls again.
    pub fn thaw(&self) {
        *self.frozen.write() = false;
    }

    /// To be held during a call.
    fn open(&self) -> Result<RwLockReadGuard<'_, bool>, StoreError> {
        let frozen = self.frozen.read();
        if *frozen { Err(StoreError::Unavailable) } else { Ok(frozen) }
    }

    fn held(&self, address: Address) -> Option<Held> {
        self.requests.get(&address).and_then(|entry| entry.held(self.clock.now()))
    }

    /// Collects expired entries. To be called a few times a second from a thread of its own;
    /// requests that come meanwhile do not wait for it.
    pub fn tidy(&self) {
        let now = self.clock.now();
        while let Some(addresses) = self.due_requests.pop(now) {
            for address in addresses {
                self.collect_request(address, now);
            }
        }
        self.account.release_shared(REPLAY_OVERHEAD * self.replays.tidy(now));
        self.requests.run_pending_tasks();
        self.index.tidy();
    }

    fn collect_request(&self, address: Address, now: Timestamp) {
        let Some(entry) = self.requests.get(&address) else {
            return;
        };
        let gone_at = entry.gone_at() + GRACE;
        if now < gone_at {
            self.due_requests.push(gone_at, address);
        } else if let Some(entry) = self.requests.remove(&address) {
            let mut state = entry.state();
            state.gone = true;
            self.unindex(&entry, address);
            let continuations: u64 = state.continuations.iter().map(Kept::cost).sum();
            self.account.release(&entry.request.client_id, cost(&entry.request) + continuations);
        }
    }

    /// To be called under the entry's lock.
    fn unindex(&self, entry: &Entry, address: Address) {
        if let Some(key) = &entry.request.index {
            self.index.forget(key, address);
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn put(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        let _open = self.open()?;
        self.account.reserve(&request.client_id, cost(&request))?;
        let entry = Entry::new(request, self.clock.now(), lifetimes);
        let (address, gone_at) = (address(reference), entry.gone_at());
        self.requests.insert(address, Arc::new(entry));
        self.due_requests.push(gone_at + GRACE, address);
        Ok(())
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        let _open = self.open()?;
        let Some(entry) = self.requests.get(&address(reference)) else {
            return Ok(Start::Unknown);
        };
        Ok(entry.start(visit, self.clock.now(), || {
            if let Some(key) = &entry.request.index {
                self.index.point(key, reference);
            }
        }))
    }

    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError> {
        let _open = self.open()?;
        let address = address(reference);
        if let Some(entry) = self.requests.get(&address)
            && entry.undo_start(caller, || self.unindex(&entry, address))
        {
            // It may be gone sooner than was thought when it was last looked at.
            self.due_requests.push(entry.gone_at() + GRACE, address);
        }
        Ok(())
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        let _open = self.open()?;
        Ok(self.held(address(reference)))
    }

    async fn find(&self, key: &IndexKey) -> Result<Option<Found>, StoreError> {
        let _open = self.open()?;
        let Some(reference) = self.index.find(key) else {
            return Ok(None);
        };
        let entry = self.requests.get(&address(&reference));
        Ok(entry.and_then(|entry| entry.found(reference, self.clock.now())))
    }

    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError> {
        let _open = self.open()?;
        let entry = self.requests.get(&address(reference)).ok_or(StoreError::Gone)?;
        let mut state = entry.state();
        if state.gone {
            return Err(StoreError::Gone);
        }
        if state.continuation(flow, handle).is_some() {
            return Ok(());
        }
        if state.continuations.iter().filter(|kept| kept.flow == flow).count() >= MOST_CONTINUATIONS
        {
            return Err(StoreError::TooManyContinuations);
        }
        let kept = Kept { flow, handle: *handle, continuation: Arc::new(continuation) };
        self.account.reserve_more(&entry.request.client_id, kept.cost())?;
        state.continuations.push(kept);
        Ok(())
    }

    async fn continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
    ) -> Result<Option<(Held, Arc<Continuation>)>, StoreError> {
        let _open = self.open()?;
        let held = self.held(address(reference));
        let entry = self.requests.get(&address(reference));
        let found = entry.and_then(|entry| entry.state().continuation(flow, handle));
        Ok(held.zip(found))
    }

    async fn spend(&self, reference: &Reference, flow: FlowId) -> Result<Spend, StoreError> {
        let _open = self.open()?;
        let entry = self.requests.get(&address(reference));
        Ok(entry.map_or(Spend::Unknown, |entry| entry.spend(flow, self.clock.now())))
    }

    async fn first_use(&self, key: ReplayKey, until: Timestamp) -> Result<bool, StoreError> {
        let _open = self.open()?;
        self.account.reserve_shared(REPLAY_OVERHEAD)?;
        let used = self.replays.uses(key, until, self.clock.now());
        if used != Use::First {
            // Its place is paid for.
            self.account.release_shared(REPLAY_OVERHEAD);
        }
        Ok(used != Use::Repeated)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    fn usage(&self) -> Usage {
        self.account.usage()
    }
}

fn cost(request: &PushedRequest) -> u64 {
    let index = if request.index.is_some() { INDEX_OVERHEAD } else { 0 };
    REQUEST_OVERHEAD + index + request.query.len() as u64
}

/// References are not kept, but for those in the index: half a digest is all that leads to an
/// entry.
type Address = [u8; 16];

fn address(reference: &Reference) -> Address {
    half_digest(reference.as_bytes())
}

fn half_digest(bytes: &[u8; 32]) -> Address {
    let whole = digest(&SHA256, bytes);
    whole.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
