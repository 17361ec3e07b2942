//! Our keys as JWKs (RFC 7517, RFC 7518 §6, RFC 8037 §2): private ones read, public ones written.

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::agreement::Curve;
use super::decryption_key::KeyError;

/// The members that a thumbprint is made of, sorted by name (RFC 7638 §3.2).
pub(super) struct PublicMembers(Vec<(&'static str, String)>);

impl PublicMembers {
    pub(super) fn of_rsa(pair: &KeyPair) -> Self {
        let public = pair.public_key();
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        Self(vec![
            ("e", text(public.exponent().big_endian_without_leading_zero())),
            ("kty", "RSA".to_owned()),
            ("n", text(public.modulus().big_endian_without_leading_zero())),
        ])
    }

    pub(super) fn of_agreement(curve: Curve, private: &PrivateKey) -> Option<Self> {
        let public = private.compute_public_key().ok()?;
        let mut members =
            vec![("crv", curve.name().to_owned()), ("kty", curve.key_type().to_owned())];
        if curve == Curve::X25519 {
            members.push(("x", URL_SAFE_NO_PAD.encode(public.as_ref())));
        } else {
            let point = public.as_ref().strip_prefix(&[4])?;
            let (x, y) = point.split_at_checked(curve.coordinate_length())?;
            members.push(("x", URL_SAFE_NO_PAD.encode(x)));
            members.push(("y", URL_SAFE_NO_PAD.encode(y)));
        }
        Some(Self(members))
    }

    /// As a JSON object.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    /// SHA-256 over the members (RFC 7638 §3), in base64url.
    pub(super) fn thumbprint(&self) -> String {
        // A `serde_json::Map` could keep another order; names and values need no escapes.
        let members = self.0.iter().map(|(name, value)| format!("\"{name}\":\"{value}\""));
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    /// Whether `jwk` has exactly these, so that what others hold is what we publish.
    pub(super) fn agrees_with(&self, jwk: &Value) -> bool {
        self.0.iter().all(|(name, value)| jwk.get(name).is_some_and(|given| given == value))
    }
}

/// `kty` `RSA` (RFC 7518 §6.3.2).
pub(super) fn rsa_key(jwk: &Value) -> Result<KeyPair, KeyError> {
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: member(jwk, "n")?, e: member(jwk, "e")? },
        d: member(jwk, "d")?,
        p: member(jwk, "p")?,
        q: member(jwk, "q")?,
        dP: member(jwk, "dp")?,
        dQ: member(jwk, "dq")?,
        qInv: member(jwk, "qi")?,
    };
    KeyPair::from_components(&components).map_err(|_| KeyError::Rejected)
}

/// `kty` `EC` or `OKP`, which is given as `kind` (RFC 7518 §6.2.2, RFC 8037 §2).
pub(super) fn agreement_key(jwk: &Value, kind: &str) -> Result<(Curve, PrivateKey), KeyError> {
    let curve = jwk.get("crv").and_then(Value::as_str).ok_or(KeyError::NotJwk)?;
    let curve = Curve::parse(curve).filter(|curve| curve.key_type() == kind);
    let curve = curve.ok_or(KeyError::Rejected)?;
    let private = PrivateKey::from_private_key(curve.algorithm(), &member(jwk, "d")?);
    Ok((curve, private.map_err(|_| KeyError::Rejected)?))
}

fn member(jwk: &Value, name: &str) -> Result<Bytes, KeyError> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or(KeyError::NotJwk)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::NotJwk)?;
    Ok(Bytes(Zeroizing::new(bytes)))
}

/// Bytes of a member, wiped when dropped, in the form that aws-lc-rs takes.
struct Bytes(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
