//! The Redis store by itself, where Redis or the network stalls: for a moment, for longer, or for
//! good on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parapet::clock::WallTime;
use parapet::config::store as settings;
use parapet::oauth::request_uri::Reference;
use parapet::store::{CallerToken, Continuation, FlowId, ReplayKey, Spend, Store as _, StoreError};
use tokio::task::JoinSet;

use crate::support::bench::{Bench, config, open};
use crate::support::front::until;
use crate::support::middle::Middle;
use crate::support::redis::Redis;

const TIMEOUT: Duration = Duration::from_millis(500);

/// A store that reaches this port.
async fn at(port: u16) -> Arc<Bench> {
    let url = format!("redis://127.0.0.1:{port}");
    let bench = open(settings::Redis { timeout: TIMEOUT, ..config(&url) });
    bench.until_ready().await;
    Arc::new(bench)
}

/// Each step that changes something, in turn; whether it did what it should, and nobody else had
/// done it before.
async fn change(bench: Arc<Bench>, number: u8) -> Result<bool, StoreError> {
    let reference = Reference::from_bytes([number; 32]);
    match number % 6 {
        0 => bench.put(number).await.map(|()| true),
        1 => bench.start(number).await,
        2 => Ok(bench.spend(number).await? == Spend::Spent),
        3 => bench.store.first_use(ReplayKey([number; 32]), WallTime::default(), &"a".into()).await,
        4 => {
            let continuation = Continuation { path: "/a".into(), query: "b=c".into() };
            let (flow, handle) = (FlowId([number; 12]), Reference::from_bytes([number + 1; 32]));
            let kept = bench.store.put_continuation(&reference, flow, &handle, continuation);
            kept.await.map(|()| true)
        }
        _ => bench.store.undo_start(&reference, CallerToken([number; 12])).await.map(|()| true),
    }
}

/// Whether it shows that [`change`] has happened, and once.
async fn is_changed(bench: &Bench, number: u8) -> bool {
    let reference = Reference::from_bytes([number; 32]);
    match number % 6 {
        0 | 5 => bench.start_as(255, number).await.unwrap(),
        1 => !bench.start_as(255, number).await.unwrap(),
        2 => bench.spend(number).await.unwrap() == Spend::Repeated,
        3 => {
            let until = WallTime::default();
            !bench.store.first_use(ReplayKey([number; 32]), until, &"a".into()).await.unwrap()
        }
        _ => {
            let (flow, handle) = (FlowId([number; 12]), Reference::from_bytes([number + 1; 32]));
            bench.store.continuation(&reference, flow, &handle).await.unwrap().is_some()
        }
    }
}

/// What has to be there before [`change`] can do its part.
async fn prepare(bench: &Bench, number: u8) {
    if !number.is_multiple_of(6) {
        bench.put(number).await.unwrap();
    }
    if number % 6 > 1 {
        assert!(bench.start(number).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_costs_none_of_many_calls_its_answer() {
    let redis = Redis::start(&[]).await;
    let bench = at(redis.port).await;
    // The longer one lasts until the store is down, but not for as long as a call has patience.
    for (first, stall) in [(0, TIMEOUT * 8 / 5), (64, TIMEOUT * 12 / 5)] {
        for number in first..first + 64 {
            prepare(&bench, number).await;
        }
        redis.freeze();
        let frozen = Instant::now();
        let mut calls = JoinSet::new();
        for number in first..first + 64 {
            let bench = Arc::clone(&bench);
            calls.spawn(async move { (number, change(bench, number).await) });
        }
        tokio::time::sleep(stall.saturating_sub(frozen.elapsed())).await;
        assert_eq!(calls.try_join_next().map(Result::unwrap), None, "none was given up");
        redis.thaw();
        while let Some(call) = calls.join_next().await {
            let (number, answer) = call.unwrap();
            assert_eq!(answer, Ok(true), "{number} after {stall:?}");
        }
        assert!(frozen.elapsed() < TIMEOUT * 3, "{:?}", frozen.elapsed());
        bench.until_ready().await;
        for number in first..first + 64 {
            assert!(is_changed(&bench, number).await, "{number} after {stall:?}");
        }
    }
}

/// Pushes follow each other, so that the stall meets some that are written and wait for the replica.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_refuses_none_of_those_who_wait_for_replicas() {
    let redis = Redis::start(&["--repl-diskless-sync-delay", "0"]).await;
    let of = format!("127.0.0.1 {}", redis.port);
    let replica = Redis::start(&["--replicaof", &of]).await;
    replica.until_synchronised().await;
    let timeout = TIMEOUT * 6;
    let wait = Some(settings::Wait { replicas: 1, timeout: timeout / 2 });
    let bench = open(settings::Redis { timeout, wait, ..config(&redis.url()) });
    bench.until_ready().await;
    let (bench, kept) = (Arc::new(bench), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (bench, kept) = (Arc::clone(&bench), Arc::clone(&kept));
        tasks.spawn(async move {
            for number in (task..240).step_by(8) {
                bench.put(number).await.unwrap();
                kept.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    until("on their way", async || kept.load(Ordering::SeqCst) > 40).await;
    redis.freeze();
    let before = kept.load(Ordering::SeqCst);
    tokio::time::sleep(timeout * 17 / 10).await;
    redis.thaw();
    assert!(before < 240, "it met some");
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(kept.load(Ordering::SeqCst), 240);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_held_for_longer_than_three_time_outs() {
    let redis = Redis::start(&[]).await;
    let bench = at(redis.port).await;
    redis.freeze();
    let begun = Instant::now();
    assert_eq!(bench.put(1).await, Err(StoreError::Unavailable));
    let held = begun.elapsed();
    assert!(held < TIMEOUT * 3 + TIMEOUT / 2, "{held:?}");
    let begun = Instant::now();
    for number in 2..100 {
        assert_eq!(bench.put(number).await, Err(StoreError::Unavailable));
    }
    assert!(begun.elapsed() < TIMEOUT, "the others at once: {:?}", begun.elapsed());
    redis.thaw();
    bench.until_ready().await;
    bench.flow(1).await;
}

/// The answers get slower, but never is the link silent for as long as the time-out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_later_than_the_time_out_are_waited_for_while_others_come() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let bench = at(middle.port).await;
    let mut calls = JoinSet::new();
    for number in 0..120 {
        middle.delay(TIMEOUT * number.min(60) / 50);
        let bench = Arc::clone(&bench);
        calls.spawn(async move { bench.store.ping().await });
        tokio::time::sleep(TIMEOUT / 25).await;
    }
    let begun = Instant::now();
    bench.store.ping().await.unwrap();
    assert!(begun.elapsed() > TIMEOUT, "{:?}", begun.elapsed());
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap(), Ok(()));
    }
    assert_eq!(middle.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_silent_for_good_is_replaced() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let bench = at(middle.port).await;
    middle.hold();
    let begun = Instant::now();
    bench.flow(1).await;
    assert!(begun.elapsed() < TIMEOUT * 5 / 2, "{:?}", begun.elapsed());
    assert_eq!(middle.connections(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_only_slow_is_used_again() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let bench = at(middle.port).await;
    middle.shun_newcomers();
    redis.freeze();
    let put = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.put(1).await })
    };
    until("given up", async || !bench.store.is_ready()).await;
    redis.thaw();
    put.await.unwrap().unwrap();
    bench.flow(2).await;
}

/// What the network has held reaches Redis when the same caller was answered long ago over another
/// connection, and has gone on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_that_comes_late_changes_nothing() {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let bench = at(middle.port).await;
    // Once a connection is closed there, Redis does what came over it before what is asked next.
    let release = async || {
        middle.release();
        until("passed on and closed", async || middle.open_connections() == 1).await;
    };
    bench.flow(1).await;
    let spent: Vec<_> = redis.dump().await.into_iter().map(|(key, _)| key).collect();
    // After a slow answer a record is sealed with room for another, so that it is the same when it
    // is sent again.
    middle.delay(TIMEOUT * 3 / 5);
    bench.store.ping().await.unwrap();
    middle.delay(Duration::ZERO);
    middle.hold();
    let put = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.put(2).await })
    };
    until("asked", async || middle.has_held()).await;
    middle.hang_up();
    put.await.unwrap().unwrap();
    assert!(bench.start(2).await.unwrap());
    release().await;
    let is_its = |key: &[u8]| key.starts_with(b"parapet:{") && !spent.iter().any(|old| old == key);
    for (key, _) in redis.dump().await.iter().filter(|(key, _)| is_its(key)) {
        let left: u64 = redis.ask(&[b"PTTL", key]).await.unwrap();
        assert!(left > 1_800_000, "{left} ms for {}", String::from_utf8_lossy(key));
    }
    bench.put(3).await.unwrap();
    middle.hold();
    assert!(bench.start(3).await.unwrap());
    let third = Reference::from_bytes([3; 32]);
    bench.store.undo_start(&third, CallerToken([3; 12])).await.unwrap();
    release().await;
    assert!(bench.start_as(4, 3).await.unwrap(), "the start was taken back");
}
