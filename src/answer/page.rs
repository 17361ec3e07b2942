//! The answer for people at the authorization endpoint: an HTML page, or the same as JSON.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response};

use super::accept::prefers_html;
use super::texts::{Labels, Language, Reason, Text, labels, texts};
use super::{CACHE_CONTROL, NO_STORE, json, push_description};
use crate::oauth::error::ErrorCode;

/// The refusal of a request that a person's browser made: HTML where `accept` prefers it, else
/// `{"error":…,"error_description":…,"request_id":…}`.
///
/// `request_id` is the gateway's own number of the request, the same as in the logs. Nothing the
/// request brought along is shown, and no redirect is sent.
#[must_use]
pub fn page(
    code: ErrorCode,
    reason: Reason,
    request_id: &str,
    accept: Option<&HeaderValue>,
) -> Response<Bytes> {
    let language = Language::English;
    let words = texts(language, reason);
    let html = prefers_html(accept).then(|| html(code, language, words, request_id)).flatten();
    let mut answer = match html {
        Some(html) => {
            let mut answer = Response::new(Bytes::from(html));
            *answer.status_mut() = code.status();
            dress(answer.headers_mut());
            answer
        }
        None => json(code.status(), object(code, words, request_id)),
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

#[derive(Template)]
#[template(path = "error.html", config = ".askama.toml")]
struct ErrorPage<'a> {
    lang: &'static str,
    words: Text,
    labels: Labels,
    code: &'static str,
    request_id: &'a str,
    style: &'static str,
}

fn html(code: ErrorCode, language: Language, words: Text, request_id: &str) -> Option<String> {
    let page = ErrorPage {
        lang: language.tag(),
        words,
        labels: labels(language),
        code: code.as_str(),
        request_id,
        style: STYLE,
    };
    page.render().ok()
}

fn object(code: ErrorCode, words: Text, request_id: &str) -> String {
    let mut body = String::with_capacity(96 + words.text.len() + request_id.len());
    body.push_str("{\"error\":\"");
    body.push_str(code.as_str());
    body.push_str("\",\"error_description\":\"");
    push_description(&mut body, words.text);
    body.push_str("\",\"request_id\":\"");
    push_description(&mut body, request_id);
    body.push_str("\"}");
    body
}

fn dress(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}

const STYLE: &str = include_str!("error.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy_for(STYLE));

/// `Content-Security-Policy` of a page that has this style sheet within it, allowed by its hash, and
/// nothing else.
#[must_use]
pub fn policy_for(style: &str) -> HeaderValue {
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: HeaderValue =
        HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.8");

    fn text(answer: &Response<Bytes>) -> &str {
        std::str::from_utf8(answer.body()).unwrap()
    }

    #[test]
    fn a_browser_gets_a_page_with_words_number_and_code() {
        for reason in Reason::ALL {
            let answer = page(ErrorCode::InvalidRequestUri, reason, "0a1b", Some(&BROWSER));
            assert_eq!(answer.status(), 400);
            let words = texts(Language::English, reason);
            let html = text(&answer);
            for part in [words.title, words.text, words.advice, "0a1b", "invalid_request_uri"] {
                assert!(html.contains(part), "{reason:?} lacks {part:?}");
            }
            for part in ["<html lang=\"en\">", "<title>", "<main", "<h1>"] {
                assert_eq!(html.matches(part).count(), 1, "{part}");
            }
            assert!(!html.contains("<script") && !html.contains("http"), "{reason:?}");
        }
    }

    #[test]
    fn the_page_is_locked_down() {
        let answer = page(ErrorCode::ServerError, Reason::Internal, "1", Some(&BROWSER));
        let header = |name| answer.headers()[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("content-language"), "en");
        assert!(!answer.headers().contains_key("location"));
        let html = text(&answer);
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert_eq!(
            header("content-security-policy"),
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            )
        );
    }

    #[test]
    fn a_program_gets_json() {
        for reason in Reason::ALL {
            let answer = page(ErrorCode::InvalidRequest, reason, "7f", None);
            let value: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(value["error"], "invalid_request");
            assert_eq!(value["error_description"], texts(Language::English, reason).text);
            assert_eq!(value["request_id"], "7f");
            assert_eq!(value.as_object().unwrap().len(), 3);
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
    }

    #[test]
    fn an_odd_request_id_breaks_neither_form() {
        let odd = "<b>\"\\\n";
        let answer = page(ErrorCode::InvalidRequest, Reason::Malformed, odd, Some(&BROWSER));
        assert!(!text(&answer).contains("<b>"));
        let answer = page(ErrorCode::InvalidRequest, Reason::Malformed, odd, None);
        assert!(serde_json::from_slice::<serde_json::Value>(answer.body()).is_ok());
    }
}
