use super::*;
use crate::clock::ManualClock;
use crate::store::Starts;

const START: Timestamp = Timestamp::from_millis(1_000_000);
const LIFETIMES: Lifetimes =
    Lifetimes { redeem: Duration::from_secs(60), login: Duration::from_secs(1800) };

fn store() -> (MemoryStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START));
    (MemoryStore::new(1 << 20, Arc::<ManualClock>::clone(&clock)), clock)
}

async fn put(store: &MemoryStore) -> Reference {
    let reference = Reference::from_bytes([1; 32]);
    let request = PushedRequest {
        client_id: "a".into(),
        query: "x=1".into(),
        flow_key: [0; 32],
        index: None,
    };
    store.put(&reference, request, LIFETIMES).await.unwrap();
    reference
}

async fn start(store: &MemoryStore, reference: &Reference, caller: u8) {
    let caller = CallerToken([caller; 12]);
    let visit =
        Visit { client_id: "a", flow: FlowId([caller.0[0]; 12]), caller, starts: Starts::Many };
    let start = store.start(reference, visit).await.unwrap();
    assert!(matches!(start, Start::Started { .. }), "{start:?}");
}

#[tokio::test]
async fn b161_a_second_browser_has_the_whole_login_time_too() {
    let (store, clock) = store();
    let reference = put(&store).await;
    for caller in [1, 2] {
        clock.advance(Duration::from_secs(20));
        start(&store, &reference, caller).await;
    }
    // The first browser's time is over, the second one's is not.
    clock.advance(Duration::from_secs(1790));
    store.tidy();
    assert!(store.read(&reference).await.unwrap().is_some());
    clock.advance(Duration::from_secs(10) + GRACE + Duration::from_secs(1));
    store.tidy();
    assert_eq!(store.usage(), Usage { requests: 0, bytes: 0 });
}

#[tokio::test]
async fn continuations_are_counted_bounded_and_given_back() {
    let (store, clock) = store();
    let reference = put(&store).await;
    start(&store, &reference, 1).await;
    let before = store.usage().bytes;
    let put = |number: u8, flow: u8| {
        let continuation = Continuation { path: "/a".into(), query: "q=1".into() };
        let handle = Reference::from_bytes([number; 32]);
        let store = &store;
        async move {
            store.put_continuation(&reference, FlowId([flow; 12]), &handle, continuation).await
        }
    };
    for number in 0..16 {
        put(number, 1).await.unwrap();
        put(number, 1).await.unwrap();
    }
    assert_eq!(store.usage().bytes, before + 16 * (CONTINUATION_OVERHEAD + 5));
    assert_eq!(put(16, 1).await, Err(StoreError::TooManyContinuations));
    put(16, 2).await.unwrap();
    let handle = Reference::from_bytes([3; 32]);
    let found = store.continuation(&reference, FlowId([1; 12]), &handle).await.unwrap();
    assert_eq!(&*found.unwrap().1.query, "q=1");
    assert!(store.continuation(&reference, FlowId([2; 12]), &handle).await.unwrap().is_none());
    clock.advance(LIFETIMES.login + GRACE + Duration::from_secs(1));
    store.tidy();
    assert_eq!(store.usage(), Usage { requests: 0, bytes: 0 });
    assert_eq!(put(17, 1).await, Err(StoreError::Gone));
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

#[tokio::test]
async fn the_index_is_on_its_requests_account_and_goes_with_it() {
    let (store, clock) = store();
    let key = IndexKey::new("https://i", "a", "s", "https://c/cb");
    let (bare, mut indexed) = (put(&store).await, Vec::new());
    let before = store.usage().bytes;
    for number in [2, 3] {
        let reference = Reference::from_bytes([number; 32]);
        let (query, flow_key) = ("x=1".into(), [0; 32]);
        let request = PushedRequest { client_id: "a".into(), query, flow_key, index: Some(key) };
        store.put(&reference, request, LIFETIMES).await.unwrap();
        indexed.push(reference);
    }
    let full = store.usage().bytes;
    assert_eq!(full, 3 * before + 2 * INDEX_OVERHEAD, "its room is reserved by the push");
    assert_eq!(store.index.len(), 0);
    start(&store, &bare, 1).await;
    for reference in &indexed {
        start(&store, reference, 1).await;
        clock.advance(Duration::from_secs(20));
    }
    assert_eq!((store.index.len(), store.usage().bytes), (1, full));
    // The earlier of the two goes, and leaves the later its place.
    clock.advance(Duration::from_secs(1770));
    store.tidy();
    assert_eq!((store.index.len(), store.usage().requests), (1, 1));
    assert_eq!(store.find(&key).await.unwrap().unwrap().reference, indexed[1]);
    clock.advance(Duration::from_secs(20));
    store.tidy();
    assert_eq!((store.index.len(), store.usage()), (0, Usage { requests: 0, bytes: 0 }));
}
