//! `[request_object]`, `[[authorization_details]]` and `[client_keys]`: what is taken beside the
//! plain form.

use ipnet::IpNet;
use serde_json::Value as Json;

use super::algorithm::KeyEncryption;
use super::profile::Profile;
use super::secret::Secret;
use crate::jose::Algorithm;

/// `[request_object]` (RFC 9101).
#[derive(Debug, Clone)]
pub struct RequestObject {
    /// Whether `request` is taken at the push at all.
    pub enabled: bool,
    /// Every push needs one.
    pub required: bool,
    /// How it may be signed, where `[request_object]` narrows the profile; asymmetric.
    pub signing_algorithms: Option<Vec<Algorithm>>,
    /// Private keys for encrypted ones; `kid`s are unique.
    pub decryption_keys: Vec<DecryptionKey>,
}

impl RequestObject {
    /// How a request object may be signed under `profile`.
    #[must_use]
    pub fn signing_algorithms(&self, profile: Profile) -> Vec<Algorithm> {
        let allowed = profile.rules().signing_algorithms.iter().copied();
        allowed
            .filter(|algorithm| !algorithm.is_symmetric())
            .filter(|algorithm| {
                self.signing_algorithms.as_ref().is_none_or(|own| own.contains(algorithm))
            })
            .collect()
    }
}

/// One `[[request_object.decryption_keys]]` table.
#[derive(Debug, Clone)]
pub struct DecryptionKey {
    /// Its identifier in the published key set.
    pub kid: String,
    /// The private JWK as JSON text: an RSA or EC key with its private part.
    pub jwk: Secret,
    /// The only key encryption it is for; `None`: any that fits its kind.
    pub algorithm: Option<KeyEncryption>,
    /// Whether it is published. A key that is not still decrypts, so that it can be rotated out.
    pub publish: bool,
}

/// One `[[authorization_details]]` table (RFC 9396 §2).
#[derive(Debug, Clone)]
pub struct AuthorizationDetailsType {
    /// `type`
    pub name: String,
    /// JSON Schema that an object of this type must keep; known to compile.
    pub schema: Option<Json>,
}

/// `[client_keys]`: how `jwks_uri` is fetched.
#[derive(Debug, Clone)]
pub struct ClientKeysPolicy {
    /// Private, link-local and loopback ranges that a `jwks_uri` may lead to.
    pub allow_private_addresses: Vec<IpNet>,
}
