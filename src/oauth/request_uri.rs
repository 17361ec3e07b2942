//! The `request_uri` a push is answered with: a URN prefix and a 256-bit reference (RFC 9126 §2.2).

use std::fmt::{self, Write as _};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What every `request_uri` of ours begins with.
pub const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// Length of a reference in base64url.
const REFERENCE_LEN: usize = 43;

/// The random part: 32 bytes nobody can guess. It opens the stored request, so `Debug` shows a
/// fingerprint only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference([u8; 32]);

/// What a `request_uri` in an authorization call is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestUri {
    /// One that we could have issued.
    Ours(Reference),
    /// Under our prefix (in any letter case), but not one that we could have issued.
    Malformed,
    /// Something else, such as an https URL (RFC 9101 §5.2).
    Foreign,
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the random number generator failed")]
pub struct RandomnessError;

impl Reference {
    /// A reference from 32 bytes, freshly drawn or kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The `request_uri`, 77 characters.
    #[must_use]
    pub fn to_request_uri(self) -> String {
        let mut text = String::with_capacity(PREFIX.len() + REFERENCE_LEN);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.0, &mut text);
        text
    }

    /// Eight hexadecimal digits by which logs can be joined and nothing can be redeemed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = digest(&SHA256, &self.0);
        hash.as_ref().iter().take(4).fold(String::with_capacity(8), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl RequestUri {
    /// Reads the value of a `request_uri` parameter.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Some(head) = text.get(..PREFIX.len()) else {
            return Self::Foreign;
        };
        if !head.eq_ignore_ascii_case(PREFIX) {
            return Self::Foreign;
        }
        let tail = text.strip_prefix(PREFIX).filter(|tail| tail.len() == REFERENCE_LEN);
        let mut bytes = [0; 32];
        match tail.map(|tail| URL_SAFE_NO_PAD.decode_slice(tail, &mut bytes)) {
            Some(Ok(32)) => Self::Ours(Reference(bytes)),
            _ => Self::Malformed,
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({}…)", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;

    #[test]
    fn what_is_minted_is_read_back() {
        let reference = Reference::from_bytes(
            aws_lc_rs::rand::generate(&SystemRandom::new()).unwrap().expose(),
        );
        let text = reference.to_request_uri();
        assert_eq!(text.len(), 77);
        assert_eq!(RequestUri::parse(&text), RequestUri::Ours(reference));
    }

    #[test]
    fn strangers_and_mutilated_ones_are_told_apart() {
        let good = Reference::from_bytes([7; 32]).to_request_uri();
        let upper = good.to_uppercase();
        let longer = format!("{good}A");
        for text in
            [PREFIX, &upper, &longer, &good[..70], &format!("{PREFIX}{}", "x".repeat(10_000))]
        {
            assert_eq!(RequestUri::parse(text), RequestUri::Malformed, "{text}");
        }
        for text in ["", "https://client.example/r", "urn:ietf:params:oauth:other"] {
            assert_eq!(RequestUri::parse(text), RequestUri::Foreign, "{text}");
        }
    }

    #[test]
    fn the_last_character_has_one_spelling() {
        let good = Reference::from_bytes([0; 32]).to_request_uri();
        let respelled = format!("{}B", &good[..76]);
        assert_eq!(RequestUri::parse(&respelled), RequestUri::Malformed);
    }

    #[test]
    fn debug_shows_no_reference() {
        let reference = Reference::from_bytes([7; 32]);
        let shown = format!("{reference:?}");
        assert!(!shown.contains(&URL_SAFE_NO_PAD.encode([7; 32])), "{shown}");
        assert_eq!(reference.fingerprint().len(), 8);
    }
}
