//! Servers that cannot be installed in a test, played by an upstream in the test's own process: what
//! each of them does with the request, and what somebody at the keyboard then tries.

mod bodies;
mod duende;
mod emitted;
mod glewlwyd;
mod keycloak;
mod lemonldap;
mod several;
mod switches;
mod unlisted;

use url::form_urlencoded;

use crate::authorize::{Front, cookies};
use crate::support::http::encode;
use crate::support::raw::Answer;
use crate::support::upstream::Seen;

/// What the client pushes here.
pub(crate) const PUSHED: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("redirect_uri", "https://client.example/cb"),
    ("scope", "openid profile"),
    ("state", "pushed-state"),
    ("nonce", "pushed-nonce"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("code_challenge_method", "S256"),
    ("login_hint", "alice"),
];

const FORM: &str = "application/x-www-form-urlencoded";

/// The gateway's settings with this preset, PAR required.
pub(crate) fn settings(preset: &str) -> String {
    format!("[upstream]\npreset = \"{preset}\"\n[par]\nrequired = true")
}

/// One browser in one flow.
pub(crate) struct Flow {
    /// The line with its cookie.
    pub(crate) cookie: String,
    /// `client_id` and `request_uri` of the push.
    pub(crate) query: String,
    /// What the first visit was answered.
    pub(crate) first: Answer,
}

/// Pushes [`PUSHED`] and opens the authorize URL.
pub(crate) async fn begin(front: &Front) -> Flow {
    begin_with(front, PUSHED).await
}

pub(crate) async fn begin_with(front: &Front, form: &[(&str, &str)]) -> Flow {
    let query = front.push("web", form).await;
    let first = front.visit(&format!("/authorize?{query}")).await;
    assert!(first.status < 400, "{}", first.text());
    Flow { cookie: cookies(&[&first]), query, first }
}

/// `POST` of a body, in the flow's browser.
pub(crate) async fn submit(
    front: &Front,
    cookie: &str,
    target: &str,
    (media_type, body): (&str, &str),
) -> Answer {
    front
        .send(&format!(
            "POST {target} HTTP/1.1\r\nHost: login.example\r\n{cookie}Content-Type: {media_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
}

pub(crate) async fn submit_form(front: &Front, cookie: &str, target: &str, body: &str) -> Answer {
    submit(front, cookie, target, (FORM, body)).await
}

/// The pushed request as a form or query, with changes: `None` leaves a name out.
pub(crate) fn request_with(changes: &[(&str, Option<&str>)]) -> String {
    let mut pairs = vec![("client_id", "web")];
    pairs.extend(PUSHED);
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.extend(value.map(|value| (*name, value)));
    }
    encode(&pairs)
}

/// All values of a name.
pub(crate) fn values(text: &str, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// Asserts that `text` says what was pushed, every name once.
pub(crate) fn says_what_was_pushed(text: &str) {
    assert!(!text.contains(';'), "{text}");
    assert_eq!(values(text, "client_id"), ["web"], "{text}");
    for (name, value) in PUSHED {
        assert_eq!(values(text, name), [*value], "{name} in {text}");
    }
    for name in ["request", "request_uri", "acr_values", "claims", "resource"] {
        assert_eq!(values(text, name), [""; 0], "{name} in {text}");
    }
}

pub(crate) fn query_of(target: &str) -> &str {
    target.split_once('?').map_or("", |(_, query)| query)
}

pub(crate) fn body_of(seen: &Seen) -> String {
    String::from_utf8(seen.body.clone()).unwrap()
}

pub(crate) fn last(front: &Front) -> Seen {
    front.calls().pop().expect("a call of the upstream")
}

pub(crate) fn location(answer: &Answer) -> String {
    answer.field("location").unwrap_or_else(|| panic!("no redirect: {}", answer.text())).to_owned()
}

pub(crate) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Asserts that none of the pushed values can be read in `text`, under up to four encodings.
pub(crate) fn shows_nothing(text: &str) {
    let mut text = text.to_owned();
    for _ in 0..5 {
        for secret in ["client.example", "pushed-state", "pushed-nonce", "E9Melhoa2", "profile"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        text = decoded(&text);
    }
}

/// The target of the authorize URL nested in a redirect's `name`, on our own origin.
pub(crate) fn nested(location: &str, name: &str) -> String {
    let url = values(query_of(location), name).pop().expect("a nested URL");
    url.strip_prefix("https://login.example").unwrap_or(&url).to_owned()
}

/// Where a server sends the browser with the whole query of its own request.
pub(crate) fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
