//! Authenticated decryption of the content (RFC 7518 §5).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{aead, cipher, hmac};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::ContentEncryption;
use super::parts::Parts;

/// The plaintext, if the tag is right.
pub(super) fn decrypt(
    enc: ContentEncryption,
    cek: &[u8],
    parts: &Parts<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    match enc {
        ContentEncryption::A128Gcm => gcm(&AES_128_GCM, cek, parts),
        ContentEncryption::A256Gcm => gcm(&AES_256_GCM, cek, parts),
        ContentEncryption::A128CbcHs256 => cbc(&AES_128, hmac::HMAC_SHA256, cek, parts),
        ContentEncryption::A256CbcHs512 => cbc(&AES_256, hmac::HMAC_SHA512, cek, parts),
    }
}

/// AES GCM (RFC 7518 §5.3).
fn gcm(
    algorithm: &'static aead::Algorithm,
    cek: &[u8],
    parts: &Parts<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, cek).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(&parts.iv).ok()?;
    let mut buffer = Zeroizing::new([parts.ciphertext.as_slice(), &parts.tag].concat());
    let aad = Aad::from(parts.associated_data);
    let length = key.open_in_place(nonce, aad, &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

/// AES CBC with HMAC: the tag is compared before anything is decrypted, so that the padding is
/// only ever looked at where the sender wrote it (RFC 7518 §5.2.2.2).
fn cbc(
    algorithm: &'static cipher::Algorithm,
    mac: hmac::Algorithm,
    cek: &[u8],
    parts: &Parts<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (mac_key, enc_key) = cek.split_at_checked(cek.len() / 2)?;
    let mut tag = hmac::Context::with_key(&hmac::Key::new(mac, mac_key));
    let bits = u64::try_from(parts.associated_data.len()).ok()?.checked_mul(8)?;
    for piece in [parts.associated_data, &parts.iv, &parts.ciphertext, &bits.to_be_bytes()] {
        tag.update(piece);
    }
    let tag = tag.sign();
    let tag = tag.as_ref().get(..mac_key.len())?;
    if !bool::from(tag.ct_eq(&parts.tag)) {
        return None;
    }
    let key = UnboundCipherKey::new(algorithm, enc_key).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let iv = FixedLength::try_from(parts.iv.as_slice()).ok()?;
    let mut buffer = Zeroizing::new(parts.ciphertext.clone());
    let length = key.decrypt(&mut buffer, DecryptionContext::Iv128(iv)).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}
