//! Key agreement by ECDH-ES (RFC 7518 §4.6, RFC 8037 §3.2) and its derivation of keys.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use zeroize::Zeroizing;

use super::header::AgreementHeader;

/// `crv`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    X25519,
}

impl Curve {
    pub(super) const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::X25519];

    /// The registered name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::X25519 => "X25519",
        }
    }

    /// The curve of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// `kty` of keys on this curve.
    pub(super) const fn key_type(self) -> &'static str {
        match self {
            Self::P256 | Self::P384 | Self::P521 => "EC",
            Self::X25519 => "OKP",
        }
    }

    /// Bytes of a coordinate, and of a private key.
    pub(super) const fn coordinate_length(self) -> usize {
        match self {
            Self::P256 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The implementation.
    pub(super) const fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
            Self::X25519 => &agreement::X25519,
        }
    }
}

/// A sender's public key. Whether it lies on its curve is found when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EphemeralKey {
    curve: Curve,
    encoded: Vec<u8>,
}

impl EphemeralKey {
    /// From coordinates of exactly the curve's length; X25519 has no `y`.
    pub(super) fn new(curve: Curve, x: &[u8], y: &[u8]) -> Option<Self> {
        let length = curve.coordinate_length();
        let encoded = match curve {
            Curve::X25519 if x.len() == length && y.is_empty() => x.to_vec(),
            Curve::P256 | Curve::P384 | Curve::P521 if x.len() == length && y.len() == length => {
                [&[4], x, y].concat()
            }
            Curve::X25519 | Curve::P256 | Curve::P384 | Curve::P521 => return None,
        };
        Some(Self { curve, encoded })
    }
}

/// The key of `length` bytes that `key` and the header's `epk` agree on, for use by `purpose`;
/// `None` if they are on different curves, or `epk` is on none.
pub(super) fn agree(
    (curve, key): (Curve, &PrivateKey),
    header: &AgreementHeader,
    purpose: &str,
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    if header.ephemeral.curve != curve {
        return None;
    }
    let peer = UnparsedPublicKey::new(curve.algorithm(), header.ephemeral.encoded.as_slice());
    let info = other_info(purpose, header, length)?;
    let digest = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
    agreement::agree(key, peer, (), |secret| {
        let mut derived = Zeroizing::new(vec![0; length]);
        sskdf_digest(digest, secret, &info, &mut derived).map_err(|_| ())?;
        Ok(derived)
    })
    .ok()
}

/// `OtherInfo` of the Concat KDF: `AlgorithmID`, `PartyUInfo`, `PartyVInfo`, each after its length,
/// and the bits wanted (RFC 7518 §4.6.2).
fn other_info(purpose: &str, header: &AgreementHeader, length: usize) -> Option<Vec<u8>> {
    let mut info = Vec::new();
    for part in [purpose.as_bytes(), &header.party_u, &header.party_v] {
        info.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
        info.extend(part);
    }
    info.extend(u32::try_from(length * 8).ok()?.to_be_bytes());
    Some(info)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// RFC 7518 appendix C.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let bob = decoded("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
        let bob = PrivateKey::from_private_key(&agreement::ECDH_P256, &bob).unwrap();
        let x = decoded("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0");
        let y = decoded("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps");
        let header = AgreementHeader {
            ephemeral: EphemeralKey::new(Curve::P256, &x, &y).unwrap(),
            party_u: b"Alice".to_vec(),
            party_v: b"Bob".to_vec(),
        };
        let key = agree((Curve::P256, &bob), &header, "A128GCM", 16).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&key), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn points_off_the_curve_and_of_another_curve_agree_on_nothing() {
        let key = PrivateKey::generate(&agreement::ECDH_P256).unwrap();
        let off = EphemeralKey::new(Curve::P256, &[1; 32], &[2; 32]).unwrap();
        let other = EphemeralKey::new(Curve::X25519, &[9; 32], &[]).unwrap();
        for ephemeral in [off, other] {
            let header = AgreementHeader { ephemeral, party_u: vec![], party_v: vec![] };
            assert!(agree((Curve::P256, &key), &header, "A128GCM", 16).is_none());
        }
    }

    /// RFC 8037 §3.2: a point of low order makes a secret of zeros.
    #[test]
    fn low_order_points_agree_on_nothing() {
        let key = PrivateKey::generate(&agreement::X25519).unwrap();
        let ephemeral = EphemeralKey::new(Curve::X25519, &[0; 32], &[]).unwrap();
        let header = AgreementHeader { ephemeral, party_u: vec![], party_v: vec![] };
        assert!(agree((Curve::X25519, &key), &header, "A128GCM", 16).is_none());
    }

    #[test]
    fn coordinates_have_exactly_their_length() {
        assert!(EphemeralKey::new(Curve::P521, &[0; 66], &[0; 66]).is_some());
        for (curve, x, y) in [
            (Curve::P256, 31, 32),
            (Curve::P256, 32, 33),
            (Curve::P384, 48, 0),
            (Curve::X25519, 33, 0),
            (Curve::X25519, 32, 32),
        ] {
            assert!(EphemeralKey::new(curve, &vec![0; x], &vec![0; y]).is_none());
        }
    }
}
