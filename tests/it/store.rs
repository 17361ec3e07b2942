//! One suite for every store: what `parapet::store::Store` promises.

use std::sync::Arc;
use std::time::Duration;

use parapet::clock::{Clock as _, ManualClock, SystemClock, Timestamp};
use parapet::config::store::{self as config, RedisPassword, RedisServers};
use parapet::oauth::request_uri::Reference;
use parapet::store::{
    CallerToken, Completion, Continuation, FlowId, IndexKey, Lifetimes, MemoryStore, Outcome,
    PushedRequest, RedisStore, ReplayKey, Spend, Start, Starts, Store, StoreError, Visit,
};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::bench::completion;
use crate::support::redis::{Make, Redis};

const LIFETIMES: Lifetimes =
    Lifetimes { redeem: Duration::from_secs(60), login: Duration::from_secs(1800) };

/// When the tests begin.
const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A store and the clock it is judged by.
struct Bench {
    store: Arc<dyn Store>,
    memory: Option<Arc<MemoryStore>>,
    clock: Arc<ManualClock>,
    /// Time by which a request may be kept longer than was asked for.
    spare: Duration,
    /// The same for a single-use token.
    remembered: Duration,
    server: Option<Redis>,
    _keeping: Option<Keeping>,
}

impl Bench {
    /// Gives the room of what is over back, where a store does that by itself from time to time.
    fn tidy(&self) {
        if let Some(memory) = &self.memory {
            memory.tidy();
        }
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        if let Some(server) = &self.server {
            server.set_clock(self.clock.now().as_millis());
        }
    }
}

/// Ends the keeper of a connection.
struct Keeping(JoinHandle<()>);

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn memory(max_bytes: u64) -> Bench {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let store = Arc::new(MemoryStore::new(max_bytes, clock.clone()));
    let (spare, remembered) = (Duration::ZERO, Duration::ZERO);
    let memory = Some(Arc::clone(&store));
    Bench { store, memory, clock, spare, remembered, server: None, _keeping: None }
}

/// Redis's clock is moved by the test; the gateway's own runs, and is an hour behind.
async fn redis(make: Make) -> Bench {
    let server = Redis::start_at(make, BEGIN.as_millis()).await;
    let (servers, database, _) = RedisServers::parse(&server.url()).unwrap();
    let timeout = Duration::from_secs(10);
    let password = RedisPassword::None;
    let (tls, username, wait) = (None, None, None);
    let config = config::Redis { servers, database, tls, username, password, timeout, wait };
    let ours = Arc::new(SystemClock::start());
    let (store, keeper) = RedisStore::new(config, "https://i.example", ours);
    let (stop, stopped) = watch::channel(false);
    let keeping = tokio::spawn(async move {
        keeper.keep(stopped).await;
        drop(stop);
    });
    Bench {
        store: Arc::new(store.bounded(1 << 20)),
        memory: None,
        clock: Arc::new(ManualClock::at(BEGIN)),
        spare: Duration::from_secs(2),
        remembered: Duration::from_millis(10_001),
        server: Some(server),
        _keeping: Some(Keeping(keeping)),
    }
}

/// Every store there is, empty.
async fn benches() -> [Bench; 4] {
    let redis = async |make| redis(make).await;
    let all = tokio::join!(redis(Make::Installed), redis(Make::Redis62), redis(Make::Valkey));
    [memory(1 << 20), all.0, all.1, all.2]
}

fn reference(byte: u8) -> Reference {
    Reference::from_bytes([byte; 32])
}

fn pushed(client_id: &str) -> PushedRequest {
    PushedRequest {
        client_id: client_id.into(),
        query: "client_id=a&state=s".into(),
        flow_key: [1; 32],
        index: None,
    }
}

fn visit(caller: u8, starts: Starts) -> Visit<'static> {
    let (flow, caller) = (FlowId([caller; 12]), CallerToken([caller; 12]));
    Visit { client_id: "a", flow, caller, starts }
}

const FLOW: FlowId = FlowId([1; 12]);
const OTHER_FLOW: FlowId = FlowId([2; 12]);

async fn put(bench: &Bench, reference: &Reference) {
    bench.store.put(reference, pushed("a"), LIFETIMES).await.unwrap();
}

async fn start(bench: &Bench, reference: &Reference, visit: Visit<'_>) -> &'static str {
    match bench.store.start(reference, visit).await.unwrap() {
        Start::Started { request, .. } => {
            assert_eq!(&*request.query, "client_id=a&state=s");
            "started"
        }
        Start::Unknown => "unknown",
        Start::Expired => "expired",
        Start::Spent => "spent",
        Start::OtherClient => "other client",
        Start::Taken => "taken",
    }
}

#[tokio::test]
async fn what_was_put_is_started_with_its_parameters() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        bench.advance(Duration::from_secs(3));
        match bench.store.start(&reference(1), visit(1, Starts::Many)).await.unwrap() {
            Start::Started { request, at, age } => {
                assert_eq!(&*request.client_id, "a");
                assert_eq!(at, bench.clock.now());
                assert_eq!(age, Duration::from_secs(3));
            }
            other @ (Start::Unknown
            | Start::Expired
            | Start::Spent
            | Start::OtherClient
            | Start::Taken) => panic!("{other:?}"),
        }
        assert_eq!(start(&bench, &reference(2), visit(1, Starts::Many)).await, "unknown");
    }
}

#[tokio::test]
async fn b159_b160_the_redeem_by_time_is_kept_to_the_millisecond() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        bench.advance(Duration::from_millis(59_999));
        assert_eq!(start(&bench, &reference(1), visit(1, Starts::Many)).await, "started");
        put(&bench, &reference(2)).await;
        bench.advance(Duration::from_secs(60) + bench.spare);
        assert_eq!(start(&bench, &reference(2), visit(1, Starts::Many)).await, "expired");
        assert!(bench.store.read(&reference(2)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn b161_a_started_request_is_held_for_the_login() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        bench.advance(Duration::from_secs(1799));
        assert!(bench.store.read(&reference(1)).await.unwrap().is_some());
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Many)).await, "expired");
        assert_eq!(bench.store.spend(&reference(1), completion(FLOW)).await.unwrap(), Spend::Spent);
        bench.advance(Duration::from_secs(1));
        assert!(bench.store.read(&reference(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn b137_b167_another_client_changes_nothing() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        let stranger = Visit { client_id: "b", ..visit(1, Starts::Once) };
        assert_eq!(start(&bench, &reference(1), stranger).await, "other client");
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Once)).await, "started");
    }
}

#[tokio::test]
async fn starts_once_means_once_but_a_repeated_call_gets_its_own_answer() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        assert_eq!(start(&bench, &reference(1), visit(1, Starts::Once)).await, "started");
        assert_eq!(start(&bench, &reference(1), visit(1, Starts::Once)).await, "started");
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Once)).await, "taken");
    }
}

#[tokio::test]
async fn an_undone_start_leaves_the_request_as_it_was() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Once)).await;
        bench.store.undo_start(&reference(1), CallerToken([9; 12])).await.unwrap();
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Once)).await, "taken");
        bench.store.undo_start(&reference(1), CallerToken([1; 12])).await.unwrap();
        bench.store.undo_start(&reference(1), CallerToken([1; 12])).await.unwrap();
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Once)).await, "started");
        bench.advance(Duration::from_secs(60));
        assert!(bench.store.read(&reference(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn one_of_two_starts_is_not_undone() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        start(&bench, &reference(1), visit(2, Starts::Many)).await;
        bench.store.undo_start(&reference(1), CallerToken([2; 12])).await.unwrap();
        bench.advance(Duration::from_secs(61));
        assert!(bench.store.read(&reference(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn b164_spent_is_spent_but_for_a_repetition_by_the_same_flow() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        assert_eq!(bench.store.spend(&reference(1), completion(FLOW)).await.unwrap(), Spend::Spent);
        assert_eq!(
            bench.store.spend(&reference(1), completion(FLOW)).await.unwrap(),
            Spend::Repeated
        );
        assert_eq!(
            bench.store.spend(&reference(1), completion(OTHER_FLOW)).await.unwrap(),
            Spend::AlreadySpent
        );
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Many)).await, "spent");
        bench.advance(Duration::from_secs(10));
        assert_eq!(
            bench.store.spend(&reference(1), completion(FLOW)).await.unwrap(),
            Spend::AlreadySpent
        );
        let held = bench.store.read(&reference(1)).await.unwrap().unwrap();
        assert_eq!(held.spent.map(|spent| spent.flow), Some(FLOW));
        assert_eq!(
            bench.store.spend(&reference(9), completion(FLOW)).await.unwrap(),
            Spend::Unknown
        );
    }
}

#[tokio::test]
async fn b296_another_outcome_is_no_repetition() {
    for bench in benches().await {
        for (byte, first, second) in
            [(1, Outcome::Code, Outcome::Error), (2, Outcome::Error, Outcome::Code)]
        {
            put(&bench, &reference(byte)).await;
            start(&bench, &reference(byte), visit(1, Starts::Many)).await;
            let complete = |outcome| {
                let completion = Completion { outcome, ..completion(FLOW) };
                let store = Arc::clone(&bench.store);
                async move { store.spend(&reference(byte), completion).await.unwrap() }
            };
            assert_eq!(complete(first).await, Spend::Spent);
            assert_eq!(complete(first).await, Spend::Repeated);
            assert_eq!(complete(second).await, Spend::AlreadySpent);
            let held = bench.store.read(&reference(byte)).await.unwrap().unwrap();
            assert_eq!(held.spent.map(|spent| spent.outcome), Some(first));
        }
    }
}

#[tokio::test]
async fn b260_a_tombstone_is_what_stays_of_a_spent_request() {
    for bench in benches().await {
        put_indexed(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        let mut request = pushed("a");
        request.index = Some(key());
        let completion = Completion { flow: FLOW, outcome: Outcome::Code, request: &request };
        assert_eq!(bench.store.spend(&reference(1), completion).await.unwrap(), Spend::Spent);
        let held = bench.store.read(&reference(1)).await.unwrap().unwrap();
        assert!(!held.is_tombstone());
        bench.advance(Duration::from_secs(11));
        bench.tidy();
        let held = bench.store.read(&reference(1)).await.unwrap().unwrap();
        assert!(held.is_tombstone() && held.spent.is_some());
        assert_eq!((&*held.request.client_id, held.request.index), ("a", Some(key())));
        let found = bench.store.find(&key()).await.unwrap().unwrap();
        assert!(found.reference == reference(1) && found.held.is_tombstone());
        let again = bench.store.spend(&reference(1), completion).await.unwrap();
        assert_eq!(again, Spend::AlreadySpent);
        assert_eq!(start(&bench, &reference(1), visit(2, Starts::Many)).await, "spent");
        bench.advance(LIFETIMES.login + bench.spare);
        assert!(bench.store.read(&reference(1)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn b258_the_ninth_login_of_a_request_takes_the_place_of_the_first() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        for number in 1..=9 {
            start(&bench, &reference(1), visit(number, Starts::Many)).await;
            // A repeated call begins no other login.
            start(&bench, &reference(1), visit(number, Starts::Many)).await;
            let continuation = Continuation { path: "/a".into(), query: "q".into() };
            let (request, handle) = (reference(1), reference(100 + number));
            let flow = FlowId([number; 12]);
            bench.store.put_continuation(&request, flow, &handle, continuation).await.unwrap();
        }
        let held = bench.store.read(&reference(1)).await.unwrap().unwrap();
        let expected: Vec<_> = (2..=9).map(|number| FlowId([number; 12])).collect();
        assert_eq!(held.logins, expected);
        let kept = async |number: u8| {
            let (flow, handle) = (FlowId([number; 12]), reference(100 + number));
            bench.store.continuation(&reference(1), flow, &handle).await.unwrap().is_some()
        };
        assert!(!kept(1).await && kept(2).await && kept(9).await);
    }
}

#[tokio::test]
async fn b258_b259_b261_a_client_has_its_share_in_every_store() {
    for bench in benches().await {
        bench.store.expect_clients(2);
        let large = |number: u16, client_id: &str| {
            let mut bytes = [7; 32];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            let mut request = pushed(client_id);
            request.query = "q".repeat(16_000).into();
            let store = Arc::clone(&bench.store);
            async move { store.put(&Reference::from_bytes(bytes), request, LIFETIMES).await }
        };
        let mut number = 0;
        while large(number, "a").await.is_ok() {
            number += 1;
        }
        // Half of a mebibyte, by requests of 16 KiB and what they cost beside.
        assert!((20..=33).contains(&number), "{number}");
        assert_eq!(large(number, "a").await, Err(StoreError::ClientShareFull));
        let until = bench.clock.wall() + Duration::from_secs(60);
        let mut tokens = 0_u16;
        let token = |number: u16| {
            let mut key = [3; 32];
            key[..2].copy_from_slice(&number.to_be_bytes());
            let store = Arc::clone(&bench.store);
            async move { store.first_use(ReplayKey(key), until, &"a".into()).await }
        };
        while tokens < 1000 && token(tokens).await.is_ok() {
            tokens += 1;
        }
        assert!(tokens < 200, "{tokens}: tokens are on the same account");
        assert_eq!(large(1000, "b").await, Ok(()), "another client goes on");
        // Room comes back when requests expire, and by completions after the repeat window.
        bench.advance(Duration::from_secs(300));
        bench.tidy();
        for round in 0..100 {
            let byte = 50 + u8::try_from(round % 100).unwrap();
            let mut request = pushed("a");
            request.query = "q".repeat(16_000).into();
            bench.store.put(&reference(byte), request, LIFETIMES).await.unwrap();
            let begun = bench.store.start(&reference(byte), visit(1, Starts::Many)).await.unwrap();
            assert!(matches!(begun, Start::Started { .. }));
            let spent = bench.store.spend(&reference(byte), completion(FLOW)).await.unwrap();
            assert_eq!(spent, Spend::Spent);
            bench.advance(Duration::from_secs(1));
            bench.tidy();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b168_of_many_completions_one_wins() {
    for bench in benches().await {
        for round in 0..50 {
            put(&bench, &reference(round)).await;
            start(&bench, &reference(round), visit(1, Starts::Many)).await;
            let tasks: Vec<_> = (0..8)
                .map(|flow| {
                    let store = Arc::clone(&bench.store);
                    tokio::spawn(async move {
                        store.spend(&reference(round), completion(FlowId([flow; 12]))).await
                    })
                })
                .collect();
            let mut winners = 0;
            for task in tasks {
                winners += usize::from(task.await.unwrap().unwrap() == Spend::Spent);
            }
            assert_eq!(winners, 1);
        }
    }
}

#[tokio::test]
async fn b070_a_token_is_used_once_until_it_expires() {
    for bench in benches().await {
        let until = bench.clock.wall() + Duration::from_secs(30);
        let key = ReplayKey([1; 32]);
        assert!(bench.store.first_use(key, until, &"a".into()).await.unwrap());
        assert!(!bench.store.first_use(key, until, &"a".into()).await.unwrap());
        assert!(bench.store.first_use(ReplayKey([2; 32]), until, &"a".into()).await.unwrap());
        bench.advance(Duration::from_secs(30) + bench.remembered);
        assert!(
            bench
                .store
                .first_use(key, bench.clock.wall() + Duration::from_secs(30), &"a".into())
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn b128_a_full_store_refuses_and_keeps_every_promise() {
    let bench = memory(256 * 1024);
    let mut kept = Vec::new();
    let mut refused = 0;
    for client in 0..8 {
        for number in 0..120 {
            let mut bytes = [client; 32];
            bytes[0] = number;
            let reference = Reference::from_bytes(bytes);
            let request =
                PushedRequest { client_id: format!("client-{client}").into(), ..pushed("") };
            match bench.store.put(&reference, request, LIFETIMES).await {
                Ok(()) => kept.push((client, reference)),
                Err(StoreError::Full | StoreError::ClientShareFull) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(kept.len() > 300 && refused > 300, "{} kept, {refused} refused", kept.len());
    assert_eq!(bench.store.usage().requests, kept.len() as u64);
    for (client, reference) in kept {
        let client_id = format!("client-{client}");
        let visit = Visit { client_id: &client_id, ..visit(1, Starts::Many) };
        let start = bench.store.start(&reference, visit).await.unwrap();
        assert!(matches!(start, Start::Started { .. }), "{start:?}");
    }
}

#[tokio::test]
async fn b220_one_client_cannot_take_all_the_room() {
    let bench = memory(256 * 1024);
    let mut number = 0_u8;
    let error = loop {
        let mut bytes = [7; 32];
        bytes[0] = number;
        number += 1;
        let reference = Reference::from_bytes(bytes);
        if let Err(error) = bench.store.put(&reference, pushed("greedy"), LIFETIMES).await {
            break error;
        }
    };
    assert_eq!(error, StoreError::ClientShareFull);
    assert!(bench.store.usage().bytes <= 64 * 1024);
    bench.store.put(&reference(200), pushed("modest"), LIFETIMES).await.unwrap();
}

#[tokio::test]
async fn b171_expired_requests_give_their_room_back() {
    let clock = Arc::new(SystemClock::start());
    let store = MemoryStore::new(1 << 20, clock);
    let short = Lifetimes { redeem: Duration::from_millis(1), login: Duration::from_millis(1) };
    for number in 0..100 {
        store.put(&reference(number), pushed("a"), short).await.unwrap();
    }
    assert_eq!(store.usage().requests, 100);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while store.usage().requests > 0 {
        assert!(std::time::Instant::now() < deadline, "{:?}", store.usage());
        store.tidy();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.usage().bytes, 0);
}

fn key() -> IndexKey {
    IndexKey::new("https://i.example", "a", "s", "https://c.example/cb")
}

async fn put_indexed(bench: &Bench, reference: &Reference) {
    let request = PushedRequest { index: Some(key()), ..pushed("a") };
    bench.store.put(reference, request, LIFETIMES).await.unwrap();
}

/// Which request is found, by which flow and start.
async fn found(bench: &Bench) -> Option<(Reference, FlowId, u32)> {
    let found = bench.store.find(&key()).await.unwrap()?;
    assert_eq!(&*found.held.request.query, "client_id=a&state=s");
    Some((found.reference, found.flow, found.starts))
}

#[tokio::test]
async fn the_index_finds_what_is_started_and_nothing_else() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        put_indexed(&bench, &reference(2)).await;
        assert_eq!(found(&bench).await, None, "one without a key, one that nobody started");
        let stranger = Visit { client_id: "b", ..visit(1, Starts::Many) };
        assert_eq!(start(&bench, &reference(2), stranger).await, "other client");
        assert_eq!(found(&bench).await, None);
        bench.advance(Duration::from_secs(1));
        start(&bench, &reference(2), visit(1, Starts::Many)).await;
        assert_eq!(found(&bench).await, Some((reference(2), FlowId([1; 12]), 1)));
        let started_at = bench.clock.now();
        bench.advance(Duration::from_secs(1));
        start(&bench, &reference(2), visit(2, Starts::Many)).await;
        assert_eq!(found(&bench).await, Some((reference(2), FlowId([2; 12]), 2)));
        let later = bench.store.find(&key()).await.unwrap().unwrap();
        assert_eq!(later.started_at, started_at + Duration::from_secs(1));
        let other = IndexKey::new("https://i.example", "a", "t", "https://c.example/cb");
        assert!(bench.store.find(&other).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_two_requests_under_one_key_the_one_started_last_is_found() {
    for bench in benches().await {
        for number in [1, 2, 3] {
            put_indexed(&bench, &reference(number)).await;
        }
        start(&bench, &reference(2), visit(2, Starts::Many)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        assert_eq!(found(&bench).await.unwrap().0, reference(1));
        bench.advance(Duration::from_secs(10));
        start(&bench, &reference(2), visit(3, Starts::Many)).await;
        assert_eq!(found(&bench).await, Some((reference(2), FlowId([3; 12]), 2)));
        // The end of the earlier one is not the end of the later.
        bench.advance(Duration::from_secs(1795));
        assert_eq!(found(&bench).await.unwrap().0, reference(2));
        bench.advance(Duration::from_secs(5));
        assert_eq!(found(&bench).await, None);
    }
}

#[tokio::test]
async fn what_is_spent_is_found_as_spent_until_it_is_gone() {
    for bench in benches().await {
        put_indexed(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        bench.store.spend(&reference(1), completion(FLOW)).await.unwrap();
        let found = bench.store.find(&key()).await.unwrap().unwrap();
        assert_eq!(found.held.spent.map(|spent| spent.flow), Some(FLOW));
        bench.advance(Duration::from_secs(1800));
        assert!(bench.store.find(&key()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_undone_start_is_not_found() {
    for bench in benches().await {
        put_indexed(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        bench.store.undo_start(&reference(1), CallerToken([1; 12])).await.unwrap();
        assert_eq!(found(&bench).await, None);
        start(&bench, &reference(1), visit(2, Starts::Many)).await;
        assert_eq!(found(&bench).await, Some((reference(1), FlowId([2; 12]), 1)));
        bench.store.undo_start(&reference(1), CallerToken([1; 12])).await.unwrap();
        assert!(found(&bench).await.is_some(), "another call's start stands");
    }
}

#[tokio::test]
async fn b301_a_login_keeps_its_newest_continuations() {
    for bench in benches().await {
        put(&bench, &reference(1)).await;
        start(&bench, &reference(1), visit(1, Starts::Many)).await;
        let put = |number: u8, flow: FlowId| {
            let query = format!("q={number}").into();
            let continuation = Continuation { path: "/a".into(), query };
            let store = Arc::clone(&bench.store);
            async move {
                let (request, handle) = (reference(1), reference(number));
                store.put_continuation(&request, flow, &handle, continuation).await
            }
        };
        for number in 100..116 {
            put(number, FLOW).await.unwrap();
            put(number, FLOW).await.unwrap();
        }
        assert_eq!(put(116, OTHER_FLOW).await, Err(StoreError::Gone), "there is no such login");
        start(&bench, &reference(1), visit(2, Starts::Many)).await;
        put(116, OTHER_FLOW).await.unwrap();
        let get = |number: u8, flow: FlowId| {
            let store = Arc::clone(&bench.store);
            async move { store.continuation(&reference(1), flow, &reference(number)).await.unwrap() }
        };
        let (held, continuation) = get(103, FLOW).await.unwrap();
        assert_eq!((&*continuation.path, &*continuation.query), ("/a", "q=103"));
        assert_eq!(&*held.request.client_id, "a");
        assert!(get(103, OTHER_FLOW).await.is_none());
        assert!(get(117, FLOW).await.is_none());
        for number in 117..200 {
            put(number, FLOW).await.unwrap();
            for newest in (number - 7).max(117)..=number {
                assert!(get(newest, FLOW).await.is_some(), "{newest} of {number}");
            }
        }
        assert!(get(103, FLOW).await.is_none() && get(183, FLOW).await.is_none());
        assert!(get(184, FLOW).await.is_some() && get(116, OTHER_FLOW).await.is_some());
        bench.advance(LIFETIMES.login);
        assert!(get(199, FLOW).await.is_none());
    }
}
