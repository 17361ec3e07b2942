//! `gateway.toml` as it is written: every key, its type, its default and its documentation.
//!
//! The JSON Schema made of these types is what the file is checked against, what editors use and
//! what `docs/configuration.md` is written from, so a key is described here and nowhere else.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use client::AuthenticationMethod;
pub(super) use client::{Client, WrittenSecret};
pub(super) use request_object::{AuthorizationDetails, ClientKeys, DecryptionKey, RequestObject};
pub use server::ClientCertificateHeader;
pub(super) use server::{Server, ServerMtls, ServerTls};
pub(super) use store::{Backend, Store, StoreRedis};

use super::profile::Profile;
use super::secret::Secret;
use super::units::Time;
use super::{AuthorizeMethod, ForeignRequestUri, MaskFailure, PostQuery, Preset, Rate, SingleUse};

mod client;
mod request_object;
mod server;
mod store;

/// Configuration of Parapet, the gateway for Pushed Authorization Requests.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["server", "upstream"]))]
pub struct File {
    /// Folder of further files that hold `[[clients]]` tables. Every `*.toml` in it is read, in the
    /// order of the names. Stands at the top of the file, before the first `[table]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients_dir: Option<String>,
    /// The public listener and the issuer it speaks for.
    pub server: Server,
    /// The private listener.
    pub admin: Admin,
    /// The existing authorization server behind the gateway.
    pub upstream: Upstream,
    /// The pushed authorization request endpoint (RFC 9126).
    pub par: Par,
    /// The authorization endpoint.
    pub authorize: Authorize,
    /// Signed and encrypted request objects (RFC 9101).
    pub request_object: RequestObject,
    /// How the keys behind a `jwks_uri` are fetched.
    pub client_keys: ClientKeys,
    /// Where pushed requests are kept.
    pub store: Store,
    /// Limits that protect the gateway.
    pub limits: Limits,
    /// The log.
    pub log: Log,
    /// One table per type of authorization details that may be asked for (RFC 9396). None: those that
    /// the server's metadata list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_details: Vec<AuthorizationDetails>,
    /// One table per client that may push. More can stand in the files of `clients_dir`.
    pub clients: Vec<Client>,
}

/// `[admin]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address of the private listener with `/livez`, `/readyz` and `/metrics`. `""` turns
    /// it off.
    pub listen: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9901".to_owned() }
    }
}

/// `[upstream]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub struct Upstream {
    /// Where the existing authorization server listens: scheme, host and port, no path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The kind of server, whose ways are then known.
    pub preset: Preset,
    /// Forward the public `Host`. `X-Forwarded-*` are always set by the gateway.
    pub preserve_host: bool,
    /// Path of its discovery document. Empty: found from the issuer (RFC 8414 and `OpenID` Connect
    /// forms).
    pub discovery_path: String,
    /// Path of its authorization endpoint. Empty: taken from the discovery document.
    pub authorization_path: String,
    /// Longest wait for a connection.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub connect_timeout: Time,
    /// Longest wait for the next bytes of an answer.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub read_timeout: Time,
    /// Further paths that take a full authorization request. They count as authorization
    /// endpoints: closed to plain requests where PAR is required. Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorize_paths: Option<Vec<String>>,
    /// Parameters that the server's own pages add beside a handle; they alone reach it from there.
    /// None may be a registered authorization parameter. Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside_handle: Option<Vec<String>>,
    /// Pushed parameters that the server's forms never carry back, and that therefore are not put
    /// into them. Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_echoed: Option<Vec<String>>,
    /// Authorization parameters of this server beside the registered ones, such as `audience`. They are
    /// pinned, put back and kept out like registered ones, and other spellings of them are refused.
    /// Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<String>>,
    /// The server takes forms at its authorization endpoint. Where it does not, a form there is judged as a
    /// query: nothing passes in it that was not pushed. Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorize_forms: Option<bool>,
    /// The query that the server gets with a `POST` of a page at its authorization endpoint.
    /// Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_query: Option<PostQuery>,
    /// The server keeps the request on its side after the first hop. Then `[authorize] continuation
    /// = false` gives nothing up and is neither warned of nor refused. Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keeps_request: Option<bool>,
    /// Longest request target, in bytes, that the upstream takes. A push that would exceed it is
    /// refused. Default: as the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 256, max = 65000))]
    pub max_target_bytes: Option<usize>,
    /// How the full parameter set travels to the upstream.
    pub authorize_method: AuthorizeMethod,
    /// Further names that may travel in a body when `authorize_method = "post"`.
    pub post_parameters: Vec<String>,
    /// The upstream takes redirect URIs that are not registered there. Without it no client may have
    /// `allow_unregistered_redirect_uris`; with it `[par] required` must be true, and every other client
    /// needs `redirect_uris`.
    pub accepts_unregistered_redirect_uris: bool,
    /// Name of a header sent with every request, so that the upstream can refuse whoever comes
    /// around the gateway. Needs a value in one of the three keys below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_header: Option<String>,
    /// The value of `secret_header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_header_value: Option<Secret>,
    /// File that holds the value of `secret_header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_header_value_file: Option<String>,
    /// Environment variable that holds the value of `secret_header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_header_value_env: Option<String>,
    /// For an https URL.
    pub tls: UpstreamTls,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            url: None,
            preset: Preset::Generic,
            preserve_host: true,
            discovery_path: String::new(),
            authorization_path: String::new(),
            connect_timeout: Time::seconds(3),
            read_timeout: Time::seconds(60),
            authorize_paths: None,
            beside_handle: None,
            never_echoed: None,
            parameters: None,
            authorize_forms: None,
            post_query: None,
            keeps_request: None,
            max_target_bytes: None,
            authorize_method: AuthorizeMethod::Get,
            post_parameters: Vec::new(),
            accepts_unregistered_redirect_uris: false,
            secret_header: None,
            secret_header_value: None,
            secret_header_value_file: None,
            secret_header_value_env: None,
            tls: UpstreamTls::default(),
        }
    }
}

/// `[upstream.tls]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// PEM file of the authorities to believe instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// PEM file of the gateway's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// PEM file of its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
}

/// `[par]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Par {
    /// `false`: the path answers 404, issued references die, the metadata says nothing.
    pub enabled: bool,
    /// Path of the endpoint on the public origin.
    pub path: String,
    /// Redeem-by time of a `request_uri`.
    #[schemars(extend("x-shortest" = "5s", "x-longest" = "599s"))]
    pub lifetime: Time,
    /// `true`: authorization calls without a live `request_uri` are refused.
    pub required: bool,
    /// Clients of the server that may stay without a push although `required` is true, such as its own
    /// consoles.
    pub exempt: Vec<String>,
    /// The rules that hold for every client that has no profile of its own.
    pub profile: Profile,
    /// Largest body of a push, in bytes.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub max_body_bytes: usize,
    /// Browser origins that may push.
    pub cors_origins: Vec<String>,
    /// Refuse pushes without a PKCE challenge of method S256 (RFC 7636). Always on in `fapi1` and
    /// `fapi2`.
    pub require_pkce: bool,
    /// Ask for a nonce of the gateway in `DPoP` proofs (RFC 9449 §8). It lasts 5 to 10 minutes and is
    /// good at the process that made it. Not before a server that refuses nonces it does not know.
    pub dpop_nonce: bool,
    /// Every answer carries `x-fapi-interaction-id`: that of the request where it is a UUID, else a
    /// new one. Regional profiles ask for it.
    pub interaction_id: bool,
    /// `false`: serve the endpoint without naming it in the metadata.
    pub advertise: bool,
}

impl Default for Par {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "/par".to_owned(),
            lifetime: Time::seconds(60),
            required: false,
            exempt: Vec::new(),
            profile: Profile::Oauth,
            max_body_bytes: 65536,
            cors_origins: Vec::new(),
            require_pkce: false,
            dpop_nonce: false,
            interaction_id: false,
            advertise: true,
        }
    }
}

/// `[authorize]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Authorize {
    /// When a `request_uri` is used up.
    pub single_use: SingleUse,
    /// How long a login that was started in time may take.
    #[schemars(extend("x-shortest" = "1m", "x-longest" = "24h"))]
    pub login_lifetime: Time,
    /// Stand in for the authorize URL that the upstream sends through the browser. `false`: such an
    /// address passes as it is and shows what was pushed.
    pub continuation: bool,
    /// Pushed parameters win over whatever the browser sends back. `false`: inside a login the
    /// browser may change all of them but `client_id`.
    pub pin: bool,
    /// What happens to a page that cannot be masked: over the bound, compressed, or in an encoding
    /// that is not built on ASCII.
    pub mask_failure: MaskFailure,
    /// Also hide pushed values in hidden inputs, form actions and links of upstream pages. Default: as
    /// the preset says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_html: Option<bool>,
    /// What happens to a `request_uri` that is not the gateway's.
    pub foreign_request_uri: ForeignRequestUri,
    /// Add `iss` (RFC 9207) to authorization responses that lack it.
    pub add_iss: bool,
}

impl Default for Authorize {
    fn default() -> Self {
        Self {
            single_use: SingleUse::Completion,
            login_lifetime: Time::seconds(30 * 60),
            continuation: true,
            pin: true,
            mask_failure: MaskFailure::Pass,
            mask_html: None,
            foreign_request_uri: ForeignRequestUri::Refuse,
            add_iss: true,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Pushes of one client, counted after authentication. Above: 429 with `Retry-After`.
    pub pushes_per_client: Rate,
    /// Failed authentications of one address.
    pub failures_per_address: Rate,
    /// Further failed authentications of a client at an address where it authenticated within the hour,
    /// once that address has failed too often: such a client is held up later than others, not never.
    pub failures_per_client: Rate,
    /// Connections at once.
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// From the first byte of a request head to its end.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub header_timeout: Time,
    /// Idle time between requests.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub keepalive_timeout: Time,
    /// For the body of a request that the gateway answers itself.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub body_timeout: Time,
    /// Longest wait until the next bytes of an answer are taken; then the connection is closed.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub write_timeout: Time,
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |count, seconds| Rate {
            count: NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN),
            per: Duration::from_secs(seconds),
        };
        Self {
            pushes_per_client: rate(100, 1),
            failures_per_address: rate(20, 60),
            failures_per_client: rate(20, 60),
            connections: 10_000,
            header_timeout: Time::seconds(10),
            keepalive_timeout: Time::seconds(75),
            body_timeout: Time::seconds(10),
            write_timeout: Time::seconds(30),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Form of a line.
    pub format: LogFormat,
    /// What is logged: a level such as `info`, or levels by part such as
    /// `info,parapet::proxy=debug`.
    pub level: String,
    /// Where the audit trail goes: `stderr`, among the other lines; `stdout` or the path of a file,
    /// apart, as JSON and whatever `level` is; or `off`.
    pub audit: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".to_owned(), audit: "stderr".to_owned() }
    }
}

/// `[log] format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
