//! `[[clients]]` as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::profile::Profile;
use crate::config::secret::Secret;
use crate::config::units::Time;
use crate::jose::Algorithm;
use crate::jose::jwe::{ContentEncryption, KeyManagement};

/// `[[clients]]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["client_id"]))]
#[expect(clippy::struct_field_names, reason = "`client_id` is the name of RFC 6749")]
pub struct Client {
    /// As the upstream knows the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The one way in which the client authenticates. Only `none`, `client_secret_basic` and
    /// `client_secret_post` are supported yet.
    pub authentication: AuthenticationMethod,
    /// The client secret. One of the four `secret` keys is needed for the two secret methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// File that holds the client secret; a newline at its end is not part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// Environment variable that holds the client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// SHA-256 of a secret with the entropy of a key, as `parapet secret generate` prints it: 64
    /// hexadecimal digits or 43 characters of base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<Secret>,
    /// The secret before it, still taken while a new one is handed out. Needs a secret beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<Secret>,
    /// File that holds the previous secret, in the place of `previous_secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret_file: Option<String>,
    /// Environment variable that holds the previous secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret_env: Option<String>,
    /// SHA-256 of the previous secret, as in `secret_sha256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret_sha256: Option<Secret>,
    /// Registered redirect URIs, compared byte for byte. Empty: the check is left to the upstream.
    pub redirect_uris: Vec<String>,
    /// Its pushes may name redirect URIs that are not among these (RFC 9126 §2.4). For confidential
    /// clients that must push, and with `[upstream] accepts_unregistered_redirect_uris` alone.
    pub allow_unregistered_redirect_uris: bool,
    /// Scope values the client may ask for. Absent: any; the check is left to the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Replaces `[par] profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// This client must push (RFC 9126 §6).
    pub require_pushed_authorization_requests: bool,
    /// This client must sign its requests (RFC 9101 §10.5).
    pub require_signed_request_object: bool,
    /// Types of authorization details the client may ask for (RFC 9396 §10). Absent: all
    /// that are offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_details_types: Option<Vec<String>>,
    /// Its tokens are bound to a key (RFC 9449 §5.2): it must push with a `DPoP` proof or `dpop_jkt`.
    pub dpop_bound_access_tokens: bool,
    /// The client's public keys: a JWK Set (RFC 7517 §5).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_table")]
    pub jwks: Option<serde_json::Value>,
    /// Where the client publishes its keys: https, or http on a loopback host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// File of the client's public keys, a JWK Set. Read again when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<String>,
    /// The only algorithm of its assertions. Absent: as the profile says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// The algorithm of its request objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<Algorithm>,
    /// The key encryption of its request objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<KeyManagement>,
    /// The content encryption of its request objects. Absent: `A128CBC-HS256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<ContentEncryption>,
    /// Subject of its certificate (RFC 8705 §2.1.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    /// DNS name of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    /// URI of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    /// IP address of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    /// E-mail address of its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
    /// Replaces `[par] lifetime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-shortest" = "5s", "x-longest" = "599s"))]
    pub lifetime: Option<Time>,
    /// Replaces `[par] require_pkce`. `false` is refused in `fapi1` and `fapi2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pkce: Option<bool>,
    /// `false`: the client is unknown at the push, and its live references die.
    pub enabled: bool,
}

/// A secret as it is written, in one of four spellings.
pub struct WrittenSecret<'f> {
    /// The key of the first spelling; those of the others begin with it.
    pub key: &'static str,
    /// The secret itself.
    pub plain: Option<&'f Secret>,
    /// A file.
    pub file: Option<&'f str>,
    /// An environment variable.
    pub variable: Option<&'f str>,
    /// Its SHA-256.
    pub sha256: Option<&'f Secret>,
}

impl Client {
    /// `secret` and its kin.
    #[must_use]
    pub fn written_secret(&self) -> WrittenSecret<'_> {
        WrittenSecret {
            key: "secret",
            plain: self.secret.as_ref(),
            file: self.secret_file.as_deref(),
            variable: self.secret_env.as_deref(),
            sha256: self.secret_sha256.as_ref(),
        }
    }

    /// `previous_secret` and its kin.
    #[must_use]
    pub fn written_previous_secret(&self) -> WrittenSecret<'_> {
        WrittenSecret {
            key: "previous_secret",
            plain: self.previous_secret.as_ref(),
            file: self.previous_secret_file.as_deref(),
            variable: self.previous_secret_env.as_deref(),
            sha256: self.previous_secret_sha256.as_ref(),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            client_id: None,
            authentication: AuthenticationMethod::ClientSecretBasic,
            secret: None,
            secret_file: None,
            secret_env: None,
            secret_sha256: None,
            previous_secret: None,
            previous_secret_file: None,
            previous_secret_env: None,
            previous_secret_sha256: None,
            redirect_uris: Vec::new(),
            allow_unregistered_redirect_uris: false,
            scopes: None,
            profile: None,
            require_pushed_authorization_requests: false,
            require_signed_request_object: false,
            authorization_details_types: None,
            dpop_bound_access_tokens: false,
            jwks: None,
            jwks_uri: None,
            jwks_file: None,
            token_endpoint_auth_signing_alg: None,
            request_object_signing_alg: None,
            request_object_encryption_alg: None,
            request_object_encryption_enc: None,
            tls_client_auth_subject_dn: None,
            tls_client_auth_san_dns: None,
            tls_client_auth_san_uri: None,
            tls_client_auth_san_ip: None,
            tls_client_auth_san_email: None,
            lifetime: None,
            require_pkce: None,
            enabled: true,
        }
    }
}

/// `[[clients]] authentication` (names of RFC 7591 §2)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// Public client: its `client_id` alone.
    None,
    /// `Authorization: Basic`
    ClientSecretBasic,
    /// `client_secret` in the form.
    ClientSecretPost,
    /// Assertion keyed with the secret (RFC 7523).
    ClientSecretJwt,
    /// Assertion signed with a key of the client (RFC 7523).
    PrivateKeyJwt,
    /// Certificate of an authority (RFC 8705 §2.1).
    TlsClientAuth,
    /// Registered certificate (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
}

fn any_table(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object" })
}

impl AuthenticationMethod {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::ClientSecretJwt,
        Self::PrivateKeyJwt,
        Self::TlsClientAuth,
        Self::SelfSignedTlsClientAuth,
    ];

    /// The name in registrations (RFC 7591 §2).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
        }
    }
}
