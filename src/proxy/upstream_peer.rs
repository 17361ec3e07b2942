//! Where the upstream is: its addresses, looked up at start and again while running, never in the
//! way of a request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256, digest};
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::{Notify, watch};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::phase::Phase;
use crate::clock::Clock;
use crate::config::Upstream;

/// A file of `[upstream.tls]` that cannot be used. Checked here since pingora panics on it.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamTlsError {
    /// Not a PEM file, or not readable.
    #[error("cannot read {file}: {problem}")]
    Unreadable {
        /// Path of the file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Certificates that are none, or a key that is not theirs.
    #[error("cannot use {file}: {problem}")]
    Unusable {
        /// Path of the file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The upstream's addresses as pingora wants them.
pub(super) struct UpstreamPeers {
    host: String,
    port: u16,
    template: Template,
    peers: ArcSwap<Vec<HttpPeer>>,
    next: AtomicUsize,
    /// Until when (milliseconds of the clock) the upstream counts as gone.
    gone_until: AtomicU64,
    wanted: Notify,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Template {
    https: bool,
    sni: String,
    identity: Option<Arc<CertKey>>,
    /// Authorities to believe; `None` for those of the system.
    authorities: Option<Arc<CaType>>,
    /// What the TLS files held; connections of other files are not used.
    files: u64,
    connect_timeout: Duration,
    read_timeout: Duration,
}

impl UpstreamPeers {
    /// Checks the TLS files; an address needs no look-up.
    pub(super) fn new(config: &Upstream, clock: Arc<dyn Clock>) -> Result<Self, UpstreamTlsError> {
        let identity = match &config.tls.client_identity {
            Some((certificate, key)) if config.url.https => {
                Some(Arc::new(client_identity(&show(certificate), &show(key))?))
            }
            _ => None,
        };
        let authorities = match config.tls.ca.as_ref().filter(|_| config.url.https) {
            Some(ca) => Some(authorities(&show(ca))?),
            None => None,
        };
        let upstream = Self {
            host: config.url.host.clone(),
            port: config.url.port,
            template: Template {
                https: config.url.https,
                // rustls takes an address for a name where it is one; an empty name fails.
                sni: if config.url.https { config.url.host.clone() } else { String::new() },
                files: number_of(config),
                identity,
                authorities,
                connect_timeout: config.connect_timeout,
                read_timeout: config.read_timeout,
            },
            peers: ArcSwap::default(),
            next: AtomicUsize::new(0),
            gone_until: AtomicU64::new(0),
            wanted: Notify::new(),
            clock,
        };
        if let Ok(address) = upstream.host.parse::<IpAddr>() {
            upstream.keep(&[SocketAddr::new(address, upstream.port)]);
        }
        Ok(upstream)
    }

    /// Whether `other` is of the same server, reached in the same way.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let of = |peers: &Self| {
            let template = &peers.template;
            (template.https, template.files, template.connect_timeout, template.read_timeout)
        };
        (&self.host, self.port, of(self)) == (&other.host, other.port, of(other))
    }

    /// The same, with what `other` knows of the same name.
    pub(super) fn knowing_addresses_of(self, other: &Self) -> Self {
        if (&self.host, self.port) == (&other.host, other.port) {
            let known = other.peers.load();
            let known: Vec<_> =
                known.iter().filter_map(|peer| peer._address.as_inet().copied()).collect();
            self.keep(&known);
        }
        self
    }

    /// How many addresses are known.
    pub(super) fn count(&self) -> usize {
        self.peers.load().len()
    }

    /// The next address in turn; `None` while the name has never been resolved.
    pub(super) fn pick(&self) -> Option<Box<HttpPeer>> {
        let peers = self.peers.load();
        let turn = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(peers.len())?;
        peers.get(turn).map(|peer| Box::new(peer.clone()))
    }

    /// Whether no address took a connection a moment ago. Such requests are answered at once and
    /// on a connection that stays open: pingora closes the client's connection when a connect
    /// fails, and a busy client would run out of ports.
    pub(super) fn is_gone(&self) -> bool {
        let until = self.gone_until.load(Ordering::Relaxed);
        until != 0 && self.clock.now().as_millis() < until
    }

    /// Called when no address took a connection; asks for a new look-up.
    pub(super) fn mark_gone(&self) {
        let until = self.clock.now() + GONE;
        self.gone_until.store(until.as_millis(), Ordering::Relaxed);
        self.wanted.notify_one();
    }

    /// Looks the name up once and keeps the old addresses where that fails.
    pub(super) async fn resolve(&self) {
        if self.host.parse::<IpAddr>().is_ok() {
            return;
        }
        match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(found) => {
                let mut found: Vec<_> = found.collect();
                found.sort_unstable();
                found.dedup();
                self.keep(&found);
            }
            Err(error) => {
                tracing::warn!(host = %self.host, %error, "upstream host name not resolved");
            }
        }
    }

    /// Looks the name up every ten seconds, and sooner when no address takes a connection, until
    /// shutdown.
    pub(super) async fn keep_resolved(&self, mut phase: watch::Receiver<Phase>) {
        let stopped = async {
            let _ = phase.wait_for(|phase| phase.is_over()).await;
        };
        tokio::select! {
            () = stopped => {}
            () = self.resolve_for_ever() => {}
        }
    }

    async fn resolve_for_ever(&self) {
        loop {
            let asked = async {
                self.wanted.notified().await;
                tokio::time::sleep(BREATH).await;
            };
            tokio::select! {
                () = tokio::time::sleep(REFRESH) => {}
                () = asked => {}
            }
            self.resolve().await;
        }
    }

    fn keep(&self, addresses: &[SocketAddr]) {
        let known = self.peers.load();
        let same = known.len() == addresses.len()
            && known
                .iter()
                .zip(addresses)
                .all(|(peer, address)| peer._address.as_inet() == Some(address));
        if addresses.is_empty() || same {
            return;
        }
        let peers = addresses.iter().map(|address| self.template.peer(*address)).collect();
        self.peers.store(Arc::new(peers));
        self.gone_until.store(0, Ordering::Relaxed);
    }
}

impl Template {
    fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = match &self.identity {
            Some(identity) => HttpPeer::new_mtls(address, self.sni.clone(), Arc::clone(identity)),
            None => HttpPeer::new(address, self.https, self.sni.clone()),
        };
        peer.options.ca.clone_from(&self.authorities);
        peer.group_key = self.files;
        peer.options.connection_timeout = Some(self.connect_timeout);
        // The handshake gets as long again as the connection.
        peer.options.total_connection_timeout = Some(self.connect_timeout.saturating_mul(2));
        peer.options.read_timeout = Some(self.read_timeout);
        peer.options.write_timeout = Some(self.read_timeout);
        peer.options.idle_timeout = Some(POOLED);
        peer
    }
}

/// How long the upstream counts as gone after no address took a connection.
const GONE: Duration = Duration::from_millis(250);

/// Between two look-ups.
const REFRESH: Duration = Duration::from_secs(10);

/// Before a look-up that a failed connection asked for.
const BREATH: Duration = Duration::from_secs(1);

/// How long an idle connection is kept: a little under the 5 s after which Node, the most impatient
/// of the usual servers, closes it, so that a request seldom meets the close half-way.
const POOLED: Duration = Duration::from_secs(4);

fn show(path: &std::path::Path) -> String {
    path.display().to_string()
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, UpstreamTlsError> {
    let unreadable =
        |problem: String| UpstreamTlsError::Unreadable { file: file.to_owned(), problem };
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(error.to_string()))?;
    if found.is_empty() {
        return Err(unreadable("no certificate in it".to_owned()));
    }
    Ok(found)
}

fn authorities(file: &str) -> Result<Arc<CaType>, UpstreamTlsError> {
    let mut roots = rustls::RootCertStore::empty();
    let mut wrapped = Vec::new();
    for certificate in certificates(file)? {
        // pingora panics on what is no X.509.
        X509Certificate::from_der(&certificate).map_err(|error| UpstreamTlsError::Unusable {
            file: file.to_owned(),
            problem: error.to_string(),
        })?;
        wrapped.push(WrappedX509::new(certificate.to_vec(), parse_x509));
        roots.add(certificate).map_err(|error| unusable(file, &error))?;
    }
    Ok(wrapped.into())
}

/// A number for what the TLS files hold; zero without any.
fn number_of(config: &Upstream) -> u64 {
    let identity = config.tls.client_identity.as_ref();
    let files = [config.tls.ca.as_ref(), identity.map(|(certificate, _)| certificate)];
    let files = files.into_iter().chain([identity.map(|(_, key)| key)]).flatten();
    let mut whole = Context::new(&SHA256);
    let mut any = false;
    for file in files {
        any = true;
        let content = std::fs::read(file).unwrap_or_default();
        whole.update(digest(&SHA256, &content).as_ref());
    }
    let digest = whole.finish();
    let number = digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    if any { number } else { 0 }
}

fn client_identity(certificate: &str, key: &str) -> Result<CertKey, UpstreamTlsError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        UpstreamTlsError::Unreadable { file: key.to_owned(), problem: error.to_string() }
    })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(key, &error))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_client_auth_cert(chain.clone(), private.clone_key())
        .map_err(|error| unusable(key, &error))?;
    let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
    Ok(CertKey::new(chain, private.secret_der().to_vec()))
}

fn unusable(file: &str, error: &rustls::Error) -> UpstreamTlsError {
    UpstreamTlsError::Unusable { file: file.to_owned(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_files_are_named_and_do_not_panic() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.pem");
        let path = show(&file);
        for content in
            ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            std::fs::write(&file, content).unwrap();
            for error in [authorities(&path).err(), client_identity(&path, &path).err()] {
                assert!(error.unwrap().to_string().contains(&path), "{content:?}");
            }
        }
        assert!(authorities("/nowhere/ca.pem").is_err());
    }
}
