//! `[authorize] continuation` and `pin` switched off, and the keys that override a preset.

use super::{
    begin, body_of, escaped, last, location, nested, query_of, request_with, says_what_was_pushed,
    settings, submit_form,
};
use crate::authorize::{Front, cookies, ok, redirect, refused};
use crate::support::upstream::Seen;

fn to_login(seen: &Seen) -> Vec<u8> {
    redirect("302 Found", &format!("/login?next={}", escaped(&seen.target)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_continuation_an_address_passes_and_comes_back_pinned() {
    let settings = settings("generic") + "\n[authorize]\ncontinuation = false";
    let front = Front::answering(&settings, to_login).await;
    let flow = begin(&front).await;
    let whole = nested(&location(&flow.first), "next");
    assert_eq!(whole, last(&front).target);
    let tampered = format!("{whole}&acr_values=low").replace("pushed-nonce", "evil");
    assert_eq!(front.visit_with(&tampered, &flow.cookie).await.status, 302);
    says_what_was_pushed(query_of(&last(&front).target));
    refused(&front.visit(&whole).await, 400, "invalid_request");
    let output = front.gateway.stop().1;
    assert!(output.contains("`continuation` is off"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pin_a_step_goes_as_it_came_but_for_request_objects_and_the_client() {
    let settings = settings("generic") + "\n[authorize]\npin = false";
    let front = Front::start(&settings).await;
    let flow = begin(&front).await;
    let changed = request_with(&[("scope", Some("openid admin")), ("nonce", None)]);
    let page = format!("/authorize?{}", flow.query);
    for target in [page.as_str(), "/authorize"] {
        submit_form(&front, &flow.cookie, target, &changed).await;
        assert_eq!(body_of(&last(&front)), changed);
        let added = format!("{changed}&request=eyJ&request_uri=x&Scope=y");
        let added = if target == page { added } else { added.replace("&request_uri=x", "") };
        submit_form(&front, &flow.cookie, target, &added).await;
        let sent = body_of(&last(&front));
        assert!(!sent.contains("eyJ") && !sent.contains("request_uri"), "{sent}");
        assert_eq!(super::values(&sent, "scope"), ["openid admin"]);
        assert!(!sent.contains("Scope"), "{sent}");
    }
    let stolen = request_with(&[("client_id", Some("shop")), ("state", None)]);
    submit_form(&front, &flow.cookie, &page, &stolen).await;
    assert_eq!(super::values(&body_of(&last(&front)), "client_id"), ["web"]);
    let output = front.gateway.stop().1;
    assert!(output.contains("`pin` is off"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_posts_gets_the_query_that_its_server_needs() {
    for (post_query, on_page, on_path) in
        [("as-emitted", true, false), ("stored", true, true), ("none", false, false)]
    {
        let settings = settings("generic").replacen(
            "[par]",
            &format!("post_query = \"{post_query}\"\n[par]"),
            1,
        );
        let front = Front::start(&settings).await;
        let flow = begin(&front).await;
        let page = format!("/authorize?{}", flow.query);
        for (target, whole) in [(page.as_str(), on_page), ("/authorize", on_path)] {
            submit_form(&front, &flow.cookie, target, "user=alice").await;
            let call = last(&front);
            if whole {
                says_what_was_pushed(query_of(&call.target));
            } else {
                assert_eq!(call.target, "/authorize", "{post_query}");
            }
            assert_eq!(body_of(&call), "user=alice");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_of_a_preset_can_be_said_otherwise() {
    let ways = "authorize_paths = [\"/second\"]\nbeside_handle = [\"go\"]\n\
                never_echoed = [\"login_hint\"]\nmax_target_bytes = 700\n[par]";
    let settings = settings("glewlwyd").replacen("[par]", ways, 1);
    let front = Front::answering(&settings, |seen| match seen.target.split_once('?') {
        Some(("/authorize", query)) => redirect("302 Found", &format!("/second?{query}")),
        _ => ok("page"),
    })
    .await;
    let flow = begin(&front).await;
    let second = location(&flow.first);
    assert!(second.starts_with("/second?client_id=web&request_uri="), "{second}");
    front.visit_with(&format!("{second}&go=1&g_continue=1"), &flow.cookie).await;
    let target = last(&front).target;
    assert!(target.ends_with("&go=1") && !target.contains("g_continue"), "{target}");
    let whole = format!("/second?{}", request_with(&[]));
    refused(&front.visit(&whole).await, 400, "invalid_request");
    let form = request_with(&[("login_hint", None)]);
    let page = front.visit_with(&second, &flow.cookie).await;
    submit_form(&front, &cookies(&[&page]), "/authorize", &form).await;
    assert_eq!(body_of(&last(&front)), form);
    let long = [("response_type", "code"), ("redirect_uri", "https://client.example/cb")];
    let state = "s".repeat(700);
    let long = [&long[..], &[("state", &state)]].concat();
    assert_eq!(front.try_push("web", &long).await.status, 400);
}
