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
    CallerToken, Completion, Continuation, FlowId, Found, Held, IndexKey, Lifetimes, PushedRequest,
    REPEAT_WINDOW, ReplayKey, Spend, Start, Store, StoreError, Usage, Visit,
};
use crate::clock::{Clock, Timestamp, WallTime};
use crate::oauth::request_uri::Reference;

use entry::{Entry, Kept};
use index::Index;
use replays::{REPLAY_OVERHEAD, Replays, Use};
use tombs::{Tomb, Tombs};

pub use saved::Tally;

mod entry;
mod index;
mod record;
mod replays;
mod saved;
mod tombs;

/// Bytes a request costs beside its query: key, entry, and moka's own nodes, as measured over a
/// million entries (`docs/performance.md`), and the state of the logins it may become.
const REQUEST_OVERHEAD: u64 = 744;

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
    tombs: Tombs,
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
            tombs: Tombs::new(),
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
        let now = self.clock.now();
        match self.requests.get(&address) {
            Some(entry) => entry.held(now),
            None => self.tombs.held(&address, now),
        }
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
        self.replays
            .tidy(&*self.clock, |client_id| self.account.release_part(client_id, REPLAY_OVERHEAD));
        self.requests.run_pending_tasks();
        self.index.tidy();
    }

    fn collect_request(&self, address: Address, now: Timestamp) {
        let Some(entry) = self.requests.get(&address) else {
            return self.collect_tomb(address, now);
        };
        let gone_at = entry.gone_at() + GRACE;
        if now >= gone_at {
            if let Some(entry) = self.requests.remove(&address) {
                self.account.release(&entry.request.client_id, self.closed(&entry, address));
            }
        } else if entry.is_over(now) {
            self.entomb(address, &entry);
            self.due_requests.push(gone_at, address);
        } else {
            self.due_requests.push(gone_at, address);
        }
    }

    fn collect_tomb(&self, address: Address, now: Timestamp) {
        let Some(tomb) = self.tombs.find(&address) else { return };
        let gone_at = tomb.gone_at + GRACE;
        if now < gone_at {
            self.due_requests.push(gone_at, address);
        } else if let Some(tomb) = self.tombs.remove(&address) {
            self.account.release_part(&tomb.client_id, tomb.cost());
        }
    }

    /// Closes an entry, so that nothing is added to it, and gives the room that it took.
    fn closed(&self, entry: &Entry, address: Address) -> u64 {
        let mut state = entry.state();
        state.gone = true;
        self.unindex(entry, address);
        cost(&entry.request) + state.cost_of_continuations()
    }

    /// Puts a tombstone in the place of a spent request.
    fn entomb(&self, address: Address, entry: &Entry) {
        let request = &entry.request;
        let reference = request.index.as_ref().and_then(|key| self.index.find(key));
        let reference = reference.filter(|reference| self::address(reference) == address);
        let client_id = Arc::clone(&request.client_id);
        let tomb = Tomb { client_id, index: request.index, gone_at: entry.gone_at() };
        let cost = tomb.cost();
        // First, so that one of the two is found at any time.
        self.tombs.insert(address, tomb, reference);
        let room = self.closed(entry, address);
        self.requests.invalidate(&address);
        self.account.release(&request.client_id, room.saturating_sub(cost));
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
        let address = address(reference);
        let Some(entry) = self.requests.get(&address) else {
            return Ok(match self.tombs.find(&address) {
                None => Start::Unknown,
                Some(tomb) if *tomb.client_id != *visit.client_id => Start::OtherClient,
                Some(_) => Start::Spent,
            });
        };
        Ok(entry.start(visit, self.clock.now(), |freed| {
            self.account.release_part(&entry.request.client_id, freed);
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
        let now = self.clock.now();
        let Some(reference) = self.index.find(key) else {
            return Ok(self.tombs.found(key, now));
        };
        let entry = self.requests.get(&address(&reference));
        let found = entry.and_then(|entry| entry.found(reference, now));
        Ok(found.or_else(|| self.tombs.found(key, now)))
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
        if state.gone || !state.logins.contains(&flow) {
            return Err(StoreError::Gone);
        }
        if state.continuation(flow, handle).is_some() {
            return Ok(());
        }
        let kept = Kept { flow, handle: *handle, continuation: Arc::new(continuation) };
        let client_id = &entry.request.client_id;
        let freed = state.keep(kept, |cost| self.account.reserve_more(client_id, cost))?;
        self.account.release_part(client_id, freed);
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

    async fn spend(
        &self,
        reference: &Reference,
        completion: Completion<'_>,
    ) -> Result<Spend, StoreError> {
        let _open = self.open()?;
        let (address, now) = (address(reference), self.clock.now());
        let Some(entry) = self.requests.get(&address) else {
            let tomb = self.tombs.find(&address);
            return Ok(tomb.map_or(Spend::Unknown, |_| Spend::AlreadySpent));
        };
        let spend = entry.spend(completion.flow, now, completion.outcome);
        if spend == Spend::Spent {
            self.due_requests.push(now + REPEAT_WINDOW, address);
        }
        Ok(spend)
    }

    async fn first_use(
        &self,
        key: ReplayKey,
        until: WallTime,
        client_id: &Arc<str>,
    ) -> Result<bool, StoreError> {
        let _open = self.open()?;
        self.account.reserve_more(client_id, REPLAY_OVERHEAD)?;
        let used = self.replays.uses(key, until, &*self.clock, client_id);
        if used != Use::First {
            // Its place is paid for.
            self.account.release_part(client_id, REPLAY_OVERHEAD);
        }
        Ok(used != Use::Repeated)
    }

    fn expect_clients(&self, count: usize) {
        self.account.divide(count);
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
