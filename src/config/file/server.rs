//! `[server]` as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Time;

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["issuer"]))]
pub struct Server {
    /// Addresses of the public listener: `ip:port` or `unix:/path`. Port 0 lets the system choose.
    #[schemars(length(min = 1))]
    pub listen: Vec<String>,
    /// The issuer that clients know. Its origin is the public origin. An https URL, or http on a
    /// loopback host, without query and fragment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Addresses and CIDR ranges. Only these peers' `X-Forwarded-*`, `Forwarded` and certificate
    /// headers count.
    pub trusted_proxies: Vec<String>,
    /// The header in which a peer that ends TLS puts the client's certificate. Needs
    /// `trusted_proxies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_header: Option<ClientCertificateHeader>,
    /// How long a gateway that was told to stop goes on accepting after its readiness has failed, so
    /// that balancers see it first. Nobody waits for it after SIGINT.
    pub drain_delay: Time,
    /// Longest wait for what is in flight once nothing new is accepted.
    pub drain_timeout: Time,
    /// Unix socket over which a running gateway hands its sockets to a new process, which waits
    /// there (`parapet serve --upgrade`), when it gets SIGQUIT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_socket: Option<String>,
    /// Serve HTTPS directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// A second listener that asks for certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls: Option<ServerMtls>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:8080".to_owned()],
            issuer: None,
            trusted_proxies: Vec::new(),
            client_certificate_header: None,
            drain_delay: Time::seconds(5),
            drain_timeout: Time::seconds(30),
            upgrade_socket: None,
            tls: None,
            mtls: None,
        }
    }
}

/// `[server] client_certificate_header`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificateHeader {
    /// RFC 9440
    ClientCert,
    /// Envoy
    Xfcc,
    /// nginx
    SslClientCert,
    /// AWS load balancers, the whole chain
    XAmznMtlsClientcert,
    /// AWS load balancers, the leaf
    XAmznMtlsClientcertLeaf,
    /// Traefik
    XForwardedTlsClientCert,
}

/// `[server.tls]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTls {
    /// PEM file of the certificate chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// PEM file of the private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// PEM file of the authorities whose client certificates count (RFC 8705).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
}

/// `[server.mtls]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerMtls {
    /// Addresses of the second listener.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
    /// Its public URL, named in `mtls_endpoint_aliases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// PEM file of the certificate chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// PEM file of the private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// PEM file of the authorities whose client certificates count (RFC 8705).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
}
