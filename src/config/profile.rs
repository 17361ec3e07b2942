//! What each profile demands, side by side. Everything that differs between RFC 9126 as printed,
//! FAPI 1.0 Advanced and FAPI 2.0 stands in [`OAUTH`], [`FAPI1`] and [`FAPI2`] and nowhere else.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AuthenticationMethod;
use crate::jose::Algorithm;
use crate::oauth::{redirect_uri, response_type as response_types};

/// `profile`: which rules hold, for all clients or for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// RFC 9126
    Oauth,
    /// FAPI 1.0 Advanced
    Fapi1,
    /// FAPI 2.0
    Fapi2,
}

impl Profile {
    /// All, from the least strict.
    pub const ALL: [Self; 3] = [Self::Oauth, Self::Fapi1, Self::Fapi2];

    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::Fapi1 => "fapi1",
            Self::Fapi2 => "fapi2",
        }
    }

    /// What it demands.
    #[must_use]
    pub const fn rules(self) -> &'static Rules {
        match self {
            Self::Oauth => &OAUTH,
            Self::Fapi1 => &FAPI1,
            Self::Fapi2 => &FAPI2,
        }
    }
}

/// The demands of a profile.
#[derive(Debug)]
pub struct Rules {
    /// How clients may authenticate.
    pub methods: &'static [AuthenticationMethod],
    /// How assertions, request objects and `DPoP` proofs may be signed.
    pub signing_algorithms: &'static [Algorithm],
    /// Smallest RSA modulus.
    pub least_rsa_bits: usize,
    /// Smallest field of an elliptic curve.
    pub least_ec_bits: usize,
    /// What an assertion's `aud` may be.
    pub assertion_audience: Audience,
    /// `typ` of an assertion, where it has one; letter case and `application/` do not count.
    pub assertion_types: &'static [&'static str],
    /// Whether an assertion without `jti` is refused (RFC 7523 §3 leaves it open).
    pub assertion_needs_jti: bool,
    /// How far ahead an assertion's `exp` may be.
    pub longest_assertion: Duration,
    /// How far `iat` and `nbf` may be in the future, and `exp` in the past.
    pub clock_skew: Duration,
    /// S256 or nothing (RFC 7636).
    pub needs_pkce: bool,
    /// Which redirect URIs may be pushed.
    pub redirect_uris: RedirectUris,
    /// Whether a client may push ones that are not registered (RFC 9126 §2.4), if its table says so.
    pub allows_unregistered_redirect_uris: bool,
    /// Parameters without which a request is refused.
    pub needed_parameters: &'static [Needed],
    /// Which responses may be asked for; empty leaves it to the upstream.
    pub responses: &'static [ResponseRule],
    /// Longest redeem-by time of a `request_uri`.
    pub longest_request_uri: Duration,
    /// Whether the client's requests must be pushed (RFC 9126 §6).
    pub must_push: bool,
    /// Whether a request must be a signed request object (RFC 9101).
    pub needs_signed_request: bool,
    /// `typ` of a request object, where it has one; letter case and `application/` do not count.
    pub request_object_types: &'static [&'static str],
    /// Whether a request object needs `aud`. Where it is, it names the issuer, in text or list.
    pub request_object_needs_audience: bool,
    /// Where set, a request object needs `exp` and `nbf`: `nbf` is at most this old, and `exp` at
    /// most this long after it.
    pub request_object_window: Option<Duration>,
    /// Whether access tokens must be bound to a key of the client (RFC 8705, RFC 9449). The token
    /// endpoint answers for it, which is the upstream's.
    pub binds_tokens: bool,
}

/// What an assertion's `aud` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Issuer, token endpoint or PAR endpoint, as a text or in a list (RFC 9126 §2).
    Any,
    /// The issuer alone, as a text (FAPI 2.0 Security Profile §5.3.2.1).
    Issuer,
}

/// Which redirect URIs may be pushed. A fragment never may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectUris {
    /// Any absolute URI that no browser runs as code (RFC 6749 §3.1.2).
    Absolute,
    /// https alone.
    Https,
    /// https, or http on a loopback address (RFC 8252 §7.3).
    HttpsOrLoopback,
}

/// A parameter that a profile needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// `redirect_uri`
    RedirectUri,
    /// `scope`
    Scope,
    /// `nonce`
    Nonce,
}

impl Needed {
    /// The parameter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RedirectUri => "redirect_uri",
            Self::Scope => "scope",
            Self::Nonce => "nonce",
        }
    }
}

/// A `response_type` and the response modes that may go with it.
#[derive(Debug)]
pub struct ResponseRule {
    /// In any order of its parts.
    pub response_type: &'static str,
    /// `""` stands for a request that names none.
    pub modes: Modes,
}

/// Response modes.
#[derive(Debug)]
pub enum Modes {
    /// Those that the upstream offers.
    Any,
    /// Of those, these alone.
    Only(&'static [&'static str]),
}

use Algorithm as Alg;
use AuthenticationMethod as By;

const HOUR: Duration = Duration::from_secs(60 * 60);
const SKEW: Duration = Duration::from_secs(30);
const UNDER_TEN_MINUTES: Duration = Duration::from_secs(599);
const ASSERTION_TYPES: &[&str] = &["jwt", "client-authentication+jwt"];
const REQUEST_OBJECT_TYPES: &[&str] = &["jwt", "oauth-authz-req+jwt"];
/// FAPI 1.0 Advanced §5.2.2, FAPI 2.0 Security Profile §5.3.2.1
const ASYMMETRIC_METHODS: &[By] =
    &[By::PrivateKeyJwt, By::TlsClientAuth, By::SelfSignedTlsClientAuth];
/// FAPI 1.0 Advanced §8.6, FAPI 2.0 Security Profile §5.4
const FAPI_ALGORITHMS: &[Alg] = &[Alg::Ps256, Alg::Es256, Alg::EdDsa, Alg::Ed25519];

/// RFC 9126 as printed.
pub const OAUTH: Rules = Rules {
    methods: &[
        By::None,
        By::ClientSecretBasic,
        By::ClientSecretPost,
        By::ClientSecretJwt,
        By::PrivateKeyJwt,
        By::TlsClientAuth,
        By::SelfSignedTlsClientAuth,
    ],
    signing_algorithms: &[
        Alg::Hs256,
        Alg::Hs384,
        Alg::Hs512,
        Alg::Rs256,
        Alg::Rs384,
        Alg::Rs512,
        Alg::Ps256,
        Alg::Ps384,
        Alg::Ps512,
        Alg::Es256,
        Alg::Es384,
        Alg::Es512,
        Alg::EdDsa,
        Alg::Ed25519,
    ],
    least_rsa_bits: 2048,
    least_ec_bits: 224,
    assertion_audience: Audience::Any,
    assertion_types: ASSERTION_TYPES,
    assertion_needs_jti: false,
    longest_assertion: HOUR,
    clock_skew: SKEW,
    needs_pkce: false,
    redirect_uris: RedirectUris::Absolute,
    allows_unregistered_redirect_uris: true,
    needed_parameters: &[],
    responses: &[],
    longest_request_uri: UNDER_TEN_MINUTES,
    must_push: false,
    needs_signed_request: false,
    request_object_types: REQUEST_OBJECT_TYPES,
    request_object_needs_audience: false,
    request_object_window: None,
    binds_tokens: false,
};

/// FAPI 1.0 Advanced with pushed requests.
pub const FAPI1: Rules = Rules {
    methods: ASYMMETRIC_METHODS,
    signing_algorithms: FAPI_ALGORITHMS,
    least_rsa_bits: 2048,
    least_ec_bits: 224,
    assertion_audience: Audience::Any,
    assertion_types: ASSERTION_TYPES,
    assertion_needs_jti: true,
    longest_assertion: HOUR,
    clock_skew: SKEW,
    needs_pkce: true,
    redirect_uris: RedirectUris::Https,
    // FAPI 1.0 Baseline §5.2.2: pre-registered.
    allows_unregistered_redirect_uris: false,
    needed_parameters: &[Needed::RedirectUri, Needed::Scope, Needed::Nonce],
    responses: &[
        ResponseRule {
            response_type: "code id_token",
            modes: Modes::Only(&[
                "",
                "fragment",
                "form_post",
                "jwt",
                "fragment.jwt",
                "form_post.jwt",
            ]),
        },
        ResponseRule {
            response_type: "code",
            modes: Modes::Only(&["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"]),
        },
    ],
    longest_request_uri: UNDER_TEN_MINUTES,
    must_push: false,
    needs_signed_request: true,
    request_object_types: REQUEST_OBJECT_TYPES,
    request_object_needs_audience: true,
    request_object_window: Some(HOUR),
    binds_tokens: true,
};

/// FAPI 2.0 Security Profile; its request objects by FAPI 2.0 Message Signing.
pub const FAPI2: Rules = Rules {
    methods: ASYMMETRIC_METHODS,
    signing_algorithms: FAPI_ALGORITHMS,
    least_rsa_bits: 2048,
    least_ec_bits: 224,
    assertion_audience: Audience::Issuer,
    assertion_types: ASSERTION_TYPES,
    assertion_needs_jti: true,
    longest_assertion: HOUR,
    clock_skew: SKEW,
    needs_pkce: true,
    redirect_uris: RedirectUris::HttpsOrLoopback,
    allows_unregistered_redirect_uris: true,
    needed_parameters: &[Needed::RedirectUri],
    responses: &[ResponseRule { response_type: "code", modes: Modes::Any }],
    longest_request_uri: UNDER_TEN_MINUTES,
    must_push: true,
    needs_signed_request: false,
    request_object_types: REQUEST_OBJECT_TYPES,
    request_object_needs_audience: true,
    request_object_window: Some(HOUR),
    binds_tokens: true,
};

impl RedirectUris {
    /// Whether `uri`, which is absolute and without fragment, has a scheme that is allowed.
    #[must_use]
    pub fn allow(self, uri: &str) -> bool {
        let https =
            uri.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"));
        match self {
            Self::Absolute => true,
            Self::Https => https,
            Self::HttpsOrLoopback => https || redirect_uri::is_loopback(uri),
        }
    }

    /// For people, behind "expected".
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Absolute => "an absolute URI",
            Self::Https => "an https URI",
            Self::HttpsOrLoopback => "an https URI, or http on a loopback address",
        }
    }
}

impl Rules {
    /// Whether `response_type` may be asked for with `response_mode`.
    ///
    /// # Errors
    /// Which of the two is not allowed.
    pub fn response(
        &self,
        response_type: &str,
        response_mode: Option<&str>,
    ) -> Result<(), ResponseFault> {
        if self.responses.is_empty() {
            return Ok(());
        }
        let rule = self
            .responses
            .iter()
            .find(|rule| response_types::is_same(rule.response_type, response_type))
            .ok_or(ResponseFault::Type)?;
        let mode = response_mode.unwrap_or_default();
        match rule.modes {
            Modes::Any => Ok(()),
            Modes::Only(modes) if modes.contains(&mode) => Ok(()),
            // `code` without JARM is a response type that FAPI 1.0 does not have.
            Modes::Only(modes) if !modes.contains(&"") => Err(ResponseFault::Type),
            Modes::Only(_) => Err(ResponseFault::Mode),
        }
    }
}

/// Which part of the response is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFault {
    /// `response_type`
    Type,
    /// `response_mode`
    Mode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b056_b072_no_shared_secret_and_no_weak_signature_under_fapi() {
        for profile in [Profile::Fapi1, Profile::Fapi2] {
            let rules = profile.rules();
            for method in
                [By::None, By::ClientSecretBasic, By::ClientSecretPost, By::ClientSecretJwt]
            {
                assert!(!rules.methods.contains(&method));
            }
            for algorithm in [Alg::Ps256, Alg::Es256, Alg::EdDsa] {
                assert!(rules.signing_algorithms.contains(&algorithm));
            }
            assert!(!rules.signing_algorithms.contains(&Alg::Rs256));
            assert!(!rules.signing_algorithms.iter().any(|algorithm| algorithm.is_symmetric()));
            assert!(rules.needs_pkce && rules.assertion_needs_jti);
        }
    }

    #[test]
    fn the_profiles_differ_where_the_suites_do() {
        assert_eq!(FAPI2.assertion_audience, Audience::Issuer);
        assert_eq!(FAPI1.assertion_audience, OAUTH.assertion_audience);
        assert_eq!([&FAPI1, &FAPI2].map(|rules| rules.needs_signed_request), [true, false]);
        for rules in Profile::ALL.map(Profile::rules) {
            let skew = rules.clock_skew.as_secs();
            assert!((10..60).contains(&skew), "B-067, B-068");
            assert!(rules.least_rsa_bits >= 2048 && rules.least_ec_bits >= 224, "B-074");
            assert!(rules.longest_request_uri < Duration::from_secs(600), "B-122");
        }
    }

    #[test]
    fn names_are_those_of_the_file() {
        for profile in Profile::ALL {
            assert_eq!(serde_json::json!(profile), profile.as_str());
        }
    }
}
