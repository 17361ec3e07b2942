//! One process takes the place of another on the same host and port.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Load, SNAPSHOT, complete, push, redeem, some_time, toml};
use crate::support::front::{ISSUER, REDIRECT_URI, is_ready, until, upstream};
use crate::support::gateway::Gateway;
use crate::support::http::get;
use crate::support::redis::Redis;
use crate::support::upstream::{Step, Upstream};

/// The file of the new process. The old one would take a change of its own file into use.
const NEXT: &str = "next.toml";

const SOCKET: &str = "upgrade_socket = \"upgrade.sock\"\ndrain_timeout = \"10s\"";
const LIMIT: Duration = Duration::from_secs(60);
const WAITS: &str = "waiting for the running gateway";

/// The process that takes over from `old`, and what the old one said until its end.
async fn upgraded(folder: &std::path::Path, toml: &str, old: Gateway) -> (Gateway, String) {
    let mut new = Gateway::spawn_in(folder, NEXT, toml, &["--upgrade"]);
    new.wait_for(LIMIT, |output| output.contains(WAITS).then_some(())).await;
    let mode = std::fs::metadata(folder.join("upgrade.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    old.signal("QUIT");
    let (status, output) = old.ended().await;
    assert!(status.success(), "{output}");
    assert!(output.contains("handed over"), "{output}");
    (Gateway::listening(new, toml).await, output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_fails_nothing_and_keeps_what_is_in_memory() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let socket = folder.path().join("public.sock");
    let server = format!("listen = [\"127.0.0.1:0\", \"unix:{}\"]\n{SOCKET}", socket.display());
    let toml = toml(&upstream, &server, SNAPSHOT);
    let mut gateway = Gateway::start_in(folder.path(), &toml).await;
    until("ready", async || is_ready(&gateway).await).await;
    let (url, admin_url) = (gateway.url.clone(), gateway.admin_url.clone());
    let spent = push(&url, "spent").await.unwrap();
    complete(&url, &redeem(&url, &spent).await.unwrap(), "spent").await.unwrap();
    let mut pushed = Vec::new();
    for number in 0..50 {
        pushed.push((push(&url, &format!("before{number}")).await.unwrap(), number));
    }
    let ticket = redeem(&url, &push(&url, "started").await.unwrap()).await.unwrap();
    let load = Load::start(&url, 6);
    some_time().await;
    for _ in 0..2 {
        gateway = upgraded(folder.path(), &toml, gateway).await.0;
        assert_eq!((&gateway.url, &gateway.admin_url), (&url, &admin_url));
        assert!(is_ready(&gateway).await, "it was before it took over");
        some_time().await;
    }
    let (done, failed) = load.stop().await;
    println!("{done} flows, {} requests failed", failed.len());
    assert!(done > 50, "{done}");
    assert!(failed.is_empty(), "{} of {done}: {failed:#?}\n{}", failed.len(), gateway.output());
    for (request_uri, number) in &pushed {
        let ticket = redeem(&url, request_uri).await.unwrap();
        complete(&url, &ticket, &format!("before{number}")).await.unwrap();
    }
    complete(&url, &ticket, "started").await.unwrap();
    assert!(redeem(&url, &spent).await.unwrap_err().contains("400"), "it was spent");
    assert!(socket.exists());
    assert!(!folder.path().join("pending").exists());
    gateway.stop();
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_redis_hand_over_without_a_snapshot() {
    let (redis, upstream) = (Redis::start(&[]).await, upstream().await);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("backend = \"redis\"\n[store.redis]\nurl = \"{}\"\n", redis.url());
    let toml = toml(&upstream, SOCKET, &store);
    let gateway = Gateway::start_in(folder.path(), &toml).await;
    until("ready", async || is_ready(&gateway).await).await;
    let url = gateway.url.clone();
    let load = Load::start(&url, 4);
    some_time().await;
    let (_gateway, _) = upgraded(folder.path(), &toml, gateway).await;
    some_time().await;
    let (done, failed) = load.stop().await;
    assert!(done > 20 && failed.is_empty(), "{} of {done}: {failed:#?}", failed.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_cannot_take_over_leaves_the_old_one_at_work() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let good = toml(&upstream, SOCKET, SNAPSHOT);
    let gateway = Gateway::start_in(folder.path(), &good).await;
    until("ready", async || is_ready(&gateway).await).await;
    let url = gateway.url.clone();
    let request_uri = push(&url, "s").await.unwrap();
    let said = |words: &str| gateway.output().matches(words).count();
    let goes_on = "this one goes on";
    // Nobody waits.
    gateway.signal("QUIT");
    until("told", async || said(goes_on) == 1).await;
    assert!(gateway.output().contains("no meeting at"), "{}", gateway.output());

    let load = Load::start(&url, 2);
    let away = good.replace("[server]", "[server]\nlisten = [\"192.0.2.1:80\"]");
    let away = away.replacen("listen = [\"127.0.0.1:0\"]", "", 1);
    let deaf = good.replace(&upstream.address.to_string(), "127.0.0.1:1");
    let other_key = good.replace("AAEC", "BBEC");
    let wrong = [
        (away, "cannot listen on 192.0.2.1:80"),
        (other_key, "sealed with another key"),
        (deaf, "not ready for work in time: metadata"),
    ];
    for (number, (toml, why)) in wrong.into_iter().enumerate() {
        let mut new = Gateway::spawn_in(folder.path(), NEXT, &toml, &["--upgrade"]);
        new.wait_for(LIMIT, |output| output.contains(WAITS).then_some(())).await;
        gateway.signal("QUIT");
        until("on its own", async || said(goes_on) == number + 2).await;
        new.wait_for(LIMIT, |output| output.contains(why).then_some(())).await;
        until("gone", async || !folder.path().join("upgrade.sock").exists()).await;
        some_time().await;
    }
    let (done, failed) = load.stop().await;
    assert!(done > 10 && failed.is_empty(), "{failed:#?}");
    assert!(!folder.path().join("pending").exists(), "a snapshot of a store that went on");
    redeem(&url, &request_uri).await.unwrap();
    assert!(is_ready(&gateway).await);
    assert_eq!(get(&format!("{url}/elsewhere")).await.status, 200);
}

/// An upstream that lets nobody end a login before it is told to.
async fn holding() -> (Upstream, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let upstream = Upstream::scripted(move |seen| {
        let head = "HTTP/1.1 200 OK\r\ncontent-length:";
        if seen.target.contains("/.well-known/") {
            let document = format!(
                "{{\"issuer\":\"{ISSUER}\",\"authorization_endpoint\":\"{ISSUER}/authorize\"}}"
            );
            return vec![Step::Bytes(
                format!("{head} {}\r\n\r\n{document}", document.len()).into(),
            )];
        }
        let Some(state) = seen.target.strip_prefix("/done?") else {
            return vec![Step::Bytes(format!("{head} 5\r\n\r\nlogin").into())];
        };
        let location = format!("location: {REDIRECT_URI}?code=1&{state}\r\n");
        let answer = format!("HTTP/1.1 302 Found\r\n{location}content-length: 0\r\n\r\n");
        vec![Step::Await(Arc::clone(&told)), Step::Bytes(answer.into())]
    })
    .await;
    (upstream, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_old_process_still_spends_the_new_one_knows() {
    let (upstream, go) = holding().await;
    let folder = tempfile::tempdir().unwrap();
    let toml = toml(&upstream, SOCKET, SNAPSHOT);
    let old = Gateway::start_in(folder.path(), &toml).await;
    until("ready", async || is_ready(&old).await).await;
    let url = old.url.clone();
    let request_uri = push(&url, "held").await.unwrap();
    let ticket = redeem(&url, &request_uri).await.unwrap();
    let own = url.clone();
    let ending = tokio::spawn(async move { complete(&own, &ticket, "held").await });
    upstream.until(|seen| seen.target.starts_with("/done?")).await;

    let mut new = Gateway::spawn_in(folder.path(), NEXT, &toml, &["--upgrade"]);
    new.wait_for(LIMIT, |output| output.contains(WAITS).then_some(())).await;
    old.signal("QUIT");
    until("paused", async || old.output().contains("no connections are taken")).await;
    // Who comes now waits for the new process.
    let own = url.clone();
    let late = tokio::spawn(async move { push(&own, "late").await });
    go.notify_one();
    ending.await.unwrap().unwrap();
    let (status, output) = old.ended().await;
    assert!(status.success() && !output.contains("do without the store"), "{output}");
    let _new = Gateway::listening(new, &toml).await;
    late.await.unwrap().unwrap();
    assert!(redeem(&url, &request_uri).await.unwrap_err().contains("400"), "it was spent");
}
