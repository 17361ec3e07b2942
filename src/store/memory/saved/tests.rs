use std::sync::LazyLock;
use std::time::Duration;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::config::snapshot::SnapshotKey;
use crate::store::{
    CallerToken, Completion, IndexKey, Lifetimes, Outcome, Spend, Start, Starts, Store, StoreError,
    Usage, Visit,
};

const ISSUER: &str = "https://login.example.com";
const BEGIN: u64 = 1_000_000;
const LIFETIMES: Lifetimes =
    Lifetimes { redeem: Duration::from_secs(60), login: Duration::from_secs(1800) };

/// A clock, and a wall clock that differs from it.
fn clocks(now: u64, wall: u64) -> Arc<ManualClock> {
    let clock = ManualClock::at(Timestamp::from_millis(now));
    clock.correct(i64::try_from(wall).unwrap() - i64::try_from(now).unwrap());
    Arc::new(clock)
}

fn store(clock: &Arc<ManualClock>) -> MemoryStore {
    MemoryStore::new(1 << 20, Arc::<ManualClock>::clone(clock))
}

fn reference(number: u8) -> Reference {
    Reference::from_bytes([number; 32])
}

fn key(number: u8) -> IndexKey {
    IndexKey::new(ISSUER, "a", &number.to_string(), "https://c/cb")
}

async fn put(store: &MemoryStore, number: u8) {
    let request = PushedRequest {
        client_id: "planted-client".into(),
        query: "planted=value".into(),
        flow_key: [number; 32],
        index: Some(key(number)),
    };
    store.put(&reference(number), request, LIFETIMES).await.unwrap();
}

async fn start(store: &MemoryStore, number: u8, starts: Starts) -> Start {
    let (flow, caller) = (FlowId([number; 12]), CallerToken([number; 12]));
    let visit = Visit { client_id: "planted-client", flow, caller, starts };
    store.start(&reference(number), visit).await.unwrap()
}

fn file(folder: &tempfile::TempDir) -> SnapshotFile {
    let key = SnapshotKey::parse(&[9; 32]).unwrap();
    SnapshotFile { path: folder.path().join("pending"), key }
}

/// Four requests: pushed, started with a continuation, spent, started once; and a token.
async fn filled(store: &MemoryStore) {
    for number in 1..=4 {
        put(store, number).await;
    }
    for number in [2, 3, 4] {
        assert!(matches!(start(store, number, Starts::Many).await, Start::Started { .. }));
    }
    let continuation = Continuation { path: "/planted".into(), query: "planted=other".into() };
    let (flow, handle) = (FlowId([2; 12]), reference(22));
    store.put_continuation(&reference(2), flow, &handle, continuation).await.unwrap();
    assert_eq!(
        store.spend(&reference(3), completion(FlowId([3; 12]))).await.unwrap(),
        Spend::Spent
    );
    let until = store.clock.wall() + Duration::from_secs(100);
    assert!(store.first_use(ReplayKey([5; 32]), until, &"a".into()).await.unwrap());
}

/// A completion by this login, with a code.
fn completion(flow: FlowId) -> Completion<'static> {
    static REQUEST: LazyLock<PushedRequest> = LazyLock::new(|| PushedRequest {
        client_id: "a".into(),
        query: "client_id=a&state=s".into(),
        flow_key: [1; 32],
        index: None,
    });
    Completion { flow, outcome: Outcome::Code, request: &REQUEST }
}

#[tokio::test]
async fn everything_outlasts_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    // The old process's clock is an hour behind the wall.
    let hour = 3_600_000;
    let old = store(&clocks(BEGIN, BEGIN + hour));
    filled(&old).await;
    old.freeze();
    assert_eq!(old.save(&file, ISSUER).unwrap(), Tally { requests: 4, ..Tally::default() });
    let dump = std::fs::read(&file.path).unwrap();
    for planted in [b"planted".as_slice(), &[1; 32], &[22; 32], &[5; 32], &[2; 12]] {
        assert!(!dump.windows(planted.len()).any(|part| part == planted), "{planted:?}");
    }

    let clock = clocks(BEGIN + hour + 10_000, BEGIN + hour + 10_000);
    let new = store(&clock);
    let tally = new.restore(&file, ISSUER).unwrap().unwrap();
    assert_eq!(tally, Tally { requests: 4, ..Tally::default() });
    assert!(!file.path.exists());
    assert_eq!(new.usage(), old.usage());
    let Start::Started { request, age, .. } = start(&new, 1, Starts::Many).await else {
        panic!("the pushed request is lost");
    };
    assert_eq!((&*request.query, request.flow_key), ("planted=value", [1; 32]));
    assert_eq!(age, Duration::from_secs(10));
    let (_, continuation) =
        new.continuation(&reference(2), FlowId([2; 12]), &reference(22)).await.unwrap().unwrap();
    assert_eq!((&*continuation.path, &*continuation.query), ("/planted", "planted=other"));
    assert_eq!(new.find(&key(2)).await.unwrap().unwrap().reference, reference(2));
    assert_eq!(new.spend(&reference(2), completion(FlowId([2; 12]))).await.unwrap(), Spend::Spent);
    assert!(matches!(start(&new, 3, Starts::Many).await, Start::Spent));
    assert_eq!(
        new.spend(&reference(3), completion(FlowId([9; 12]))).await.unwrap(),
        Spend::AlreadySpent
    );
    // The same caller repeats itself; another may not, where one start is allowed.
    assert!(matches!(start(&new, 4, Starts::Once).await, Start::Started { .. }));
    let until = clock.wall() + Duration::from_secs(1);
    assert!(!new.first_use(ReplayKey([5; 32]), until, &"a".into()).await.unwrap());
    clock.advance(Duration::from_secs(4_000));
    new.tidy();
    assert_eq!(new.usage(), Usage { requests: 0, bytes: 0 });
}

#[tokio::test]
async fn what_has_expired_meanwhile_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let old = store(&clocks(BEGIN, BEGIN));
    filled(&old).await;
    old.freeze();
    old.save(&file, ISSUER).unwrap();
    let later = BEGIN + 60_000;
    let new = store(&clocks(later, later));
    let tally = new.restore(&file, ISSUER).unwrap().unwrap();
    assert_eq!(tally, Tally { requests: 3, expired: 1, refused: 0 });
    assert!(matches!(start(&new, 1, Starts::Many).await, Start::Unknown));
}

#[tokio::test]
async fn a_wall_clock_that_went_back_lengthens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let old_clock = clocks(BEGIN, BEGIN);
    let old = store(&old_clock);
    put(&old, 1).await;
    old_clock.advance(Duration::from_secs(20));
    old.freeze();
    old.save(&file, ISSUER).unwrap();
    let clock = clocks(500_000, 500_000);
    let new = store(&clock);
    new.restore(&file, ISSUER).unwrap().unwrap();
    clock.advance(Duration::from_secs(39));
    let Start::Started { age, .. } = start(&new, 1, Starts::Many).await else {
        panic!("it was promised");
    };
    assert_eq!(age, Duration::from_secs(59));
    clock.advance(Duration::from_secs(1));
    assert!(matches!(start(&new, 1, Starts::Many).await, Start::Expired));
}

#[tokio::test]
async fn a_token_is_remembered_for_as_long_as_it_says_itself_however_clocks_are_set() {
    let seconds = Duration::from_secs;
    // Ahead of the wall while it ran, or the wall went back while nothing ran.
    for (wall_at_end, wall_at_start) in [(BEGIN, BEGIN + 1_000), (BEGIN + 60_000, BEGIN + 1_000)] {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        let old = store(&clocks(BEGIN + 60_000, wall_at_end));
        let until = WallTime::from_millis(BEGIN + 90_000);
        assert!(old.first_use(ReplayKey([7; 32]), until, &"a".into()).await.unwrap());
        old.freeze();
        old.save(&file, ISSUER).unwrap();
        let clock = clocks(wall_at_start, wall_at_start);
        let new = store(&clock);
        new.restore(&file, ISSUER).unwrap().unwrap();
        clock.advance(seconds(80));
        new.tidy();
        assert!(
            !new.first_use(ReplayKey([7; 32]), until, &"a".into()).await.unwrap(),
            "{wall_at_end}"
        );
        clock.advance(seconds(20));
        new.tidy();
        assert_eq!(new.usage().bytes, 0);
    }
}

#[tokio::test]
async fn what_does_not_fit_any_more_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let clock = clocks(BEGIN, BEGIN);
    let old = store(&clock);
    filled(&old).await;
    old.freeze();
    old.save(&file, ISSUER).unwrap();
    let small = MemoryStore::new(8_000, Arc::<ManualClock>::clone(&clock));
    let tally = small.restore(&file, ISSUER).unwrap().unwrap();
    assert_eq!(tally.requests + tally.refused, 4);
    assert!(tally.refused > 0 && small.usage().bytes <= 8_000, "{tally:?}");
}

#[tokio::test]
async fn a_frozen_store_takes_no_call_until_it_thaws() {
    let store = store(&clocks(BEGIN, BEGIN));
    filled(&store).await;
    store.freeze();
    let spent = store.spend(&reference(2), completion(FlowId([2; 12]))).await;
    assert_eq!(spent, Err(StoreError::Unavailable));
    assert_eq!(store.ping().await, Err(StoreError::Unavailable));
    let until = store.clock.wall();
    assert!(store.first_use(ReplayKey([6; 32]), until, &"a".into()).await.is_err());
    store.thaw();
    assert_eq!(store.spend(&reference(2), completion(FlowId([2; 12]))).await, Ok(Spend::Spent));
}
