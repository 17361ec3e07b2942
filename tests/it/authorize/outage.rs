//! The upstream goes away in the middle: a page, and nothing burnt.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::{Front, error, ok, upstream_on};
use crate::support::upstream::{Step, Upstream};

/// Longest wait until the gateway finds an upstream that came back.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b232_an_upstream_that_is_down_burns_nothing() {
    for mode in ["completion", "browser", "first-load"] {
        let front = Front::start(&format!("[authorize]\nsingle_use = \"{mode}\"")).await;
        let address = front.upstream.address;
        let query = front.pushed().await;
        let target = format!("/authorize?{query}");
        let Front { upstream, gateway } = front;
        drop(upstream);
        free_again(address).await;
        let mut front = Front { upstream: unused().await, gateway };
        refused_softly(&front, &target).await;
        // Somebody listens again, and hangs up without an answer.
        front.upstream = Upstream::on(address, |_| vec![Step::Close]).await;
        refused_softly(&front, &target).await;
        let Front { upstream, gateway } = front;
        drop(upstream);
        free_again(address).await;
        let front = Front { upstream: upstream_on(address, |_| ok("back")).await, gateway };
        let begun = Instant::now();
        let mut answer = front.visit(&target).await;
        while answer.status != 200 && begun.elapsed() < PATIENCE {
            assert!([502, 503, 504].contains(&answer.status), "{mode}: {}", answer.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
            answer = front.visit(&target).await;
        }
        assert_eq!((answer.status, answer.text().as_str()), (200, "back"), "{mode}");
        let second = front.visit(&target).await;
        assert_eq!(second.status, if mode == "completion" { 200 } else { 400 }, "{mode}");
    }
}

/// Somewhere else, so that nobody listens where the gateway asks.
async fn unused() -> Upstream {
    Upstream::fine().await
}

async fn refused_softly(front: &Front, target: &str) {
    for _ in 0..3 {
        let answer = front.visit(target).await;
        assert!([502, 503, 504].contains(&answer.status), "{}", answer.status);
        error(&answer);
        assert!(answer.all("set-cookie").is_empty());
    }
}

/// Waits until a dropped upstream has let go of its address.
async fn free_again(address: SocketAddr) {
    let begun = Instant::now();
    while let Err(error) = TcpListener::bind(address).await {
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b232_an_upstream_that_does_not_answer_in_time_burns_nothing() {
    let settings = "[upstream]\nread_timeout = \"1s\"\n[authorize]\nsingle_use = \"first-load\"";
    let slow = std::sync::atomic::AtomicBool::new(true);
    let front = Front::answering(settings, move |seen| {
        let first = seen.target.starts_with("/authorize")
            && slow.swap(false, std::sync::atomic::Ordering::SeqCst);
        // An announced body without a head would be no answer either: nothing is said at all.
        if first { Vec::new() } else { ok("late") }
    })
    .await;
    let target = format!("/authorize?{}", front.pushed().await);
    let answer = front.visit(&target).await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(front.visit(&target).await.status, 200);
    assert_eq!(front.visit(&target).await.status, 400);
}
