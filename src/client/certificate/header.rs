//! Header fields in which peers that end TLS put the client's certificate. Nothing here asks who
//! sent them: that is for the caller, and only a trusted peer's field may come this far.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::LONGEST_CHAIN;
use crate::config::ClientCertificateHeader as Header;

/// A certificate that a field shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InHeader {
    /// In DER, leaf first; at most [`LONGEST_CHAIN`].
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether such a peer has looked at the chain before it wrote the field.
    pub verified: bool,
}

/// Why a field cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The field stands twice.
    #[error("the certificate header stands twice")]
    Repeated,
    /// Not in its format.
    #[error("the certificate header is malformed")]
    Malformed,
    /// More certificates than any chain has.
    #[error("the certificate header shows too many certificates")]
    TooMany,
}

/// Reads the field. An absent or an empty one is no certificate.
///
/// # Errors
/// [`HeaderFault`]
pub fn read(header: Header, headers: &HeaderMap) -> Result<Option<InHeader>, HeaderFault> {
    let value = value(headers, name(header), header == Header::Xfcc)?;
    if value.trim().is_empty() {
        return Ok(None);
    }
    let chain = match header {
        Header::ClientCert => rfc9440(&value, headers)?,
        Header::Xfcc => xfcc(&value)?,
        Header::SslClientCert | Header::XAmznMtlsClientcert | Header::XAmznMtlsClientcertLeaf => {
            escaped_pem(&value)?
        }
        Header::XForwardedTlsClientCert => bare_base64(&value)?,
    };
    if chain.is_empty() {
        return Err(HeaderFault::Malformed);
    }
    if chain.len() > LONGEST_CHAIN {
        return Err(HeaderFault::TooMany);
    }
    Ok(Some(InHeader { chain, verified: is_verified(header, headers) }))
}

/// The name of the field.
const fn name(header: Header) -> &'static str {
    match header {
        Header::ClientCert => "client-cert",
        Header::Xfcc => "x-forwarded-client-cert",
        Header::SslClientCert => "ssl-client-cert",
        Header::XAmznMtlsClientcert => "x-amzn-mtls-clientcert",
        Header::XAmznMtlsClientcertLeaf => "x-amzn-mtls-clientcert-leaf",
        Header::XForwardedTlsClientCert => "x-forwarded-tls-client-cert",
    }
}

/// AWS passes a whole chain through unverified; nginx says what it found in a field of its own, and where
/// that is missing nothing was looked at.
fn is_verified(header: Header, headers: &HeaderMap) -> bool {
    match header {
        Header::XAmznMtlsClientcert => false,
        Header::SslClientCert => {
            let verdicts: Vec<_> = headers.get_all("ssl-client-verify").iter().collect();
            matches!(verdicts[..], [verdict] if verdict == "SUCCESS")
        }
        Header::ClientCert
        | Header::Xfcc
        | Header::XAmznMtlsClientcertLeaf
        | Header::XForwardedTlsClientCert => true,
    }
}

/// The field's text; the lines of a list joined (RFC 9110 §5.3).
fn value<'a>(
    headers: &'a HeaderMap,
    name: &str,
    is_list: bool,
) -> Result<Cow<'a, str>, HeaderFault> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str());
    let lines: Vec<&str> = lines.collect::<Result<_, _>>().map_err(|_| HeaderFault::Malformed)?;
    match lines[..] {
        [] => Ok(Cow::Borrowed("")),
        [line] => Ok(Cow::Borrowed(line)),
        _ if is_list => Ok(Cow::Owned(lines.join(","))),
        _ => Err(HeaderFault::Repeated),
    }
}

/// `Client-Cert: :base64:` and the list `Client-Cert-Chain` without the leaf (RFC 9440 §2).
fn rfc9440(leaf: &str, headers: &HeaderMap) -> Result<Vec<CertificateDer<'static>>, HeaderFault> {
    let leaf: sfv::Item = sfv::Parser::new(leaf).parse().map_err(|_| HeaderFault::Malformed)?;
    let mut chain = vec![bytes(leaf.bare_item)?];
    let rest = value(headers, "client-cert-chain", true)?;
    let rest: sfv::List = sfv::Parser::new(&*rest).parse().map_err(|_| HeaderFault::Malformed)?;
    for entry in rest {
        match entry {
            sfv::ListEntry::Item(item) => chain.push(bytes(item.bare_item)?),
            sfv::ListEntry::InnerList(_) => return Err(HeaderFault::Malformed),
        }
    }
    Ok(chain)
}

fn bytes(item: sfv::BareItem) -> Result<CertificateDer<'static>, HeaderFault> {
    let sfv::BareItem::ByteSequence(der) = item else {
        return Err(HeaderFault::Malformed);
    };
    if der.is_empty() { Err(HeaderFault::Malformed) } else { Ok(der.into()) }
}

/// Envoy: the last element is of the connection to the peer next to us.
fn xfcc(value: &str) -> Result<Vec<CertificateDer<'static>>, HeaderFault> {
    let elements =
        xfcc_parser::element_list(value.as_bytes()).map_err(|_| HeaderFault::Malformed)?;
    let last = elements.into_iter().next_back().ok_or(HeaderFault::Malformed)?;
    let leaf = last.cert.map(|cert| escaped_pem(&cert)).transpose()?;
    let chain = last.chain.map(|chain| escaped_pem(&chain)).transpose()?;
    match (leaf, chain) {
        (Some(leaf), None) if leaf.len() == 1 => Ok(leaf),
        (None, Some(chain)) => Ok(chain),
        (Some(leaf), Some(chain)) if leaf.len() == 1 && leaf.first() == chain.first() => Ok(chain),
        _ => Err(HeaderFault::Malformed),
    }
}

/// PEM in percent-encoding; a plus sign is one, as it is in base64.
fn escaped_pem(value: &str) -> Result<Vec<CertificateDer<'static>>, HeaderFault> {
    let pem: Vec<u8> = percent_decode_str(value.trim()).collect();
    if pem.windows(b"PRIVATE KEY".len()).any(|part| part == b"PRIVATE KEY") {
        return Err(HeaderFault::Malformed);
    }
    CertificateDer::pem_slice_iter(&pem)
        .take(LONGEST_CHAIN + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| HeaderFault::Malformed)
}

/// Traefik: base64 without the lines of PEM around it, separated by commas; older ones escape it.
fn bare_base64(value: &str) -> Result<Vec<CertificateDer<'static>>, HeaderFault> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let value = percent_decode_str(value).decode_utf8().map_err(|_| HeaderFault::Malformed)?;
    let decoded = value.split(',').take(LONGEST_CHAIN + 1).map(|one| {
        let der = LENIENT.decode(one.trim()).ok().filter(|der| !der.is_empty());
        der.map(CertificateDer::from).ok_or(HeaderFault::Malformed)
    });
    decoded.collect()
}
