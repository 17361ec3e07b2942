use super::*;
use crate::clock::ManualClock;
use crate::store::{Outcome, Starts};

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
    assert_eq!(store.usage().bytes, before + 16 * CONTINUATION_OVERHEAD + 5, "one text, once");
    start(&store, &reference, 2).await;
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
        let until = clock.wall() + Duration::from_secs(60);
        assert!(store.first_use(ReplayKey([1; 32]), until, &"a".into()).await.unwrap());
        assert!(!store.first_use(ReplayKey([1; 32]), until, &"a".into()).await.unwrap());
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

fn completion(request: &PushedRequest) -> Completion<'_> {
    Completion { flow: FlowId([1; 12]), outcome: Outcome::Code, request }
}

#[tokio::test]
async fn b260_a_spent_request_shrinks_to_a_tombstone_after_the_repeat_window() {
    let (store, clock) = store();
    let reference = Reference::from_bytes([7; 32]);
    let key = IndexKey::new("https://i", "a", "s", "https://c/cb");
    let request = || PushedRequest {
        client_id: "a".into(),
        query: "q".repeat(4096).into(),
        flow_key: [0; 32],
        index: Some(key),
    };
    store.put(&reference, request(), LIFETIMES).await.unwrap();
    start(&store, &reference, 1).await;
    let pushed = request();
    assert_eq!(store.spend(&reference, completion(&pushed)).await.unwrap(), Spend::Spent);
    clock.advance(Duration::from_millis(9_999));
    store.tidy();
    assert!(store.usage().bytes > 4096);
    clock.advance(Duration::from_millis(600));
    store.tidy();
    let usage = store.usage();
    assert!((1..=256).contains(&usage.bytes) && usage.requests == 0, "{usage:?}");
    let held = store.read(&reference).await.unwrap().unwrap();
    assert!(held.is_tombstone() && held.spent.is_some() && held.request.index == Some(key));
    assert_eq!(store.spend(&reference, completion(&pushed)).await.unwrap(), Spend::AlreadySpent);
    let found = store.find(&key).await.unwrap().unwrap();
    assert!(found.reference == reference && found.held.is_tombstone());
    let visit = |client_id| Visit {
        client_id,
        flow: FlowId([2; 12]),
        caller: CallerToken([2; 12]),
        starts: Starts::Many,
    };
    assert!(matches!(store.start(&reference, visit("a")).await.unwrap(), Start::Spent));
    assert!(matches!(store.start(&reference, visit("b")).await.unwrap(), Start::OtherClient));
    clock.advance(LIFETIMES.login + GRACE);
    store.tidy();
    assert_eq!(store.usage(), Usage { requests: 0, bytes: 0 });
    assert!(store.read(&reference).await.unwrap().is_none());
    assert!(store.find(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn b260_b261_one_client_completes_500_logins_of_4_kib_a_second() {
    const SECONDS: u64 = 30;
    let clock = Arc::new(ManualClock::at(START));
    let store = MemoryStore::new(256 << 20, Arc::<ManualClock>::clone(&clock));
    store.expect_clients(1);
    let query: Box<str> = "q".repeat(4096).into();
    let client_id: Arc<str> = "a".into();
    for second in 0..SECONDS {
        for number in 0..500_u64 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(second * 500 + number).to_be_bytes());
            let reference = Reference::from_bytes(bytes);
            let index = Some(IndexKey::from_bytes(bytes));
            let (client_id, query) = (Arc::clone(&client_id), query.clone());
            let request = PushedRequest { client_id, query, flow_key: [0; 32], index };
            store.put(&reference, request, LIFETIMES).await.unwrap();
            start(&store, &reference, 1).await;
            let request = PushedRequest {
                client_id: "a".into(),
                query: "q".into(),
                flow_key: [0; 32],
                index,
            };
            assert_eq!(store.spend(&reference, completion(&request)).await, Ok(Spend::Spent));
        }
        clock.advance(Duration::from_secs(1));
        store.tidy();
    }
    // As many requests go as come; tombstones stay for as long as a login may take.
    let tombstones = 500 * (LIFETIMES.login.as_secs() - SECONDS);
    let tomb = Tomb { client_id, index: Some(IndexKey::from_bytes([0; 32])), gone_at: START };
    let bytes = store.usage().bytes + tombstones * tomb.cost();
    assert!(bytes < 256 << 20, "{bytes}");
}

#[tokio::test]
async fn b258_eight_logins_of_one_request_and_what_they_keep_is_bounded() {
    let (store, _clock) = store();
    let reference = put(&store).await;
    start(&store, &reference, 1).await;
    for number in 0..200_u8 {
        start(&store, &reference, number).await;
        // The same request nested in each answer, and one that differs.
        for (handle, query) in [(number, "q=1".to_owned()), (100, format!("q={number}"))] {
            let continuation = Continuation { path: "/a".into(), query: query.into() };
            let handle = Reference::from_bytes([handle; 32]);
            let flow = FlowId([number; 12]);
            store.put_continuation(&reference, flow, &handle, continuation).await.unwrap();
        }
    }
    let held = store.read(&reference).await.unwrap().unwrap();
    assert_eq!(held.logins, (192..200).map(|number| FlowId([number; 12])).collect::<Vec<_>>());
    assert!(store.usage().bytes < REQUEST_OVERHEAD + 17 * (CONTINUATION_OVERHEAD + 8));
    let old = Continuation { path: "/a".into(), query: "q".into() };
    let kept = store.put_continuation(&reference, FlowId([9; 12]), &reference, old).await;
    assert_eq!(kept, Err(StoreError::Gone), "the login gave way");
}

#[tokio::test]
async fn b261_a_clients_share_follows_from_how_many_there_are() {
    for (clients, expected) in [(0, 1), (1, 1), (2, 2), (3, 3), (4, 4), (9, 4)] {
        let clock = Arc::new(ManualClock::at(START));
        let store = MemoryStore::new(1 << 20, Arc::<ManualClock>::clone(&clock));
        store.expect_clients(clients);
        let mut number = 0_u32;
        loop {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            let request = PushedRequest {
                client_id: "a".into(),
                query: "q".repeat(1024).into(),
                flow_key: [0; 32],
                index: None,
            };
            if store.put(&Reference::from_bytes(bytes), request, LIFETIMES).await.is_err() {
                break;
            }
            number += 1;
        }
        let used = store.usage().bytes;
        let share = (1_u64 << 20) / expected;
        assert!(used <= share && used > share - 4096, "{clients} clients: {used} of {share}");
    }
}

#[tokio::test]
async fn b259_what_is_remembered_of_tokens_is_on_the_clients_account() {
    let (store, clock) = store();
    let client: Arc<str> = "a".into();
    let until = clock.wall() + Duration::from_secs(60);
    let mut number = 0_u32;
    let full = loop {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        match store.first_use(ReplayKey(bytes), until, &client).await {
            Ok(first) => assert!(first),
            Err(error) => break error,
        }
        number += 1;
    };
    assert_eq!(full, StoreError::ClientShareFull);
    assert!(store.first_use(ReplayKey([9; 32]), until, &"b".into()).await.unwrap());
    clock.advance(Duration::from_secs(62));
    store.tidy();
    assert!(store.first_use(ReplayKey([8; 32]), until, &client).await.unwrap());
}

#[tokio::test]
async fn b296_a_denial_is_no_repetition_of_a_consent() {
    for (first, second) in [(Outcome::Code, Outcome::Error), (Outcome::Error, Outcome::Code)] {
        let (store, _clock) = store();
        let reference = put(&store).await;
        start(&store, &reference, 1).await;
        let request = store.read(&reference).await.unwrap().unwrap().request;
        let complete = |outcome| {
            let completion = Completion { flow: FlowId([1; 12]), outcome, request: &request };
            store.spend(&reference, completion)
        };
        assert_eq!(complete(first).await.unwrap(), Spend::Spent);
        assert_eq!(complete(first).await.unwrap(), Spend::Repeated);
        assert_eq!(complete(second).await.unwrap(), Spend::AlreadySpent);
    }
}
