//! `[request_object]`, `[[authorization_details]]` and `[client_keys]`: what is taken beside the
//! plain form.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jsonschema::{PatternOptions, Validator};
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
    /// The most by which `exp` may come after `nbf`, where that is less than the profile's.
    pub max_lifetime: Option<Duration>,
    /// The most that `nbf` may be ago, where that is less than the profile's.
    pub max_age: Option<Duration>,
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
    /// What an object of this type must be like.
    pub schema: Option<DetailsSchema>,
}

/// A JSON Schema, made ready once. It refers to nothing outside itself, and its patterns are those
/// that take no longer than the text is long.
#[derive(Debug, Clone)]
pub struct DetailsSchema(Arc<Validator>);

impl DetailsSchema {
    /// The schema in `document`; `None` where it is none, or refers to another document.
    #[must_use]
    pub fn of(document: &Json) -> Option<Self> {
        let options = jsonschema::options().offline();
        let options = options.with_pattern_options(PatternOptions::regex());
        options.build(document).ok().map(|validator| Self(Arc::new(validator)))
    }

    /// Whether `detail` keeps it.
    #[must_use]
    pub fn is_kept_by(&self, detail: &Json) -> bool {
        self.0.is_valid(detail)
    }
}

/// `[client_keys]`: how `jwks_uri` is fetched.
#[derive(Debug, Clone)]
pub struct ClientKeysPolicy {
    /// Private, link-local and loopback ranges that a `jwks_uri` may lead to.
    pub allow_private_addresses: Vec<IpNet>,
    /// Authorities beside the system's, PEM.
    pub ca: Option<PathBuf>,
}
