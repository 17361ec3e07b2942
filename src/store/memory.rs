//! The store of a single replica: moka holds the entries and collects the expired ones, our own
//! account of bytes bounds it. moka has no capacity of its own, so it never evicts what is alive.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::{
    CallerToken, FlowId, Held, Lifetimes, PushedRequest, REPEAT_WINDOW, ReplayKey, Spend, Start,
    Starts, Store, StoreError, Usage, Visit,
};
use crate::clock::{Clock, Timestamp};
use crate::oauth::request_uri::Reference;

/// Bytes a request costs beside its query: key, entry, and moka's own nodes, as measured over a
/// million entries (`docs/performance.md`).
const REQUEST_OVERHEAD: u64 = 560;

/// Bytes a remembered single-use token costs.
const REPLAY_OVERHEAD: u64 = 400;

/// No client may hold more than this part of the room.
const CLIENT_SHARE: u64 = 4;

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
            released: AtomicBool::new(false),
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
    /// Its room was given back: an entry that is collected while a start puts it in again would
    /// be counted off twice.
    released: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    starts: u32,
    last_caller: Option<CallerToken>,
    started_at: Option<Timestamp>,
    spent: Option<(FlowId, Timestamp)>,
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
            *state = State::default();
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
            if cause != RemovalCause::Replaced && !entry.released.swap(true, Ordering::Relaxed) {
                account.release(&entry.request.client_id, entry.cost);
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

/// Who holds how much of the room.
#[derive(Debug)]
struct Account {
    max_bytes: u64,
    bytes: AtomicU64,
    requests: AtomicU64,
    by_client: Mutex<HashMap<Arc<str>, u64>>,
}

impl Account {
    fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            by_client: Mutex::default(),
        }
    }

    fn reserve(&self, client_id: &Arc<str>, cost: u64) -> Result<(), StoreError> {
        self.reserve_shared(cost)?;
        let mut by_client = self.by_client.lock();
        let held = match by_client.get_mut(client_id) {
            Some(held) => held,
            None => by_client.entry(Arc::clone(client_id)).or_default(),
        };
        if *held + cost > self.max_bytes / CLIENT_SHARE {
            drop(by_client);
            self.release_shared(cost);
            return Err(StoreError::ClientShareFull);
        }
        *held += cost;
        drop(by_client);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn release(&self, client_id: &Arc<str>, cost: u64) {
        let mut by_client = self.by_client.lock();
        if let Some(held) = by_client.get_mut(client_id) {
            *held = held.saturating_sub(cost);
            if *held == 0 {
                by_client.remove(client_id);
            }
        }
        drop(by_client);
        self.release_shared(cost);
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    fn reserve_shared(&self, cost: u64) -> Result<(), StoreError> {
        let before = self.bytes.fetch_add(cost, Ordering::Relaxed);
        if before + cost > self.max_bytes {
            self.release_shared(cost);
            return Err(StoreError::Full);
        }
        Ok(())
    }

    fn release_shared(&self, cost: u64) {
        self.bytes.fetch_sub(cost, Ordering::Relaxed);
    }

    fn usage(&self) -> Usage {
        Usage {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const LIFETIMES: Lifetimes =
        Lifetimes { redeem: Duration::from_secs(60), login: Duration::from_secs(1800) };

    fn store() -> (MemoryStore, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(START));
        (MemoryStore::new(1 << 20, Arc::<ManualClock>::clone(&clock)), clock)
    }

    async fn put(store: &MemoryStore) -> Reference {
        let reference = Reference::from_bytes([1; 32]);
        let request =
            PushedRequest { client_id: "a".into(), query: "x=1".into(), flow_key: [0; 32] };
        store.put(&reference, request, LIFETIMES).await.unwrap();
        reference
    }

    #[tokio::test]
    async fn b161_a_second_browser_has_the_whole_login_time_too() {
        let (mut store, clock) = store();
        let asked = Arc::new(Mutex::new(Vec::new()));
        store.requests = Cache::builder()
            .expire_after(Watched(Arc::clone(&asked), Garbage { clock: Arc::clone(&store.clock) }))
            .build();
        let reference = put(&store).await;
        for caller in [1, 2] {
            clock.advance(Duration::from_secs(20));
            let caller = CallerToken([caller; 12]);
            let visit = Visit { client_id: "a", caller, starts: Starts::Many };
            let start = store.start(&reference, visit).await.unwrap();
            assert!(matches!(start, Start::Started { .. }), "{start:?}");
        }
        let whole = LIFETIMES.login + GRACE;
        assert_eq!(*asked.lock(), [whole, whole], "what moka was told at each start");
    }

    /// Notes how long an entry shall live from now on.
    struct Watched(Arc<Mutex<Vec<Duration>>>, Garbage);

    impl Expiry<[u8; 32], Arc<Entry>> for Watched {
        fn expire_after_update(
            &self,
            key: &[u8; 32],
            entry: &Arc<Entry>,
            now: Instant,
            left: Option<Duration>,
        ) -> Option<Duration> {
            let lives = self.1.expire_after_update(key, entry, now, left);
            self.0.lock().extend(lives);
            lives
        }
    }

    #[tokio::test]
    async fn room_is_given_back_once_even_where_a_collected_entry_is_put_in_again() {
        let (store, _clock) = store();
        let reference = put(&store).await;
        let entry = store.requests.get(&address(&reference)).unwrap();
        for _ in 0..2 {
            store.requests.invalidate(&address(&reference));
            store.tidy();
            assert_eq!(store.usage(), Usage { requests: 0, bytes: 0 });
            store.requests.insert(address(&reference), Arc::clone(&entry));
        }
    }

    #[tokio::test]
    async fn a_token_that_comes_again_after_its_time_takes_no_second_room() {
        let (store, clock) = store();
        for _ in 0..5 {
            let until = clock.now() + Duration::from_secs(60);
            assert!(store.first_use(ReplayKey([1; 32]), until).await.unwrap());
            assert!(!store.first_use(ReplayKey([1; 32]), until).await.unwrap());
            clock.advance(Duration::from_secs(60));
        }
        assert_eq!(store.usage().bytes, REPLAY_OVERHEAD);
    }
}
