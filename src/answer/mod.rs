//! How the gateway's own answers look: JSON for clients, a page for people.
//!
//! Everything here is built from codes and from texts that are part of the program. No answer
//! repeats anything that a request brought along.

mod accept;
mod page;
mod texts;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

pub use page::{page, policy_for};
pub use texts::{Language, Reason, Text, texts};

use crate::oauth::error::ErrorCode;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// A refusal for a client: `{"error":…,"error_description":…}` (`RFC 6749 §5.2`, `RFC 9126 §2.3`)
/// with the code's status, never cached.
///
/// `description` is for the developer who reads it. Characters that `RFC 6749 §5.2` forbids there
/// are replaced: a double quote by a single one, all others by a blank.
#[must_use]
pub fn refusal(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Response<Bytes> {
    let description = description.into();
    let mut body = String::with_capacity(64 + description.len());
    body.push_str("{\"error\":\"");
    body.push_str(code.as_str());
    body.push_str("\",\"error_description\":\"");
    push_description(&mut body, &description);
    body.push_str("\"}");
    json(code.status(), body)
}

/// The answer to an accepted push: 201 with `request_uri` and `expires_in` in whole seconds
/// (`RFC 9126 §2.2`).
///
/// `request_uri` is one that the gateway minted: printable ASCII without quote and backslash.
#[must_use]
pub fn created(request_uri: &str, expires_in: Duration) -> Response<Bytes> {
    let mut body = String::with_capacity(48 + request_uri.len());
    body.push_str("{\"request_uri\":\"");
    body.push_str(request_uri);
    body.push_str("\",\"expires_in\":");
    push_number(&mut body, expires_in.as_secs());
    body.push('}');
    json(StatusCode::CREATED, body)
}

/// Adds `WWW-Authenticate: Basic` (`RFC 6749 §5.2`, `RFC 7617 §2`): for a client that tried the
/// `Authorization` header.
///
/// `realm` is the issuer or another fixed word; what cannot stand in a quoted string is left out.
#[must_use]
pub fn with_basic_challenge(answer: Response<Bytes>, realm: &str) -> Response<Bytes> {
    let mut challenge = String::with_capacity(32 + realm.len());
    challenge.push_str("Basic realm=\"");
    challenge.extend(realm.chars().filter(|&c| is_description_character(c)));
    challenge.push_str("\", charset=\"UTF-8\"");
    with(answer, WWW_AUTHENTICATE, challenge.try_into().ok())
}

/// Adds `Retry-After` in whole seconds, rounded up, at least one (`RFC 9110 §10.2.3`).
#[must_use]
pub fn with_retry_after(answer: Response<Bytes>, wait: Duration) -> Response<Bytes> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    with(answer, RETRY_AFTER, Some(seconds.max(1).into()))
}

/// Adds `Allow`, e.g. `"POST"` (`RFC 9110 §10.2.1`).
#[must_use]
pub fn with_allow(answer: Response<Bytes>, methods: &'static str) -> Response<Bytes> {
    with(answer, ALLOW, HeaderValue::try_from(methods).ok())
}

/// Adds `DPoP-Nonce` (`RFC 9449 §8.2`).
#[must_use]
pub fn with_dpop_nonce(answer: Response<Bytes>, nonce: HeaderValue) -> Response<Bytes> {
    with(answer, HeaderName::from_static("dpop-nonce"), Some(nonce))
}

fn with(
    mut answer: Response<Bytes>,
    name: HeaderName,
    value: Option<HeaderValue>,
) -> Response<Bytes> {
    if let Some(value) = value {
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn json(status: StatusCode, body: String) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(PRAGMA, NO_CACHE);
    answer
}

/// Appends `text` as far as it may stand in an `error_description`; such text needs no escapes in
/// JSON.
fn push_description(body: &mut String, text: &str) {
    body.extend(text.chars().map(|c| match c {
        c if is_description_character(c) => c,
        '"' => '\'',
        _ => ' ',
    }));
}

/// `%x20-21 / %x23-5B / %x5D-7E` (`RFC 6749 §5.2`).
const fn is_description_character(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}

fn push_number(body: &mut String, number: u64) {
    // Writing into a string cannot fail.
    let _ = write!(body, "{number}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn body(answer: &Response<Bytes>) -> Value {
        serde_json::from_slice(answer.body()).unwrap()
    }

    fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> &'a str {
        answer.headers()[name].to_str().unwrap()
    }

    #[test]
    fn a_refusal_has_code_status_and_no_cache() {
        let answer = refusal(ErrorCode::InvalidClient, "client authentication failed");
        assert_eq!(answer.status(), 401);
        assert_eq!(
            body(&answer),
            json!({"error": "invalid_client", "error_description": "client authentication failed"})
        );
        assert_eq!(header(&answer, "content-type"), "application/json");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_eq!(header(&answer, "pragma"), "no-cache");
    }

    #[test]
    fn created_holds_exactly_the_two_members() {
        let answer =
            created("urn:ietf:params:oauth:request_uri:abc", Duration::from_millis(60_900));
        assert_eq!(answer.status(), 201);
        assert_eq!(
            &answer.body()[..],
            br#"{"request_uri":"urn:ietf:params:oauth:request_uri:abc","expires_in":60}"#
        );
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_eq!(header(&answer, "content-type"), "application/json");
    }

    #[test]
    fn the_challenge_is_one_quoted_realm() {
        let answer = with_basic_challenge(
            refusal(ErrorCode::InvalidClient, "no"),
            "https://as.example/\"\\\r\nx",
        );
        assert_eq!(
            header(&answer, "www-authenticate"),
            "Basic realm=\"https://as.example/x\", charset=\"UTF-8\""
        );
    }

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        for (wait, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (60_000, "60")] {
            let answer = refusal(ErrorCode::TooManyRequests, "slow down");
            let answer = with_retry_after(answer, Duration::from_millis(wait));
            assert_eq!(header(&answer, "retry-after"), seconds);
        }
    }

    #[test]
    fn allow_names_the_methods() {
        let answer = with_allow(refusal(ErrorCode::MethodNotAllowed, "no"), "POST, OPTIONS");
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "POST, OPTIONS"));
    }

    proptest! {
        #[test]
        fn a_description_keeps_to_the_characters_of_rfc_6749(text in any::<String>()) {
            let answer = refusal(ErrorCode::InvalidRequest, text);
            let value = body(&answer);
            let description = value["error_description"].as_str().unwrap();
            prop_assert!(description.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        }
    }
}
