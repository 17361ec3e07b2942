//! Several gateways on one Redis: what each failure on the way to it costs those who push and sign in.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use crate::support::balancer::Balancer;
use crate::support::flows::{Ending, Tally};
use crate::support::front::{Front, Setup, complete, is_completed, is_ready, push, until};
use crate::support::http::{get, send};
use crate::support::middle::Middle;
use crate::support::redis::{Make, Redis};

/// Two gateways that reach Redis through a go-between.
async fn behind(delay: Duration) -> (Front, Middle) {
    let redis = Redis::start(&[]).await;
    let middle = Middle::before(redis.port, delay).await;
    let url = format!("redis://127.0.0.1:{}", middle.port);
    let front = Front::on(redis, 2, Setup { url: Some(&url), ..Setup::default() }).await;
    (front, middle)
}

fn said(front: &Front, number: usize, words: &str) -> usize {
    front.gateways[number].output().matches(words).count()
}

/// So many logins one after the other in each of ten tasks, over a balancer.
async fn logins(front: &Front, each: usize) -> Arc<Tally> {
    let balancer = Balancer::before(front.gateways.iter().map(|gateway| &*gateway.url)).await;
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for task in 0..10 {
        let (tally, url) = (Arc::clone(&tally), balancer.url.clone());
        tasks.spawn(async move {
            for number in 0..each {
                Arc::clone(&tally).login(url.clone(), task * each + number, Ending::Alone).await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    tally
}

/// The stall is longer than two time-outs, and shorter than a call has patience.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_of_redis_refuses_none_of_the_pushes_that_it_met() {
    let redis = Redis::start(&[]).await;
    let front = Front::on(redis, 2, Setup { redis: "timeout = \"1s\"", ..Setup::default() }).await;
    let before = front.push(0, "s").await;
    front.redis.freeze();
    let mut calls = JoinSet::new();
    for number in 0..64 {
        let push = push(front.url(0), &number.to_string());
        calls.spawn(async move { (number, send(push).await) });
    }
    tokio::time::sleep(Duration::from_millis(2_400)).await;
    front.redis.thaw();
    while let Some(call) = calls.join_next().await {
        let (number, pushed) = call.unwrap();
        let started = front.redeem(1, &pushed).await;
        assert_eq!(started.status, 200, "{}", started.text());
        let completed = complete(front.url(1), &started, &number.to_string()).await;
        assert!(is_completed(&completed), "{}", completed.text());
    }
    until("ready", async || is_ready(&front.gateways[0]).await).await;
    assert_eq!(front.redeem(0, &before).await.status, 200);
    assert!(said(&front, 0, "the store is unavailable") <= 1, "{}", front.gateways[0].output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_a_tenth_of_a_second_away_refuses_nobody() {
    let (front, _middle) = behind(Duration::from_millis(100)).await;
    let tally = logins(&front, 3).await;
    let of = [&tally.acknowledged, &tally.redeemed, &tally.completed, &tally.refused];
    assert_eq!(of.map(Tally::of), [30, 30, 30, 0], "{tally}");
}

/// Redis has done what was asked; nobody is told that it has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_in_the_middle_of_a_call_refuses_nobody() {
    let (front, middle) = behind(Duration::ZERO).await;
    for number in 0..10 {
        let state = number.to_string();
        middle.lose_the_next_answer();
        let pushed = front.push(0, &state).await;
        middle.lose_the_next_answer();
        let started = front.redeem(0, &pushed).await;
        assert_eq!(started.status, 200, "{}", started.text());
        middle.lose_the_next_answer();
        let completed = complete(front.url(0), &started, &state).await;
        assert!(is_completed(&completed), "{}", completed.text());
        assert_eq!(front.redeem(1, &pushed).await.status, 400, "it is spent");
    }
    assert_eq!(said(&front, 0, "the store is unavailable"), 0, "{}", front.gateways[0].output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sentinel_makes_the_primary_goes_on_with_what_was_promised() {
    let primary = Redis::start(&[]).await;
    let of = format!("127.0.0.1 {}", primary.port);
    let replica = Redis::start(&["--replicaof", &of]).await;
    let sentinel = Redis::sentinel(primary.port).await;
    let url = format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port);
    let mut front = Front::on(primary, 2, Setup { url: Some(&url), ..Setup::default() }).await;
    let pushed = front.push(0, "s").await;
    let started = front.redeem(0, &front.push(0, "t").await).await;
    sentinel.until_safe(&front.redis, &replica).await;
    front.redis.kill();
    assert_eq!(front.push(0, "s").await.status, 503);
    for number in 0..2 {
        until("up", async || front.push(number, "s").await.status == 201).await;
    }
    assert!(is_completed(&complete(front.url(1), &started, "t").await));
    let started = front.redeem(1, &pushed).await;
    assert!(is_completed(&complete(front.url(0), &started, "s").await));
    assert_eq!(front.redeem(1, &pushed).await.status, 400, "it is spent");
    let tally = logins(&front, 1).await;
    assert_eq!([&tally.completed, &tally.lost, &tally.twice].map(Tally::of), [10, 0, 0], "{tally}");
    let lines = ["the store is unavailable", "the store is available"];
    assert_eq!(lines.map(|words| said(&front, 0, words)), [1, 2]);
}

/// When it began, by its own clock: seconds of the day.
fn wall_clock(front: &Front, number: usize) -> i64 {
    let output = front.gateways[number].output();
    let (_, time) = output.split_once("\"timestamp\":\"").expect("a line of the log");
    let (_, time) = time.split_once('T').expect("a time in it");
    time[..8].split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("a number"))
}

/// Real gateways whose clocks are ten seconds apart, and a Redis whose clock the test moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b233_gateways_with_wrong_clocks_keep_the_promised_time() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = u64::try_from(now.as_millis()).unwrap();
    let redis = Redis::start_at(Make::Installed, now).await;
    let tables = "[par]\nlifetime = \"5s\"\n";
    let front = Front::on(redis, 2, Setup { clocks: &[-5, 5], tables, ..Setup::default() }).await;
    let mut pushed = Vec::new();
    for number in 0..4 {
        pushed.push(front.push(number, "s").await);
    }
    let apart = wall_clock(&front, 1) - wall_clock(&front, 0);
    assert!((9..60).contains(&apart.rem_euclid(86_400)), "{apart} s");
    front.redis.set_clock(now + 4_999);
    for (number, pushed) in pushed.iter().take(2).enumerate() {
        let started = front.redeem(number + 1, pushed).await;
        assert_eq!(started.status, 200, "{}", started.text());
        let completed = complete(front.url(number), &started, "s").await;
        assert!(is_completed(&completed), "{}", completed.text());
    }
    front.redis.set_clock(now + 7_000);
    for number in 0..2 {
        for pushed in pushed.iter().skip(2) {
            assert_eq!(front.redeem(number, pushed).await.status, 400, "it is over");
        }
    }
}

/// One line and one change of the metric for an outage, however many were refused in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_said_once_and_shown_by_the_metric() {
    let mut front = Front::of(1, &[]).await;
    let up = async |front: &Front| {
        let admin = front.gateways[0].admin_url.clone().unwrap();
        let metrics = get(&format!("{admin}/metrics")).await.text();
        let line = metrics.lines().find(|line| line.starts_with("parapet_store_up "));
        line.unwrap().to_owned()
    };
    assert_eq!(up(&front).await, "parapet_store_up 1");
    front.redis.kill();
    for _ in 0..50 {
        assert_eq!(front.push(0, "s").await.status, 503);
    }
    assert_eq!(up(&front).await, "parapet_store_up 0");
    front.redis.restart().await;
    until("up", async || up(&front).await == "parapet_store_up 1").await;
    assert_eq!(front.push(0, "s").await.status, 201);
    let words = ["the store is unavailable", "the store is available"];
    assert_eq!(words.map(|words| said(&front, 0, words)), [1, 2]);
}
