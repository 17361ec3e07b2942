//! TLS on our own listeners: versions and suites, the handshake, and what the client showed in it.

use std::sync::Arc;

use pingora::listeners::tls::Acceptor;
use pingora::protocols::{Ssl as _, Stream};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ServerConfig};

use super::guard::{Connection, Guarded};
use super::server::SetupError;
use crate::client::certificate::{Certificate, Shown, Trust};
use crate::clock::WallTime;
use crate::config::{ServerTls, TlsListener};

use credentials::Credentials;

mod credentials;
mod verifier;

/// Where TLS ends.
pub(super) struct TlsEnd {
    acceptor: Acceptor,
    credentials: Arc<Credentials>,
}

impl TlsEnd {
    /// With what these files hold.
    pub(super) fn load(
        listener: TlsListener,
        files: &ServerTls,
        now: WallTime,
    ) -> Result<Self, SetupError> {
        let table = match listener {
            TlsListener::Public => "tls",
            TlsListener::Mtls => "mtls",
        };
        let credentials = Credentials::load(listener, files, now);
        let credentials = credentials.map_err(|error| SetupError::Tls(table, error))?;
        Ok(Self::new(Arc::new(credentials))?)
    }

    /// What the files hold.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Who says here that a client's chain leads to an authority.
    pub(super) fn trust(&self) -> Trust {
        match self.credentials.authorities() {
            Some(authorities) => Trust::Authorities(authorities),
            None => Trust::Nobody,
        }
    }

    /// TLS 1.3 and 1.2, with suites of RFC 9325 §4.2 alone; HTTP/1.1.
    fn new(credentials: Arc<Credentials>) -> Result<Self, rustls::Error> {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&versions)?;
        let builder = if credentials.asks() {
            builder.with_client_cert_verifier(Arc::new(verifier::AnyHolder::new()))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(Arc::<Credentials>::clone(&credentials));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: Acceptor::from_server_config(Arc::new(config)), credentials })
    }

    /// Shakes hands. `None` where that fails; the client has been told why.
    pub(super) async fn handshake(&self, stream: Guarded) -> Option<(Stream, Connection)> {
        let stream = match self.acceptor.tls_handshake(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                return None;
            }
        };
        let chain = stream.get_ssl().and_then(|tls| tls.peer_cert_chain_der());
        let certificate = chain.map_or(Shown::Nothing, |chain| self.shown(chain));
        let tls = Some(self.credentials.place());
        Some((Box::new(stream), Connection { tls, certificate }))
    }

    fn shown(&self, chain: &[CertificateDer<'static>]) -> Shown {
        match Certificate::of_chain(chain.to_vec(), self.trust()) {
            Some(certificate) => Shown::Certificate(Arc::new(certificate)),
            None if chain.is_empty() => Shown::Nothing,
            None => Shown::Unusable,
        }
    }
}

/// FAPI 2.0 Security Profile §5.2.1 takes for TLS 1.2 the recommended suites and no others, so
/// that `ChaCha20` is left to TLS 1.3.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        )
    });
    provider
}
