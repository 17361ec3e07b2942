//! The usual verification of a server's certificate, by one who remembers what was shown.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The chain that the last server showed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown(Arc<Mutex<Vec<CertificateDer<'static>>>>);

impl Shown {
    /// Leaf first; empty before the first handshake.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.0.lock().clone()
    }
}

/// Believes what the authorities vouch for. Without any it believes nobody.
pub(super) struct Watched {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    shown: Shown,
}

impl Watched {
    pub(super) fn new(authorities: RootCertStore, shown: Shown) -> Self {
        let provider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), Arc::new(provider));
        Self { verifier: builder.build().ok(), algorithms, shown }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        *self.shown.0.lock() = chain.map(|one| one.clone().into_owned()).collect();
        let Some(verifier) = &self.verifier else {
            return Err(Error::General("no certificate authority is known".to_owned()));
        };
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
