//! Redirect URIs that nobody registered (RFC 9126 §2.4), from push to completion: the pushed one is the
//! client's for that request, and for nothing else.

use parapet::authorize::Onward;

use super::desk::{Browser, Desk};
use super::{FORM, Front, cookies, redirect, refused};
use crate::support::http::encode;
use crate::support::raw::Answer;

const ISS: &str = "iss=https%3A%2F%2Flogin.example";

/// The client `web` may push any address.
const FREE: &str = "[upstream]\naccepts_unregistered_redirect_uris = true\n[par]\nrequired = true\n\
                    [clients.web]\nallow_unregistered_redirect_uris = true\n\
                    require_pushed_authorization_requests = true\n";

const PUSHED: &str = "https://tenant.example/cb?own=1";
const BACK: &str = "https://tenant.example/cb?own=1&code=c&state=pushed-state";

/// The upstream sends the browser from `/done` to what `X-To` says, answers there by a form of `/page`,
/// and shows a login elsewhere.
async fn front() -> Front {
    Front::answering(FREE, |seen| match seen.field("x-to") {
        Some(to) if seen.target == "/page" => {
            let page = format!(
                "<form method=post action=\"{to}\"><input type=hidden name=code value=c>\
                 <input type=hidden name=state value=pushed-state></form>"
            );
            let length = page.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
                 Content-Length: {length}\r\n\r\n{page}"
            )
            .into_bytes()
        }
        Some(to) if seen.target == "/done" => redirect("302 Found", to),
        _ => super::ok("login"),
    })
    .await
}

fn form() -> Vec<(&'static str, &'static str)> {
    let mut form = FORM.to_vec();
    form.retain(|(name, _)| *name != "redirect_uri");
    form.push(("redirect_uri", PUSHED));
    form
}

/// Pushes and loads; gives the query of the visit and the line with the cookie.
async fn begun(front: &Front) -> (String, String) {
    let query = front.push("web", &form()).await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "login"));
    (query, cookies(&[&answer]))
}

async fn done(front: &Front, method: &str, to: &str, headers: &str) -> Answer {
    let request = format!(
        "{method} /done HTTP/1.1\r\nHost: login.example\r\nX-To: {to}\r\n{headers}\
         Content-Length: 0\r\n\r\n"
    );
    front.send(&request).await
}

async fn assert_spent(front: &Front, query: &str, cookie: &str) {
    let target = format!("/authorize?{query}");
    refused(&front.visit_with(&target, cookie).await, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b024_the_pushed_address_completes_the_request_and_no_other_does() {
    let front = front().await;
    let (query, cookie) = begun(&front).await;
    let seen = front.calls().pop().unwrap().target;
    assert!(seen.contains(&encode(&[("redirect_uri", PUSHED)])), "{seen}");
    for to in [
        "https://client.example/cb?code=c&state=pushed-state",
        "https://tenant.example/cb?code=c&state=pushed-state",
        "https://other.example/cb?own=1&code=c&state=pushed-state",
    ] {
        let answer = done(&front, "GET", to, &cookie).await;
        refused(&answer, 400, "invalid_request");
        let again = front.visit_with(&format!("/authorize?{query}"), &cookie).await;
        assert_eq!(again.status, 200, "{to}");
    }
    let answer = done(&front, "GET", BACK, &cookie).await;
    assert_eq!(answer.field("location"), Some(format!("{BACK}&{ISS}").as_str()));
    assert_spent(&front, &query, &cookie).await;

    let denied = BACK.replace("code=c", "error=access_denied");
    let (query, cookie) = begun(&front).await;
    let answer = done(&front, "GET", &denied, &cookie).await;
    assert_eq!(answer.field("location"), Some(format!("{denied}&{ISS}").as_str()));
    assert_spent(&front, &query, &cookie).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b024_a_cross_site_post_finds_the_request_by_the_address_that_was_pushed() {
    let front = front().await;
    let (query, cookie) = begun(&front).await;
    let other = "https://tenant.example/cb?own=2&code=c&state=pushed-state";
    refused(&done(&front, "POST", other, "").await, 400, "invalid_request");
    let answer = done(&front, "POST", BACK, "").await;
    assert_eq!(answer.field("location"), Some(format!("{BACK}&{ISS}").as_str()));
    assert_spent(&front, &query, &cookie).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b024_a_page_that_posts_to_the_pushed_address_completes_the_request() {
    let front = front().await;
    let query = front.push("web", &[&form()[..], &[("response_mode", "form_post")]].concat()).await;
    let cookie = cookies(&[&front.visit(&format!("/authorize?{query}")).await]);
    let page = |to: &'static str| {
        let headers = format!("X-To: {to}\r\n{cookie}");
        let front = &front;
        async move { front.visit_with("/page", &headers).await }
    };
    refused(&page("https://client.example/cb").await, 400, "invalid_request");
    let ended = page(PUSHED).await;
    assert!(ended.status == 200 && ended.text().contains("name=\"iss\""), "{}", ended.text());
    assert_spent(&front, &query, &cookie).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b024_a_request_that_was_not_pushed_gains_nothing() {
    let front = front().await;
    let mut whole = vec![("client_id", "web")];
    whole.extend(form());
    let target = format!("/authorize?{}", encode(&whole));
    refused(&front.visit(&target).await, 400, "invalid_request");
    refused(&front.post("/authorize", &encode(&whole)).await, 400, "invalid_request");
    assert!(front.calls().is_empty(), "{:?}", front.calls());
    // Inside a flow of another address the pushed one stays.
    let query = front.pushed().await;
    let answer = front.visit(&format!("/authorize?{query}")).await;
    let cookie = cookies(&[&answer]);
    let answer = front.visit_with(&target, &cookie).await;
    assert_eq!(answer.status, 200);
    let seen = front.calls().pop().unwrap().target;
    assert!(seen.contains("client.example") && !seen.contains("tenant.example"), "{seen}");
}

#[tokio::test]
async fn b024_b146_without_the_permission_the_address_is_nobodys() {
    let mut desk = Desk::new(FREE);
    let (fresh, begun) = (desk.push_form(&form()).await, desk.push_form(&form()).await);
    let mut browser = Browser::default();
    desk.visit(&mut browser, &begun).await.unwrap();
    desk.reconfigure("");
    for query in [&fresh, &begun] {
        assert_eq!(desk.visit(&mut browser, query).await.unwrap_err(), "invalid_request");
    }
    let Onward::Refused(page) = desk.depart(&browser, &http::Method::GET, BACK).await else {
        panic!("an answer to an address that is not the client's any more");
    };
    assert!(page.status() == 400 && page.headers().get("location").is_none());
    desk.reconfigure(FREE);
    assert!(desk.visit(&mut browser, &fresh).await.is_ok());
    let onward = desk.depart(&browser, &http::Method::GET, BACK).await;
    assert!(matches!(onward, Onward::Amended(_)), "{onward:?}");
}
