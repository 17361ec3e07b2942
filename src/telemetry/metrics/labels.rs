//! The closed label sets of the metrics. A label is never an address, a `request_uri` or free text.

use crate::oauth::error::ErrorCode;

/// One label value out of a closed set.
pub(super) trait Label: Copy {
    /// How many values there are.
    const COUNT: usize;

    /// The position in the set, below [`COUNT`](Self::COUNT).
    fn index(self) -> usize;

    /// The value as it is written.
    fn text(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The value as it is written in metrics and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl Label for $name {
            const COUNT: usize = Self::ALL.len();

            fn index(self) -> usize {
                self as usize
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

label! {
    /// How a client proved itself, or tried to (`token_endpoint_auth_method`, RFC 7591 §2).
    AuthMethod {
        /// No credentials and no `client_id` that could be read.
        Unknown = "unknown",
        /// Public client.
        None = "none",
        /// `RFC 6749 §2.3.1`
        ClientSecretBasic = "client_secret_basic",
        /// `RFC 6749 §2.3.1`
        ClientSecretPost = "client_secret_post",
        /// `RFC 7523`
        ClientSecretJwt = "client_secret_jwt",
        /// `RFC 7523`
        PrivateKeyJwt = "private_key_jwt",
        /// `RFC 8705 §2.1`
        TlsClientAuth = "tls_client_auth",
        /// `RFC 8705 §2.2`
        SelfSignedTlsClientAuth = "self_signed_tls_client_auth",
    }
}

label! {
    /// What client authentication found.
    AuthVerdict {
        /// The client is who it says.
        Accepted = "accepted",
        /// No such client, or disabled.
        UnknownClient = "unknown_client",
        /// No credentials where the client needs them.
        Missing = "missing",
        /// Wrong secret, assertion or certificate.
        Mismatch = "mismatch",
        /// Another method than the registered one.
        WrongMethod = "wrong_method",
        /// Two methods at once, or credentials that cannot be read.
        Malformed = "malformed",
        /// Not judged: too many failures from this address.
        Limited = "limited",
        /// Not judged: the store did not say whether an assertion was used before.
        Unavailable = "unavailable",
    }
}

label! {
    /// How a redeem ended.
    RedeemResult {
        /// First redeem.
        Ok = "ok",
        /// Again in a live flow.
        Reload = "reload",
        /// Too late.
        Expired = "expired",
        /// Never issued, or long gone.
        Unknown = "unknown",
        /// Completed before.
        Spent = "spent",
        /// Another client's reference.
        ClientMismatch = "client_mismatch",
        /// Started in another browser.
        BrowserMismatch = "browser_mismatch",
        /// No valid reference.
        Malformed = "malformed",
        /// `request` or parameters that may not stand beside it.
        Refused = "refused",
        /// The client is disabled.
        ClientDisabled = "client_disabled",
        /// `HEAD` or prefetch; burns nothing.
        Preview = "preview",
        /// The store did not answer.
        StoreUnavailable = "store_unavailable",
    }
}

label! {
    /// How a flow ended.
    CompletionOutcome {
        /// With a code or tokens.
        Code = "code",
        /// With an error of the upstream.
        Error = "error",
        /// The same completion again within its grace.
        Repeated = "repeated",
        /// Another browser was first, or the flow is over.
        Refused = "refused",
        /// Never: the login ran out of time.
        Abandoned = "abandoned",
    }
}

label! {
    /// What became of an authorization request that was not pushed.
    PlainDecision {
        /// Passed on.
        Allowed = "allowed",
        /// PAR is required.
        Refused = "refused",
    }
}

label! {
    /// Which limit was hit.
    RateScope {
        /// `pushes_per_client`
        Client = "client",
        /// `failures_per_address`
        Address = "address",
        /// `connections`
        Connections = "connections",
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
    /// Where the guard found a request that must not pass.
    GuardPlace {
        /// An alias of the authorize path.
        Path = "path",
        /// A disguised authorization request in the query.
        Query = "query",
        /// The same in a form body.
        Body = "body",
        /// A header that would rewrite the request.
        Header = "header",
        /// Request target or `Host`.
        Target = "target",
    }
}

label! {
    /// What became of a page that was to be masked.
    MaskResult {
        /// Read to its end; nothing pushed is left in it.
        Masked = "masked",
        /// Not readable; it passed as it was (`mask_failure = "pass"`).
        Unmasked = "unmasked",
        /// Not readable; it was not sent (`mask_failure = "refuse"`).
        Refused = "refused",
    }
}

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
    /// Whether a push was taken.
    PushResult {
        /// 201
        Accepted = "accepted",
        /// Any error answer.
        Refused = "refused",
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

/// The `error` label of a push: a wire error, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Error(pub(super) Option<ErrorCode>);

impl Label for Error {
    /// Room for codes that are still to come; what lies beyond is only slower.
    const COUNT: usize = 32;

    fn index(self) -> usize {
        self.0.map_or(0, |code| code as usize + 1)
    }

    fn text(self) -> &'static str {
        self.0.map_or("none", ErrorCode::label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_documented() {
        let document = include_str!("../../../docs/metrics.md");
        macro_rules! documented {
            ($($set:ident),+) => {
                $({
                    let values = $set::ALL.iter().map(|value| format!("`{}`", value.as_str()));
                    let row = format!("| {} |", values.collect::<Vec<_>>().join(", "));
                    assert!(document.contains(&row), "{row}");
                })+
            };
        }
        documented!(
            PushResult,
            AuthMethod,
            AuthVerdict,
            RedeemResult,
            CompletionOutcome,
            PlainDecision,
            RateScope,
            StoreOperation,
            StoreCause,
            GuardPlace,
            MaskResult,
            RouteLabel,
            Method,
            UpstreamErrorKind,
            FetchResult
        );
    }

    #[test]
    fn methods_are_a_closed_set() {
        assert_eq!(Method::from(&http::Method::PATCH).as_str(), "PATCH");
        let odd = http::Method::from_bytes(b"BREW").unwrap();
        assert_eq!(Method::from(&odd), Method::Other);
    }

    #[test]
    fn no_error_and_every_error_have_a_place_of_their_own() {
        assert_eq!((Error(None).index(), Error(None).text()), (0, "none"));
        let last = Error(Some(ErrorCode::GatewayTimeout));
        assert!(last.index() > 0 && last.index() < Error::COUNT);
        assert_eq!(last.text(), "gateway_timeout");
    }
}
