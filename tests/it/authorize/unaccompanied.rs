//! A brokered login comes back by a cross-site `POST`, which browsers send without our cookies.

use std::sync::Arc;

use http::Method;
use parapet::authorize::Onward;

use super::desk::{BACK, Browser, Desk};
use super::{FORM, Front, cookies, redirect, refused};
use crate::par::response::Broken;
use crate::support::http::encode;
use crate::support::raw::Answer;

const ISS: &str = "iss=https%3A%2F%2Flogin.example";

/// The upstream shows a login, and answers a `POST` to `/saml/acs` and a `GET` of it by a redirect
/// to what its `RelayState` says.
async fn front(settings: &str) -> Front {
    Front::answering(settings, |seen| {
        if !seen.target.starts_with("/saml/acs") {
            return super::ok("login");
        }
        let to = seen.field("x-relay-state").unwrap_or("/");
        redirect("302 Found", to)
    })
    .await
}

/// A login of one browser: gives the line with its cookie.
async fn login(front: &Front, query: &str) -> String {
    let answer = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "login"));
    cookies(&[&answer])
}

/// The other side's form is posted, with these header lines.
async fn come_back(front: &Front, to: &str, headers: &str) -> Answer {
    let form = "SAMLResponse=PHNhbWw%2B";
    front
        .send(&format!(
            "POST /saml/acs HTTP/1.1\r\nHost: login.example\r\nX-Relay-State: {to}\r\n{headers}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ))
        .await
}

async fn assert_spent(front: &Front, query: &str) {
    refused(&front.visit(&format!("/authorize?{query}")).await, 400, "invalid_request_uri");
}

async fn assert_alive(front: &Front, query: &str) {
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b154_b164_a_completion_without_the_cookie_is_spent_and_gets_iss() {
    for settings in ["", "[par]\nrequired = true"] {
        let front = front(settings).await;
        let query = front.pushed().await;
        let cookie = login(&front, &query).await;
        let answer = come_back(&front, BACK, "").await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.field("location"), Some(format!("{BACK}&{ISS}").as_str()));
        assert_spent(&front, &query).await;
        let own = front.visit_with(&format!("/authorize?{query}"), &cookie).await;
        refused(&own, 400, "invalid_request_uri");
        assert_eq!(come_back(&front, BACK, "").await.status, 302, "posted twice at once");
        assert_eq!(come_back(&front, BACK, &cookie).await.status, 302, "by the same flow");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b168_of_two_browsers_without_their_cookies_one_gets_its_code() {
    let front = front("").await;
    let query = front.pushed().await;
    let browsers = [login(&front, &query).await, login(&front, &query).await];
    let (a, b) = tokio::join!(come_back(&front, BACK, ""), come_back(&front, BACK, ""));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [302, 400]);
    for cookie in &browsers {
        let late = come_back(&front, BACK, cookie).await;
        assert_eq!(late.status, 400, "nobody's name is on the end of it");
        assert!(!late.text().contains("pushed-state"), "{}", late.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_no_end_of_a_flow_are_left_alone() {
    let front = front("").await;
    let query = front.pushed().await;
    assert_eq!(
        come_back(&front, BACK, "").await.field("location"),
        Some(BACK),
        "nobody has started it"
    );
    login(&front, &query).await;
    for to in [
        "https://client.example/cb?code=c&state=another",
        "https://client.example/cb?code=c",
        "https://client.example/cb?response=eyJ",
        "https://client.example/second?code=c&state=pushed-state",
        "https://client.example.evil/cb?code=c&state=pushed-state",
        "https://shop.example/cb?code=c&state=pushed-state",
        "https://unregistered.example/cb?code=c&state=pushed-state",
        "/login?code=c&state=pushed-state",
    ] {
        let answer = come_back(&front, to, "").await;
        assert_eq!((answer.status, answer.field("location")), (302, Some(to)));
        assert_alive(&front, &query).await;
    }
    // What is no cross-site POST brings the cookie, if it is in a flow.
    let by_get = front.visit_with("/saml/acs", &format!("X-Relay-State: {BACK}\r\n")).await;
    assert_eq!(by_get.field("location"), Some(BACK));
    assert_alive(&front, &query).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_anybody_can_bring_about_ends_nothing() {
    let front = front("").await;
    let query = front.pushed().await;
    let cookie = login(&front, &query).await;
    let denied = "https://client.example/cb?error=access_denied&state=pushed-state";
    for _ in 0..2 {
        let answer = come_back(&front, denied, "").await;
        assert_eq!(answer.field("location"), Some(format!("{denied}&{ISS}").as_str()));
        assert_alive(&front, &query).await;
    }
    let answer = come_back(&front, denied, &cookie).await;
    assert_eq!(answer.field("location"), Some(format!("{denied}&{ISS}").as_str()));
    assert_spent(&front, &query).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_one_address_are_told_apart_by_state() {
    let settings = "[clients.shop]\nredirect_uris = [\"https://client.example/cb\"]";
    let front = front(settings).await;
    let mut form = FORM.to_vec();
    form[2] = ("state", "of-shop");
    let (web, shop) = (front.pushed().await, front.push("shop", &form).await);
    login(&front, &web).await;
    login(&front, &shop).await;
    let to = "https://client.example/cb?code=c&state=of-shop";
    let answer = come_back(&front, to, "").await;
    assert_eq!(answer.field("location"), Some(format!("{to}&{ISS}").as_str()));
    assert_spent(&front, &shop).await;
    assert_alive(&front, &web).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_b151_a_continuation_without_the_cookie_becomes_a_handle_that_needs_it() {
    let front = front("[par]\nrequired = true").await;
    let query = front.pushed().await;
    let cookie = login(&front, &query).await;
    let mut whole = FORM.to_vec();
    whole.push(("client_id", "web"));
    let emitted = format!("/authorize?{}", encode(&whole));
    let nested = format!("/continue?next={}", encode(&[("", &emitted)]).trim_start_matches('='));
    for to in [&emitted, &nested] {
        let answer = come_back(&front, to, "").await;
        let location = answer.field("location").unwrap();
        assert!(location.contains("request_uri"), "{location}");
        assert!(!location.contains("pushed-state"), "{location}");
    }
    let answer = come_back(&front, &emitted, "").await;
    let handle = answer.field("location").unwrap();
    refused(&front.visit(handle).await, 400, "invalid_request_uri");
    let stranger = login(&front, &front.pushed().await).await;
    refused(&front.visit_with(handle, &stranger).await, 400, "invalid_request_uri");
    assert_eq!(front.visit_with(handle, &cookie).await.text(), "login");
    let seen = front.calls().pop().unwrap();
    assert!(seen.target.starts_with("/authorize?"), "{}", seen.target);
    assert!(seen.target.contains("state=pushed-state"), "{}", seen.target);
    // What the browser may have put in is set back.
    let greedy =
        emitted.replace("openid", "admin").replace("&client_id", "&acr_values=low&client_id");
    let answer = come_back(&front, &greedy, "").await;
    // That is of the stranger's flow, which began last; its cookie opens it and nobody else's.
    let handle = answer.field("location").unwrap();
    refused(&front.visit_with(handle, &cookie).await, 400, "invalid_request_uri");
    assert_eq!(front.visit_with(handle, &stranger).await.status, 200);
    let seen = front.calls().pop().unwrap();
    assert!(!seen.target.contains("admin") && !seen.target.contains("acr_values"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b301_many_pages_never_show_the_request() {
    let front = front("").await;
    login(&front, &front.pushed().await).await;
    let mut whole = FORM.to_vec();
    whole.push(("client_id", "web"));
    for number in 0..40 {
        let emitted = format!("/page{number}?{}", encode(&whole));
        let answer = come_back(&front, &emitted, "").await;
        let location = answer.field("location").unwrap();
        assert!(
            location.contains("request_uri") && !location.contains("pushed-state"),
            "{location}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_state_is_not_found() {
    let front = front("").await;
    let mut form = FORM.to_vec();
    form.retain(|(name, _)| *name != "state");
    let query = front.push("web", &form).await;
    login(&front, &query).await;
    let to = "https://client.example/cb?code=c";
    assert_eq!(come_back(&front, to, "").await.field("location"), Some(to));
    assert_alive(&front, &query).await;
}

#[tokio::test]
async fn a_login_that_took_too_long_ends_on_a_page() {
    let mut desk = Desk::new("[authorize]\nlogin_lifetime = \"20m\"");
    let query = desk.push().await;
    desk.visit(&mut Browser::default(), &query).await.unwrap();
    desk.reconfigure("[authorize]\nlogin_lifetime = \"10m\"");
    desk.wait(600);
    let stranger = Browser::default();
    let onward = desk.depart(&stranger, &Method::POST, BACK).await;
    assert!(matches!(onward, Onward::Refused(ref page) if page.status() == 400), "{onward:?}");
    desk.wait(600);
    let onward = desk.depart(&stranger, &Method::POST, BACK).await;
    assert!(matches!(onward, Onward::Unchanged), "nothing is known of it any more: {onward:?}");
}

#[tokio::test]
async fn the_store_is_asked_only_where_a_login_could_come_back() {
    // Who asks this store gets no answer, and the browser a page.
    let desk = Desk::on("", Some(Arc::new(Broken::Silent)));
    let emitted = "/authorize?client_id=web&response_type=code&state=s";
    for (method, location, asks) in [
        (Method::POST, BACK, true),
        (Method::POST, emitted, true),
        (Method::GET, BACK, false),
        (Method::GET, emitted, false),
        (Method::POST, "https://unregistered.example/cb?code=c&state=s", false),
        (Method::POST, "https://client.example/cb?code=c", false),
        (Method::POST, "https://client.example/cb?state=s", false),
        (Method::POST, "/authorize?client_id=unknown&response_type=code&state=s", false),
        (Method::POST, "/authorize?client_id=web&response_type=code", false),
        (Method::POST, "/", false),
    ] {
        let onward = desk.depart(&Browser::default(), &method, location).await;
        let asked = matches!(onward, Onward::Refused(ref page) if page.status() == 503);
        assert_eq!(asked, asks, "{method} {location}: {onward:?}");
        assert!(asked || matches!(onward, Onward::Unchanged), "{onward:?}");
    }
}
