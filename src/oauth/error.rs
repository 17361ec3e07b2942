//! The closed list of wire error codes, and who is at fault for each.

use http::StatusCode;

/// Every error code the gateway can send. Status, log level and metric label follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// `RFC 6749 §5.2`, `RFC 9126 §2.3`
    InvalidRequest,
    /// `RFC 6749 §5.2`; 401
    InvalidClient,
    /// `RFC 6749 §5.2`
    InvalidScope,
    /// `RFC 8707 §2`
    InvalidTarget,
    /// `RFC 9101 §7`
    InvalidRequestUri,
    /// `RFC 9101 §7`
    InvalidRequestObject,
    /// `RFC 9449 §5`
    InvalidDpopProof,
    /// `RFC 9449 §8`; 400 here, as the proof is no credential of the push
    UseDpopNonce,
    /// `RFC 9396 §5`
    InvalidAuthorizationDetails,
    /// `OpenID Connect Core §3.1.2.6`
    RequestNotSupported,
    /// `OpenID Connect Core §3.1.2.6`
    RequestUriNotSupported,
    /// `RFC 6749 §4.1.2.1`
    UnsupportedResponseType,
    /// Not found here, e.g. a PAR path that is switched off; 404
    NotFound,
    /// Wrong method; 405
    MethodNotAllowed,
    /// Body over the limit; 413
    PayloadTooLarge,
    /// `RFC 6585 §4`; 429
    TooManyRequests,
    /// `RFC 6749 §4.1.2.1`; 500
    ServerError,
    /// `RFC 6749 §4.1.2.1`; 503
    TemporarilyUnavailable,
    /// The upstream gave no usable answer; 502
    BadGateway,
    /// The upstream did not answer in time; 504
    GatewayTimeout,
}

/// Who has to change something for the same request to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller.
    Caller,
    /// The gateway or its store.
    Gateway,
    /// The authorization server behind it.
    Upstream,
}

impl ErrorCode {
    /// The `error` member; codes that HTTP alone expresses use `invalid_request` there.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::PayloadTooLarge => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InvalidAuthorizationDetails => "invalid_authorization_details",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::TooManyRequests | Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError | Self::BadGateway | Self::GatewayTimeout => "server_error",
        }
    }

    /// The label in metrics and logs; unlike [`as_str`](Self::as_str) it is one per code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::TooManyRequests => "too_many_requests",
            Self::BadGateway => "bad_gateway",
            Self::GatewayTimeout => "gateway_timeout",
            Self::InvalidRequest
            | Self::InvalidClient
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::InvalidRequestUri
            | Self::InvalidRequestObject
            | Self::InvalidDpopProof
            | Self::UseDpopNonce
            | Self::InvalidAuthorizationDetails
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::UnsupportedResponseType
            | Self::ServerError
            | Self::TemporarilyUnavailable => self.as_str(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::InvalidRequestUri
            | Self::InvalidRequestObject
            | Self::InvalidDpopProof
            | Self::UseDpopNonce
            | Self::InvalidAuthorizationDetails
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::UnsupportedResponseType => StatusCode::BAD_REQUEST,
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Who is at fault.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::InvalidRequest
            | Self::InvalidClient
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::InvalidRequestUri
            | Self::InvalidRequestObject
            | Self::InvalidDpopProof
            | Self::UseDpopNonce
            | Self::InvalidAuthorizationDetails
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::UnsupportedResponseType
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::PayloadTooLarge
            | Self::TooManyRequests => Fault::Caller,
            Self::ServerError | Self::TemporarilyUnavailable => Fault::Gateway,
            Self::BadGateway | Self::GatewayTimeout => Fault::Upstream,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gateway_and_upstream_faults_are_5xx() {
        for code in [
            ErrorCode::InvalidRequest,
            ErrorCode::TooManyRequests,
            ErrorCode::PayloadTooLarge,
            ErrorCode::ServerError,
            ErrorCode::TemporarilyUnavailable,
            ErrorCode::BadGateway,
            ErrorCode::GatewayTimeout,
        ] {
            assert_eq!(code.status().is_server_error(), code.fault() != Fault::Caller, "{code:?}");
        }
    }
}
