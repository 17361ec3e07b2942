//! What a person or a program is shown instead: words, a number, nothing of what was sent.

use super::Front;
use crate::support::raw::Answer;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

/// Stands in every part of a request, encoded and not.
const MARKS: [&str; 4] = ["MARKER", "<script>", "evil.example", "%3Cscript"];

fn locked_down(answer: &Answer, what: &str) {
    assert!((400..=503).contains(&answer.status), "{what}: {}", answer.status);
    assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"), "{what}");
    assert_eq!(answer.field("cache-control"), Some("no-store"), "{what}");
    assert_eq!(answer.field("referrer-policy"), Some("no-referrer"), "{what}");
    assert_eq!(answer.field("x-frame-options"), Some("DENY"), "{what}");
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{what}");
    assert_eq!(answer.field("location"), None, "{what}");
    let policy = answer.field("content-security-policy").unwrap();
    for part in ["default-src 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let id = answer.field("x-request-id").unwrap();
    assert!(id.len() > 8 && answer.text().contains(id), "{what}: no request id {id}");
    let whole = format!("{:?}{}", answer.fields, answer.text());
    for mark in MARKS {
        assert!(!whole.contains(mark), "{what}: echoes {mark}: {whole}");
    }
    assert!(!whole.contains("http://") && !whole.contains("https://"), "{whole}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b157_b158_pages_echo_nothing_and_lead_nowhere() {
    let front = Front::start("[par]\nrequired = true").await;
    let live = front.pushed().await;
    let uri = "request_uri=urn:ietf:params:oauth:request_uri:MARKER";
    let evil = "redirect_uri=https://evil.example/&state=MARKER&x=%3Cscript%3EMARKER";
    let marked = "User-Agent: MARKER<script>\r\nReferer: https://evil.example/MARKER\r\n";
    for target in [
        format!("/authorize?{evil}"),
        format!("/authorize?client_id=MARKER&response_type=code&{evil}"),
        format!("/authorize?client_id=web&{uri}&{evil}"),
        format!("/authorize?client_id=MARKER&{uri}&{evil}"),
        format!("/authorize?client_id=shop&{}&{evil}", &live[14..]),
        format!("/authorize?{live}&request=MARKER&{evil}"),
        format!("/authorize?client_id=web&request_uri=https://evil.example/MARKER&{evil}"),
        format!("//AUTHORIZE/MARKER/..?client_id=web&{evil}"),
        format!("/MARKER?client_id=web&response_type=code&{evil}"),
    ] {
        let answer = front.visit_with(&target, &format!("{BROWSER}{marked}")).await;
        assert_eq!(answer.status, 400, "{target}");
        locked_down(&answer, &target);
    }
    assert!(front.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_html_for_browsers_and_json_for_the_rest() {
    let front = Front::start("").await;
    let target = "/authorize?client_id=web&request_uri=urn:ietf:params:oauth:request_uri:x";
    for (accept, html) in [
        (BROWSER, true),
        ("Accept: text/html\r\n", true),
        ("Accept: application/json\r\n", false),
        ("Accept: text/html;q=0.1, application/json\r\n", false),
        ("Accept: */*\r\n", false),
        ("", false),
    ] {
        let answer = front.visit_with(target, accept).await;
        let media_type = answer.field("content-type").unwrap();
        assert_eq!(media_type.starts_with("text/html"), html, "{accept}");
        assert_eq!(media_type.starts_with("application/json"), !html, "{accept}");
        assert_eq!(answer.field("vary"), Some("Accept"));
        if html {
            locked_down(&answer, accept);
        } else {
            super::refused(&answer, 400, "invalid_request_uri");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_bodies_get_a_page_with_their_number_too() {
    let front = Front::start("[par]\nrequired = true").await;
    let body = "client_id=MARKER&response_type=code&state=%3Cscript";
    let answer = front
        .send(&format!(
            "POST /login HTTP/1.1\r\nHost: login.example\r\n{BROWSER}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert_eq!(answer.status, 400);
    locked_down(&answer, "a body");
}
