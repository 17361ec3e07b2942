//! Visits of the authorization endpoint on their way through the proxy: rewritten, replayed, and
//! what becomes of the upstream's redirect.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use parapet::proxy::application::{Decision, Forward, LocationOutcome, Means};

use crate::support::public_side::{PublicSide, Script};
use crate::support::raw::Raw;
use crate::support::upstream::Upstream;

fn unconfigured(upstream: &Upstream) -> PublicSide {
    PublicSide::start(upstream.address, "", Script::default())
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn forwarding(method: Method, body: Option<&'static str>) -> impl Fn() -> Decision {
    move || {
        Decision::Forward(Forward {
            method: method.clone(),
            target: "/authorize?full=1".into(),
            body: body.map(|body| {
                let media = HeaderValue::from_static("application/x-www-form-urlencoded");
                (media, Bytes::from_static(body.as_bytes()))
            }),
            set_cookies: vec![HeaderValue::from_static("parapet-flow=1; HttpOnly")],
            flow: Arc::new(7_u32),
            means: Means::Streamed,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_are_rewritten_in_method_target_and_body() {
    let get = "GET /authorize?request_uri=urn:x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    let post =
        format!("POST /authorize?a=b HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 3\r\n\r\na=1");
    let chunked = format!(
        "POST /authorize HTTP/1.1\r\nHost: a\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n2\r\na=\r\n1\r\n1\r\n0\r\n\r\n"
    );
    for (request, read) in
        [(get, None), (post, Some(b"a=1".to_vec())), (chunked, Some(b"a=1".to_vec()))]
    {
        for (method, body) in
            [(Method::GET, None), (Method::POST, Some("full=yes&more=1")), (Method::POST, Some(""))]
        {
            let upstream = Upstream::fine().await;
            let decide = forwarding(method.clone(), body);
            let script = Script::new(move |_| decide(), |_| LocationOutcome::Keep);
            let gateway = PublicSide::start(upstream.address, "", script);
            let mut client = Raw::connect(gateway.address).await;
            client.send(&request).await;
            let answer = client.answer().await;
            assert_eq!(answer.status, 200, "{request} as {method}");
            assert_eq!(answer.field("set-cookie"), Some("parapet-flow=1; HttpOnly"));
            let seen = upstream.only();
            assert_eq!(
                (seen.method.as_str(), seen.target.as_str()),
                (method.as_str(), "/authorize?full=1")
            );
            assert_eq!(seen.body, body.unwrap_or_default().as_bytes(), "{request} as {method}");
            assert_eq!(seen.field("transfer-encoding"), None);
            assert_eq!(gateway.script.visits.lock()[0].body, read);
            assert!(gateway.told(1).await[0].has_flow);
            client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(client.answer().await.status, 200, "the connection goes on");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passed_visit_is_replayed_unchanged_and_a_large_one_streams() {
    let upstream = Upstream::fine().await;
    let gateway = unconfigured(&upstream);
    let mut client = Raw::connect(gateway.address).await;
    let body = "b".repeat(65_536);
    client
        .send(format!(
            "POST /authorize HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 65536\r\n\r\n{body}"
        ))
        .await;
    assert_eq!(client.answer().await.status, 200);
    let large = "c".repeat(70_000);
    client
        .send(format!(
            "POST /authorize HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 70000\r\n\r\n{large}"
        ))
        .await;
    assert_eq!(client.answer().await.status, 200);
    let chunk = format!("8000\r\n{}\r\n", "d".repeat(0x8000));
    client
        .send(format!(
            "POST /authorize HTTP/1.1\r\nHost: a\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n"
        ))
        .await;
    assert_eq!(client.answer().await.status, 413);
    let seen = upstream.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].body == body.as_bytes() && seen[1].body == large.as_bytes());
    let visits = gateway.script.visits.lock().clone();
    assert_eq!(visits.len(), 2);
    assert_eq!(visits[0].body.as_deref(), Some(body.as_bytes()));
    assert_eq!((visits[1].body.as_deref(), visits[1].method.as_str()), (None, "POST"));
}

/// The same redirect without a body, with one, and with one in chunks.
const REDIRECTS: [&str; 3] = [
    "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 4\r\n\r\nbody",
    "HTTP/1.1 302 Found\r\nLocation: /next\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn location_is_shown_only_where_a_flow_may_be_concerned() {
    let upstream = Upstream::answering(REDIRECTS[0]).await;
    let replace = |location: &str| {
        assert_eq!(location, "/next");
        LocationOutcome::Replace {
            location: HeaderValue::from_static("https://client.example/cb?code=1"),
            set_cookies: vec![HeaderValue::from_static("parapet-a=; Max-Age=0")],
        }
    };
    let script = Script::new(|_| Decision::Pass, replace);
    let gateway = PublicSide::start(upstream.address, "", script);
    let mut client = Raw::connect(gateway.address).await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\n\r\n").await;
    assert_eq!(client.answer().await.field("location"), Some("/next"));
    client.send("GET /x HTTP/1.1\r\nHost: a\r\nCookie: parapet-a=1\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.field("location"), Some("https://client.example/cb?code=1"));
    assert_eq!(answer.field("set-cookie"), Some("parapet-a=; Max-Age=0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn location_may_be_kept() {
    for redirect in REDIRECTS {
        let upstream = Upstream::answering(redirect).await;
        let gateway = unconfigured(&upstream);
        let mut client = Raw::connect(gateway.address).await;
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nCookie: parapet-a=1\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.field("location")), (302, Some("/next")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn location_may_be_answered_by_the_gateway() {
    for redirect in REDIRECTS {
        let upstream = Upstream::answering(redirect).await;
        let decide = forwarding(Method::GET, None);
        let refuse = |_: &str| {
            LocationOutcome::Answer(Response::builder().status(400).body("raced".into()).unwrap())
        };
        let script = Script::new(move |_| decide(), refuse);
        let gateway = PublicSide::start(upstream.address, "", script);
        let mut client = Raw::connect(gateway.address).await;
        client.send("GET /authorize HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text().as_str()), (400, "raced"), "{redirect}");
        assert_eq!(answer.field("location"), None);
        let told = gateway.told(1).await;
        assert_eq!((told[0].status, told[0].upstream_status), (Some(400), Some(302)));
    }
}
