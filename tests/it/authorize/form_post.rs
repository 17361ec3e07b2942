//! Answers by a page: spent like a redirect, completed with `iss`, and never shown twice.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{FORM, Front, METADATA, cookies, error, ok, refused};
use crate::support::gateway::Gateway;
use crate::support::raw::{Answer, Raw};
use crate::support::upstream::{Seen, Step, Upstream};

const ISS: &str = r#"<input type="hidden" name="iss" value="https://login.example"/>"#;

/// A login page with odd bytes; it must come through as it is.
const LOGIN: &str = "<!doctype html>\n<P CLASS=x>\u{e4}&nbsp;<form action=/login method=post>\
                     <input name=user><input name=csrf value='a&amp;b'></form  ><br/>";

fn page(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nETag: \"x\"\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn form_to(address: &str, fields: &[(&str, &str)]) -> String {
    let field =
        |(name, value): &(&str, &str)| format!("<input type=hidden name={name} value=\"{value}\">");
    let fields: String = fields.iter().map(field).collect();
    format!(
        "<html><body onload=\"document.forms[0].submit()\"><form method=\"post\" action=\"{address}\">\
         {fields}</form></body></html>"
    )
}

const BACK: &str = "https://client.example/cb";

fn done(fields: &[(&str, &str)]) -> String {
    form_to(BACK, &[fields, &[("state", "pushed-state")]].concat())
}

async fn front(settings: &str) -> Front {
    Front::answering(settings, |seen| {
        let code = ("code", "SECRETCODE");
        page(&match seen.target.split('?').next().unwrap_or_default() {
            "/done" => done(&[code]),
            "/denied" => done(&[("error", "access_denied")]),
            "/with-iss" => done(&[code, ("iss", "https://other.example")]),
            "/jarm" => form_to(BACK, &[("response", "eyJ.x.y")]),
            "/escaped" => form_to(
                "https&#x3a;&#x2F;&#x2F;client.example/cb",
                &[code, ("state", "pushed-state")],
            ),
            "/elsewhere" => form_to("https://evil.example/cb", &[code, ("state", "pushed-state")]),
            "/other-state" => form_to(BACK, &[code, ("state", "another")]),
            "/large" => format!("{}{}", " ".repeat(1024 * 1024), done(&[code])),
            "/almost" => format!("{}{}", " ".repeat(1024 * 1000), done(&[code])),
            _ => LOGIN.to_owned(),
        })
    })
    .await
}

/// Pushes for this response mode.
async fn push(front: &Front, mode: &'static str) -> String {
    let mut form = FORM.to_vec();
    form.push(("response_mode", mode));
    front.push("web", &form).await
}

/// A login of one browser: gives the line with its cookie.
async fn login(front: &Front, query: &str) -> String {
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, LOGIN));
    cookies(&[&answer])
}

async fn is_spent(front: &Front, query: &str) -> bool {
    let answer = front.visit(&format!("/authorize?{query}")).await;
    if answer.status != 200 {
        refused(&answer, 400, "invalid_request_uri");
    }
    answer.status != 200
}

/// Asserts that nothing of the answer to the client is in it.
fn hides(answer: &Answer) {
    let whole = format!("{:?}{}", answer.fields, answer.text());
    assert!(!whole.contains("SECRETCODE") && !whole.contains("pushed-state"), "{whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b154_b156_b164_a_page_with_the_answer_spends_and_gets_iss_once() {
    let front = front("").await;
    for (target, expected) in [
        ("/done", done(&[("code", "SECRETCODE")])),
        ("/denied", done(&[("error", "access_denied")])),
        (
            "/escaped",
            done(&[("code", "SECRETCODE")])
                .replace("https://client", "https&#x3a;&#x2F;&#x2F;client"),
        ),
    ] {
        let query = push(&front, "form_post").await;
        let cookie = login(&front, &query).await;
        let answer = front.visit_with(target, &cookie).await;
        assert_eq!(answer.status, 200);
        let (before, fields) = expected.split_once("\"><input").unwrap();
        assert_eq!(answer.text(), format!("{before}\">{ISS}<input{fields}"), "{target}");
        assert_eq!(answer.field("etag"), None);
        assert!(is_spent(&front, &query).await, "{target}");
    }
    for (target, mode) in [("/with-iss", "form_post"), ("/jarm", "form_post.jwt")] {
        let query = push(&front, mode).await;
        let cookie = login(&front, &query).await;
        let answer = front.visit_with(target, &cookie).await;
        assert!(!answer.text().contains(ISS), "{}", answer.text());
        assert!(is_spent(&front, &query).await, "{target}");
    }
    let seen = front.calls().into_iter().find(|seen| seen.target == "/done").unwrap();
    assert_eq!(seen.field("accept-encoding"), Some("identity"));
    assert_eq!(seen.field("cookie"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_answer_nobody_stay_byte_for_byte() {
    let front = front("").await;
    let query = push(&front, "form_post").await;
    let cookie = login(&front, &query).await;
    for target in ["/login", "/elsewhere", "/other-state", "/authorize?x=1"] {
        let direct = front.visit(target).await;
        let answer = front.visit_with(target, &cookie).await;
        assert_eq!(answer.body, direct.body, "{target}");
        assert_eq!(answer.status, 200);
    }
    assert!(!is_spent(&front, &query).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b164_b168_of_two_browsers_one_gets_the_page() {
    let front = front("").await;
    for _ in 0..4 {
        let query = push(&front, "form_post").await;
        let browsers = [login(&front, &query).await, login(&front, &query).await];
        let (a, b) = tokio::join!(
            front.visit_with("/done", &browsers[0]),
            front.visit_with("/done", &browsers[1])
        );
        let (winner, loser, wins) = if a.status == 200 { (a, b, 0) } else { (b, a, 1) };
        assert!(winner.text().contains("SECRETCODE"), "{}", winner.text());
        refused(&loser, 400, "invalid_request_uri");
        hides(&loser);
        let again = front.visit_with("/done", &browsers[wins]).await;
        assert_eq!(again.status, 200, "a double click passes");
        let again = front.visit_with("/done", &browsers[1 - wins]).await;
        refused(&again, 400, "invalid_request_uri");
        hides(&again);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_does_not_pass_in_such_a_flow() {
    let front = front("").await;
    let query = push(&front, "form_post").await;
    let cookie = login(&front, &query).await;
    let answer = front.visit_with("/large", &cookie).await;
    refused(&answer, 502, "server_error");
    hides(&answer);
    assert!(!is_spent(&front, &query).await);
    assert_eq!(front.visit_with("/almost", &cookie).await.status, 200);
    assert!(is_spent(&front, &query).await);

    let front = Front::answering("", |seen| match seen.target.as_str() {
        "/done" => b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\
                     Content-Length: 10\r\n\r\nSECRETCODE"
            .to_vec(),
        _ => page(LOGIN),
    })
    .await;
    let cookie = login(&front, &push(&front, "form_post").await).await;
    let answer = front.visit_with("/done", &cookie).await;
    refused(&answer, 502, "server_error");
    hides(&answer);
    assert_eq!(front.visit("/done").await.status, 200, "other browsers are none of our business");
    let query = cookies(&[&front.visit(&format!("/authorize?{}", front.pushed().await)).await]);
    assert_eq!(front.visit_with("/done", &query).await.status, 200, "nor are other flows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b154_consent_by_post_ends_in_a_page() {
    let front = Front::answering("", |seen| match seen.method.as_str() {
        "POST" => page(&done(&[("code", "SECRETCODE")])),
        _ => page(LOGIN),
    })
    .await;
    for target in ["/authorize", "/consent"] {
        let query = push(&front, "form_post").await;
        let cookie = login(&front, &query).await;
        let form = "allow=yes&state=pushed-state&client_id=web";
        let request = super::post(target, form).replacen("\r\n", &format!("\r\n{cookie}"), 1);
        let answer = front.send(&request).await;
        assert!(answer.text().contains(ISS), "{} {}", answer.status, answer.text());
        let seen = front.calls().into_iter().rfind(|seen| seen.method == "POST").unwrap();
        assert!(String::from_utf8_lossy(&seen.body).contains("allow=yes"), "{seen:?}");
        assert!(is_spent(&front, &query).await, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b155_an_answer_at_once_completes_without_a_cookie() {
    let front = Front::answering("", |_| page(&done(&[("error", "login_required")]))).await;
    let query = push(&front, "form_post").await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert!(answer.text().contains(ISS), "{}", answer.text());
    assert!(answer.field("set-cookie").is_some());
    refused(&front.visit(&format!("/authorize?{query}")).await, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b153_redirects_in_such_a_flow_end_it_as_ever() {
    let to = "https://client.example/cb?error=access_denied&state=pushed-state";
    let front = Front::answering("", move |seen| match seen.target.as_str() {
        "/done" => super::redirect("303 See Other", to),
        _ => page(LOGIN),
    })
    .await;
    let query = push(&front, "form_post").await;
    let cookie = login(&front, &query).await;
    let answer = front.visit_with("/done", &cookie).await;
    assert_eq!(answer.status, 303);
    assert!(answer.field("location").unwrap().ends_with("&iss=https%3A%2F%2Flogin.example"));
    assert!(is_spent(&front, &query).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b232_an_upstream_that_fails_in_such_a_flow_burns_nothing() {
    let (broken, settings) = (Arc::new(std::sync::atomic::AtomicBool::new(true)), "");
    let is_broken = Arc::clone(&broken);
    let upstream = Upstream::scripted(move |seen| {
        if seen.target.contains("/.well-known/openid-configuration") {
            vec![Step::Bytes(ok(METADATA))]
        } else if is_broken.load(std::sync::atomic::Ordering::Relaxed) {
            vec![Step::Close]
        } else {
            vec![Step::Bytes(page(LOGIN))]
        }
    })
    .await;
    let toml = super::configuration(&format!("[authorize]\nsingle_use = \"browser\"\n{settings}"))
        .replace("http://127.0.0.1:9", &format!("http://{}", upstream.address));
    let front = Front { gateway: Gateway::start(&toml).await, upstream };
    front.visit("/.well-known/openid-configuration").await;
    let query = push(&front, "form_post").await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!((answer.status, error(&answer).as_str()), (502, "server_error"));
    assert!(answer.all("set-cookie").is_empty());
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    login(&front, &query).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_in_such_a_flow_streams() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let upstream = Upstream::scripted(move |seen: &Seen| match seen.target.as_str() {
        "/file" => vec![
            Step::Bytes(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 3000000\r\n\r\n"
                    .to_vec(),
            ),
            Step::Bytes(vec![b'z'; 2_000_000]),
            Step::Await(Arc::clone(&wait)),
            Step::Bytes(vec![b'z'; 1_000_000]),
        ],
        target if target.contains("/.well-known/openid") => vec![Step::Bytes(ok(METADATA))],
        _ => vec![Step::Bytes(page(LOGIN))],
    })
    .await;
    let toml = super::configuration("")
        .replace("http://127.0.0.1:9", &format!("http://{}", upstream.address));
    let front = Front { gateway: Gateway::start(&toml).await, upstream };
    front.visit("/.well-known/openid-configuration").await;
    let cookie = login(&front, &push(&front, "form_post").await).await;
    let mut client: Raw = front.connect().await;
    client.send(format!("GET /file HTTP/1.1\r\nHost: login.example\r\n{cookie}\r\n")).await;
    let first = client.take(1_900_000).await;
    assert!(first.starts_with(b"HTTP/1.1 200"));
    go.notify_one();
    let head = first.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
    client.take(head + 3_000_000 - 1_900_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_a_form_beside_a_request_uri_is_watched_too() {
    let front = Front::start("[par]\nrequired = true").await;
    let cookie = "Cookie: __Host-parapet-x=1\r\n";
    let request = super::post("/login?x=request_uri", "client_id=web&response_type=code");
    let request = request.replacen("\r\n", &format!("\r\n{cookie}"), 1);
    refused(&front.send(&request).await, 400, "invalid_request");
    // The head may be there before the body is judged, but never a whole request.
    assert!(front.calls().iter().all(|seen| seen.cut), "{:?}", front.calls());
}
