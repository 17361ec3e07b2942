//! Requests that are refused for their head alone, before anything else looks at them: what two
//! servers in a row could read in two ways.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, StatusCode, Version};
use memchr::memchr_iter;
use pingora::http::RequestHeader;

use super::application::Route;
use super::guard::MAX_HEAD_BYTES;

/// Longest request target in bytes; a little under what pingora can send on.
pub(super) const MAX_TARGET_BYTES: usize = 65_000;

/// A refused head: the status, and a word for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
}

/// Judges the parsed head and the bytes it was parsed from; pingora drops `Content-Length` beside
/// `Transfer-Encoding` and takes bare line feeds, so only the bytes show them.
pub(super) fn head(request: &RequestHeader, raw: &[u8]) -> Result<(), Fault> {
    if request.raw_path().len() > MAX_TARGET_BYTES {
        return refuse(StatusCode::URI_TOO_LONG, "target_too_long");
    }
    if raw.len() > MAX_HEAD_BYTES {
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large");
    }
    if request.method == Method::TRACE {
        // It would show a script what the gateway adds for the upstream's eyes.
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "trace");
    }
    target(request)?;
    host(request)?;
    framing(request, raw)?;
    line_ends(raw)
}

/// A body where the route has no use for one (RFC 9110 §9.3.1).
pub(super) fn body(request: &RequestHeader, route: Route) -> Result<(), Fault> {
    let bodyless = request.method == Method::GET || request.method == Method::HEAD;
    let announced = request.headers.contains_key(TRANSFER_ENCODING)
        || request.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if route == Route::Authorize && bodyless && announced {
        return bad("body_at_authorize");
    }
    Ok(())
}

fn target(request: &RequestHeader) -> Result<(), Fault> {
    let target = request.raw_path();
    let is_origin_form = target.starts_with(b"/");
    let is_asterisk_form = target == b"*" && request.method == Method::OPTIONS;
    if !is_origin_form && !is_asterisk_form {
        return bad("target_form");
    }
    if target.iter().any(|byte| !byte.is_ascii_graphic()) {
        return bad("target_bytes");
    }
    Ok(())
}

fn host(request: &RequestHeader) -> Result<(), Fault> {
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if !host.as_bytes().trim_ascii().is_empty() => Ok(()),
        (None, _) if request.version == Version::HTTP_10 => Ok(()),
        _ => bad("host"),
    }
}

fn framing(request: &RequestHeader, raw: &[u8]) -> Result<(), Fault> {
    let mut lengths = request.headers.get_all(CONTENT_LENGTH).iter();
    // A list of equal lengths is one length to some and none to others.
    let is_number = |length: &HeaderValue| length.as_bytes().iter().all(u8::is_ascii_digit);
    if !lengths.next().is_none_or(is_number) || lengths.next().is_some() {
        return bad("content_length");
    }
    let mut codings = request.headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")
    {
        return bad("transfer_encoding");
    }
    let mut fields = raw.split(|byte| *byte == b'\n').skip(1);
    if fields.any(|field| {
        field
            .get(..CONTENT_LENGTH.as_str().len())
            .is_some_and(|name| name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str().as_bytes()))
    }) {
        return bad("content_length_and_transfer_encoding");
    }
    Ok(())
}

fn line_ends(raw: &[u8]) -> Result<(), Fault> {
    let before = |feed: usize| feed.checked_sub(1).and_then(|at| raw.get(at));
    if memchr_iter(b'\n', raw).any(|feed| before(feed) != Some(&b'\r')) {
        return bad("bare_line_feed");
    }
    Ok(())
}

fn bad(reason: &'static str) -> Result<(), Fault> {
    refuse(StatusCode::BAD_REQUEST, reason)
}

fn refuse(status: StatusCode, reason: &'static str) -> Result<(), Fault> {
    Err(Fault { status, reason })
}
