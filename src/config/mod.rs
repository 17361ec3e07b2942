//! The checked configuration: what `gateway.toml` means, in types that cannot hold a wrong value.
//!
//! [`load`] reads the file, its drop-in folder and the environment, gathers every problem, and
//! gives either a [`Config`] or all [`Problem`]s at once. Nothing past this
//! room asks again whether a value is set or valid.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue};

pub use address::{Issuer, UpstreamUrl};
pub use client::{Authentication, CertificateName, Client, ClientKeys, ClientRequestObject};
pub use diagnostic::{Problem, Problems};
pub use distinguished_name::DistinguishedName;
pub use documentation::documentation;
pub use environment::Environment;
pub use file::{AuthenticationMethod, ClientCertificateHeader, File};
pub use identity::{IdentityError, read_authorities, read_identity};
pub use place::{Place, Reading};
pub use preset::{PostQuery, Preset};
pub use private_listener::private_listener;
pub use profile::{Profile, Rules};
pub use request_object::{
    AuthorizationDetailsType, ClientKeysPolicy, DetailsSchema, RequestObject,
};
pub use schema::schema_text;
pub use secret::{RollOver, Secret, SecretDigest};
pub use server::{Listen, Server, ServerMtls, ServerTls, TlsListener};
pub use sources::Sources;
pub use store::Store;
pub use units::Time;

mod address;
mod check;
mod client;
mod diagnostic;
mod distinguished_name;
mod documentation;
mod environment;
mod file;
mod fixed;
mod identity;
mod overlay;
mod place;
pub mod preset;
mod private_listener;
pub mod profile;
mod profile_table;
mod request_object;
mod schema;
pub mod secret;
mod server;
mod shape;
pub mod snapshot;
mod sources;
pub mod store;
mod tree;
mod units;

/// Most clients that one answer is held to be for, and so most that may push unregistered addresses.
pub const MOST_ADDRESSEES: usize = 8;

/// The reference configuration: every key with its default and its reason.
pub const REFERENCE: &str = include_str!("../../gateway.toml");

/// The configuration in `path` with its client files, under the environment's overrides.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
    Place::new(path, environment.clone()).read().outcome
}

/// What [`load`] gives.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// The same as it would be written in one file.
    pub merged: File,
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin] listen`; `None` turns the private listener off.
    pub admin: Option<SocketAddr>,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[par]`
    pub par: Par,
    /// `[authorize]`
    pub authorize: Authorize,
    /// `[request_object]`
    pub request_object: RequestObject,
    /// `[client_keys]`
    pub client_keys: ClientKeysPolicy,
    /// `[[authorization_details]]`; names are unique. Empty: those that the upstream lists.
    pub authorization_details: Vec<AuthorizationDetailsType>,
    /// `[store]`
    pub store: Store,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[[clients]]`, those of the drop-in folder included; `client_id`s are unique.
    pub clients: Vec<Client>,
    /// The first twelve hex digits of the SHA-256 of what `parapet config show` prints, secrets hidden.
    pub fingerprint: String,
}

impl Config {
    /// Public keys that clients may encrypt request objects to, as JWKs; none where those are not
    /// taken.
    #[must_use]
    pub fn published_keys(&self) -> &[serde_json::Value] {
        let is_taken = self.par.enabled && self.request_object.enabled;
        if is_taken { &self.request_object.published_keys } else { &[] }
    }

    /// What is switched off although it protects, one sentence each for the log at start.
    #[must_use]
    pub fn given_up(&self) -> Vec<&'static str> {
        let mut given_up = Vec::new();
        if !self.authorize.continuation && !self.upstream.keeps_request {
            given_up.push(
                "`continuation` is off: addresses that the upstream sends the browser to show \
                 what was pushed",
            );
        }
        if !self.authorize.pin {
            given_up.push(
                "`pin` is off: inside a login the browser can change what was pushed, PKCE and \
                 nonce included",
            );
        }
        given_up
    }
}

/// `[upstream]`: the authorization server behind the gateway.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it listens.
    pub url: UpstreamUrl,
    /// What is known of its kind.
    pub preset: Preset,
    /// Forward the public `Host`; otherwise the upstream's own authority.
    pub preserve_host: bool,
    /// Where its discovery document is, when not where the issuer says.
    pub discovery_path: Option<String>,
    /// Its authorization endpoint's path, when not taken from the discovery document.
    pub authorization_path: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the next bytes of an answer.
    pub read_timeout: Duration,
    /// Paths beside the advertised one that take a full authorization request.
    pub authorize_paths: Vec<String>,
    /// Parameters that its own pages add beside a handle; none of them is registered.
    pub beside_handle: Vec<String>,
    /// Pushed parameters that its forms never carry back.
    pub never_echoed: Vec<String>,
    /// Its authorization parameters beside the registered ones.
    pub parameters: Vec<String>,
    /// It takes forms at its authorization endpoint.
    pub authorize_forms: bool,
    /// What replaces the query of a page's own `POST`.
    pub post_query: PostQuery,
    /// The request stays on its side after the first hop.
    pub keeps_request: bool,
    /// Longest request target (path and query, in bytes) it takes.
    pub max_target_bytes: usize,
    /// How the full parameter set travels.
    pub authorize_method: AuthorizeMethod,
    /// Names beside the registered ones that may travel in a body.
    pub post_parameters: Vec<String>,
    /// A header that lets the upstream refuse whoever comes around the gateway.
    pub secret_header: Option<SecretHeader>,
    /// `[upstream.tls]`, for an https URL.
    pub tls: UpstreamTls,
}

/// `[upstream] authorize_method`
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizeMethod {
    /// All in the query.
    Get,
    /// Registered names in a form body, the rest in the query.
    Post,
}

/// A header sent with every request to the upstream. Its value is marked sensitive.
#[derive(Debug, Clone)]
pub struct SecretHeader {
    /// Lower case.
    pub name: HeaderName,
    /// Never shown.
    pub value: HeaderValue,
}

/// `[upstream.tls]`
#[derive(Debug, Clone, Default)]
pub struct UpstreamTls {
    /// PEM file of authorities to believe instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub client_identity: Option<(PathBuf, PathBuf)>,
}

/// `[par]`: the pushed authorization request endpoint (RFC 9126 §2).
#[derive(Debug, Clone)]
pub struct Par {
    /// Whether pushing is possible at all.
    pub enabled: bool,
    /// Path of the endpoint on the public origin.
    pub path: String,
    /// Redeem-by time of a `request_uri`, 5 s to 599 s.
    pub lifetime: Duration,
    /// Authorization calls without a live `request_uri` are refused.
    pub required: bool,
    /// Clients that may stay without a push all the same.
    pub exempt: Vec<String>,
    /// Largest body in bytes.
    pub max_body_bytes: usize,
    /// Browser origins that may push.
    pub cors_origins: Vec<HeaderValue>,
    /// The rules for clients without a profile of their own.
    pub profile: Profile,
    /// S256 or nothing (RFC 7636); always in profiles that need it.
    pub require_pkce: bool,
    /// Ask for a nonce in `DPoP` proofs (RFC 9449 §8).
    pub dpop_nonce: bool,
    /// Every answer carries `x-fapi-interaction-id`.
    pub interaction_id: bool,
    /// Name the endpoint in the metadata.
    pub advertise: bool,
}

/// `[authorize]`
#[derive(Debug, Clone)]
pub struct Authorize {
    /// When a `request_uri` is used up.
    pub single_use: SingleUse,
    /// How long a login that was started in time may take.
    pub login_lifetime: Duration,
    /// Hide the request in addresses that the upstream sends the browser to.
    pub continuation: bool,
    /// Set back what the browser changes inside a flow.
    pub pin: bool,
    /// Hide pushed values in the upstream's pages.
    pub mask_html: bool,
    /// What happens to a `request_uri` that is not ours.
    pub foreign_request_uri: ForeignRequestUri,
    /// Add `iss` (RFC 9207) to responses that lack it.
    pub add_iss: bool,
    /// What happens to a page that cannot be masked.
    pub mask_failure: MaskFailure,
}

/// `[authorize] single_use`
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SingleUse {
    /// Used up when the client gets its answer.
    Completion,
    /// As `completion`, and only the first browser may load it.
    Browser,
    /// One load.
    FirstLoad,
}

/// `[authorize] foreign_request_uri`
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ForeignRequestUri {
    /// `request_uri_not_supported`
    Refuse,
    /// Forwarded untouched.
    Pass,
}

/// `[authorize] mask_failure`
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum MaskFailure {
    /// Sent unmasked.
    Pass,
    /// Not sent.
    Refuse,
}

/// `[limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// Pushes of one client, counted after authentication.
    pub pushes_per_client: Rate,
    /// Failed authentications of one address.
    pub failures_per_address: Rate,
    /// Further ones of a client that works at the address.
    pub failures_per_client: Rate,
    /// Connections at once.
    pub connections: usize,
    /// From the first byte of a request head to its end.
    pub header_timeout: Duration,
    /// Idle time between requests.
    pub keepalive_timeout: Duration,
    /// For the body of a request that the gateway answers itself.
    pub body_timeout: Duration,
    /// Until the next bytes of an answer are taken.
    pub write_timeout: Duration,
}

/// So many in such a time, e.g. `100/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least one; also the burst.
    pub count: std::num::NonZeroU32,
    /// The time in which `count` come back.
    pub per: Duration,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// JSON lines rather than text.
    pub json: bool,
    /// A `tracing` filter such as `info` or `info,parapet::proxy=debug`.
    pub level: String,
    /// Where the audit trail goes.
    pub audit: AuditTrail,
}

/// `[log] audit`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTrail {
    /// Among the other lines.
    Stderr,
    /// Apart, on standard output.
    Stdout,
    /// Apart, at the end of this file.
    File(PathBuf),
    /// Nowhere.
    Off,
}
