//! `[server]`: the public listener, the issuer it speaks for, and where certificates come from.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::address::Issuer;
use super::file::ClientCertificateHeader;

/// `[server]`: the public listener and the issuer it speaks for.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where to listen; at least one address.
    pub listen: Vec<Listen>,
    /// The issuer that clients know.
    pub issuer: Issuer,
    /// Peers whose `X-Forwarded-*`, `Forwarded` and certificate headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which trusted peers put the client's certificate; only with `trusted_proxies`.
    pub client_certificate_header: Option<ClientCertificateHeader>,
    /// From failing readiness to accepting no more.
    pub drain_delay: Duration,
    /// Longest wait for what is in flight after that.
    pub drain_timeout: Duration,
    /// Where sockets are handed to a new process.
    pub upgrade_socket: Option<PathBuf>,
    /// `[server.tls]`: the public listener speaks TLS; only with an https issuer.
    pub tls: Option<ServerTls>,
    /// `[server.mtls]`
    pub mtls: Option<ServerMtls>,
}

impl Server {
    /// Whether a client's certificate can reach the gateway at all.
    #[must_use]
    pub fn sees_certificates(&self) -> bool {
        self.client_certificate_header.is_some()
            || self.mtls.is_some()
            || self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())
    }
}

/// One address of the public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listener on which TLS may end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsListener {
    /// `[server.tls]`
    Public,
    /// `[server.mtls]`
    Mtls,
}

impl TlsListener {
    /// The label in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Mtls => "mtls",
        }
    }
}

impl ServerMtls {
    /// The address of a path there, as clients know it.
    #[must_use]
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }
}

/// A listener's certificate: files that held PEM at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of client certificates (RFC 8705 §2.1). Where set, certificates are asked for.
    pub client_ca: Option<PathBuf>,
}

impl ServerTls {
    /// The files of the listener's own identity.
    #[must_use]
    pub fn identity(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// The file of its clients' authorities, if there is one.
    #[must_use]
    pub fn authorities(&self) -> Vec<&Path> {
        self.client_ca.as_deref().into_iter().collect()
    }
}

/// `[server.mtls]`: a second listener that always asks for certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMtls {
    /// Where to listen; at least one address.
    pub listen: Vec<Listen>,
    /// Its origin as clients know it: https, no path, no last slash.
    pub public_url: String,
    /// Its certificate. Without `client_ca` only self-signed certificates can count.
    pub tls: ServerTls,
}
