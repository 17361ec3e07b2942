//! Certificates that clients show (RFC 8705 §2): in a TLS handshake, or in a header field of a peer
//! that ended TLS. Whoever reads one here has seen that its holder has the key, or has a trusted
//! peer's word for it.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use crate::clock::WallTime;

pub use header::{HeaderFault, InHeader};
pub use proof::CertificateFault;
pub(super) use proof::{is_among, is_named};

pub mod header;
mod proof;

/// Most certificates in one chain.
pub const LONGEST_CHAIN: usize = 10;

/// What a connection or request shows of a client's certificate. The proxy puts it into the
/// request's extensions.
#[derive(Debug, Clone, Default)]
pub enum Shown {
    /// No certificate.
    #[default]
    Nothing,
    /// One.
    Certificate(Arc<Certificate>),
    /// A field that cannot be read, or another certificate in the handshake than in the field.
    /// Matters to clients that prove themselves by certificate, and to no others.
    Unusable,
}

/// A client's certificate with what was sent along to build its chain.
#[derive(Clone)]
pub struct Certificate {
    leaf: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    trust: Trust,
}

/// Who says that a chain leads to an authority.
#[derive(Debug, Clone)]
pub enum Trust {
    /// We do, by the authorities of `client_ca`.
    Authorities(Arc<Authorities>),
    /// The trusted peer in whose header field the certificate stood.
    Peer,
    /// Nobody: only a registered certificate can count.
    Nobody,
}

/// The authorities of `client_ca` as they are now.
#[derive(Debug)]
pub struct Authorities(ArcSwap<Vec<TrustAnchor<'static>>>);

impl Shown {
    /// What a handshake and a header field show together.
    #[must_use]
    pub fn together(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, shown) | (shown, Self::Nothing) => shown,
            (Self::Certificate(one), Self::Certificate(two)) if one.leaf == two.leaf => {
                Self::Certificate(one)
            }
            _ => Self::Unusable,
        }
    }
}

impl Certificate {
    /// A certificate out of a chain in DER, leaf first; `None` without a leaf, or for a chain longer
    /// than [`LONGEST_CHAIN`].
    #[must_use]
    pub fn of_chain(chain: Vec<CertificateDer<'static>>, trust: Trust) -> Option<Self> {
        if chain.len() > LONGEST_CHAIN {
            return None;
        }
        let mut chain = chain.into_iter();
        Some(Self { leaf: chain.next()?, intermediates: chain.collect(), trust })
    }

    /// The same, where somebody else says whether its chain leads to an authority.
    #[must_use]
    pub fn judged_by(&self, trust: Trust) -> Self {
        Self { trust, ..self.clone() }
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.leaf
    }

    /// `x5t#S256`: the SHA-256 of the DER in base64url (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.leaf))
    }

    /// Whether somebody who counts says that its chain leads to an authority now. Judged at each
    /// use, so that a connection that outlives a certificate or an authority gains nothing by it.
    /// Revocation is not looked at.
    #[must_use]
    pub fn has_trusted_chain(&self, now: WallTime) -> bool {
        match &self.trust {
            Trust::Peer => true,
            Trust::Nobody => false,
            Trust::Authorities(authorities) => {
                authorities.vouch_for(&self.leaf, &self.intermediates, now)
            }
        }
    }
}

impl Authorities {
    /// These.
    #[must_use]
    pub fn new(anchors: Vec<TrustAnchor<'static>>) -> Self {
        Self(ArcSwap::from_pointee(anchors))
    }

    /// These from now on.
    pub fn replace(&self, anchors: Vec<TrustAnchor<'static>>) {
        self.0.store(Arc::new(anchors));
    }

    fn vouch_for(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: WallTime,
    ) -> bool {
        let anchors = self.0.load();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_millis(now.as_millis()));
        EndEntityCert::try_from(leaf).is_ok_and(|leaf| {
            let usage = KeyUsage::client_auth();
            let algorithms = ALL_VERIFICATION_ALGS;
            leaf.verify_for_usage(algorithms, &anchors, intermediates, time, usage, None, None)
                .is_ok()
        })
    }
}

/// The thumbprint; names of people may stand in the rest.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}
