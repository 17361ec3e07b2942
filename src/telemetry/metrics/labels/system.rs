//! The closed label sets of HTTP, the store and the upstream.

use super::Label;

label! {
    /// Which part of the gateway took a request.
    RouteLabel {
        /// `POST /par`
        Par = "par",
        /// The authorize endpoint.
        Authorize = "authorize",
        /// Metadata documents.
        Metadata = "metadata",
        /// Everything else, forwarded.
        PassThrough = "pass_through",
        /// Stopped by a guard before routing.
        Refused = "refused",
    }
}

label! {
    /// Request methods; all but the nine of `RFC 9110 §9` and `RFC 5789` are one.
    Method {
        /// `GET`
        Get = "GET",
        /// `HEAD`
        Head = "HEAD",
        /// `POST`
        Post = "POST",
        /// `PUT`
        Put = "PUT",
        /// `DELETE`
        Delete = "DELETE",
        /// `PATCH`
        Patch = "PATCH",
        /// `OPTIONS`
        Options = "OPTIONS",
        /// `CONNECT`
        Connect = "CONNECT",
        /// `TRACE`
        Trace = "TRACE",
        /// Any other.
        Other = "_OTHER",
    }
}

label! {
    /// The class of a response status (RFC 9110 §15).
    StatusClass {
        /// Interim answers.
        Informational = "1xx",
        /// Good ones.
        Successful = "2xx",
        /// Elsewhere.
        Redirection = "3xx",
        /// The caller's fault.
        ClientError = "4xx",
        /// The server's fault, and everything that is no status.
        ServerError = "5xx",
    }
}

label! {
    /// A store operation.
    StoreOperation {
        /// Keep a push.
        Put = "put",
        /// Look at one without a change.
        Read = "read",
        /// Begin a flow.
        Start = "start",
        /// Take a start back.
        UndoStart = "undo_start",
        /// Complete a flow.
        Spend = "spend",
        /// Replay check.
        FirstUse = "first_use",
        /// Reachability.
        Ping = "ping",
    }
}

label! {
    /// Why a store operation failed.
    StoreCause {
        /// `max_bytes` reached.
        Full = "full",
        /// One client's share reached.
        ClientShare = "client_share_full",
        /// No connection.
        Unavailable = "unavailable",
        /// No answer in time.
        Timeout = "timeout",
        /// A record that cannot be read.
        Corrupt = "corrupt",
    }
}

label! {
    /// What went wrong on the way to the upstream.
    UpstreamErrorKind {
        /// The name has no address.
        Resolve = "resolve",
        /// No connection.
        Connect = "connect",
        /// TLS handshake or certificate.
        Tls = "tls",
        /// No connection or no answer in time.
        Timeout = "timeout",
        /// Closed in the middle of an exchange.
        Closed = "closed",
        /// Not HTTP.
        Malformed = "malformed",
        /// Anything else.
        Other = "other",
    }
}

label! {
    /// How fetching the upstream's metadata ended.
    FetchResult {
        /// Fetched and usable.
        Ok = "ok",
        /// No connection.
        Unavailable = "unavailable",
        /// No answer in time.
        Timeout = "timeout",
        /// Another status than 200.
        Status = "status",
        /// Not a JSON object, or without what is needed.
        Malformed = "malformed",
        /// Over the size limit.
        TooLarge = "too_large",
        /// Another issuer.
        IssuerMismatch = "issuer_mismatch",
        /// An address that must not be connected to.
        Forbidden = "forbidden",
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == method.as_str())
            .unwrap_or(Self::Other)
    }
}

impl From<http::StatusCode> for StatusClass {
    fn from(status: http::StatusCode) -> Self {
        match status.as_u16() / 100 {
            1 => Self::Informational,
            2 => Self::Successful,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}
