//! Request objects (RFC 9101) at the push: an authorization request as a JWT that the client signed,
//! perhaps encrypted to one of our keys. What it says is judged like a plain push; what stands beside
//! it in the form does not count (RFC 9126 §3).

use std::sync::Arc;
use std::time::Duration;

use crate::client::Client;
use crate::clock::WallTime;
use crate::config;
use crate::jose::jwe::{self, ContentEncryption, DecryptionKeys, KeyManagement};
use crate::jose::{Algorithm, Policy, Types, Verified};
use crate::oauth::parameters::Parameters;

pub use error::ObjectError;

mod claims;
mod compact;
mod error;
mod members;
mod opening;

/// Longest request object, in bytes.
pub const LONGEST: usize = 51_200;

/// Reads request objects.
#[derive(Debug)]
pub(super) struct RequestObjects {
    settings: config::RequestObject,
    issuer: String,
    decryption_keys: Arc<DecryptionKeys>,
}

/// A request object that its client signed and whose claims hold for us.
#[derive(Debug)]
pub(super) struct Opened {
    /// The authorization request in it.
    pub(super) parameters: Parameters<'static>,
    /// How long it is still valid; `None` without `exp`.
    pub(super) remaining: Option<Duration>,
}

impl RequestObjects {
    /// As configured; `None` where they are switched off.
    pub(super) fn new(config: &config::Config) -> Option<Self> {
        config.request_object.enabled.then(|| Self {
            settings: config.request_object.clone(),
            issuer: config.server.issuer.as_str().to_owned(),
            decryption_keys: Arc::clone(&config.request_object.decryption_keys),
        })
    }

    /// Opens `token` as a request object of `client` at the time `now`, since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`ObjectError`], the first in the order: length, encryption, signature, claims, parameters.
    pub(super) async fn open(
        &self,
        token: &str,
        client: &Client,
        now: WallTime,
    ) -> Result<Opened, ObjectError> {
        if token.len() > LONGEST {
            return Err(ObjectError::TooLong);
        }
        let signed = self.signed(token, client).await?;
        let remaining = claims::judge(&signed.claims, client, self, now)?;
        Ok(Opened { parameters: members::parameters(&signed.payload)?, remaining })
    }

    /// What the client signed.
    async fn signed(&self, token: &str, client: &Client) -> Result<Verified, ObjectError> {
        let keys = client.keys.as_ref().ok_or(ObjectError::NoKeys)?;
        let algorithms = self.algorithms(client);
        let policy = Policy {
            algorithms: &algorithms,
            types: Types { named: client.rules.request_object_types, or_absent: true },
            max_bytes: LONGEST,
        };
        if token.split('.').nth(4).is_none() {
            if client.request_object.encryption.is_some() {
                return Err(ObjectError::NotEncrypted);
            }
            return opening::verified(token, &policy, keys).await;
        }
        if self.decryption_keys.iter().next().is_none() {
            return Err(ObjectError::NoDecryptionKey);
        }
        let decrypted = jwe::decrypt(token, &self.decryption_keys, &encryption(client));
        opening::verified_inside(decrypted, &policy, keys).await
    }

    /// How `client` may sign: asymmetric, by its profile, `[request_object]` and its registration.
    /// `EdDSA` and `Ed25519` are one.
    fn algorithms(&self, client: &Client) -> Vec<Algorithm> {
        let registered = client.request_object.signing;
        self.settings
            .among(client.rules.signing_algorithms)
            .filter(|algorithm| registered.is_none_or(|own| own.is_same_as(*algorithm)))
            .collect()
    }
}

/// How an encrypted object of `client` may be encrypted: as registered, or as it likes.
fn encryption(client: &Client) -> jwe::Policy {
    let (algs, encs) = match client.request_object.encryption {
        Some((alg, enc)) => (vec![alg], vec![enc]),
        None => (KeyManagement::ALL.to_vec(), ContentEncryption::ALL.to_vec()),
    };
    jwe::Policy { algs, encs, max_bytes: LONGEST }
}
