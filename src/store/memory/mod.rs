//! The store of a single replica: moka holds the entries, our own queue says when to look for
//! expired ones, our own account of bytes bounds it. moka has neither capacity nor expiry here, so
//! it never evicts what is alive.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use moka::ops::compute::Op;
use moka::sync::Cache;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use super::account::Account;
use super::due::Due;
use super::{
    CallerToken, Continuation, FlowId, Held, Lifetimes, MOST_CONTINUATIONS, PushedRequest,
    REPEAT_WINDOW, ReplayKey, Spend, Start, Starts, Store, StoreError, Usage, Visit,
};
use crate::clock::{Clock, Timestamp};
use crate::oauth::request_uri::Reference;

/// Bytes a request costs beside its query: key, entry, and moka's own nodes, as measured over a
/// million entries (`docs/performance.md`), and the state of the login it may become.
const REQUEST_OVERHEAD: u64 = 616;

/// Bytes a remembered single-use token costs.
const REPLAY_OVERHEAD: u64 = 300;

/// Bytes a continuation costs beside path and query.
const CONTINUATION_OVERHEAD: u64 = 160;

/// Entries outlive their judged expiry by this much, so that an answer says that they expired.
const GRACE: Duration = Duration::from_secs(2);

/// Requests in this process's memory.
#[derive(Debug)]
pub struct MemoryStore {
    requests: Cache<Address, Arc<Entry>>,
    replays: Cache<ReplayKey, Timestamp>,
    due_requests: Due<Address>,
    due_replays: Due<ReplayKey>,
    account: Account,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// A store that refuses pushes above `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            requests: Cache::builder().build(),
            replays: Cache::builder().build(),
            due_requests: Due::new(),
            due_replays: Due::new(),
            account: Account::new(max_bytes),
            clock,
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
        while let Some(keys) = self.due_replays.pop(now) {
            for key in keys {
                self.collect_replay(key, now);
            }
        }
        self.requests.run_pending_tasks();
        self.replays.run_pending_tasks();
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
            let continuations: u64 = state.continuations.iter().map(Kept::cost).sum();
            self.account.release(&entry.request.client_id, cost(&entry.request) + continuations);
        }
    }

    fn collect_replay(&self, key: ReplayKey, now: Timestamp) {
        let mut removed = false;
        self.replays.entry(key).and_compute_with(|until| match until.map(|e| *e.value()) {
            None => Op::Nop,
            Some(until) if now < until => {
                self.due_replays.push(until, key);
                Op::Nop
            }
            Some(_) => {
                removed = true;
                Op::Remove
            }
        });
        if removed {
            self.account.release_shared(REPLAY_OVERHEAD);
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
        self.account.reserve(&request.client_id, cost(&request))?;
        let pushed_at = self.clock.now();
        let entry = Entry {
            request: Arc::new(request),
            pushed_at,
            redeem_millis: millis(lifetimes.redeem),
            login_millis: millis(lifetimes.login),
            state: Mutex::default(),
        };
        let (address, gone_at) = (address(reference), entry.gone_at());
        self.requests.insert(address, Arc::new(entry));
        self.due_requests.push(gone_at + GRACE, address);
        Ok(())
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        let Some(entry) = self.requests.get(&address(reference)) else {
            return Ok(Start::Unknown);
        };
        Ok(entry.start(visit, self.clock.now()))
    }

    async fn undo_start(
        &self,
        reference: &Reference,
        caller: CallerToken,
    ) -> Result<(), StoreError> {
        let address = address(reference);
        if let Some(entry) = self.requests.get(&address)
            && entry.undo_start(caller)
        {
            // It may be gone sooner than was thought when it was last looked at.
            self.due_requests.push(entry.gone_at() + GRACE, address);
        }
        Ok(())
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        let now = self.clock.now();
        let entry = self.requests.get(&address(reference));
        Ok(entry.filter(|entry| now < entry.gone_at()).map(|entry| Held {
            request: Arc::clone(&entry.request),
            now,
            spent: entry.state().spent,
        }))
    }

    async fn put_continuation(
        &self,
        reference: &Reference,
        flow: FlowId,
        handle: &Reference,
        continuation: Continuation,
    ) -> Result<(), StoreError> {
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
        let held = self.read(reference).await?;
        let entry = self.requests.get(&address(reference));
        let found = entry.and_then(|entry| entry.state().continuation(flow, handle));
        Ok(held.zip(found))
    }

    async fn spend(&self, reference: &Reference, flow: FlowId) -> Result<Spend, StoreError> {
        let entry = self.requests.get(&address(reference));
        Ok(entry.map_or(Spend::Unknown, |entry| entry.spend(flow, self.clock.now())))
    }

    async fn first_use(&self, key: ReplayKey, until: Timestamp) -> Result<bool, StoreError> {
        self.account.reserve_shared(REPLAY_OVERHEAD)?;
        let now = self.clock.now();
        let (mut first, mut known) = (true, false);
        self.replays.entry(key).and_upsert_with(|seen| {
            let seen = seen.map(|entry| *entry.value());
            known = seen.is_some();
            first = seen.is_none_or(|seen| seen <= now);
            seen.filter(|_| !first).map_or(until, |seen| seen.max(until))
        });
        if known {
            // Its place is paid for, and it is due already.
            self.account.release_shared(REPLAY_OVERHEAD);
        } else {
            self.due_replays.push(until, key);
        }
        Ok(first)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.account.usage()
    }
}

/// One request and what has become of it. Kept small: there may be a million.
#[derive(Debug)]
struct Entry {
    request: Arc<PushedRequest>,
    pushed_at: Timestamp,
    redeem_millis: u32,
    login_millis: u32,
    /// `None` until something happens: most requests wait, and then they are gone.
    state: Mutex<Option<Box<State>>>,
}

#[derive(Debug, Default)]
struct State {
    starts: u32,
    last_caller: Option<CallerToken>,
    started_at: Option<Timestamp>,
    spent: Option<(FlowId, Timestamp)>,
    continuations: Vec<Kept>,
    /// Its room was given back: nothing may be added.
    gone: bool,
}

impl State {
    fn continuation(&self, flow: FlowId, handle: &Reference) -> Option<Arc<Continuation>> {
        let mut all = self.continuations.iter();
        let found = all.find(|kept| kept.flow == flow && kept.handle == *handle);
        found.map(|kept| Arc::clone(&kept.continuation))
    }
}

/// A continuation that is kept with its request.
#[derive(Debug)]
struct Kept {
    flow: FlowId,
    handle: Reference,
    continuation: Arc<Continuation>,
}

impl Kept {
    fn cost(&self) -> u64 {
        CONTINUATION_OVERHEAD
            + (self.continuation.path.len() + self.continuation.query.len()) as u64
    }
}

impl Entry {
    fn state(&self) -> MappedMutexGuard<'_, State> {
        MutexGuard::map(self.state.lock(), |state| &mut **state.get_or_insert_default())
    }

    fn start(&self, visit: Visit<'_>, now: Timestamp) -> Start {
        if *self.request.client_id != *visit.client_id {
            return Start::OtherClient;
        }
        let mut state = self.state();
        if state.spent.is_some() {
            return Start::Spent;
        }
        let repeated = state.last_caller == Some(visit.caller);
        if visit.starts == Starts::Once && state.starts > 0 && !repeated {
            return Start::Taken;
        }
        if now >= self.redeem_by() {
            return Start::Expired;
        }
        if !repeated {
            state.starts = state.starts.saturating_add(1);
        }
        state.last_caller = Some(visit.caller);
        state.started_at = Some(now);
        let age = now.since(self.pushed_at);
        let request = Arc::clone(&self.request);
        Start::Started { request, at: now, age }
    }

    /// Whether the start was taken back.
    fn undo_start(&self, caller: CallerToken) -> bool {
        let mut state = self.state();
        let only = state.starts == 1 && state.last_caller == Some(caller) && state.spent.is_none();
        if only {
            state.starts = 0;
            state.last_caller = None;
            state.started_at = None;
        }
        only
    }

    fn spend(&self, flow: FlowId, now: Timestamp) -> Spend {
        let mut state = self.state();
        match state.spent {
            None => {
                state.spent = Some((flow, now));
                Spend::Spent
            }
            Some((by, at)) if by == flow && now.since(at) < REPEAT_WINDOW => Spend::Repeated,
            Some(_) => Spend::AlreadySpent,
        }
    }

    fn redeem_by(&self) -> Timestamp {
        self.pushed_at + Duration::from_millis(self.redeem_millis.into())
    }

    /// From when on nothing can come of it: a spent request is kept as long as any of its flows
    /// could still complete, so that a second completion is recognised and refused.
    fn gone_at(&self) -> Timestamp {
        match self.state.lock().as_ref().and_then(|state| state.started_at) {
            None => self.redeem_by(),
            Some(started_at) => started_at + Duration::from_millis(self.login_millis.into()),
        }
    }
}

fn cost(request: &PushedRequest) -> u64 {
    REQUEST_OVERHEAD + request.query.len() as u64
}

/// Up to 49 days.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// References are not kept: half a digest is all that leads to an entry.
type Address = [u8; 16];

fn address(reference: &Reference) -> Address {
    let whole = digest(&SHA256, reference.as_bytes());
    whole.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
