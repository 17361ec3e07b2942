//! `[request_object]`, `[[authorization_details]]` and `[client_keys]` as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Time;
use crate::jose::Algorithm;
use crate::jose::jwe::KeyManagement;

/// `[request_object]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestObject {
    /// Accept `request` at the PAR endpoint. `false`: a pushed `request` is refused with
    /// `request_not_supported`.
    pub enabled: bool,
    /// Refuse pushes without one.
    pub required: bool,
    /// How it may be signed. Empty: as the profile says.
    pub signing_algs: Vec<Algorithm>,
    /// How long after `nbf` its `exp` may be at most; both are then needed. Absent: as the profile
    /// says, which this can only tighten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Time>,
    /// How long ago its `nbf` may be at most; it is then needed. Absent: as the profile says, which
    /// this can only tighten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Time>,
    /// Private keys for encrypted request objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decryption_keys: Vec<DecryptionKey>,
}

impl Default for RequestObject {
    fn default() -> Self {
        Self {
            enabled: true,
            required: false,
            signing_algs: Vec::new(),
            max_lifetime: None,
            max_age: None,
            decryption_keys: Vec::new(),
        }
    }
}

/// `[[request_object.decryption_keys]]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["kid", "key_file"]))]
pub struct DecryptionKey {
    /// Key identifier in the published key set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// File of the private JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The only key encryption it is for. Absent: any that fits its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<KeyManagement>,
    /// `false`: it still decrypts, but is no longer published, so that it can be rotated out.
    pub publish: bool,
}

impl Default for DecryptionKey {
    fn default() -> Self {
        Self { kid: None, key_file: None, alg: None, publish: true }
    }
}

/// `[[authorization_details]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["type"]))]
pub struct AuthorizationDetails {
    /// The type (RFC 9396 §2).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// File of a JSON Schema that objects of this type must keep. It refers to nothing outside itself;
    /// its patterns have no look-around and no back-references.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_file: Option<String>,
}

/// `[client_keys]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientKeys {
    /// Private, link-local and loopback addresses and ranges that a `jwks_uri` may lead to.
    pub allow_private_addresses: Vec<String>,
    /// File of certificates (PEM) of authorities that servers of key sets may have beside those that
    /// the system knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}
