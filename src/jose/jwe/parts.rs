//! The five parts of the compact serialization (RFC 7516 §3.1, §5.2).

use super::super::json;
use super::{Header, JweError, KeyManagement, Policy};

/// The parts beside the header, decoded; lengths are those of the algorithms.
pub(super) struct Parts<'a> {
    /// The protected header as it stands: what is authenticated besides the content.
    pub(super) associated_data: &'a [u8],
    pub(super) encrypted_key: Vec<u8>,
    pub(super) iv: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl<'a> Parts<'a> {
    /// Reads a token and what its header says.
    pub(super) fn read(token: &'a str, policy: &Policy) -> Result<(Header, Self), JweError> {
        let mut texts = token.split('.');
        let mut next = || texts.next().ok_or(JweError::Malformed);
        let [protected, encrypted_key, iv, ciphertext, tag] =
            [next()?, next()?, next()?, next()?, next()?];
        if texts.next().is_some() {
            return Err(JweError::Malformed);
        }
        let header = Header::read(&decoded(protected)?, policy)?;
        let parts = Self {
            associated_data: protected.as_bytes(),
            encrypted_key: decoded(encrypted_key)?,
            iv: decoded(iv)?,
            ciphertext: decoded(ciphertext)?,
            tag: decoded(tag)?,
        };
        // With `ECDH-ES` there is no key to bring along (RFC 7516 §5.2 step 10).
        let key_is_legal = header.alg != KeyManagement::EcdhEs || parts.encrypted_key.is_empty();
        let iv_is_legal = parts.iv.len() == header.enc.iv_length();
        let tag_is_legal = parts.tag.len() == header.enc.tag_length();
        if key_is_legal && iv_is_legal && tag_is_legal {
            Ok((header, parts))
        } else {
            Err(JweError::Malformed)
        }
    }
}

/// base64url as RFC 7515 §2 has it: no padding, no blanks, no stray bits.
fn decoded(text: &str) -> Result<Vec<u8>, JweError> {
    json::base64url(text).map_err(|_| JweError::Malformed)
}
