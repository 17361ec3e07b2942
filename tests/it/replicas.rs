//! Several gateways on one Redis: what one has promised, any other keeps; and what becomes of it when
//! Redis or a gateway fails.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::balancer::Balancer;
use crate::support::flows::{Ending, Tally};
use crate::support::front::{Front, Setup, complete, is_completed, is_ready, until};
use crate::support::http::get;
use crate::support::redis::{Make, Redis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b215_b230_a_push_at_one_is_redeemed_at_another_and_the_store_shows_nothing() {
    let front = Front::of(2, &[]).await;
    let mut references = Vec::new();
    for number in 0..volume(100, 1_000) {
        let pushed = front.push(number, "an-equal-state").await;
        let started = front.redeem(number + 1, &pushed).await;
        assert_eq!((started.status.as_u16(), started.text().as_str()), (200, "login"));
        let completed = complete(front.url(number), &started, "an-equal-state").await;
        assert!(is_completed(&completed), "{}", completed.text());
        assert_eq!(front.redeem(number, &pushed).await.status, 400, "it is spent");
        references.push(pushed.json()["request_uri"].as_str().unwrap()[34..].to_owned());
    }
    let dump = front.redis.dump().await;
    let strings = || dump.iter().flat_map(|(key, values)| values.iter().chain([key]));
    assert!(strings().count() > references.len() * 10, "{}", strings().count());
    let mut sought: Vec<Vec<u8>> = ["the-client", "client_id", "state", "login_hint", "somebody"]
        .map(|word| word.as_bytes().to_vec())
        .to_vec();
    for reference in &references {
        sought.push(reference.as_bytes().to_vec());
        sought.push(URL_SAFE_NO_PAD.decode(reference).unwrap());
    }
    for word in sought {
        let shown = strings().any(|text| text.windows(word.len()).any(|part| part == word));
        assert!(!shown, "{}", String::from_utf8_lossy(&word));
    }
    let sealed: Vec<_> = strings().filter(|text| text.len() > 48).collect();
    let distinct: HashSet<_> = sealed.iter().collect();
    assert!(
        distinct.len() == sealed.len() && sealed.len() >= references.len() * 2,
        "{}",
        sealed.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b234_what_a_killed_replica_promised_another_keeps() {
    let mut front = Front::of(2, &[]).await;
    let pushed = front.push(0, "s").await;
    let started_at_first = front.redeem(0, &front.push(0, "t").await).await;
    front.gateways.remove(0).kill();
    let started = front.redeem(0, &pushed).await;
    assert_eq!(started.status, 200, "{}", started.text());
    for (started, state) in [(started, "s"), (started_at_first, "t")] {
        let completed = complete(front.url(0), &started, state).await;
        assert!(is_completed(&completed), "{}", completed.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b168_of_two_browsers_at_two_replicas_one_completes() {
    let front = Front::of(2, &[]).await;
    for number in 0..volume(50, 500) {
        let state = format!("s{number}");
        let pushed = front.push(number, &state).await;
        let (one, other) = tokio::join!(front.redeem(0, &pushed), front.redeem(1, &pushed));
        let (one, other) = tokio::join!(
            complete(front.url(0), &one, &state),
            complete(front.url(1), &other, &state)
        );
        let winners = usize::from(is_completed(&one)) + usize::from(is_completed(&other));
        assert_eq!(winners, 1, "{} {}", one.text(), other.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_killed_comes_back_empty_and_is_used_again() {
    let mut front = Front::of(1, &[]).await;
    let before = front.push(0, "s").await;
    front.redis.kill();
    let refused = front.push(0, "s").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    let gateway = &front.gateways[0];
    until("unready", async || !is_ready(gateway).await).await;
    let passed = get(&format!("{}/elsewhere", front.url(0))).await;
    assert_eq!(passed.status, 200, "what needs no store passes");
    assert_eq!(front.redeem(0, &before).await.status, 503);
    front.redis.restart().await;
    let gateway = &front.gateways[0];
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &before).await.status, 400, "the store lost it");
    let after = front.push(0, "s").await;
    assert_eq!(front.redeem(0, &after).await.status, 200);
    let said = |words: &str| gateway.output().matches(words).count();
    until("said", async || said("the store is available") == 2).await;
    assert_eq!(said("the store is unavailable"), 1, "{}", gateway.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b128_while_redis_is_frozen_calls_are_refused_at_once_and_then_go_on() {
    let front = Front::of(1, &[]).await;
    let before = front.push(0, "s").await;
    let files = front.gateways[0].open_files();
    front.redis.freeze();
    assert_eq!(front.push(0, "s").await.status, 503);
    let gateway = &front.gateways[0];
    until("refused", async || gateway.output().contains("the store is unavailable")).await;
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(front.push(0, "s").await.status, 503);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    front.redis.thaw();
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &before).await.status, 200);
    until("closed", async || gateway.open_files() <= files + 8).await;
    let metrics = get(&format!("{}/metrics", gateway.admin_url.as_ref().unwrap())).await.text();
    assert!(metrics.contains("\nparapet_store_up 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b128_out_of_memory_is_a_503_and_what_was_promised_is_kept() {
    let front = Front::of(1, &[]).await;
    let pushed = front.push(0, "s").await;
    let full: String = front.redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).await.unwrap();
    assert_eq!(full, "OK");
    let refused = front.push(0, "s").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    let started = front.redeem(0, &pushed).await;
    assert_eq!(started.status, 200, "{}", started.text());
    assert!(is_completed(&complete(front.url(0), &started, "s").await));
    let _: String = front.redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await.unwrap();
    assert_eq!(front.push(0, "s").await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_becomes_a_replica_is_not_used() {
    let front = Front::of(1, &[]).await;
    let pushed = front.push(0, "s").await;
    let _: String = front.redis.ask(&[b"REPLICAOF", b"127.0.0.1", b"1"]).await.unwrap();
    assert_eq!(front.push(0, "s").await.status, 503);
    assert_eq!(front.redeem(0, &pushed).await.status, 503);
    let _: String = front.redis.ask(&[b"REPLICAOF", b"NO", b"ONE"]).await.unwrap();
    let gateway = &front.gateways[0];
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &pushed).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_throws_out_for_newcomers_is_not_ready() {
    let front = Front::of(1, &[]).await;
    let gateway = &front.gateways[0];
    let set = async |policy: &[u8]| {
        let words: [&[u8]; 4] = [b"CONFIG", b"SET", b"maxmemory-policy", policy];
        let _: String = front.redis.ask(&words).await.unwrap();
    };
    set(b"allkeys-lru").await;
    until("unready", async || !is_ready(gateway).await).await;
    set(b"noeviction").await;
    until("ready", async || is_ready(gateway).await).await;
    let said = |words: &str| gateway.output().matches(words).count();
    until("said", async || said("maxmemory-policy of Redis is noeviction") == 1).await;
    assert_eq!(said("maxmemory-policy is allkeys-lru"), 1, "{}", gateway.output());
}

/// The first, or the second where `PARAPET_VOLUME=full`, as `make soak` has it.
fn volume(usual: usize, full: usize) -> usize {
    match std::env::var("PARAPET_VOLUME").as_deref() {
        Ok("full") => full,
        _ => usual,
    }
}

/// Logins behind a balancer, 20 at once.
async fn logins(front: &Front, count: usize, ending: Ending) -> (Arc<Tally>, Vec<Work>) {
    let balancer = Balancer::before(front.gateways.iter().map(|gateway| &*gateway.url)).await;
    let (tally, balancer) = (Arc::new(Tally::default()), Arc::new(balancer));
    let work = |task| {
        let (tally, balancer) = (Arc::clone(&tally), Arc::clone(&balancer));
        tokio::spawn(async move {
            for number in (task..count).step_by(20) {
                Arc::clone(&tally).login(balancer.url.clone(), number, ending).await;
            }
        })
    };
    let tasks = (0..20).map(work).collect();
    (tally, tasks)
}

type Work = tokio::task::JoinHandle<()>;

async fn all_done(tally: &Tally, tasks: Vec<Work>, count: usize) {
    for task in tasks {
        task.await.unwrap();
    }
    println!("{tally}");
    let count = u64::try_from(count).unwrap();
    let of = [&tally.acknowledged, &tally.redeemed, &tally.completed].map(Tally::of);
    assert_eq!(of, [count; 3], "{tally}");
    assert_eq!([&tally.lost, &tally.twice].map(Tally::of), [0, 0], "{tally}");
}

async fn until_acknowledged(tally: &Tally, count: usize) {
    let enough = async || tally.acknowledged.load(Ordering::SeqCst) >= count as u64;
    until("so far", enough).await;
}

/// What Redis has acknowledged the system has, so a Redis that is killed has lost nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b230_b234_none_of_many_is_lost_when_a_replica_and_redis_are_killed_in_the_middle() {
    let mut front = Front::of(3, &["--appendonly", "yes", "--appendfsync", "no"]).await;
    let count = volume(1_000, 2_000);
    let (tally, tasks) = logins(&front, count, Ending::Alone).await;
    until_acknowledged(&tally, count / 4).await;
    front.gateways.remove(0).kill();
    until_acknowledged(&tally, count / 2).await;
    front.redis.kill();
    front.redis.restart().await;
    all_done(&tally, tasks, count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b168_of_many_races_each_has_one_winner_while_a_replica_is_killed() {
    let mut front = Front::of(3, &[]).await;
    let count = volume(200, 500);
    let (tally, tasks) = logins(&front, count, Ending::Race).await;
    until_acknowledged(&tally, count / 2).await;
    front.gateways.remove(0).kill();
    all_done(&tally, tasks, count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_oldest_redis_and_a_valkey() {
    for make in [Make::Redis62, Make::Valkey] {
        let redis = Redis::start_of(make, &[]).await;
        let front = Front::on(redis, 2, Setup::default()).await;
        for (count, ending) in [(40, Ending::Alone), (20, Ending::Race)] {
            let (tally, tasks) = logins(&front, count, ending).await;
            all_done(&tally, tasks, count).await;
        }
        let pushed = front.push(0, "s").await;
        let _: String =
            front.redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"100kb"]).await.unwrap();
        assert_eq!(front.push(0, "s").await.status, 503, "{make:?}");
        let started = front.redeem(0, &pushed).await;
        // What Redis 6.2 runs it cannot be told, so it takes no step at all.
        let expected = if make == Make::Redis62 { 503 } else { 200 };
        assert_eq!(started.status, expected, "{make:?} {}", started.text());
        let _: String = front.redis.ask(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await.unwrap();
        assert_eq!(front.redeem(1, &pushed).await.status, 200, "{make:?}");
    }
}

/// Real waits of a real replica of Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_replicas_are_waited_for_a_push_that_they_do_not_have_is_a_503() {
    let redis = Redis::start(&["--repl-diskless-sync-delay", "0"]).await;
    let of = format!("127.0.0.1 {}", redis.port);
    let replica = Redis::start(&["--replicaof", &of]).await;
    replica.until_synchronised().await;
    let setup = Setup { redis: "wait_replicas = 1\nwait_timeout = \"1s\"", ..Setup::default() };
    let front = Front::on(redis, 1, setup).await;
    let pushed = front.push(0, "s").await;
    let started = front.redeem(0, &pushed).await;
    assert_eq!(replica.dump().await.len(), front.redis.dump().await.len());
    replica.freeze();
    for _ in 0..3 {
        let refused = front.push(0, "s").await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    }
    let withheld = complete(front.url(0), &started, "s").await;
    assert_eq!(withheld.status, 503, "{}", withheld.text());
    replica.thaw();
    until("acknowledged", async || front.push(0, "s").await.status == 201).await;
    let again = complete(front.url(0), &started, "s").await;
    assert!(is_completed(&again), "the same browser may repeat it: {}", again.text());
    let said = |words: &str| front.gateways[0].output().matches(words).count();
    until("said", async || said("enough replicas of Redis have the writes again") == 1).await;
    assert_eq!(said("too few replicas of Redis have a write"), 1, "one line for each change");
}

/// `rename` over a folder fails, so the snapshot does, and Redis takes no writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_cannot_save_is_a_503_until_it_can() {
    let options = ["--save", "3600 1000000", "--dbfilename", "taken"];
    let front = Front::of(1, &options).await;
    let pushed = front.push(0, "s").await;
    let taken = front.redis.folder().join("taken");
    std::fs::create_dir(&taken).unwrap();
    let saved = async |wanted: &str| {
        let _: String = front.redis.ask(&[b"BGSAVE"]).await.unwrap();
        until("saved or not", async || {
            let info: String = front.redis.ask(&[b"INFO", b"persistence"]).await.unwrap();
            info.contains(&format!("rdb_last_bgsave_status:{wanted}\r"))
        })
        .await;
    };
    saved("err").await;
    let write = front.redis.ask::<String>(&[b"SET", b"parapet:a", b"b"]).await;
    assert_eq!(write.unwrap_err().code(), Some("MISCONF"));
    for _ in 0..3 {
        assert_eq!(front.push(0, "s").await.status, 503);
    }
    assert_eq!(front.redeem(0, &pushed).await.status, 503);
    let gateway = &front.gateways[0];
    until("unready", async || !is_ready(gateway).await).await;
    std::fs::remove_dir(&taken).unwrap();
    saved("ok").await;
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &pushed).await.status, 200);
    let said = |words: &str| gateway.output().matches(words).count();
    until("said", async || said("the store is available") == 2).await;
    assert_eq!(said("the store is unavailable"), 1, "{}", gateway.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_loading_is_a_503_until_it_has_loaded() {
    let slow = ["--key-load-delay", "4000", "--loading-process-events-interval-bytes", "1024"];
    let mut front = Front::of(1, &["--dbfilename", "dump.rdb"]).await;
    let pushed = front.push(0, "s").await;
    let script = b"for i=1,900 do redis.call('SET','x'..i,string.rep('x',99)) end";
    let _: () = front.redis.ask(&[b"EVAL", script, b"0"]).await.unwrap();
    let _: String = front.redis.ask(&[b"SAVE"]).await.unwrap();
    front.redis.kill();
    front.redis.set_options(&slow);
    front.redis.restart_until("Server initialized").await;
    let loading = async || {
        let answer = front.redis.ask::<Option<String>>(&[b"GET", b"x"]).await;
        answer.is_err_and(|error| error.code() == Some("LOADING"))
    };
    until("loading", loading).await;
    for _ in 0..3 {
        assert_eq!(front.push(0, "s").await.status, 503);
    }
    assert!(loading().await, "it still is");
    let gateway = &front.gateways[0];
    until("ready", async || is_ready(gateway).await).await;
    assert_eq!(front.redeem(0, &pushed).await.status, 200, "it was saved");
    let said = |words: &str| gateway.output().matches(words).count();
    assert_eq!(said("the store is unavailable"), 1, "{}", gateway.output());
}
