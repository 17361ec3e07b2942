//! What clients and balancers see of a gateway that stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::toml;
use crate::support::front::{is_ready, until, upstream};
use crate::support::gateway::Gateway;
use crate::support::http::get;
use crate::support::raw::Raw;
use crate::support::upstream::{Step, Upstream};

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn raw(gateway: &Gateway) -> Raw {
    Raw::connect(gateway.url.strip_prefix("http://").unwrap().parse().unwrap()).await
}

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_fails_first_and_clients_are_told_to_go_before_the_door_closes() {
    let upstream = upstream().await;
    let gateway = Gateway::start(&toml(&upstream, "drain_delay = \"1500ms\"", "")).await;
    until("ready", async || is_ready(&gateway).await).await;
    let mut used = raw(&gateway).await;
    used.send(GET).await;
    assert_ne!(used.answer().await.field("connection"), Some("close"));
    let mut idle = raw(&gateway).await;
    idle.send(GET).await;
    idle.answer().await;
    let begun = Instant::now();
    gateway.signal("TERM");
    until("unready", async || !is_ready(&gateway).await).await;
    let verbose = format!("{}/readyz?verbose", gateway.admin_url.as_ref().unwrap());
    assert_eq!(get(&verbose).await.json()["checks"]["serving"], false);
    let metrics = get(&format!("{}/metrics", gateway.admin_url.as_ref().unwrap())).await.text();
    assert!(metrics.contains("\nparapet_draining 1\n"), "{metrics}");
    // Old and new connections are served, once.
    let mut new = raw(&gateway).await;
    for client in [&mut used, &mut new] {
        client.send(GET).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        assert_eq!(client.rest().await, b"");
    }
    assert!(begun.elapsed() < Duration::from_millis(1500), "too slow to prove anything");
    assert!(idle.is_closed_within(Duration::from_secs(5)).await);
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(1400), "closed after {waited:?}");
    let (status, output) = gateway.ended().await;
    assert!(status.success(), "{output}");
    for line in ["no longer ready", "no new connections are taken", "nothing is in flight"] {
        assert_eq!(output.matches(line).count(), 1, "{line}: {output}");
    }
}

/// An upstream that answers `/slow` when it is told to.
async fn slow() -> (Upstream, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let upstream = Upstream::scripted(move |seen| {
        if seen.target.starts_with("/slow") {
            vec![Step::Await(Arc::clone(&told)), Step::Bytes(FINE.to_vec())]
        } else {
            vec![Step::Bytes(FINE.to_vec())]
        }
    })
    .await;
    (upstream, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_ends_and_what_has_only_connected_is_answered_too() {
    let (upstream, go) = slow().await;
    let gateway = Gateway::start(&toml(&upstream, "", "")).await;
    let mut slow = raw(&gateway).await;
    slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.until(|seen| seen.target == "/slow").await;
    let (mut silent, mut half, mut idle) =
        (raw(&gateway).await, raw(&gateway).await, raw(&gateway).await);
    half.send("GET /x HTTP/1.1\r\nHo").await;
    idle.send(GET).await;
    idle.answer().await;
    let address = gateway.url.strip_prefix("http://").unwrap().to_owned();
    let begun = Instant::now();
    gateway.signal("TERM");
    until("closed", async || TcpStream::connect(&address).await.is_err()).await;
    assert!(idle.is_closed_within(Duration::from_secs(1)).await, "idle connections go at once");
    for (client, rest) in [(&mut silent, GET), (&mut half, "st: a\r\n\r\n")] {
        client.send(rest).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    }
    go.notify_one();
    assert_eq!(slow.answer().await.text(), "ok");
    let (status, output) = gateway.ended().await;
    assert!(status.success(), "{output}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_ends_by_a_second_signal_or_when_its_time_is_over() {
    for (server, signals) in [
        ("drain_delay = \"1h\"\n", ["TERM", "TERM"].as_slice()),
        ("drain_delay = \"1h\"\n", &["TERM", "INT"]),
        ("drain_delay = \"1h\"\ndrain_timeout = \"100ms\"\n", &["INT"]),
        ("drain_delay = \"0s\"\n", &["TERM", "TERM"]),
        ("drain_delay = \"0s\"\ndrain_timeout = \"100ms\"\n", &["TERM"]),
    ] {
        let (upstream, _go) = slow().await;
        let gateway = Gateway::start(&toml(&upstream, server, "")).await;
        let mut slow = raw(&gateway).await;
        slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        upstream.until(|seen| seen.target == "/slow").await;
        let begun = Instant::now();
        for (number, name) in signals.iter().enumerate() {
            gateway.signal(name);
            if number == 0 {
                until("told", async || gateway.output().contains("no longer ready")).await;
            }
        }
        let (status, output) = gateway.ended().await;
        assert!(status.success(), "{server}{signals:?}: {output}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{server}{signals:?}");
    }
}
