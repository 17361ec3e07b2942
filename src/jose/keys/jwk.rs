//! One public key as JSON (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::fault::KeyFault;
use super::public::{Curve, PublicKey};
use super::spki;
use crate::jose::algorithm::Algorithm;
use crate::jose::header::LONGEST_TEXT;
use crate::jose::json;

type Members = Map<String, Value>;

/// Members that only a private key has (RFC 7518 §6.2.2, §6.3.2).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The numbers of a public key that may verify signatures.
pub(super) fn public_key(jwk: &Members) -> Result<PublicKey, KeyFault> {
    let kind = jwk.get("kty").and_then(Value::as_str);
    if kind == Some("oct") {
        return Err(KeyFault::Secret);
    }
    if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
        return Err(KeyFault::Private);
    }
    verifies(jwk)?;
    match kind {
        Some("RSA") => PublicKey::rsa(&number(jwk, "n")?, &number(jwk, "e")?),
        Some("EC") => {
            let curve = match jwk.get("crv").and_then(Value::as_str) {
                Some("P-256") => Curve::P256,
                Some("P-384") => Curve::P384,
                Some("P-521") => Curve::P521,
                _ => return Err(KeyFault::Curve),
            };
            PublicKey::elliptic(curve, &number(jwk, "x")?, &number(jwk, "y")?)
        }
        Some("OKP") => match jwk.get("crv").and_then(Value::as_str) {
            Some("Ed25519") => PublicKey::ed25519(&number(jwk, "x")?),
            _ => Err(KeyFault::Curve),
        },
        _ => Err(KeyFault::KeyType),
    }
}

/// `kid`.
pub(super) fn name(jwk: &Members) -> Result<Option<String>, KeyFault> {
    match jwk.get("kid") {
        None => Ok(None),
        Some(Value::String(name)) if name.len() <= LONGEST_TEXT => Ok(Some(name.clone())),
        Some(_) => Err(KeyFault::Malformed("kid")),
    }
}

/// `alg`, which binds the key to one algorithm.
pub(super) fn algorithm(jwk: &Members) -> Result<Option<Algorithm>, KeyFault> {
    let Some(algorithm) = jwk.get("alg") else {
        return Ok(None);
    };
    let name = algorithm.as_str().ok_or(KeyFault::Malformed("alg"))?;
    name.parse().map(Some).map_err(|_| KeyFault::Algorithm)
}

/// The first certificate of `x5c`, in DER, if it has this key (RFC 7517 §4.7).
pub(super) fn certificate(jwk: &Members, key: &PublicKey) -> Result<Option<Vec<u8>>, KeyFault> {
    let Some(chain) = jwk.get("x5c") else {
        return Ok(None);
    };
    let first = chain.as_array().and_then(|chain| chain.first()).and_then(Value::as_str);
    let encoded = first.ok_or(KeyFault::Certificate)?;
    let der = STANDARD.decode(encoded).map_err(|_| KeyFault::Certificate)?;
    let certified = spki::of_certificate(&der).map_err(|_| KeyFault::Certificate)?;
    if certified.thumbprint() == key.thumbprint() {
        Ok(Some(der))
    } else {
        Err(KeyFault::Certificate)
    }
}

/// `use` and `key_ops`.
fn verifies(jwk: &Members) -> Result<(), KeyFault> {
    match jwk.get("use") {
        None => {}
        Some(Value::String(usage)) if usage == "sig" => {}
        Some(Value::String(_)) => return Err(KeyFault::Use),
        Some(_) => return Err(KeyFault::Malformed("use")),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) => {
            let verifies = operations.iter().any(|operation| operation == "verify");
            if verifies { Ok(()) } else { Err(KeyFault::Operations) }
        }
        Some(_) => Err(KeyFault::Malformed("key_ops")),
    }
}

fn number(jwk: &Members, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let encoded = jwk.get(name).and_then(Value::as_str).ok_or(KeyFault::Malformed(name))?;
    json::base64url(encoded).map_err(|_| KeyFault::Malformed(name))
}
