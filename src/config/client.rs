//! `[[clients]]`: who may push, and how each proves itself.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;
use url::Url;

use super::distinguished_name::DistinguishedName;
use super::file::AuthenticationMethod;
use super::profile::Profile;
use super::secret::{RollOver, Secret, SecretDigest};
use crate::jose::Algorithm;
use crate::jose::jwe::{ContentEncryption, KeyManagement};

/// One `[[clients]]` table.
#[derive(Debug, Clone)]
pub struct Client {
    /// As the upstream knows it.
    pub client_id: String,
    /// The rules that hold for it: its own profile, or that of `[par]`. Method, algorithms, redirect
    /// URIs and PKCE below keep them.
    pub profile: Profile,
    /// The one way it proves itself.
    pub authentication: Authentication,
    /// Where its public keys come from. Set where assertions, self-signed certificates or signed
    /// request objects need them.
    pub keys: Option<ClientKeys>,
    /// What its request objects must be like.
    pub request_object: ClientRequestObject,
    /// Registered redirect URIs, compared byte for byte; empty leaves the check to the upstream.
    pub redirect_uris: Vec<String>,
    /// It may push others; it is confidential, must push, and the upstream takes them.
    pub allow_unregistered_redirect_uris: bool,
    /// Scope values it may ask for; `None` leaves the check to the upstream.
    pub scopes: Option<Vec<String>>,
    /// Types of authorization details it may ask for (RFC 9396 §10); `None` allows all.
    pub authorization_details_types: Option<Vec<String>>,
    /// It must push with a `DPoP` proof or `dpop_jkt` (RFC 9449 §5.2, §10).
    pub dpop_bound_access_tokens: bool,
    /// Own redeem-by time.
    pub lifetime: Option<Duration>,
    /// S256 or nothing; where absent `[par] require_pkce` decides.
    pub require_pkce: Option<bool>,
    /// This client must push.
    pub require_pushed_authorization_requests: bool,
    /// A disabled client is unknown at the push, and its live references die.
    pub enabled: bool,
}

/// How a client authenticates (RFC 6749 §2.3, as at the token endpoint).
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Public client: its `client_id` alone.
    None,
    /// `Authorization: Basic`
    ClientSecretBasic(RollOver<SecretDigest>),
    /// `client_secret` in the form.
    ClientSecretPost(RollOver<SecretDigest>),
    /// Assertion keyed with the secret (RFC 7523 §2.2).
    ClientSecretJwt {
        /// The secret itself; a digest cannot key anything.
        secret: RollOver<Secret>,
        /// The only algorithm taken; symmetric. `None`: any symmetric one of the profile.
        algorithm: Option<Algorithm>,
    },
    /// Assertion signed with a key of [`Client::keys`] (RFC 7523 §2.2).
    PrivateKeyJwt {
        /// The only algorithm taken; asymmetric. `None`: any asymmetric one of the profile.
        algorithm: Option<Algorithm>,
    },
    /// Certificate of an authority (RFC 8705 §2.1).
    TlsClientAuth(CertificateName),
    /// A certificate among [`Client::keys`] (RFC 8705 §2.2).
    SelfSignedTlsClientAuth,
}

impl Authentication {
    /// The method's name in registrations.
    #[must_use]
    pub const fn method(&self) -> AuthenticationMethod {
        match self {
            Self::None => AuthenticationMethod::None,
            Self::ClientSecretBasic(_) => AuthenticationMethod::ClientSecretBasic,
            Self::ClientSecretPost(_) => AuthenticationMethod::ClientSecretPost,
            Self::ClientSecretJwt { .. } => AuthenticationMethod::ClientSecretJwt,
            Self::PrivateKeyJwt { .. } => AuthenticationMethod::PrivateKeyJwt,
            Self::TlsClientAuth(_) => AuthenticationMethod::TlsClientAuth,
            Self::SelfSignedTlsClientAuth => AuthenticationMethod::SelfSignedTlsClientAuth,
        }
    }
}

/// The one name that a certificate must have (RFC 8705 §2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// Its subject, as RFC 4514 writes it.
    SubjectDn(DistinguishedName),
    /// A DNS name among its alternative names.
    SanDns(String),
    /// A URI among them.
    SanUri(String),
    /// An address among them.
    SanIp(IpAddr),
    /// A mailbox among them.
    SanEmail(String),
}

/// Where a client's public keys come from (RFC 7591 §2).
#[derive(Debug, Clone)]
pub enum ClientKeys {
    /// `jwks`: a JWK Set (RFC 7517 §5) with at least one key and none that is private.
    Inline(Json),
    /// `jwks_file`: a file that held such a set at start.
    File(PathBuf),
    /// `jwks_uri`: https, or http on loopback.
    Uri(Url),
}

/// What the request objects of a client must be like (RFC 9101 §10.5, `OpenID` Connect Registration §2).
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientRequestObject {
    /// A push without one is refused: by its own table, `[request_object] required`, or profile.
    pub required: bool,
    /// The only algorithm taken; asymmetric.
    pub signing: Option<Algorithm>,
    /// Objects that are not encrypted so are refused.
    pub encryption: Option<(KeyManagement, ContentEncryption)>,
}
