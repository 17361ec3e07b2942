//! What several profiles are asked alike, each with the outcomes that it accepts. `push` makes the
//! profile's default request.

use std::time::{Duration, Instant};

use serde_json::json;

use super::push::Party;
use super::suite::refusal;
use super::{Push, Suite};

const LIMIT: Duration = Duration::from_secs(20);

pub(super) type Default = for<'a> fn(&'a Party) -> Push<'a>;

pub(super) async fn reuse(suite: &Suite, push: Default) {
    let push = push(&suite.first);
    let request_uri = suite.pushed(&push).await;
    let login = suite.visit(&push, &request_uri).await;
    suite.complete(&push, &login, "code").await;
    let again = suite.visit(&push, &request_uri).await;
    suite.visit_ends(&push, &again, &["page", "redirect invalid_request_uri"]).await;
}

/// Needs a gateway whose references live for the shortest time. The time is up when one that was
/// pushed later is refused; each of those is visited once, as a visit in time begins a login.
pub(super) async fn expired(suite: &Suite, push: Default) {
    let pushed = push(&suite.first);
    let request_uri = suite.pushed(&pushed).await;
    let mut later = Vec::new();
    for _ in 0..60 {
        later.push(suite.pushed(&push(&suite.first)).await);
    }
    let deadline = Instant::now() + LIMIT;
    while let Some(decoy) = later.pop() {
        if suite.visit(&pushed, &decoy).await.status == 400 {
            break;
        }
        assert!(Instant::now() < deadline && !later.is_empty(), "it never expires");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let answer = suite.visit(&pushed, &request_uri).await;
    suite.visit_ends(&pushed, &answer, &["page", "redirect invalid_request_uri"]).await;
}

pub(super) async fn different_client(suite: &Suite, push: Default) {
    let push = push(&suite.first);
    let request_uri = suite.pushed(&push).await;
    let query = [("client_id", "second"), ("request_uri", request_uri.as_str())];
    let answer = suite.visit_with(&query).await;
    let accepted = [
        "page",
        "redirect invalid_request",
        "redirect invalid_request_object",
        "redirect invalid_request_uri",
    ];
    suite.visit_ends(&push, &answer, &accepted).await;
}

pub(super) async fn reused_before_completion(suite: &Suite, push: Default) {
    let push = push(&suite.first);
    let request_uri = suite.pushed(&push).await;
    let first = suite.visit(&push, &request_uri).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let second = suite.visit(&push, &request_uri).await;
    suite.complete(&push, &second, "code").await;
}

pub(super) async fn wrong_method(suite: &Suite, push: Default) {
    let answer = suite.push_by("PUT", &push(&suite.first)).await;
    assert!((400..600).contains(&answer.status), "{} {}", answer.status, answer.text());
}

pub(super) async fn request_uri_in_the_form(suite: &Suite, push: Default) {
    let push = push(&suite.first).beside("request_uri", "urn:ietf:params:oauth:request_uri:x");
    let accepted =
        ["400 invalid_request", "400 invalid_request_object", "400 request_uri_not_supported"];
    suite.ends(&push, &accepted).await;
}

pub(super) async fn request_uri_in_the_object(suite: &Suite, push: Default) {
    let push = push(&suite.first)
        .claiming(&json!({ "request_uri": "urn:ietf:params:oauth:request_uri:x" }));
    suite.ends(&push, &["400 invalid_request_object"]).await;
}

pub(super) async fn no_pkce(suite: &Suite, push: Default) {
    let push =
        push(&suite.first).with(&json!({ "code_challenge": null, "code_challenge_method": null }));
    suite.ends(&push, &["400 invalid_request", "redirect invalid_request", "page"]).await;
}

pub(super) async fn plain_pkce(suite: &Suite, push: Default) {
    let push = push(&suite.first).with(&json!({ "code_challenge_method": "plain" }));
    suite.ends(&push, &["400 invalid_request", "redirect invalid_request", "page"]).await;
}

pub(super) async fn without_duplicates(suite: &Suite, push: Default) {
    let push = push(&suite.first);
    let request_uri = suite.pushed(&push).await;
    let query = [("client_id", "first"), ("request_uri", request_uri.as_str())];
    let login = suite.visit_with(&query).await;
    suite.complete(&push, &login, "code").await;
}

/// The state stands beside the object at the push, then beside the `request_uri` at the visit.
pub(super) async fn state_outside_alone(suite: &Suite, push: Default) {
    let refusals =
        ["invalid_request", "invalid_request_object", "invalid_request_uri", "access_denied"];
    let mut accepted = vec!["success".to_owned()];
    accepted.extend(refusals.map(|error| format!("400 {error}")));
    accepted.extend(refusals.map(|error| format!("redirect {error}")));
    let accepted: Vec<_> = accepted.iter().map(String::as_str).collect();
    let outside = push(&suite.first).with(&json!({ "state": null })).beside("state", "outside");
    suite.ends(&outside, &accepted).await;
    let push = push(&suite.first).with(&json!({ "state": null }));
    visit_with(suite, &push, ("state", "outside"), &accepted).await;
}

/// A visit with one parameter more, which stands for nothing that was pushed.
pub(super) async fn visit_with(
    suite: &Suite,
    push: &Push<'_>,
    beside: (&str, &str),
    accepted: &[&str],
) {
    let request_uri = suite.pushed(push).await;
    let query = [("client_id", push.party.id), ("request_uri", &request_uri), beside];
    let answer = suite.visit_with(&query).await;
    suite.visit_ends(push, &answer, accepted).await;
}

pub(super) async fn response_type(suite: &Suite, push: &Push<'_>) {
    let accepted = [
        "400 unsupported_response_type",
        "400 invalid_request",
        "400 unauthorized_client",
        "page",
        "redirect unsupported_response_type",
        "redirect invalid_request",
    ];
    suite.ends(push, &accepted).await;
}

/// The push is refused with one of these.
pub(super) async fn refused(suite: &Suite, push: &Push<'_>, accepted: &[&str]) {
    let answer = suite.push(push).await;
    let found = refusal(&answer);
    assert!(accepted.contains(&found.as_str()), "{found} is none of {accepted:?}");
}
