//! The content encryption key of a token: unwrapped, agreed on, or drawn (RFC 7516 §5.2).

use aws_lc_rs::key_wrap::{AES_128, AES_256, AesBlockCipher, AesKek, KeyWrap as _};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
};
use zeroize::Zeroizing;

use super::agreement::agree;
use super::decryption_key::{DecryptionKey, Material};
use super::{Header, KeyManagement};

/// The key for the content, of exactly the length that `enc` wants. Where the encrypted key is
/// broken it is a random one: such a token fails later, at its tag, like any other forgery
/// (RFC 7516 §11.5). `None` where no key can come out for reasons that stand in the clear: the
/// algorithm is not for this key, or `epk` is on another curve or on none.
pub(super) fn unwrap(
    key: &DecryptionKey,
    header: &Header,
    encrypted: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let length = header.enc.key_length();
    match (key.material(), header.alg) {
        (Material::Rsa(rsa), KeyManagement::RsaOaep) => {
            or_random(decrypt_oaep(rsa, &OAEP_SHA1_MGF1SHA1, encrypted), length)
        }
        (Material::Rsa(rsa), KeyManagement::RsaOaep256) => {
            or_random(decrypt_oaep(rsa, &OAEP_SHA256_MGF1SHA256, encrypted), length)
        }
        (Material::Agreement(curve, private), alg) => {
            let agreed = |purpose, length| {
                agree((*curve, private), header.agreement.as_ref()?, purpose, length)
            };
            let (cipher, kek_length) = match alg {
                KeyManagement::EcdhEs => return agreed(header.enc.name(), length),
                KeyManagement::EcdhEsA128Kw => (&AES_128, 16),
                KeyManagement::EcdhEsA256Kw => (&AES_256, 32),
                KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => return None,
            };
            let kek = agreed(alg.name(), kek_length)?;
            or_random(unwrap_aes(cipher, &kek, encrypted), length)
        }
        (
            Material::Rsa(_),
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw,
        ) => None,
    }
}

/// `found` if it has `length` bytes, else as many random ones, which are drawn in any case.
fn or_random(found: Option<Zeroizing<Vec<u8>>>, length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut random = Zeroizing::new(vec![0; length]);
    rand::fill(&mut random).ok()?;
    Some(found.filter(|found| found.len() == length).unwrap_or(random))
}

fn decrypt_oaep(
    key: &OaepPrivateDecryptingKey,
    algorithm: &'static OaepAlgorithm,
    encrypted: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
    let found = key.decrypt(algorithm, encrypted, &mut room, None).ok()?;
    Some(Zeroizing::new(found.to_vec()))
}

/// AES Key Wrap (RFC 3394).
fn unwrap_aes(
    cipher: &'static AesBlockCipher,
    kek: &[u8],
    encrypted: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut room = Zeroizing::new(vec![0; encrypted.len()]);
    let found = AesKek::new(cipher, kek).ok()?.unwrap(encrypted, &mut room).ok()?;
    Some(Zeroizing::new(found.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_length_is_replaced_by_a_random_one() {
        let wrong = || Some(Zeroizing::new(vec![7; 16]));
        let first = or_random(wrong(), 32).unwrap();
        let second = or_random(wrong(), 32).unwrap();
        let third = or_random(None, 32).unwrap();
        assert_eq!(first.len(), 32);
        assert!(first != second && second != third);
        assert_eq!(or_random(wrong(), 16).unwrap().as_slice(), [7; 16]);
    }
}
