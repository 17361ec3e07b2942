//! Secrets that cannot be printed, and digests that secrets are compared by.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret value, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value over.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// A new secret: 256 random bits in base64url.
    pub fn generate() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut())?;
        Ok(Self::new(URL_SAFE_NO_PAD.encode(&bytes)))
    }

    /// The value itself; whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for Secret {
    /// Writes a mask, never the value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// SHA-256 of a client secret. Fit for secrets with the entropy of a key, which is what
/// `parapet secret generate` makes.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest of `secret`.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// A digest that was computed before.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits or 43 characters of base64url; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            for (index, byte) in bytes.iter_mut().enumerate() {
                let pair = text.get(2 * index..2 * index + 2)?;
                *byte = u8::from_str_radix(pair, 16).ok()?;
            }
        } else {
            let decoded = URL_SAFE_NO_PAD.decode(text).ok()?;
            bytes = decoded.try_into().ok()?;
        }
        Some(Self(bytes))
    }

    /// The digest as 64 hexadecimal digits, the form [`SecretDigest::parse`] reads.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
            hex.extend([digit(byte >> 4), digit(byte & 0xf)]);
        }
        hex
    }

    /// Whether `presented` is the secret, in a time that tells nothing of either.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        bool::from(self.0.ct_eq(&Self::of(presented).0))
    }
}

/// A secret and, while it is rolled over, the one before it. Where there is none before, the same
/// stands twice: whoever compares does the same work, and the time tells nobody which one matched or
/// whether there are two.
#[derive(Debug, Clone)]
pub struct RollOver<S> {
    current: S,
    previous: S,
}

impl<S: Clone> RollOver<S> {
    /// `current`, and `previous` where it is still taken.
    #[must_use]
    pub fn new(current: S, previous: Option<S>) -> Self {
        let previous = previous.unwrap_or_else(|| current.clone());
        Self { current, previous }
    }

    /// Both, the current one first.
    #[must_use]
    pub const fn both(&self) -> [&S; 2] {
        [&self.current, &self.previous]
    }
}

impl RollOver<SecretDigest> {
    /// Whether `presented` is one of the two, in a time that tells nothing of either.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        let presented = SecretDigest::of(presented).0;
        let [current, previous] = self.both().map(|digest| digest.0.ct_eq(&presented));
        bool::from(current | previous)
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
        assert_eq!(format!("{:?}", SecretDigest::of("hunter2")), "SecretDigest(…)");
    }

    #[test]
    fn serializing_a_secret_masks_it() {
        let written = serde_json::to_string(&Secret::new("hunter2".into())).unwrap();
        assert_eq!(written, r#""(hidden)""#);
    }

    #[test]
    fn digests_are_read_in_both_spellings() {
        // `printf hunter2 | sha256sum`
        let hex = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
        let digest = SecretDigest::parse(hex).unwrap();
        assert!(digest.matches("hunter2"));
        assert_eq!(digest.to_hex(), hex);
        assert!(SecretDigest::parse(&hex.to_uppercase()).is_some());
        assert!(
            SecretDigest::parse("9S-9MrKzuG_4jvbEkGKChfSCrxXdyylUH5S89Saj9sc")
                .unwrap()
                .matches("hunter2")
        );
        for text in
            ["", "f52f", "hunter2", &hex[1..], "9S+9MrKzuG/4jvbEkGKChfSCrxXdyylUH5S89Saj9sc"]
        {
            assert!(SecretDigest::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn while_a_secret_is_rolled_over_both_are_right() {
        let of = SecretDigest::of;
        let both = RollOver::new(of("new"), Some(of("old")));
        assert!(both.matches("new") && both.matches("old"));
        assert!(!both.matches("") && !both.matches("other"));
        let one = RollOver::new(of("new"), None);
        assert!(one.matches("new") && !one.matches("old") && !one.matches(""));
        assert!(!format!("{both:?}{one:?}").contains("new"));
    }

    #[test]
    fn digest_tells_right_from_wrong() {
        let digest = SecretDigest::of("hunter2");
        assert!(digest.matches("hunter2"));
        assert!(!digest.matches("hunter3"));
        assert!(!digest.matches(""));
    }
}
