//! What an upstream can write into its answers beside one well-formed `Location`.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    begin, escaped, last, location, nested, query_of, request_with, says_what_was_pushed, settings,
    shows_nothing,
};
use crate::authorize::{Front, ok, redirect, refused};
use crate::support::raw::Answer;

/// Sends the browser to what its own request becomes.
async fn front(emitted: impl Fn(&str) -> String + Send + Sync + 'static) -> Front {
    Front::answering(&settings("generic"), move |seen| {
        if seen.target.contains("back=1") {
            ok("page")
        } else {
            redirect("302 Found", &emitted(&seen.target))
        }
    })
    .await
}

async fn first(front: &Front) -> Answer {
    let query = front.push("web", super::PUSHED).await;
    front.visit(&format!("/authorize?{query}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_an_address_that_cannot_be_read_is_an_error_page() {
    let many: Vec<_> = (0..130).map(|number| format!("&p{number}=x")).collect();
    let many = many.concat();
    for spoilt in [many.as_str(), "&broken=%zz", "&x=%ff", "&client_id=web;y=1&;client_id=web"] {
        for nesting in [false, true] {
            let spoilt = spoilt.to_owned();
            let front = front(move |target| {
                let target = match spoilt.strip_prefix("&client_id=web") {
                    Some(rest) => format!("/authorize?x=1;{}{rest}", request_with(&[])),
                    None => format!("{target}{spoilt}"),
                };
                if nesting { format!("/login?next={}", escaped(&target)) } else { target }
            })
            .await;
            let answer = first(&front).await;
            refused(&answer, 502, "server_error");
            shows_nothing(&answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_a_request_without_state_in_our_own_answer_is_the_flows() {
    let front = front(|_| {
        let request = request_with(&[("state", None), ("nonce", None)]);
        format!("/authorize?{request}&back=1")
    })
    .await;
    let answer = first(&front).await;
    let handle = location(&answer);
    shows_nothing(&handle);
    let cookie = crate::authorize::cookies(&[&answer]);
    assert_eq!(front.visit_with(&handle, &cookie).await.text(), "page");
    // What the upstream dropped stays dropped, and nothing of it is wrong.
    let target = last(&front).target;
    assert_eq!(super::values(query_of(&target), "code_challenge").len(), 1);
    assert!(!target.contains("pushed-state"), "{target}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_another_request_is_nobodys() {
    let front = front(|_| "/authorize?client_id=web&response_type=code&state=other".to_owned());
    let answer = first(&front.await).await;
    assert_eq!(location(&answer), "/authorize?client_id=web&response_type=code&state=other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b150_every_field_that_redirects_is_rewritten_and_others_go() {
    let front = Front::answering(&settings("generic"), |seen| {
        let target = &seen.target;
        let login = format!("/login?next={}", escaped(target));
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {login}\r\nRefresh: 0;url={target}&a=1\r\n\
             Refresh: 1 url='{target}&b=1'\r\nLink: <{target}>; rel=canonical\r\n\
             Content-Location: {target}\r\nContent-Length: 0\r\n\r\n"
        )
        .into()
    })
    .await;
    let flow = begin(&front).await;
    let refreshes = flow.first.all("refresh");
    assert_eq!(refreshes.len(), 2);
    for address in refreshes.into_iter().chain([location(&flow.first).as_str()]) {
        shows_nothing(address);
        assert!(address.contains("request_uri"), "{address}");
    }
    assert_eq!((flow.first.field("link"), flow.first.field("content-location")), (None, None));
    let handle = nested(&location(&flow.first), "next");
    front.visit_with(&handle, &flow.cookie).await;
    says_what_was_pushed(query_of(&last(&front).target));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b164_a_first_answer_that_cannot_be_shown_burns_nothing() {
    for mode in ["browser", "first-load"] {
        let calls = AtomicUsize::new(0);
        let settings = format!("{}\n[authorize]\nsingle_use = \"{mode}\"", settings("generic"));
        let front = Front::answering(&settings, move |seen| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                return redirect("302 Found", &format!("{}&broken=%zz", seen.target));
            }
            ok("page")
        })
        .await;
        let query = front.push("web", super::PUSHED).await;
        let target = format!("/authorize?{query}");
        refused(&front.visit(&target).await, 502, "server_error");
        assert_eq!(front.visit(&target).await.text(), "page", "{mode}");
        refused(&front.visit(&target).await, 400, "invalid_request_uri");
    }
}
