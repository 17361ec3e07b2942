//! What only sockets show: bodies over the limit, methods, plain http, the access log (B-002,
//! B-007, B-008, B-048, B-126, B-130).

use std::net::SocketAddr;

use super::travel::Road;
use super::*;
use crate::support::raw::{Answer, Raw};

fn address(road: &Road) -> SocketAddr {
    road.gateway.url.trim_start_matches("http://").parse().unwrap()
}

/// One request on a connection of its own.
pub(super) async fn ask(road: &Road, head: &str, body: &str) -> Answer {
    let mut client = Raw::connect(address(road)).await;
    let _ = client.try_send(format!("{head}\r\n\r\n{body}")).await;
    client.answer_to(head.split(' ').next().unwrap()).await
}

/// A push of `form` by `web` with further header lines.
pub(super) async fn push(road: &Road, lines: &str, form: &str) -> Answer {
    let head = format!(
        "POST /par HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nAuthorization: {}\r\n\
         Content-Length: {}{lines}",
        basic("web", "web-secret"),
        form.len()
    );
    ask(road, &head, form).await
}

fn assert_json(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/json"), "{answer:?}");
    assert!(answer.field("cache-control").unwrap().contains("no-store"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"], error);
    assert!(body["error_description"].is_string());
}

const BROWSER: &str = "\r\nAccept: text/html\r\nOrigin: https://spa.example";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b008_b126_body_over_the_limit_is_413_in_json() {
    let road =
        Road::open("[par]\nmax_body_bytes = 4096\ncors_origins = [\"https://spa.example\"]").await;
    let fitting = format!("{}&v={}", encode(&complete()), "x".repeat(3000));
    assert_eq!(push(&road, "", &fitting).await.status, 201);
    let long = "x".repeat(5000);
    let answer = push(&road, BROWSER, &long).await;
    assert_json(&answer, 413, "invalid_request");
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://spa.example"));
    assert_json(&push(&road, "", &long).await, 413, "invalid_request");

    let mut client = Raw::connect(address(&road)).await;
    client
        .send(format!(
            "POST /par HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nAccept: text/html\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        ))
        .await;
    for _ in 0..5 {
        // The answer may come, and the connection go, before the last chunk.
        let _ = client.try_send(format!("400\r\n{}\r\n", "x".repeat(1024))).await;
    }
    let answer = client.answer_to("POST").await;
    assert_json(&answer, 413, "invalid_request");
    assert!(client.is_closed_within(crate::support::raw::PATIENCE).await);
    assert!(road.gateway.output().contains("413"), "the access log tells it");
    let (_, output) = road.gateway.stop();
    let told = output.lines().filter(|line| line.contains("\"push.refused\""));
    assert_eq!(told.filter(|line| line.contains("\"unreadable\"")).count(), 3, "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b126_body_that_does_not_come_or_is_broken_is_answered_in_json() {
    let road = Road::open("[limits]\nbody_timeout = \"1s\"").await;
    let head =
        format!("POST /par HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nAccept: text/html");
    let late = ask(&road, &format!("{head}\r\nContent-Length: 100"), "client_id=web").await;
    assert_json(&late, 408, "invalid_request");
    let broken = ask(&road, &format!("{head}\r\nTransfer-Encoding: chunked"), "zz\r\nx\r\n").await;
    assert_json(&broken, 400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b002_b003_other_methods_over_the_wire() {
    let road = Road::open("").await;
    for method in ["GET", "HEAD", "DELETE", "PATCH", "PUT", "OPTIONS", "TRACE"] {
        let form = if method == "PUT" { encode(&complete()) } else { String::new() };
        let head = format!(
            "{method} /par HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nContent-Type: {FORM}\r\n\
             Content-Length: {}",
            form.len()
        );
        let answer = ask(&road, &head, &form).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.field("allow"), Some("POST"), "{method}");
        if method == "HEAD" {
            assert!(answer.body.is_empty());
        } else {
            assert_json(&answer, 405, "invalid_request");
        }
    }
    assert!(road.upstream.seen().iter().all(|seen| seen.target.contains("/.well-known/")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b048_trusted_proxy_that_took_plain_http_is_refused() {
    let road =
        Road::open("issuer = \"https://login.example\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n---")
            .await;
    let form = encode(&complete());
    let fine = push(&road, "\r\nX-Forwarded-Proto: https", &form).await;
    assert_eq!(fine.status, 201, "{fine:?}");
    for lines in ["\r\nX-Forwarded-Proto: http", "\r\nX-Forwarded-Proto: https, http", ""] {
        let answer = push(&road, lines, &form).await;
        assert_json(&answer, 400, "invalid_request");
        assert_eq!(answer.field("location"), None);
    }
    let open = Road::open("").await;
    let answer = push(&open, "\r\nX-Forwarded-Proto: http", &form).await;
    assert_eq!(answer.status, 201, "an http issuer on loopback is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b007_query_of_a_push_stays_out_of_the_log() {
    let road = Road::open("").await;
    let head = format!(
        "POST /par?client_id=post&client_secret=hunter2-query HTTP/1.1\r\nHost: a\r\n\
         Content-Type: {FORM}\r\nContent-Length: 0"
    );
    assert_json(&ask(&road, &head, "").await, 401, "invalid_client");
    let (status, output) = road.gateway.stop();
    assert!(status.success());
    assert!(output.contains("\"/par\"") && !output.contains("hunter2-query"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b130_preflight_over_the_wire() {
    let road = Road::open("[par]\ncors_origins = [\"https://spa.example\"]").await;
    let head = "OPTIONS /par HTTP/1.1\r\nHost: a\r\nOrigin: https://spa.example\r\n\
                Access-Control-Request-Method: POST\r\nContent-Length: 0";
    let answer = ask(&road, head, "").await;
    assert!([200, 204].contains(&answer.status));
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://spa.example"));
    let answer = ask(&road, &head.replace("spa.example", "evil.example"), "").await;
    assert_json(&answer, 405, "invalid_request");
    assert_eq!(answer.field("allow"), Some("POST, OPTIONS"));
    assert_eq!(answer.field("access-control-allow-origin"), None);
    assert_eq!(push(&road, BROWSER, &encode(&complete())).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b224_doubled_and_huge_authorization_fields_over_the_wire() {
    let road = Road::open("").await;
    let form = encode(&complete());
    let twice = format!("\r\nAuthorization: {}", basic("web", "web-secret"));
    assert_json(&push(&road, &twice, &form).await, 400, "invalid_request");
    let huge = format!(
        "POST /par HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\nContent-Length: 0\r\n\
         Authorization: Basic {}",
        "d2Vi".repeat(25_000)
    );
    let answer = ask(&road, &huge, "").await;
    assert!([400, 401, 431].contains(&answer.status), "{answer:?}");
    assert_eq!(push(&road, "", &form).await.status, 201, "others are served");
}
