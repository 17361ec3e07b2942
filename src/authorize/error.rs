//! Why a call of the authorization endpoint is refused, and what the person is shown.

use crate::answer::Reason;
use crate::oauth::error::ErrorCode;
use crate::store::StoreError::{self, ClientShareFull, Full};
use crate::telemetry::metrics::{RedeemResult, StoreOperation};

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeError {
    /// Neither `GET`, `HEAD` nor `POST`.
    #[error("the method is not allowed")]
    Method,
    /// The query or form cannot be read, or names `client_id` or `request_uri` twice.
    #[error("the request cannot be read")]
    Malformed,
    /// A name that some server takes for a registered one, in a step of a login.
    #[error("a parameter name is a respelling of a registered one")]
    Imitation,
    /// A body inside a flow that cannot be read, and so not be pinned.
    #[error("the body cannot be read")]
    Unreadable,
    /// `client_id` is missing.
    #[error("client_id is missing")]
    NoClientId,
    /// `request` and `request_uri` together (RFC 9101 §5).
    #[error("request and request_uri are used together")]
    BothRequestForms,
    /// Under our prefix, but not one of ours.
    #[error("the request_uri was not issued here")]
    NotIssued,
    /// Not ours, and not to be passed on.
    #[error("the request_uri is foreign")]
    Foreign,
    /// Nothing is kept under it (any more).
    #[error("the request_uri is unknown")]
    Unknown,
    /// Too late.
    #[error("the request_uri has expired")]
    Expired,
    /// Completed before.
    #[error("the request_uri was used")]
    Spent,
    /// It was loaded before, or in another browser.
    #[error("the request_uri was loaded in another browser")]
    OtherBrowser,
    /// It belongs to another client.
    #[error("the request_uri belongs to another client")]
    OtherClient,
    /// The client is gone, disabled, or lost its `redirect_uri` since the push.
    #[error("the client may not use this request any more")]
    ClientDisabled,
    /// The upstream does not offer the pushed `response_type`, as its documents say now.
    #[error("response_type is not supported")]
    ResponseType,
    /// The upstream does not offer the pushed `response_mode`, as its documents say now.
    #[error("response_mode is not supported")]
    ResponseMode,
    /// The request does not fit the upstream's longest request target, now that its endpoint is known.
    #[error("the request target is too long for the upstream")]
    TooLong,
    /// Only pushed requests are taken.
    #[error("the authorization request must be pushed")]
    PushRequired,
    /// A browser loads ahead of the person.
    #[error("prefetching is not answered")]
    Prefetch,
    /// The request came to its end in another browser first.
    #[error("the request was completed in another browser")]
    LostRace,
    /// A page that may complete the request cannot be read, or not within 1 MiB.
    #[error("the page of the upstream cannot be read")]
    UnreadablePage,
    /// Pending requests cannot be read.
    #[error("the store failed")]
    Store(StoreOperation, StoreError),
    /// An address of the upstream's that carries the request cannot be read, and so not be hidden.
    #[error("an address in the answer cannot be read")]
    Unconcealed,
    /// No random bytes.
    #[error("the random number generator failed")]
    Randomness,
    /// A page of the upstream that cannot be masked.
    #[error("the page cannot be masked")]
    Unmaskable,
    /// The upstream's endpoint is not known yet.
    #[error("the upstream is not known yet")]
    UpstreamUnknown,
}

impl AuthorizeError {
    /// The wire code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Method => ErrorCode::MethodNotAllowed,
            Self::Malformed
            | Self::Imitation
            | Self::Unreadable
            | Self::NoClientId
            | Self::BothRequestForms
            | Self::OtherClient
            | Self::ClientDisabled
            | Self::ResponseMode
            | Self::TooLong
            | Self::PushRequired => ErrorCode::InvalidRequest,
            Self::ResponseType => ErrorCode::UnsupportedResponseType,
            Self::NotIssued
            | Self::Unknown
            | Self::Expired
            | Self::Spent
            | Self::OtherBrowser
            | Self::LostRace => ErrorCode::InvalidRequestUri,
            Self::Foreign => ErrorCode::RequestUriNotSupported,
            Self::Unconcealed | Self::Unmaskable | Self::UnreadablePage | Self::UpstreamUnknown => {
                ErrorCode::BadGateway
            }
            Self::Prefetch | Self::Store(..) => ErrorCode::TemporarilyUnavailable,
            Self::Randomness => ErrorCode::ServerError,
        }
    }

    /// What the person reads.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Method => Reason::MethodNotAllowed,
            Self::Malformed | Self::Imitation | Self::Unreadable | Self::NoClientId => {
                Reason::Malformed
            }
            Self::BothRequestForms => Reason::BothRequestForms,
            Self::NotIssued | Self::Unknown => Reason::UnknownRequest,
            Self::Foreign => Reason::ForeignRequestUri,
            Self::Expired => Reason::ExpiredRequest,
            Self::Spent => Reason::SpentRequest,
            Self::OtherBrowser => Reason::OtherBrowser,
            Self::OtherClient => Reason::OtherClient,
            Self::ClientDisabled => Reason::ClientDisabled,
            Self::ResponseType | Self::ResponseMode | Self::TooLong => Reason::NotOffered,
            Self::PushRequired => Reason::PushRequired,
            Self::Prefetch => Reason::Prefetch,
            Self::LostRace => Reason::LostRace,
            Self::Store(_, Full | ClientShareFull) => Reason::NoRoom,
            Self::Unconcealed => Reason::UnreadableAddress,
            Self::UnreadablePage => Reason::UnreadablePage,
            Self::Store(..) => Reason::StoreUnavailable,
            Self::Randomness => Reason::Internal,
            Self::Unmaskable => Reason::UnmaskablePage,
            Self::UpstreamUnknown => Reason::UpstreamUnavailable,
        }
    }

    /// The label in `parapet_redeem_total`.
    #[must_use]
    pub const fn redeem_result(self) -> RedeemResult {
        match self {
            Self::Method
            | Self::Malformed
            | Self::Imitation
            | Self::Unreadable
            | Self::NoClientId
            | Self::NotIssued
            | Self::Foreign => RedeemResult::Malformed,
            Self::BothRequestForms
            | Self::ResponseType
            | Self::ResponseMode
            | Self::TooLong
            | Self::PushRequired
            | Self::UnreadablePage
            | Self::Unmaskable => RedeemResult::Refused,
            Self::Unknown => RedeemResult::Unknown,
            Self::Expired => RedeemResult::Expired,
            Self::Spent | Self::LostRace => RedeemResult::Spent,
            Self::OtherBrowser => RedeemResult::BrowserMismatch,
            Self::OtherClient => RedeemResult::ClientMismatch,
            Self::ClientDisabled => RedeemResult::ClientDisabled,
            Self::Prefetch => RedeemResult::Preview,
            Self::Store(..) | Self::Unconcealed | Self::Randomness | Self::UpstreamUnknown => {
                RedeemResult::StoreUnavailable
            }
        }
    }

    /// Whether nobody was refused anything: a browser looked ahead.
    #[must_use]
    pub const fn is_preview(self) -> bool {
        matches!(self, Self::Prefetch)
    }
}
