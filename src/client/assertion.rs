//! Client assertions (RFC 7523 §3, `OpenID` Connect Core §9): a token that the client made for us, a
//! moment ago, and only once. Signed with a key of its own or with the secret.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};

use super::Client;
use super::authentication::AuthenticationError;
use crate::clock::{Clock, WallTime};
use crate::config::profile::{Audience, Rules};
use crate::config::{self, Authentication};
use crate::jose::claims::{self, ClaimError, TimeRules, Times};
use crate::jose::{
    Algorithm, Authority, JwsError, KeySet, Policy, SharedSecret, Types, Unverified,
};
use crate::store::{ReplayKey, Store};
use crate::upstream::Discovery;

/// The only `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest assertion, in bytes.
pub const LONGEST_ASSERTION: usize = 16 * 1024;

/// Public keys whose private halves are lost: what is checked where no client is known.
const DECOYS: &[u8] = include_bytes!("decoys.json");

/// What assertions are judged by.
#[derive(Debug)]
pub struct Assertions {
    issuer: String,
    par_endpoint: String,
    discovery: Arc<Discovery>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    decoys: KeySet,
    decoy_secret: SharedSecret,
}

/// Why an assertion proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It cannot be read, is not allowed as it is, or its signature is wrong.
    #[error(transparent)]
    Token(#[from] JwsError),
    /// A claim is missing or out of bounds.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// `iss`, `sub` and `client_id` of the form are not one (RFC 7523 §3).
    #[error("iss and sub of the assertion are not the client's identifier")]
    Subject,
    /// `aud` is not ours, or a list where the profile wants a text. Holds what the caller is told.
    #[error("{0}")]
    Audience(Arc<str>),
    /// It was used before.
    #[error("the assertion was used before")]
    Replayed,
}

impl AssertionError {
    /// The label in the audit log.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Token(JwsError::Signature) => "assertion_signature",
            Self::Token(JwsError::NoKey) => "assertion_key",
            Self::Token(JwsError::Algorithm) => "assertion_algorithm",
            Self::Token(JwsError::Type) => "assertion_typ",
            Self::Token(JwsError::ShortSecret(_)) => "assertion_short_secret",
            Self::Token(_) => "assertion_unreadable",
            Self::Claim(ClaimError::Expired) => "assertion_expired",
            Self::Claim(ClaimError::LivesTooLong) => "assertion_lives_too_long",
            Self::Claim(ClaimError::NotYetValid | ClaimError::IssuedInFuture) => {
                "assertion_in_future"
            }
            Self::Claim(_) => "assertion_claims",
            Self::Subject => "assertion_subject",
            Self::Audience(_) => "assertion_audience",
            Self::Replayed => "assertion_replayed",
        }
    }
}

/// The name that an assertion claims: enough to find the keys, and for nothing else.
#[must_use]
pub fn claimed_client<'t>(token: &'t Unverified<'_>) -> Option<&'t str> {
    token.claimed("sub").or_else(|| token.claimed("iss"))
}

/// Use of an assertion that is not remembered yet.
#[derive(Debug, Clone, Copy)]
pub struct TokenUse {
    key: ReplayKey,
    until: WallTime,
}

impl Assertions {
    /// Judges for the issuer and the endpoint of `config`.
    #[must_use]
    pub fn new(
        config: &config::Config,
        discovery: Arc<Discovery>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let issuer = &config.server.issuer;
        Self {
            issuer: issuer.as_str().to_owned(),
            par_endpoint: format!("{}{}", issuer.origin(), config.par.path),
            discovery,
            store,
            clock,
            // A test keeps the document readable.
            decoys: KeySet::parse(DECOYS).unwrap_or_default(),
            decoy_secret: SharedSecret::new(&[0; 64]),
        }
    }

    /// Judges whether `token` proves that `client` sent it to us; `named` is the `client_id` of the form.
    /// Gives the use that is to be [remembered](Self::remember), as nothing but a good assertion uses one
    /// up. A caller without a good signature is answered after the same work, whatever is wrong.
    pub(super) async fn judge(
        &self,
        client: Option<&Client>,
        token: &Unverified<'_>,
        named: Option<&str>,
    ) -> Result<Option<TokenUse>, AuthenticationError> {
        let Some(client) = client else {
            self.verify_for_nothing(token);
            return Err(AuthenticationError::UnknownClient);
        };
        let claims = match signed_claims(client, token).await {
            Ok(claims) => claims,
            Err(error) => {
                // A wrong signature was work enough.
                if error != AssertionError::Token(JwsError::Signature).into() {
                    self.verify_for_nothing(token);
                }
                return Err(error);
            }
        };
        let now = self.clock.wall();
        let used = self.claims(client, claims, named, now)?;
        Ok(used.map(|(key, until)| TokenUse { key, until }))
    }

    /// Remembers the use of an assertion on its client's account.
    ///
    /// # Errors
    /// [`AssertionError::Replayed`] where it was used before, [`AuthenticationError::Store`] where that
    /// cannot be found out.
    pub async fn remember(
        &self,
        used: TokenUse,
        client_id: &Arc<str>,
    ) -> Result<(), AuthenticationError> {
        let first = self.store.first_use(used.key, used.until, client_id).await;
        if first.map_err(AuthenticationError::Store)? {
            Ok(())
        } else {
            Err(AssertionError::Replayed.into())
        }
    }

    /// Judges the claims, and says under which key the assertion is remembered, and until when;
    /// `None` where it has no `jti` and need not have one.
    fn claims(
        &self,
        client: &Client,
        claims: &Map<String, Value>,
        named: Option<&str>,
        now: WallTime,
    ) -> Result<Option<(ReplayKey, WallTime)>, AssertionError> {
        let issuer = claims::required_text(claims, "iss")?;
        let subject = claims::required_text(claims, "sub")?;
        let is_client = |name: &str| name == &*client.client_id;
        if !(is_client(issuer) && is_client(subject) && named.is_none_or(is_client)) {
            return Err(AssertionError::Subject);
        }
        self.audience(client.rules, claims)?;
        let rules = client.rules;
        let times = Times::read(claims)?;
        let bounds = TimeRules {
            exp_required: true,
            early: rules.clock_skew,
            late: rules.clock_skew,
            longest_ahead: Some(rules.longest_assertion),
            ..TimeRules::default()
        };
        times.check(&bounds, now)?;
        let expires = times.expires.ok_or(ClaimError::Missing("exp"))?;
        let until = expires + rules.clock_skew;
        match claims::token_id(claims)? {
            Some(id) => Ok(Some((replay_key(&client.client_id, id), until))),
            None if rules.assertion_needs_jti => Err(ClaimError::Missing("jti").into()),
            None => Ok(None),
        }
    }

    /// `aud` by the profile. What is accepted comes from the configuration and from what the
    /// gateway itself publishes, never from the request.
    fn audience(&self, rules: &Rules, claims: &Map<String, Value>) -> Result<(), AssertionError> {
        let audience = claims::audience(claims)?;
        let snapshot = self.discovery.current();
        let token_endpoint =
            snapshot.as_deref().and_then(|known| known.capabilities.token_endpoint.as_deref());
        let accepted = match rules.assertion_audience {
            Audience::Issuer => {
                if audience == claims::Audience::One(&self.issuer) {
                    return Ok(());
                }
                let text = format!("aud of the client assertion must be the text {}", self.issuer);
                return Err(AssertionError::Audience(text.into()));
            }
            Audience::Any => [Some(self.issuer.as_str()), token_endpoint, Some(&self.par_endpoint)],
        };
        let accepted: Vec<&str> = accepted.into_iter().flatten().collect();
        if accepted.iter().any(|value| audience.contains(value)) {
            return Ok(());
        }
        let text = format!("aud of the client assertion must be one of {}", accepted.join(", "));
        Err(AssertionError::Audience(text.into()))
    }

    /// What verifying costs, without a client to do it for: a caller learns nothing from the time.
    fn verify_for_nothing(&self, token: &Unverified<'_>) {
        let policy = policy(&Algorithm::ALL, config::profile::OAUTH.assertion_types);
        let verify =
            |authority| std::hint::black_box(token.verified_claims(&policy, authority).is_ok());
        if token.header().algorithm.is_symmetric() {
            // A client may have two secrets.
            let _ = [(); 2].map(|()| verify(Authority::Secret(&self.decoy_secret)));
        } else {
            let _ = verify(Authority::Keys(&self.decoys));
        }
    }
}

/// The claims, whose signature holds by the registered method.
async fn signed_claims<'t>(
    client: &Client,
    token: &'t Unverified<'_>,
) -> Result<&'t Map<String, Value>, AuthenticationError> {
    let rules = client.rules;
    let allowed = |registered: &'_ Option<Algorithm>| {
        registered.map_or_else(|| rules.signing_algorithms.to_vec(), |algorithm| vec![algorithm])
    };
    let header = token.header();
    let claims = match &client.authentication {
        Authentication::ClientSecretJwt { secret, algorithm } => {
            let allowed = allowed(algorithm);
            let policy = policy(&allowed, rules.assertion_types);
            // Both, whatever the first says: the time tells nobody how many there are.
            let [current, previous] = secret.both().map(|secret| {
                let secret = SharedSecret::new(secret.expose().as_bytes());
                token.verified_claims(&policy, Authority::Secret(&secret))
            });
            current.or(previous)
        }
        Authentication::PrivateKeyJwt { algorithm } => {
            let allowed = allowed(algorithm);
            // Nobody's keys are fetched for a token that they could not make good.
            if !allowed.contains(&header.algorithm) {
                return Err(AssertionError::Token(JwsError::Algorithm).into());
            }
            let keys = match &client.keys {
                Some(keys) => keys.for_token(header.kid.as_deref(), header.algorithm).await,
                None => None,
            };
            let keys = keys.ok_or(AssertionError::Token(JwsError::NoKey))?;
            let policy = policy(&allowed, rules.assertion_types);
            token.verified_claims(&policy, Authority::Keys(&keys))
        }
        Authentication::None
        | Authentication::ClientSecretBasic(_)
        | Authentication::ClientSecretPost(_)
        | Authentication::TlsClientAuth(_)
        | Authentication::SelfSignedTlsClientAuth => return Err(AuthenticationError::WrongMethod),
    };
    Ok(claims.map_err(AssertionError::Token)?)
}

const fn policy<'a>(algorithms: &'a [Algorithm], types: &'a [&'a str]) -> Policy<'a> {
    Policy {
        algorithms,
        types: Types { named: types, or_absent: true },
        max_bytes: LONGEST_ASSERTION,
    }
}

/// Nobody can use up another client's assertions, or make two pairs of names one.
fn replay_key(client_id: &str, token_id: &str) -> ReplayKey {
    let mut digest = Context::new(&SHA256);
    for part in ["client_assertion", client_id, token_id] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(digest.finish().as_ref());
    ReplayKey(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::algorithm::Family;

    #[test]
    fn there_is_a_decoy_of_every_kind() {
        let decoys = KeySet::parse(DECOYS).unwrap();
        assert!(decoys.findings().is_empty());
        for algorithm in Algorithm::ALL {
            let fitting = decoys.candidates(Some("any"), algorithm).count();
            assert_eq!(fitting, usize::from(algorithm.family() != Family::Secret), "{algorithm}");
        }
    }

    #[test]
    fn replay_keys_are_of_one_client_and_one_token() {
        let keys = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a")];
        let keys = keys.map(|(client_id, token_id)| replay_key(client_id, token_id));
        for (index, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|other| other != key));
        }
        assert_eq!(replay_key("a", "b"), replay_key("a", "b"));
    }
}
