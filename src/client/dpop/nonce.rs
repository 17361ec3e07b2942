//! Nonces for `DPoP` proofs (RFC 9449 §8) that nobody has to remember: each is an HMAC over the
//! slice of time in which it is handed out. One is good in its own slice and in the next.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;

use crate::clock::Timestamp;
use crate::oauth::request_uri::RandomnessError;

/// How long one nonce is handed out.
const SLICE: Duration = Duration::from_secs(300);

/// The nonces of one process. Its key is drawn when it is first needed, and ends with it.
#[derive(Debug, Default)]
pub struct Nonces(OnceLock<Key>);

/// What makes nonces.
#[derive(Debug)]
pub(super) struct Key(hmac::Key);

/// How old a nonce of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// The one that is handed out.
    Current,
    /// The one before.
    Previous,
}

impl Nonces {
    pub(super) fn key(&self) -> Result<&Key, RandomnessError> {
        if let Some(key) = self.0.get() {
            return Ok(key);
        }
        let drawn = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let drawn = Key(drawn.map_err(|_| RandomnessError)?);
        Ok(self.0.get_or_init(|| drawn))
    }
}

impl Key {
    /// The nonce to hand out.
    pub(super) fn current(&self, now: Timestamp) -> HeaderValue {
        let tag = hmac::sign(&self.0, &slice(now).to_be_bytes());
        let nonce = URL_SAFE_NO_PAD.encode(tag.as_ref());
        // base64url is made of characters that a header may have.
        HeaderValue::try_from(nonce).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// How old `nonce` is; `None` where it is not ours, or too old.
    pub(super) fn age_of(&self, nonce: &str, now: Timestamp) -> Option<Age> {
        let tag = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let slice = slice(now);
        let ages = [(slice, Age::Current), (slice.wrapping_sub(1), Age::Previous)];
        let is_of = |slice: u64| hmac::verify(&self.0, &slice.to_be_bytes(), &tag).is_ok();
        ages.into_iter().find(|(slice, _)| is_of(*slice)).map(|(_, age)| age)
    }
}

fn slice(now: Timestamp) -> u64 {
    now.as_millis() / 1_000 / SLICE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_in_its_slice_and_the_next() {
        let (nonces, others) = (Nonces::default(), Nonces::default());
        let (key, other) = (nonces.key().unwrap(), others.key().unwrap());
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let nonce = key.current(at(600));
        let nonce = nonce.to_str().unwrap();
        assert_eq!(key.age_of(nonce, at(899)), Some(Age::Current));
        assert_eq!(key.age_of(nonce, at(900)), Some(Age::Previous));
        assert_eq!(key.age_of(nonce, at(1_199)), Some(Age::Previous));
        assert_eq!(key.age_of(nonce, at(1_200)), None);
        assert_eq!(key.age_of(nonce, at(599)), None, "not from the future");
        assert_eq!(other.age_of(nonce, at(600)), None, "of another process");
        for odd in ["", "x", &nonce[1..], "\u{e4}"] {
            assert_eq!(key.age_of(odd, at(600)), None);
        }
        assert!(nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\'));
    }
}
