//! From a pingora error to what the browser is told: enough to act on, nothing of the upstream.

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use pingora::{Error, ErrorSource, ErrorType};

use super::application::Application;
use super::context::Context;
use super::screen::Fault;
use crate::oauth::error::ErrorCode;

/// What a failed exchange is called: the code, and a short reason for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// `None` where nobody is left to tell.
    pub(super) code: Option<ErrorCode>,
    pub(super) reason: &'static str,
}

impl Failure {
    /// The upstream's name has no address yet.
    pub(super) const UNRESOLVED: Self =
        Self { code: Some(ErrorCode::TemporarilyUnavailable), reason: "upstream_unresolved" };

    /// No address of the upstream took a connection a moment ago.
    pub(super) const GONE: Self =
        Self { code: Some(ErrorCode::BadGateway), reason: "upstream_gone" };

    pub(super) fn of(error: &Error) -> Self {
        let reason = reason(&error.etype);
        let code = match error.esource() {
            ErrorSource::Downstream => downstream(&error.etype),
            ErrorSource::Upstream => Some(upstream(&error.etype)),
            ErrorSource::Internal | ErrorSource::Unset => Some(ErrorCode::ServerError),
        };
        Self { code, reason }
    }
}

/// The answer to a head that is refused. The status is the fault's own where the wire codes have
/// none for it.
pub(super) fn refusal<A: Application>(
    application: &A,
    fault: Fault,
    head: &http::request::Parts,
    context: &Context,
) -> Response<Bytes> {
    let code = match fault.status {
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        _ => ErrorCode::InvalidRequest,
    };
    let mut response = application.failure(code, head, &context.peer, &context.request_id);
    *response.status_mut() = fault.status;
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A client that went away is told nothing; one that sent nonsense is.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "pingora's list is open and mostly of other trades"
)]
fn downstream(kind: &ErrorType) -> Option<ErrorCode> {
    match kind {
        ErrorType::WriteError
        | ErrorType::WriteTimedout
        | ErrorType::ReadError
        | ErrorType::ReadTimedout
        | ErrorType::ConnectionClosed => None,
        _ => Some(ErrorCode::InvalidRequest),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "pingora's list is open and mostly of other trades"
)]
fn upstream(kind: &ErrorType) -> ErrorCode {
    match kind {
        ErrorType::ConnectTimedout
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout => ErrorCode::GatewayTimeout,
        _ => ErrorCode::BadGateway,
    }
}

/// A name of ours, so that logs do not change with pingora.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "pingora's list is open and mostly of other trades"
)]
fn reason(kind: &ErrorType) -> &'static str {
    match kind {
        ErrorType::ConnectTimedout => "connect_timed_out",
        ErrorType::ConnectRefused => "connect_refused",
        ErrorType::ConnectNoRoute => "connect_no_route",
        ErrorType::TLSHandshakeTimedout => "tls_timed_out",
        ErrorType::TLSHandshakeFailure | ErrorType::HandshakeError => "tls_failed",
        ErrorType::InvalidCert => "certificate_invalid",
        ErrorType::ConnectError | ErrorType::SocketError | ErrorType::BindError => "connect_failed",
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error => "malformed_message",
        ErrorType::ReadError => "read_failed",
        ErrorType::WriteError => "write_failed",
        ErrorType::ReadTimedout => "read_timed_out",
        ErrorType::WriteTimedout => "write_timed_out",
        ErrorType::ConnectionClosed => "connection_closed",
        _ => "internal",
    }
}
