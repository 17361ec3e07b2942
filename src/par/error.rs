//! Everything that can go wrong with a push, and its one wire code.

use std::borrow::Cow;

use super::{AuthenticationError, ObjectError, ParameterError, RequestError, StoreError};
use crate::client::dpop::DpopError;
use crate::client::limits::RetryAfter;
use crate::oauth::error::ErrorCode;
use crate::oauth::request_uri::RandomnessError;

/// Why a push is refused.
#[derive(Debug, thiserror::Error)]
pub enum ParError {
    /// Another method than `POST` (RFC 9126 §2.3).
    #[error("the method must be POST")]
    Method,
    /// A trusted proxy says that the caller came without TLS (RFC 9126 §2).
    #[error("the endpoint is served over https alone")]
    Insecure,
    /// Not a form.
    #[error("the body must be application/x-www-form-urlencoded")]
    MediaType,
    /// The form cannot be read.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The client is not believed.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    /// Too many failed authentications from this address.
    #[error("too many failed authentications from this address")]
    TooManyFailures(RetryAfter),
    /// Too many pushes by this client.
    #[error("too many pushed requests by this client")]
    TooManyPushes(RetryAfter),
    /// Parameters in the query of the URL (RFC 9126 §2.1: in the body).
    #[error("parameters belong in the body, not in the query")]
    Query,
    /// The `DPoP` proof (RFC 9449 §10.1).
    #[error(transparent)]
    Dpop(#[from] DpopError),
    /// The request object around the authorization request.
    #[error(transparent)]
    RequestObject(#[from] ObjectError),
    /// The authorization request itself.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The upstream's documents name no authorization endpoint at the gateway or the upstream, so
    /// no `request_uri` could ever be redeemed.
    #[error("the authorization server names no authorization endpoint here")]
    NoAuthorizationEndpoint,
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No reference could be drawn.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl ParError {
    /// The wire code; status, log level and metric label follow from it.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Method => ErrorCode::MethodNotAllowed,
            Self::Insecure | Self::MediaType | Self::Parameters(_) | Self::Query => {
                ErrorCode::InvalidRequest
            }
            Self::Authentication(error) => error.code(),
            Self::TooManyFailures(_) | Self::TooManyPushes(_) => ErrorCode::TooManyRequests,
            Self::Dpop(error) => error.code(),
            Self::RequestObject(error) => error.code(),
            Self::Request(error) => error.code(),
            Self::NoAuthorizationEndpoint => ErrorCode::BadGateway,
            Self::Store(_) => ErrorCode::TemporarilyUnavailable,
            Self::Randomness(_) => ErrorCode::ServerError,
        }
    }

    /// What the client is told. Nothing of it was in the request.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        match self {
            Self::Authentication(error) => error.description(),
            Self::RequestObject(error) => error.description(),
            Self::Request(error) => error.description(),
            Self::Store(_) => Cow::Borrowed("no further request can be kept at the moment"),
            Self::Randomness(_) => Cow::Borrowed("the request could not be kept"),
            Self::Method
            | Self::Insecure
            | Self::MediaType
            | Self::Parameters(_)
            | Self::TooManyFailures(_)
            | Self::TooManyPushes(_)
            | Self::Query
            | Self::Dpop(_)
            | Self::NoAuthorizationEndpoint => Cow::Owned(self.to_string()),
        }
    }

    /// The label in the audit log.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Insecure => "insecure",
            Self::MediaType => "media_type",
            Self::Parameters(_) => "parameters",
            Self::Authentication(error) => error.reason(),
            Self::TooManyFailures(_) => "too_many_failures",
            Self::TooManyPushes(_) => "too_many_pushes",
            Self::Query => "query",
            Self::Dpop(error) => error.code().label(),
            Self::RequestObject(error) => error.code().as_str(),
            Self::Request(error) => error.code().as_str(),
            Self::NoAuthorizationEndpoint => "no_authorization_endpoint",
            Self::Store(error) => error.as_str(),
            Self::Randomness(_) => "randomness",
        }
    }
}
