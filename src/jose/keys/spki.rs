//! Public keys as X.509 has them: `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), alone or inside a
//! certificate, and the PEM around them.

use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
    OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::fault::{KeyFault, KeySetError};
use super::public::{Curve, PublicKey};

/// A key and, where it came in one, its certificate in DER.
pub(super) type Certified = (PublicKey, Option<Vec<u8>>);

/// Every block of a PEM text.
pub(super) fn of_pem(text: &[u8]) -> Result<Vec<Result<Certified, KeyFault>>, KeySetError> {
    let mut keys = Vec::new();
    for block in Pem::iter_from_buffer(text).take(super::MOST_KEYS + 1) {
        keys.push(of_block(&block.map_err(|_| KeySetError::Pem)?));
    }
    if keys.is_empty() { Err(KeySetError::Pem) } else { Ok(keys) }
}

/// The key of a certificate in DER.
pub(super) fn of_certificate(der: &[u8]) -> Result<PublicKey, KeyFault> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => of_info(certificate.public_key()),
        _ => Err(KeyFault::Malformed("certificate")),
    }
}

fn of_block(block: &Pem) -> Result<Certified, KeyFault> {
    match block.label.as_str() {
        "CERTIFICATE" => Ok((of_certificate(&block.contents)?, Some(block.contents.clone()))),
        "PUBLIC KEY" => match SubjectPublicKeyInfo::from_der(&block.contents) {
            Ok(([], info)) => Ok((of_info(&info)?, None)),
            _ => Err(KeyFault::Malformed("encoding")),
        },
        label if label.ends_with("PRIVATE KEY") => Err(KeyFault::Private),
        _ => Err(KeyFault::Label),
    }
}

fn of_info(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, KeyFault> {
    let kind = &info.algorithm.algorithm;
    if *kind == OID_SIG_ED25519 {
        return PublicKey::ed25519(&info.subject_public_key.data);
    }
    if *kind != OID_PKCS1_RSAENCRYPTION && *kind != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return Err(KeyFault::KeyType);
    }
    match info.parsed() {
        Ok(Parsed::RSA(key)) => {
            PublicKey::rsa(without_zeros(key.modulus), without_zeros(key.exponent))
        }
        Ok(Parsed::EC(point)) => of_point(curve(info)?, point.data()),
        _ => Err(KeyFault::Malformed("encoding")),
    }
}

fn of_point(curve: Curve, point: &[u8]) -> Result<PublicKey, KeyFault> {
    // SEC 1 §2.3.3: 4 says that both coordinates follow.
    let (form, coordinates) = point.split_first().ok_or(KeyFault::Malformed("point"))?;
    match coordinates.split_at_checked(curve.coordinate_bytes()) {
        Some((x, y)) if *form == 4 => PublicKey::elliptic(curve, x, y),
        _ => Err(KeyFault::Malformed("point")),
    }
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> Result<Curve, KeyFault> {
    let parameters = info.algorithm.parameters.as_ref().ok_or(KeyFault::Curve)?;
    let curve = parameters.as_oid().map_err(|_| KeyFault::Curve)?;
    [(OID_EC_P256, Curve::P256), (OID_NIST_EC_P384, Curve::P384), (OID_NIST_EC_P521, Curve::P521)]
        .into_iter()
        .find_map(|(oid, known)| (oid == curve).then_some(known))
        .ok_or(KeyFault::Curve)
}

/// DER puts a zero before a number whose first bit is set.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
