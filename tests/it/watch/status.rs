//! The status page of a real gateway.

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{PLANTED, front, traffic};
use crate::authorize::Front;
use crate::support::http::{Answer, encode, get, send};

/// `path` on the admin listener.
async fn ask(front: &Front, path: &str) -> Answer {
    get(&format!("{}{path}", front.gateway.admin_url.as_deref().unwrap())).await
}

async fn ask_as(front: &Front, path: &str, host: &str) -> Answer {
    let url = format!("{}{path}", front.gateway.admin_url.as_deref().unwrap());
    send(Request::get(url).header("host", host).body(Bytes::new()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_tells_outcomes_and_no_parameter() {
    let front = front("").await;
    traffic(&front).await;
    let page = ask(&front, "/status").await;
    let (json, metrics) = (ask(&front, "/status.json").await, ask(&front, "/metrics").await);
    assert_eq!(page.status, 200, "{}", page.text());
    let (html, view) = (page.text(), json.json());

    for answer in [&page, &json, &metrics] {
        let text = answer.text();
        assert!(!text.contains("planted"), "{text}");
        assert!(!text.contains("-secret"), "{text}");
        for (_, value) in PLANTED.iter().filter(|(name, _)| *name != "response_type") {
            let encoded = encode(&[("", value)]).split_off(1);
            assert!(!text.contains(value) && !text.contains(&encoded), "{value} in {text}");
        }
    }

    let outcomes = view["outcomes"].as_array().unwrap();
    let said = |event: &str| outcomes.iter().filter(|it| it["event"] == event).count();
    assert_eq!(said("push.accepted"), 2, "{view:#}");
    assert_eq!(said("redeem.accepted"), 2);
    assert_eq!(said("completion.code"), 2);
    assert!(said("redeem.refused") >= 3 && said("push.refused") >= 2, "{view:#}");
    let logged = front.gateway.output();
    for outcome in outcomes {
        let id = outcome["request_id"].as_str().unwrap();
        assert!(id.len() > 8 && html.contains(id) && logged.contains(id), "{outcome}");
    }
    let hour = &view["last_hour"];
    let sum = |name: &str| -> u64 {
        hour[name].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).sum()
    };
    assert_eq!((sum("pushes_accepted"), sum("pushes_refused")), (2, 2));
    assert_eq!((sum("redeems_accepted"), sum("completions_good")), (2, 2));
    assert!(hour["push_seconds"]["p99"][59].as_f64().unwrap() > 0.0, "{hour}");
    assert!(hour["store_seconds"]["median"][59].as_f64().unwrap() > 0.0, "{hour}");
    let reasons: Vec<_> =
        hour["refusals"].as_array().unwrap().iter().map(|it| it["reason"].as_str()).collect();
    assert!(reasons.contains(&Some("push: invalid_client")), "{reasons:?}");
    assert!(front.gateway.stop().0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_locked_down_and_needs_nothing() {
    let front = front("").await;
    let page = ask(&front, "/status").await;
    let html = page.text();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
    for none in ["<script", "src=", "<link", "style=", "onload", "url(", "@import"] {
        assert!(!html.contains(none), "{none}");
    }
    for (attribute, own) in [("href=\"", "/")] {
        let targets = html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());
        for target in targets {
            assert!(target.starts_with(own), "{target}");
        }
    }
    assert!(html.contains("<meta http-equiv=\"refresh\" content=\"15\">"), "{html}");
    let paused = ask(&front, "/status?pause").await.text();
    assert!(!paused.contains("http-equiv=\"refresh\""), "{paused}");
    for empty in ["Nothing has happened yet", "None in the last hour", "TLS does not end"] {
        assert!(html.contains(empty), "{empty}: {html}");
    }
    assert_eq!(html.matches("<h1>").count(), 1);
    assert_eq!(html.matches("<svg ").count(), html.matches("role=\"img\" aria-label=\"").count());
    let head = send(
        Request::head(format!("{}/status", front.gateway.admin_url.as_deref().unwrap()))
            .body(Bytes::new())
            .unwrap(),
    )
    .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert!(front.gateway.stop().0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_than_localhost_is_refused() {
    let front = front("").await;
    for path in ["/status", "/status.json"] {
        for host in ["rebound.example", "rebound.example:9901", "127.0.0.1.rebound.example"] {
            let answer = ask_as(&front, path, host).await;
            assert_eq!(answer.status, 400, "{host}");
            assert!(!answer.text().contains("outcomes"), "{}", answer.text());
        }
        for host in ["localhost:9901", "127.0.0.1", "[::1]:9901", "10.1.2.3:9901"] {
            assert_eq!(ask_as(&front, path, host).await.status, 200, "{host}");
        }
    }
    // Probes and scrapers ask by whatever name they know.
    for path in ["/livez", "/metrics"] {
        assert_eq!(ask_as(&front, path, "parapet.monitoring.svc").await.status, 200, "{path}");
    }
    assert!(front.gateway.stop().0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_show_what_they_refused_and_remember() {
    let front =
        front("[limits]\npushes_per_client = \"2/h\"\nfailures_per_address = \"1/h\"\n").await;
    for status in [201, 201, 429] {
        assert_eq!(front.try_push("web", PLANTED).await.status, status);
    }
    for _ in 0..3 {
        front.try_push("nobody", PLANTED).await;
    }
    let refused = |view: &Value, scope: &str| {
        let all = view["limits"]["refused"].as_array().unwrap().clone();
        all.into_iter().find(|it| it["scope"] == scope).unwrap()["total"].as_u64().unwrap()
    };
    let view = ask(&front, "/status.json").await.json();
    assert_eq!(refused(&view, "client"), 1, "{view:#}");
    assert_eq!(refused(&view, "address"), 1, "{view:#}");
    assert_eq!(refused(&view, "connections"), 0);
    assert!(view["limits"]["tracked_clients"].as_u64().unwrap() >= 1, "{view:#}");
    assert!(view["limits"]["tracked_addresses"].as_u64().unwrap() >= 1, "{view:#}");
    assert!(front.gateway.stop().0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_why_not() {
    // Nobody listens there: the gateway starts, and is not ready.
    let toml = crate::authorize::configuration("[admin]\nlisten = \"127.0.0.1:0\"\n");
    let gateway = crate::support::gateway::Gateway::start(&toml).await;
    let admin = gateway.admin_url.clone().unwrap();
    let answer = get(&format!("{admin}/readyz?verbose")).await;
    assert_eq!(answer.status, 503);
    let body = answer.json();
    assert_eq!(body["checks"]["metadata"], false, "{body}");
    assert_eq!(body["checks"]["store"], true, "{body}");
    assert_eq!(body["reasons"][0], "the upstream's metadata were not fetched yet", "{body}");
    assert!(get(&format!("{admin}/metrics")).await.text().contains("\nparapet_ready 0\n"));
    let page = get(&format!("{admin}/status")).await.text();
    assert!(page.contains("Not ready") && page.contains("not yet fetched"), "{page}");
    assert!(gateway.stop().0.success());
}
