//! Which certificate the client shows: the one of the handshake, or the one that a trusted peer
//! puts into the configured header field. Nobody else's field is read.

use std::sync::Arc;

use http::HeaderMap;

use super::application::Peer;
use crate::client::certificate::{Authorities, Certificate, InHeader, Shown, Trust, header};
use crate::config::ClientCertificateHeader;

/// How certificates in header fields are taken.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub(super) header: ClientCertificateHeader,
    /// Those of a listener; without any the peer's word counts.
    pub(super) authorities: Option<Arc<Authorities>>,
}

/// What handshake and field show together.
pub(super) fn shown(
    handshake: Shown,
    forwarded: Option<&Forwarded>,
    peer: &Peer,
    headers: &HeaderMap,
) -> Shown {
    match forwarded.filter(|_| peer.trusted) {
        Some(forwarded) => handshake.together(forwarded.read(headers)),
        None => handshake,
    }
}

impl Forwarded {
    fn read(&self, headers: &HeaderMap) -> Shown {
        match header::read(self.header, headers) {
            Ok(None) => Shown::Nothing,
            Ok(Some(found)) => self.judged(found),
            Err(fault) => {
                tracing::debug!(%fault, "a certificate header was not read");
                Shown::Unusable
            }
        }
    }

    fn judged(&self, found: InHeader) -> Shown {
        let trust = match &self.authorities {
            Some(authorities) => Trust::Authorities(Arc::clone(authorities)),
            None if found.verified => Trust::Peer,
            None => Trust::Nobody,
        };
        Certificate::of_chain(found.chain, trust)
            .map_or(Shown::Unusable, |certificate| Shown::Certificate(Arc::new(certificate)))
    }
}
