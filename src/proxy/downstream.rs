//! Between pingora's session and whole `http` messages: read a body within bounds, write an answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT, SET_COOKIE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use super::application::RequestId;
use super::headers::X_REQUEST_ID;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// Over the limit, as announced or as it came.
    TooLarge,
    /// Not complete in time.
    TimedOut,
    /// Chunks that are none, or a connection that broke.
    Broken,
}

/// The bounds of a body that the gateway reads itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyBounds {
    pub(super) bytes: usize,
    pub(super) time: Duration,
}

/// Reads the whole body.
pub(super) async fn read_body(
    session: &mut Session,
    bounds: BodyBounds,
) -> Result<Bytes, BodyFault> {
    if content_length(session.req_header()).is_some_and(|length| length > bounds.bytes as u64) {
        return Err(BodyFault::TooLarge);
    }
    if session.is_body_empty() {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(bounds.time, collect(session, bounds.bytes))
        .await
        .unwrap_or(Err(BodyFault::TimedOut))
}

/// What the request says of its body's length.
pub(super) fn content_length(request: &RequestHeader) -> Option<u64> {
    request.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(session: &mut Session, limit: usize) -> Result<Bytes, BodyFault> {
    if session.req_header().headers.contains_key(EXPECT) {
        // pingora takes any head written before the body's end for a final one and would close.
        let keepalive = session.get_keepalive();
        session.write_continue_response().await.map_err(|_| BodyFault::Broken)?;
        session.set_keepalive(keepalive);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(piece) = session.read_request_body().await.map_err(|_| BodyFault::Broken)? {
        if first.len() + rest.len() + piece.len() > limit {
            return Err(BodyFault::TooLarge);
        }
        // Most forms come in one piece and are not copied again.
        if first.is_empty() {
            first = piece;
        } else {
            rest.extend_from_slice(&piece);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Writes a whole answer. Where the request's body was not read, the connection ends with it.
pub(super) async fn write(
    session: &mut Session,
    response: Response<Bytes>,
    id: &RequestId,
) -> pingora::Result<()> {
    let (parts, body) = response.into_parts();
    let bodyless = session.req_header().method == Method::HEAD
        || parts.status == StatusCode::NO_CONTENT
        || parts.status == StatusCode::NOT_MODIFIED;
    let mut head = ResponseHeader::from(parts);
    if head.status != StatusCode::NO_CONTENT && head.status != StatusCode::NOT_MODIFIED {
        head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    head.insert_header(X_REQUEST_ID, id.0.clone())?;
    let unread = !session.is_body_done();
    if unread {
        session.set_keepalive(None);
    }
    session.write_response_header(Box::new(head), bodyless).await?;
    if !bodyless {
        session.write_response_body(Some(body), true).await?;
    }
    // Who waits for `100 Continue` sends nothing more.
    if unread && !session.req_header().headers.contains_key(EXPECT) {
        linger(session).await;
    }
    Ok(())
}

/// Takes a little of what the client is still sending: a connection closed over unread bytes is
/// reset, and the client never sees the answer.
async fn linger(session: &mut Session) {
    let drain = async {
        let mut left = LINGER_BYTES;
        while let Ok(Some(piece)) = session.read_request_body().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER_TIME, drain).await;
}

const LINGER_BYTES: usize = 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(1);

/// Adds cookies, each in place of one of the same name that was set before.
pub(super) fn set_cookies<'c>(
    response: &mut ResponseHeader,
    cookies: impl IntoIterator<Item = &'c HeaderValue>,
) -> pingora::Result<()> {
    let name = |cookie: &HeaderValue| {
        cookie.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec)
    };
    for cookie in cookies {
        let set: Vec<_> = response.headers.get_all(SET_COOKIE).iter().cloned().collect();
        let others = set.iter().filter(|known| name(known) != name(cookie));
        if others.clone().count() < set.len() {
            response.remove_header(&SET_COOKIE);
            for known in others {
                response.append_header(SET_COOKIE, known)?;
            }
        }
        response.append_header(SET_COOKIE, cookie)?;
    }
    Ok(())
}
