//! Reloads under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{Request, StatusCode};
use tokio::task::JoinSet;

use super::{FORM, Scene, until};
use crate::support::http::{encode, try_send_by};

const ONE: &str = "[par]\nlifetime = \"60s\"\n[[clients]]\nclient_id = \"one\"\nsecret = \"1\"\n";
const TWO: &str = "[par]\nlifetime = \"90s\"\n[authorize]\nlogin_lifetime = \"5m\"\n\
                   [upstream.tls]\n[[clients]]\nclient_id = \"two\"\nsecret = \"2\"\n";

/// Pushes, redeems and passes through on one connection until it is told to stop; gives what failed.
async fn browse(url: String, stop: Arc<AtomicBool>, done: Arc<AtomicUsize>) -> Vec<String> {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    let mut failures = Vec::new();
    let basic = "Basic d2ViOndlYi1zZWNyZXQ=";
    while !stop.load(Ordering::Relaxed) {
        let push = Request::post(format!("{url}/par"))
            .header("authorization", basic)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(FORM).into())
            .unwrap();
        let target = match try_send_by(client.clone(), push).await {
            Ok(answer) if answer.status == StatusCode::CREATED => {
                let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
                format!("{url}/authorize?client_id=web&request_uri={request_uri}")
            }
            other => {
                failures.push(format!("push: {other:?}"));
                continue;
            }
        };
        for (target, expected) in [(target, 302), (format!("{url}/any"), 200)] {
            let request = Request::get(&target).body(bytes::Bytes::new()).unwrap();
            match try_send_by(client.clone(), request).await {
                Ok(answer) if answer.status == expected => {}
                other => failures.push(format!("{target}: {other:?}")),
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_configuration_changes_twenty_times() {
    let scene = Scene::start(ONE).await;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        load.spawn(browse(scene.gateway.url.clone(), Arc::clone(&stop), Arc::clone(&done)));
    }
    for round in 0..20 {
        let before = done.load(Ordering::Relaxed);
        match round % 3 {
            0 => scene.change(TWO, "applied").await,
            1 => scene.change("[par]\nlifetime = \"60\"\n", "invalid").await,
            _ => scene.change(ONE, "applied").await,
        }
        // Some of the load meets each of them.
        until("the load goes on", async || done.load(Ordering::Relaxed) >= before + 4).await;
    }
    stop.store(true, Ordering::Relaxed);
    let failures: Vec<String> = load.join_all().await.concat();
    assert!(failures.is_empty(), "{} failures: {:#?}", failures.len(), failures.first());
    assert!(done.load(Ordering::Relaxed) >= 80);
    assert_eq!((scene.count("applied").await, scene.count("invalid").await), (13.0, 7.0));
    let (status, output) = scene.gateway.stop();
    assert!(status.success(), "{output}");
}
