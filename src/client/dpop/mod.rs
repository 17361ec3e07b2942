//! `DPoP` proofs at the push (RFC 9449 §10.1): who pushes shows a key, and the code is bound to it.
//!
//! [`Verifier::verify`] judges the header; what it gives names the key and the mark under which the
//! proof is remembered, which is for the caller to do last, so that a refused push spends no proof.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderValue, Request};

use super::Client;
use crate::clock::{Clock, Timestamp, WallTime};
use crate::config;
use crate::jose::claims::{self, ClaimError, TimeRules, Times};
use crate::jose::{Algorithm, Authority, JwsError, Policy, Types, Verified, jws};
use crate::oauth::error::ErrorCode;
use crate::oauth::request_uri::RandomnessError;
use crate::store::ReplayKey;
use crate::upstream::Capabilities;

pub use nonce::Nonces;
use target::Targets;

mod nonce;
mod target;
#[cfg(test)]
mod tests;

/// Longest proof, in bytes.
pub const LONGEST_PROOF: usize = 4_000;

/// How long after its `iat` a proof is good.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Judges the `DPoP` headers of pushes.
#[derive(Debug)]
pub struct Verifier {
    targets: Targets,
    nonces: Option<Arc<Nonces>>,
}

/// A proof that holds, if it is the first of its kind.
#[derive(Debug)]
pub struct Proof {
    /// SHA-256 thumbprint of its key (RFC 7638), as `dpop_jkt` has it.
    pub thumbprint: String,
    /// What tells it from every other proof.
    pub replay: ReplayKey,
    /// How long it would hold, and so has to be remembered.
    pub until: WallTime,
    /// The nonce to use from now on, where its own is about to end (RFC 9449 §8.2).
    pub next_nonce: Option<HeaderValue>,
}

/// Why a proof is not believed. No text repeats what it says.
#[derive(Debug, thiserror::Error)]
pub enum DpopError {
    /// The upstream would not keep the binding.
    #[error("the authorization server does not support DPoP")]
    Unsupported,
    /// Nobody knows at the moment whether the upstream would keep the binding.
    #[error("the metadata of the authorization server cannot be had at the moment")]
    UpstreamUnknown,
    /// RFC 9449 §4.3: not more than one.
    #[error("there is more than one DPoP header")]
    Several,
    /// Bytes that no token has.
    #[error("the DPoP header is not text")]
    NotText,
    /// Not a token that is signed by the key in it.
    #[error("the DPoP proof is not accepted: {0}")]
    Token(#[from] JwsError),
    /// A claim that is missing or wrong.
    #[error("the DPoP proof is not accepted: {0}")]
    Claim(#[from] ClaimError),
    /// It was made for another method.
    #[error("htm in the DPoP proof is not POST")]
    Method,
    /// It was made for another address.
    #[error("htu in the DPoP proof is not the address of this endpoint")]
    Target,
    /// It has no nonce of ours, or an old one (RFC 9449 §8).
    #[error("the DPoP proof needs the nonce in the DPoP-Nonce header")]
    Nonce(HeaderValue),
    /// It was used before (RFC 9449 §11.1).
    #[error("the DPoP proof was used before")]
    Replayed,
    /// No nonce could be made.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

impl DpopError {
    /// The wire code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Nonce(_) => ErrorCode::UseDpopNonce,
            Self::Randomness(_) => ErrorCode::ServerError,
            Self::UpstreamUnknown => ErrorCode::TemporarilyUnavailable,
            Self::Unsupported
            | Self::Several
            | Self::NotText
            | Self::Token(_)
            | Self::Claim(_)
            | Self::Method
            | Self::Target
            | Self::Replayed => ErrorCode::InvalidDpopProof,
        }
    }
}

impl Verifier {
    /// As configured.
    #[must_use]
    pub fn new(config: &config::Config) -> Self {
        Self::with(config, Arc::default())
    }

    /// As configured, with nonces that may have been handed out under another configuration.
    #[must_use]
    pub fn with(config: &config::Config, nonces: Arc<Nonces>) -> Self {
        Self {
            targets: Targets::new(&config.server, &config.par.path),
            nonces: config.par.dpop_nonce.then_some(nonces),
        }
    }

    /// Judges the `DPoP` header of `request`, whose body is not looked at.
    ///
    /// # Errors
    /// [`DpopError`]; [`DpopError::Replayed`] is for the caller to find out.
    pub fn verify<B>(
        &self,
        request: &Request<B>,
        client: &Client,
        upstream: Option<&Capabilities>,
        clock: &dyn Clock,
    ) -> Result<Proof, DpopError> {
        let upstream = upstream.ok_or(DpopError::UpstreamUnknown)?;
        let algorithms = algorithms(client.rules, upstream);
        if algorithms.is_empty() {
            return Err(DpopError::Unsupported);
        }
        let policy = Policy {
            algorithms: &algorithms,
            types: Types { named: &["dpop+jwt"], or_absent: false },
            max_bytes: LONGEST_PROOF,
        };
        let token = only_header(request.headers())?;
        let proof = jws::verify(token, &policy, Authority::Embedded)?;
        if claims::required_text(&proof.claims, "htm")? != "POST" {
            return Err(DpopError::Method);
        }
        if !self.targets.is_called(claims::required_text(&proof.claims, "htu")?, request) {
            return Err(DpopError::Target);
        }
        let next_nonce = self.next_nonce(&proof, clock.now())?;
        let until = good_until(&proof, client, clock.wall())?;
        let token_id = claims::token_id(&proof.claims)?.ok_or(ClaimError::Missing("jti"))?;
        let thumbprint = proof.thumbprint.as_deref().unwrap_or_default();
        let replay = replay_key(thumbprint, token_id);
        Ok(Proof { thumbprint: thumbprint.to_owned(), replay, until, next_nonce })
    }

    /// The nonce to hand on, if any is to be.
    fn next_nonce(
        &self,
        proof: &Verified,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, DpopError> {
        let Some(nonces) = &self.nonces else {
            return Ok(None);
        };
        let key = nonces.key()?;
        let shown = claims::text(&proof.claims, "nonce")?;
        match shown.and_then(|nonce| key.age_of(nonce, now)) {
            Some(nonce::Age::Current) => Ok(None),
            Some(nonce::Age::Previous) => Ok(Some(key.current(now))),
            None => Err(DpopError::Nonce(key.current(now))),
        }
    }
}

/// How proofs may be signed under `rules`, as far as the upstream takes the same at its token
/// endpoint. None where it does not speak of `DPoP` at all.
fn algorithms(rules: &config::Rules, upstream: &Capabilities) -> Vec<Algorithm> {
    let allowed = rules.signing_algorithms.iter().filter(|algorithm| !algorithm.is_symmetric());
    let offered =
        |alg: &&Algorithm| upstream.dpop_algorithms.iter().any(|known| known == alg.name());
    allowed.filter(offered).copied().collect()
}

fn only_header(headers: &HeaderMap) -> Result<&str, DpopError> {
    let mut values = headers.get_all("dpop").iter();
    let value = values.next().map_or(Ok(""), HeaderValue::to_str);
    if values.next().is_some() {
        return Err(DpopError::Several);
    }
    value.map_err(|_| DpopError::NotText)
}

fn good_until(proof: &Verified, client: &Client, now: WallTime) -> Result<WallTime, ClaimError> {
    let times = Times::read(&proof.claims)?;
    let rules = TimeRules {
        exp_required: false,
        iat_required: true,
        early: client.rules.clock_skew,
        late: client.rules.clock_skew,
        oldest_iat: Some(WINDOW),
        ..TimeRules::default()
    };
    times.check(&rules, now)?;
    let issued = times.issued.unwrap_or_default();
    // A moment longer than the proof holds: both ends of its window count.
    Ok(issued + WINDOW + Duration::from_secs(1))
}

/// Thumbprints are of one length, so that no two pairs read as one.
fn replay_key(thumbprint: &str, token_id: &str) -> ReplayKey {
    let text = ["DPoP", thumbprint, token_id].join("\n");
    let mut key = [0; 32];
    let hash = digest(&SHA256, text.as_bytes());
    key.iter_mut().zip(hash.as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    ReplayKey(key)
}
