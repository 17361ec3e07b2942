//! A private key that clients encrypt to, and its public half for publication.

use std::fmt;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use serde_json::{Value, json};

use super::agreement::Curve;
use super::jwk::{self, PublicMembers};
use super::{KeyManagement, pem};

/// A private key with its `kid`. `Debug` shows nothing but that.
pub struct DecryptionKey {
    material: Material,
    public: PublicMembers,
    kid: String,
    alg: Option<KeyManagement>,
}

/// The key itself; aws-lc wipes it when it is dropped.
pub(super) enum Material {
    Rsa(OaepPrivateDecryptingKey),
    Agreement(Curve, PrivateKey),
}

/// Why a key is refused. The texts tell nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No block `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`.
    #[error("the file has no private key in PEM")]
    NotPem,
    /// A password is on it.
    #[error("the private key is encrypted; give it without a password")]
    Encrypted,
    /// A member of the JWK is missing or of another type.
    #[error("the JWK is not a complete private key")]
    NotJwk,
    /// `use` is not `enc`, or `alg` is none of [`KeyManagement`] for this key.
    #[error("the JWK is meant for something else than decryption")]
    OtherPurpose,
    /// Not RSA of 2048 to 8192 bits, P-256, P-384, P-521 or X25519, or its parts contradict each
    /// other.
    #[error("the private key is of no supported kind, or broken")]
    Rejected,
}

impl DecryptionKey {
    /// Reads PKCS#8, PKCS#1 (RSA) or SEC 1 (EC) in PEM. `kid` becomes the thumbprint (RFC 7638).
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (label, der) = pem::private_key(text).ok_or(KeyError::NotPem)?;
        match label {
            "ENCRYPTED PRIVATE KEY" => Err(KeyError::Encrypted),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Self::from_der(&der),
            _ => Err(KeyError::NotPem),
        }
    }

    /// Reads a private JWK (RFC 7518 §6, RFC 8037 §2) with its `kid`, or the thumbprint for one, and
    /// its `alg`. RSA keys need the factors and exponents of RFC 7518 §6.3.2 besides `d`.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let text = |name| jwk.get(name).map(|value| value.as_str().ok_or(KeyError::NotJwk));
        if text("use").transpose()?.is_some_and(|purpose| purpose != "enc") {
            return Err(KeyError::OtherPurpose);
        }
        let key = match text("kty").transpose()? {
            Some("RSA") => Self::from_rsa(&jwk::rsa_key(jwk)?),
            Some(kind @ ("EC" | "OKP")) => {
                let (curve, private) = jwk::agreement_key(jwk, kind)?;
                Self::from_agreement(curve, private)
            }
            Some(_) => Err(KeyError::Rejected),
            None => Err(KeyError::NotJwk),
        }?;
        if !key.public.agrees_with(jwk) {
            return Err(KeyError::Rejected);
        }
        let key = match text("kid").transpose()? {
            Some(kid) => key.with_kid(kid.to_owned()),
            None => key,
        };
        match text("alg").transpose()? {
            Some(alg) => key.with_alg(KeyManagement::parse(alg).ok_or(KeyError::OtherPurpose)?),
            None => Ok(key),
        }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(self, kid: String) -> Self {
        Self { kid, ..self }
    }

    /// The same key for one algorithm alone.
    ///
    /// # Errors
    /// [`KeyError::OtherPurpose`] if the key is not one for it.
    pub fn with_alg(self, alg: KeyManagement) -> Result<Self, KeyError> {
        if matches!(self.material, Material::Rsa(_)) == alg.is_rsa() {
            Ok(Self { alg: Some(alg), ..self })
        } else {
            Err(KeyError::OtherPurpose)
        }
    }

    /// `kid`
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK with `use`, `kid` and, where the key is for one algorithm, `alg`.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let mut members = self.public.to_map();
        members.insert("use".to_owned(), json!("enc"));
        members.insert("kid".to_owned(), json!(self.kid));
        if let Some(alg) = self.alg {
            members.insert("alg".to_owned(), json!(alg.name()));
        }
        Value::Object(members)
    }

    /// Whether the key is one for `alg`.
    pub(super) fn fits(&self, alg: KeyManagement) -> bool {
        matches!(self.material, Material::Rsa(_)) == alg.is_rsa()
            && self.alg.is_none_or(|own| own == alg)
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let rsa = KeyPair::from_pkcs8(der).or_else(|_| KeyPair::from_der(der));
        if let Ok(pair) = rsa {
            return Self::from_rsa(&pair);
        }
        if let Some(bytes) = der.strip_prefix(X25519_PKCS8) {
            let private = PrivateKey::from_private_key(Curve::X25519.algorithm(), bytes);
            return Self::from_agreement(Curve::X25519, private.map_err(|_| KeyError::Rejected)?);
        }
        let (curve, private) = Curve::ALL
            .into_iter()
            .find_map(|curve| {
                let private = PrivateKey::from_private_key_der(curve.algorithm(), der).ok()?;
                Some((curve, private))
            })
            .ok_or(KeyError::Rejected)?;
        Self::from_agreement(curve, private)
    }

    fn from_rsa(pair: &KeyPair) -> Result<Self, KeyError> {
        let rejected = |_| KeyError::Rejected;
        let der: Pkcs8V1Der<'static> = pair.as_der().map_err(rejected)?;
        let private = PrivateDecryptingKey::from_pkcs8(der.as_ref());
        let private = private.map_err(|_| KeyError::Rejected)?;
        let private = OaepPrivateDecryptingKey::new(private).map_err(rejected)?;
        Ok(Self::new(Material::Rsa(private), PublicMembers::of_rsa(pair)))
    }

    fn from_agreement(curve: Curve, private: PrivateKey) -> Result<Self, KeyError> {
        let public = PublicMembers::of_agreement(curve, &private).ok_or(KeyError::Rejected)?;
        Ok(Self::new(Material::Agreement(curve, private), public))
    }

    fn new(material: Material, public: PublicMembers) -> Self {
        let kid = public.thumbprint();
        Self { material, public, kid, alg: None }
    }
}

/// What stands before the 32 bytes of an X25519 key in PKCS#8 (RFC 8410 §7).
const X25519_PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({})", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors;
    use super::*;

    #[test]
    fn keys_are_read_from_pem_and_jwk_alike() {
        for key in vectors::keys() {
            let by_jwk = DecryptionKey::from_jwk(&key.jwk).unwrap();
            for text in &key.pems {
                let by_pem = DecryptionKey::from_pem(text).unwrap().with_kid(by_jwk.kid.clone());
                assert_eq!(by_pem.public_jwk(), by_jwk.public_jwk());
            }
            assert_eq!(by_jwk.public_jwk(), key.public_jwk);
        }
    }

    #[test]
    fn the_kid_is_the_thumbprint_unless_given() {
        for key in vectors::keys() {
            let mut jwk = key.jwk;
            jwk.as_object_mut().unwrap().remove("kid");
            let found = DecryptionKey::from_jwk(&jwk).unwrap();
            assert_eq!(found.kid(), key.thumbprint);
            assert_eq!(found.with_kid("other".into()).public_jwk()["kid"], "other");
        }
    }

    #[test]
    fn nothing_private_is_published_or_printed() {
        for key in vectors::keys() {
            let found = DecryptionKey::from_jwk(&key.jwk).unwrap();
            let published = found.public_jwk();
            for name in ["d", "p", "q", "dp", "dq", "qi"] {
                assert!(published.get(name).is_none(), "{name}");
            }
            assert_eq!(format!("{found:?}"), format!("DecryptionKey({})", found.kid()));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (name, value, error) in [
            ("use", json!("sig"), KeyError::OtherPurpose),
            ("alg", json!("RS256"), KeyError::OtherPurpose),
            ("alg", json!(5), KeyError::NotJwk),
            ("kid", json!(5), KeyError::NotJwk),
            ("d", json!("AAAA"), KeyError::Rejected),
            ("d", json!("?"), KeyError::NotJwk),
            ("kty", json!("oct"), KeyError::Rejected),
            ("kty", Value::Null, KeyError::NotJwk),
        ] {
            for key in vectors::keys() {
                let mut jwk = key.jwk;
                jwk[name] = value.clone();
                assert_eq!(DecryptionKey::from_jwk(&jwk).unwrap_err(), error, "{name} {value}");
            }
        }
        for key in vectors::keys().into_iter().filter(|key| key.jwk["kty"] != "RSA") {
            for (name, value) in [("x", key.jwk["d"].clone()), ("crv", json!("secp256k1"))] {
                let mut jwk = key.jwk.clone();
                jwk[name] = value;
                assert_eq!(DecryptionKey::from_jwk(&jwk).unwrap_err(), KeyError::Rejected);
            }
        }
    }

    #[test]
    fn an_algorithm_must_fit_its_key() {
        for key in vectors::keys() {
            for alg in KeyManagement::ALL {
                let found = DecryptionKey::from_jwk(&key.jwk).unwrap();
                let fits = alg.is_rsa() == (key.jwk["kty"] == "RSA");
                assert_eq!(found.fits(alg), fits);
                match found.with_alg(alg) {
                    Ok(found) => {
                        assert!(fits && found.public_jwk()["alg"] == alg.name());
                        assert_eq!(
                            KeyManagement::ALL.iter().filter(|a| found.fits(**a)).count(),
                            1
                        );
                    }
                    Err(error) => assert!(!fits && error == KeyError::OtherPurpose),
                }
            }
        }
    }

    #[test]
    fn other_files_are_refused() {
        let named = |label: &str| format!("-----BEGIN {label}-----\nAAEC\n-----END {label}-----\n");
        for (text, error) in [
            ("", KeyError::NotPem),
            (&named("OPENSSH PRIVATE KEY"), KeyError::NotPem),
            (&named("ENCRYPTED PRIVATE KEY"), KeyError::Encrypted),
            (&named("PRIVATE KEY"), KeyError::Rejected),
        ] {
            assert_eq!(DecryptionKey::from_pem(text).unwrap_err(), error);
        }
    }
}
