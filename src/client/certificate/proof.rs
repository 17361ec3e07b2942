//! Whether a certificate proves a client: by a name under an authority (`tls_client_auth`, RFC 8705
//! §2.1) or by being a registered one (`self_signed_tls_client_auth`, §2.2).

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use super::Certificate;
use crate::clock::WallTime;
use crate::config::{CertificateName, DistinguishedName};
use crate::jose::keys::{Key, KeySet};

/// Why a certificate does not prove a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// No X.509 certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Before or after its time.
    #[error("the certificate is not valid now")]
    Expired,
    /// No chain to an authority.
    #[error("no authority vouches for the certificate")]
    UnknownAuthority,
    /// Another name, or one key that the client does not have.
    #[error("the certificate is of somebody else")]
    OtherHolder,
}

impl CertificateFault {
    /// The label in the audit log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreadable => "certificate_unreadable",
            Self::Expired => "certificate_expired",
            Self::UnknownAuthority => "certificate_unknown_authority",
            Self::OtherHolder => "certificate_other_holder",
        }
    }
}

/// `tls_client_auth`: a chain to an authority, and the registered name.
pub(crate) fn is_named(
    certificate: &Certificate,
    name: &CertificateName,
    now: WallTime,
) -> Result<(), CertificateFault> {
    let parsed = valid(certificate, now)?;
    if !certificate.has_trusted_chain(now) {
        return Err(CertificateFault::UnknownAuthority);
    }
    if has_name(&parsed, name) { Ok(()) } else { Err(CertificateFault::OtherHolder) }
}

/// `self_signed_tls_client_auth`: the certificate, or at least its key, is among the client's keys.
/// Who signed it does not matter.
pub(crate) fn is_among(
    certificate: &Certificate,
    keys: &KeySet,
    now: WallTime,
) -> Result<(), CertificateFault> {
    valid(certificate, now)?;
    let own = Key::of_certificate(certificate.der());
    let is_this = |key: &Key| match (key.certificate(), &own) {
        (Some(registered), _) => registered == certificate.der(),
        (None, Ok(own)) => key.thumbprint() == own.thumbprint(),
        (None, Err(_)) => false,
    };
    if keys.keys().iter().any(is_this) { Ok(()) } else { Err(CertificateFault::OtherHolder) }
}

fn valid(
    certificate: &Certificate,
    now: WallTime,
) -> Result<X509Certificate<'_>, CertificateFault> {
    let Ok(([], parsed)) = X509Certificate::from_der(certificate.der()) else {
        return Err(CertificateFault::Unreadable);
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let in_time = ASN1Time::from_timestamp(now).is_ok_and(|now| parsed.validity().is_valid_at(now));
    if in_time { Ok(parsed) } else { Err(CertificateFault::Expired) }
}

fn has_name(certificate: &X509Certificate<'_>, name: &CertificateName) -> bool {
    if let CertificateName::SubjectDn(expected) = name {
        let subject = DistinguishedName::from_der(certificate.subject().as_raw());
        return subject.as_ref() == Some(expected);
    }
    // An extension that stands twice is an error, and so no name at all.
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else {
        return false;
    };
    alternatives.value.general_names.iter().any(|alternative| match (name, alternative) {
        (CertificateName::SanDns(expected), GeneralName::DNSName(found)) => {
            expected.eq_ignore_ascii_case(found)
        }
        (CertificateName::SanUri(expected), GeneralName::URI(found)) => expected == found,
        (CertificateName::SanIp(expected), GeneralName::IPAddress(found)) => {
            address(found) == Some(*expected)
        }
        (CertificateName::SanEmail(expected), GeneralName::RFC822Name(found)) => {
            same_mailbox(expected, found)
        }
        _ => false,
    })
}

/// The domain in any case, what stands before it exactly (RFC 5280 §7.5).
fn same_mailbox(one: &str, two: &str) -> bool {
    match (one.rsplit_once('@'), two.rsplit_once('@')) {
        (Some((one, at)), Some((two, domain))) => one == two && at.eq_ignore_ascii_case(domain),
        _ => false,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}
