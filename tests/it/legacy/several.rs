//! Several logins in one browser, and one login in several windows.

use super::{begin, begin_with, escaped, last, location, nested, query_of, settings};
use crate::authorize::{Front, cookies, ok, redirect, refused};
use crate::support::upstream::Seen;

const SHOP: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("redirect_uri", "https://shop.example/cb"),
    ("state", "shop-state"),
    ("scope", "openid"),
];

/// A server that hands the request back, and signs in at `/done`.
fn server(seen: &Seen) -> Vec<u8> {
    match seen.target.split_once('?') {
        Some(("/authorize", query)) if query.contains("signed_in=1") => ok(query),
        Some(("/authorize", query)) => {
            let next = format!("/authorize?{}&signed_in=1", without(query, &["prompt", "max_age"]));
            redirect("302 Found", &format!("/login?next={}", escaped(&next)))
        }
        Some(("/done", to)) => redirect("302 Found", to),
        _ => ok("login"),
    }
}

fn without(query: &str, names: &[&str]) -> String {
    let kept = |pair: &&str| !names.iter().any(|name| pair.starts_with(&format!("{name}=")));
    query.split('&').filter(kept).collect::<Vec<_>>().join("&")
}

async fn front(more: &str) -> Front {
    Front::answering(&format!("{}\n{more}", settings("generic")), server).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b152_two_tabs_of_two_clients_end_each_by_itself() {
    let front = front("").await;
    let web = begin(&front).await;
    let shop = front.push("shop", SHOP).await;
    let shop_first = front.visit_with(&format!("/authorize?{shop}"), &web.cookie).await;
    let both = cookies(&[&web.first, &shop_first]);
    let handles = [&web.first, &shop_first].map(|first| nested(&location(first), "next"));
    for (handle, state) in handles.iter().zip(["pushed-state", "shop-state"]) {
        let page = front.visit_with(handle, &both).await;
        assert_eq!(super::values(&page.text(), "state"), [state]);
    }
    let done = "/done?https://shop.example/cb?code=c&state=shop-state";
    assert!(location(&front.visit_with(done, &both).await).starts_with("https://shop.example/cb?"));
    refused(&front.visit_with(&handles[1], &both).await, 400, "invalid_request_uri");
    assert_eq!(front.visit_with(&handles[0], &both).await.status, 200);
    let done = "/done?https://client.example/cb?code=c&state=pushed-state";
    assert_eq!(front.visit_with(done, &both).await.status, 302);
    refused(&front.visit_with(&handles[0], &both).await, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b152_reload_back_and_a_second_tab_go_on_with_the_same_handle() {
    let front = front("").await;
    let flow = begin(&front).await;
    let handle = nested(&location(&flow.first), "next");
    let page = format!("/authorize?{}", flow.query);
    for _ in 0..3 {
        // Back to the start, then forward again.
        let again = front.visit_with(&page, &flow.cookie).await;
        assert_eq!(nested(&location(&again), "next"), handle);
        assert!(again.all("set-cookie").is_empty());
        assert_eq!(front.visit_with(&handle, &flow.cookie).await.status, 200);
    }
    let done = "/done?https://client.example/cb?code=c&state=pushed-state";
    assert_eq!(front.visit_with(done, &flow.cookie).await.status, 302);
    for used in [&page, &handle] {
        refused(&front.visit_with(used, &flow.cookie).await, 400, "invalid_request_uri");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b152_prompt_and_max_age_are_done_once() {
    let front = front("").await;
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        let form = [super::PUSHED, &[(name, value)]].concat();
        let flow = begin_with(&front, &form).await;
        assert_eq!(super::values(query_of(&last(&front).target), name), [value]);
        let handle = nested(&location(&flow.first), "next");
        let page = front.visit_with(&handle, &flow.cookie).await;
        assert_eq!(super::values(&page.text(), name), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b152_signing_out_and_in_again_is_a_login_of_its_own() {
    let front = front("").await;
    let first = begin(&front).await;
    let done = "/done?https://client.example/cb?code=c&state=pushed-state";
    front.visit_with(done, &first.cookie).await;
    assert_eq!(front.visit_with("/logout", &first.cookie).await.text(), "login");
    // The old ticket is still in the browser.
    let mut form = super::PUSHED.to_vec();
    form.retain(|(name, _)| *name != "state");
    form.push(("state", "second-state"));
    let query = front.push("web", &form).await;
    let second = front.visit_with(&format!("/authorize?{query}"), &first.cookie).await;
    let both = cookies(&[&first.first, &second]);
    let handle = nested(&location(&second), "next");
    assert_eq!(front.visit_with(&handle, &both).await.status, 200);
    let done = "/done?https://client.example/cb?code=c&state=second-state";
    assert_eq!(front.visit_with(done, &both).await.status, 302);
    refused(&front.visit_with(&handle, &both).await, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b152_of_logins_with_one_state_the_last_one_ends() {
    let front = front("").await;
    let done = "/done?https://client.example/cb?code=c&state=pushed-state";
    let first = begin(&front).await;
    let second = begin(&front).await;
    let both = cookies(&[&first.first, &second.first]);
    let handles = [&first, &second].map(|flow| nested(&location(&flow.first), "next"));
    assert_eq!(front.visit_with(done, &both).await.status, 302);
    refused(&front.visit_with(&handles[1], &both).await, 400, "invalid_request_uri");
    // The other is not hindered by the one that has ended.
    assert_eq!(front.visit_with(&handles[0], &both).await.status, 200);
    assert_eq!(front.visit_with(done, &both).await.status, 302);
    refused(&front.visit_with(&handles[0], &both).await, 400, "invalid_request_uri");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_logins_in_one_browser_leave_the_newest_eight() {
    let front = front("").await;
    let mut jar: Vec<String> = Vec::new();
    let mut handles = Vec::new();
    for number in 0..9 {
        let mut form = super::PUSHED.to_vec();
        form.retain(|(name, _)| *name != "state");
        let state = format!("state-{number}");
        form.push(("state", &state));
        let query = front.push("web", &form).await;
        let line = format!("Cookie: {}\r\n", jar.join("; "));
        assert!(line.len() < 1024, "{} bytes", line.len());
        let answer = front.visit_with(&format!("/authorize?{query}"), &line).await;
        handles.push(nested(&location(&answer), "next"));
        for set in answer.all("set-cookie") {
            let (name, _) = set.split_once('=').unwrap();
            let gone = set.contains("Max-Age=0");
            jar.retain(|pair| !pair.starts_with(name));
            jar.extend((!gone).then(|| set.split(';').next().unwrap().to_owned()));
        }
    }
    assert_eq!(jar.len(), 8);
    let line = format!("Cookie: {}\r\n", jar.join("; "));
    refused(&front.visit_with(&handles[0], &line).await, 400, "invalid_request_uri");
    for (number, handle) in handles.iter().enumerate().skip(1) {
        let page = front.visit_with(handle, &line).await.text();
        assert_eq!(super::values(&page, "state"), [format!("state-{number}")]);
    }
}
