//! The store of a single replica: moka holds the entries and collects the expired ones, our own
//! account of bytes bounds it. moka has no capacity of its own, so it never evicts what is alive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::account::Account;
use super::{
    CallerToken, Continuation, FlowId, Held, Lifetimes, MOST_CONTINUATIONS, PushedRequest,
    REPEAT_WINDOW, ReplayKey, Spend, Start, Starts, Store, StoreError, Usage, Visit,
};
use crate::clock::{Clock, Timestamp};
use crate::oauth::request_uri::Reference;

/// Bytes a request costs beside its query: key, entry, and moka's own nodes, as measured over a
/// million entries (`docs/performance.md`).
const REQUEST_OVERHEAD: u64 = 560;

/// Bytes a continuation costs beside path and query.
const CONTINUATION_OVERHEAD: u64 = 160;

/// Bytes a remembered single-use token costs.
const REPLAY_OVERHEAD: u64 = 400;

/// moka's clock only collects garbage: entries outlive their judged expiry by this much.
const GRACE: Duration = Duration::from_secs(2);

/// Requests in this process's memory.
#[derive(Debug)]
pub struct MemoryStore {
    requests: Cache<[u8; 32], Arc<Entry>>,
    replays: Cache<ReplayKey, Timestamp>,
    account: Arc<Account>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// A store that refuses pushes above `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        let account = Arc::new(Account::new(max_bytes));
        Self {
            requests: request_cache(Arc::clone(&account), Arc::clone(&clock)),
            replays: replay_cache(Arc::clone(&account), Arc::clone(&clock)),
            account,
            clock,
        }
    }

    /// Collects expired entries. To be called a few times a second from a thread of its own:
    /// otherwise the first request after a pause would pay for all of them.
    pub fn tidy(&self) {
        self.requests.run_pending_tasks();
        self.replays.run_pending_tasks();
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
        let cost = REQUEST_OVERHEAD + request.query.len() as u64;
        self.account.reserve(&request.client_id, cost)?;
        let pushed_at = self.clock.now();
        let entry = Entry {
            request: Arc::new(request),
            cost,
            pushed_at,
            lifetimes,
            state: Mutex::new(State::default()),
        };
        self.requests.insert(address(reference), Arc::new(entry));
        Ok(())
    }

    async fn start(&self, reference: &Reference, visit: Visit<'_>) -> Result<Start, StoreError> {
        let address = address(reference);
        let Some(entry) = self.requests.get(&address) else {
            return Ok(Start::Unknown);
        };
        let now = self.clock.now();
        let answer = entry.start(visit, now);
        if matches!(answer, Start::Started { .. }) {
            // The same entry again: moka asks how long it lives now.
            self.requests.insert(address, entry);
        }
        Ok(answer)
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
            self.requests.insert(address, entry);
        }
        Ok(())
    }

    async fn read(&self, reference: &Reference) -> Result<Option<Held>, StoreError> {
        let now = self.clock.now();
        let entry = self.requests.get(&address(reference));
        Ok(entry.filter(|entry| now < entry.gone_at()).map(|entry| Held {
            request: Arc::clone(&entry.request),
            now,
            spent: entry.state.lock().spent,
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
        let mut state = entry.state.lock();
        if state.gone {
            return Err(StoreError::Gone);
        }
        if state.continuation(flow, handle).is_some() {
            return Ok(());
        }
        if state.continuations.iter().filter(|(of, ..)| *of == flow).count() >= MOST_CONTINUATIONS {
            return Err(StoreError::TooManyContinuations);
        }
        let cost =
            CONTINUATION_OVERHEAD + (continuation.path.len() + continuation.query.len()) as u64;
        self.account.reserve_more(&entry.request.client_id, cost)?;
        state.continuations_cost += cost;
        state.continuations.push((flow, *handle, Arc::new(continuation)));
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
        let found = entry.and_then(|entry| entry.state.lock().continuation(flow, handle));
        Ok(held.zip(found))
    }

    async fn spend(&self, reference: &Reference, flow: FlowId) -> Result<Spend, StoreError> {
        let entry = self.requests.get(&address(reference));
        Ok(entry.map_or(Spend::Unknown, |entry| entry.spend(flow, self.clock.now())))
    }

    async fn first_use(&self, key: ReplayKey, until: Timestamp) -> Result<bool, StoreError> {
        self.account.reserve_shared(REPLAY_OVERHEAD)?;
        let now = self.clock.now();
        let (mut first, mut remembered) = (true, false);
        self.replays.entry(key).and_upsert_with(|seen| match seen {
            Some(seen) if *seen.value() > now => {
                first = false;
                (*seen.value()).max(until)
            }
            Some(_) => {
                // Its time is over but it is not collected yet, so its room is still reserved.
                remembered = true;
                until
            }
            None => until,
        });
        if !first || remembered {
            self.account.release_shared(REPLAY_OVERHEAD);
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

/// One request and what has become of it.
#[derive(Debug)]
struct Entry {
    request: Arc<PushedRequest>,
    cost: u64,
    pushed_at: Timestamp,
    lifetimes: Lifetimes,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    starts: u32,
    last_caller: Option<CallerToken>,
    started_at: Option<Timestamp>,
    spent: Option<(FlowId, Timestamp)>,
    continuations: Vec<(FlowId, Reference, Arc<Continuation>)>,
    continuations_cost: u64,
    /// Its room was given back: nothing may be added.
    gone: bool,
}

impl State {
    fn continuation(&self, flow: FlowId, handle: &Reference) -> Option<Arc<Continuation>> {
        let mut all = self.continuations.iter();
        let found = all.find(|(of, known, _)| *of == flow && known == handle);
        found.map(|(.., continuation)| Arc::clone(continuation))
    }
}

impl Entry {
    fn start(&self, visit: Visit<'_>, now: Timestamp) -> Start {
        if *self.request.client_id != *visit.client_id {
            return Start::OtherClient;
        }
        let mut state = self.state.lock();
        if state.spent.is_some() {
            return Start::Spent;
        }
        let repeated = state.last_caller == Some(visit.caller);
        if visit.starts == Starts::Once && state.starts > 0 && !repeated {
            return Start::Taken;
        }
        if now >= self.pushed_at + self.lifetimes.redeem {
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
        let mut state = self.state.lock();
        let only = state.starts == 1 && state.last_caller == Some(caller) && state.spent.is_none();
        if only {
            state.starts = 0;
            state.last_caller = None;
            state.started_at = None;
        }
        only
    }

    fn spend(&self, flow: FlowId, now: Timestamp) -> Spend {
        let mut state = self.state.lock();
        match state.spent {
            None => {
                state.spent = Some((flow, now));
                Spend::Spent
            }
            Some((by, at)) if by == flow && now.since(at) < REPEAT_WINDOW => Spend::Repeated,
            Some(_) => Spend::AlreadySpent,
        }
    }

    /// From when on nothing can come of it: a spent request is kept as long as any of its flows
    /// could still complete, so that a second completion is recognised and refused.
    fn gone_at(&self) -> Timestamp {
        match self.state.lock().started_at {
            None => self.pushed_at + self.lifetimes.redeem,
            Some(started_at) => started_at + self.lifetimes.login,
        }
    }
}

/// Tells moka when an entry is garbage.
struct Garbage {
    clock: Arc<dyn Clock>,
}

impl Garbage {
    fn after(&self, gone_at: Timestamp) -> Duration {
        gone_at.since(self.clock.now()) + GRACE
    }
}

impl Expiry<[u8; 32], Arc<Entry>> for Garbage {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        entry: &Arc<Entry>,
        _: Instant,
    ) -> Option<Duration> {
        Some(self.after(entry.gone_at()))
    }

    fn expire_after_update(
        &self,
        _: &[u8; 32],
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.after(entry.gone_at()))
    }
}

impl Expiry<ReplayKey, Timestamp> for Garbage {
    fn expire_after_create(
        &self,
        _: &ReplayKey,
        until: &Timestamp,
        _: Instant,
    ) -> Option<Duration> {
        Some(self.after(*until))
    }

    fn expire_after_update(
        &self,
        _: &ReplayKey,
        until: &Timestamp,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(self.after(*until))
    }
}

fn request_cache(account: Arc<Account>, clock: Arc<dyn Clock>) -> Cache<[u8; 32], Arc<Entry>> {
    Cache::builder()
        .expire_after(Garbage { clock })
        .eviction_listener(move |_, entry: Arc<Entry>, cause| {
            let mut state = entry.state.lock();
            if cause != RemovalCause::Replaced && !state.gone {
                state.gone = true;
                account.release(&entry.request.client_id, entry.cost + state.continuations_cost);
            }
        })
        .build()
}

fn replay_cache(account: Arc<Account>, clock: Arc<dyn Clock>) -> Cache<ReplayKey, Timestamp> {
    Cache::builder()
        .expire_after(Garbage { clock })
        .eviction_listener(move |_, _, cause| {
            if cause != RemovalCause::Replaced {
                account.release_shared(REPLAY_OVERHEAD);
            }
        })
        .build()
}

/// References are not kept: a digest is all that leads to an entry.
fn address(reference: &Reference) -> [u8; 32] {
    let mut address = [0; 32];
    address.copy_from_slice(digest(&SHA256, reference.as_bytes()).as_ref());
    address
}

#[cfg(test)]
mod tests;
