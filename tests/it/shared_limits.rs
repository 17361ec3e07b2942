//! Limits that replicas share: what is used up at one is used up at the others.

use std::time::{Duration, Instant};

use crate::support::front::{Front, REDIRECT_URI, Setup, push, until};
use crate::support::http::{Answer, post_form, send};
use crate::support::redis::Redis;

const FEW: &str = "pushes_per_client = \"10/m\"\nfailures_per_address = \"10/m\"";

async fn front(limits: &str) -> Front {
    Front::on(Redis::start(&[]).await, 2, Setup { limits, ..Setup::default() }).await
}

/// A push of the client that has a secret.
async fn with_secret(url: &str, secret: &str) -> Answer {
    let form = [
        ("client_id", "another"),
        ("client_secret", secret),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
    ];
    post_form(&format!("{url}/par"), &form, None).await
}

/// Waits until what either replica has counted so far is known to Redis.
async fn until_owed(front: &Front, least: Duration) {
    until("owed", async || {
        let keys: Vec<Vec<u8>> = front.redis.ask(&[b"KEYS", b"parapet:{*}:d:*"]).await.unwrap();
        let Some(key) = keys.first() else { return false };
        let left: i64 = front.redis.ask(&[b"PTTL", key]).await.unwrap();
        u128::try_from(left).is_ok_and(|left| left > least.as_millis())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_spread_over_two_replicas_are_too_many_at_both() {
    let front = front(FEW).await;
    for number in 0..11 {
        let refused = with_secret(front.url(number), "wrong").await;
        assert_eq!(refused.status, 401, "{}", refused.text());
    }
    for number in 0..2 {
        let url = front.url(number);
        // Each has failed five or six times here, which alone would not be too many.
        until("limited", async || with_secret(url, "wrong").await.status == 429).await;
        let limited = with_secret(url, "correct-horse").await;
        assert_eq!(limited.status, 429);
        let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    for (key, values) in front.redis.dump().await {
        let text = String::from_utf8_lossy(&key).into_owned();
        assert!(!text.contains("127.0") && !text.contains("another"), "{text}");
        assert!(values.iter().flatten().all(u8::is_ascii_graphic), "numbers: {values:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b009_a_clients_pushes_at_two_replicas_come_out_of_one_budget() {
    let front = front(FEW).await;
    for number in 0..10 {
        let pushed = front.push(number, "s").await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
    }
    // By now at least nine of ten are known, or the exchange is on its way.
    until_owed(&front, Duration::from_secs(50)).await;
    for number in 0..2 {
        // A replica that was not told yet lets one more pass, and is told then.
        until("limited", async || front.push(number, "s").await.status == 429).await;
    }
    let other = with_secret(front.url(0), "correct-horse").await;
    assert_eq!(other.status, 201, "another client has its own: {}", other.text());
}

/// As `docs/scaling.md` has it: in any time at most what the rate gives, the burst of each replica,
/// and nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b009_what_two_replicas_allow_stays_within_the_stated_error() {
    let (rate, burst) = (20.0, 20.0);
    let front = front("pushes_per_client = \"20/s\"").await;
    let begun = Instant::now();
    let hammer = |url: String| async move {
        let mut accepted = 0.0;
        while begun.elapsed() < Duration::from_secs(5) {
            accepted += f64::from(u8::from(send(push(&url, "s")).await.status == 201));
        }
        accepted
    };
    let (one, other) =
        tokio::join!(hammer(front.url(0).to_owned()), hammer(front.url(1).to_owned()));
    let took = begun.elapsed().as_secs_f64();
    println!("{one} and {other} in {took:.2} s");
    assert!(one + other <= rate * took + 2.0 * burst, "{one} {other} in {took}");
    assert!(one + other >= rate * took * 0.7, "nothing is refused in vain: {one} {other}");
    assert!(one + other < 1.5 * rate * took + burst, "each alone would allow {}", rate * took);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_each_replica_has_its_own_limit_and_nobody_else_is_refused() {
    let mut front = front(FEW).await;
    for number in 0..4 {
        assert_eq!(with_secret(front.url(number), "wrong").await.status, 401);
    }
    front.redis.kill();
    // Nothing but the limit answers 429, and nothing but the outage 503.
    assert_eq!(with_secret(front.url(1), "correct-horse").await.status, 503);
    let mut failures = 0;
    while with_secret(front.url(0), "wrong").await.status == 401 {
        failures += 1;
        assert!(failures <= 10, "the local limit holds");
    }
    assert!(failures >= 6, "the others' failures count once: {failures}");
    assert_eq!(with_secret(front.url(1), "wrong").await.status, 401, "it has its own");
    front.redis.restart().await;
    until("back", async || with_secret(front.url(1), "correct-horse").await.status == 201).await;
    assert_eq!(with_secret(front.url(0), "wrong").await.status, 429, "it was not lifted");
}
