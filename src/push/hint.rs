//! What may be the matter when a push is refused, and where that is explained.

use http::StatusCode;

/// A guess, and a section of `docs/errors.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// A few words.
    pub text: &'static str,
    /// The anchor of the section.
    pub anchor: &'static str,
}

/// By `error`, and a word of its description where one code has several causes.
pub const HINTS: [(&str, &str, Hint); 14] = [
    (
        "invalid_client",
        "aud",
        hint("--issuer must be written as the server does", "client-authentication"),
    ),
    (
        "invalid_client",
        "",
        hint(
            "an unknown or disabled client, a wrong secret or key, or another method than the \
             registered one; the gateway's audit trail names the reason",
            "client-authentication",
        ),
    ),
    (
        "invalid_scope",
        "",
        hint("the client may not ask for this scope", "the-authorization-request"),
    ),
    ("invalid_request_object", "", hint("look at --key, --kid and --alg", "the-request-object")),
    ("request_not_supported", "", hint("push without --request-object", "the-request-object")),
    ("invalid_dpop_proof", "", hint("look at the clocks of both sides", "the-dpop-proof")),
    ("use_dpop_nonce", "", hint("the server asked twice for a nonce", "the-dpop-proof")),
    (
        "invalid_authorization_details",
        "",
        hint("look at -p authorization_details=…", "authorization_details"),
    ),
    ("invalid_target", "", hint("look at -p resource=…", "the-authorization-request")),
    (
        "unsupported_response_type",
        "",
        hint("look at -p response_type=…", "the-authorization-request"),
    ),
    (
        "invalid_request",
        "signed request object",
        hint("this client has to sign: add --request-object and --key", "the-request-object"),
    ),
    (
        "invalid_request",
        "redirect_uri",
        hint(
            "--redirect-uri must be one of the client's, letter by letter",
            "the-authorization-request",
        ),
    ),
    (
        "temporarily_unavailable",
        "",
        hint("wait a moment; too many pushes or failures, or no room", "the-message"),
    ),
    (
        "server_error",
        "",
        hint("the gateway or the server behind it fails: `parapet doctor`", "the-message"),
    ),
];

const fn hint(text: &'static str, anchor: &'static str) -> Hint {
    Hint { text, anchor }
}

impl Hint {
    /// The first that fits.
    #[must_use]
    pub fn of(status: StatusCode, error: &str, description: &str) -> Self {
        let fits =
            |(code, word, _): &&(&str, &str, Self)| *code == error && description.contains(word);
        let found = HINTS.iter().find(fits).map(|(_, _, hint)| *hint);
        found.unwrap_or(match status.as_u16() {
            404 | 405 => hint("is this the gateway's endpoint? [par] path", "the-message"),
            500.. => hint("the gateway or the server behind it fails", "the-message"),
            _ => hint("the description names the check that failed", "at-the-push-endpoint"),
        })
    }

    /// Where to read on.
    #[must_use]
    pub fn see(&self) -> String {
        format!("docs/errors.md#{}", self.anchor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_decides_between_causes_of_one_code() {
        let of = |error, description| Hint::of(StatusCode::BAD_REQUEST, error, description).anchor;
        assert_eq!(
            of("invalid_request", "a signed request object is required"),
            "the-request-object"
        );
        assert_eq!(of("invalid_request", "a parameter is repeated"), "at-the-push-endpoint");
        assert_eq!(Hint::of(StatusCode::NOT_FOUND, "", "").anchor, "the-message");
    }
}
