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
    let request = PushedRequest { client_id: "a".into(), query: "x=1".into(), flow_key: [0; 32] };
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
