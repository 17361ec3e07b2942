//! `[request_object]`, `[[authorization_details]]` and `[client_keys]`: what is taken beside the
//! plain form.

use std::sync::Arc;

use ipnet::IpNet;
use serde_json::Value as Json;

use super::profile::Profile;
use crate::jose::Algorithm;
use crate::jose::jwe::DecryptionKeys;

/// `[request_object]` (RFC 9101).
#[derive(Debug, Clone)]
pub struct RequestObject {
    /// Whether `request` is taken at the push at all.
    pub enabled: bool,
    /// Every push needs one.
    pub required: bool,
    /// How it may be signed, where `[request_object]` narrows the profile; asymmetric.
    pub signing_algorithms: Option<Vec<Algorithm>>,
    /// Private keys for encrypted ones, published or not; `kid`s are unique.
    pub decryption_keys: Arc<DecryptionKeys>,
    /// The public parts of those that are published, as JWKs with `kid` and `use`. A key that is not
    /// published still decrypts, so that it can be rotated out.
    pub published_keys: Vec<Json>,
}

impl RequestObject {
    /// How a request object may be signed under `profile`.
    #[must_use]
    pub fn signing_algorithms(&self, profile: Profile) -> Vec<Algorithm> {
        self.among(profile.rules().signing_algorithms).collect()
    }

    /// Those of `allowed` that are asymmetric and that `[request_object]` leaves.
    pub fn among<'a>(&'a self, allowed: &'a [Algorithm]) -> impl Iterator<Item = Algorithm> + 'a {
        let left = |algorithm: &Algorithm| {
            self.signing_algorithms.as_ref().is_none_or(|own| own.contains(algorithm))
        };
        allowed.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).filter(left)
    }
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
