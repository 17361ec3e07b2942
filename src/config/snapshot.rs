//! Where the memory store is kept over a restart, and the key that it is sealed with.

use std::fmt;
use std::path::PathBuf;

use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// `[store] snapshot` with its key.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    /// The file; beside it lie, at times, one that is being written and one that was refused.
    pub path: PathBuf,
    /// Seals and opens it.
    pub key: SnapshotKey,
}

/// 256 random bits, wiped when dropped. `Debug` shows nothing.
#[derive(Clone)]
pub struct SnapshotKey(Zeroizing<[u8; 32]>);

/// base64 in either alphabet, with padding or without.
const READERS: [GeneralPurpose; 2] = [reader(&alphabet::STANDARD), reader(&alphabet::URL_SAFE)];

const fn reader(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

impl SnapshotKey {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// Reads 32 bytes as they are, or in base64 with white space around it; `None` for anything
    /// else.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        if text.len() == bytes.len() {
            bytes.copy_from_slice(text);
            return Some(Self(bytes));
        }
        let text = text.trim_ascii();
        let decoded =
            READERS.iter().find_map(|reader| reader.decode(text).ok().map(Zeroizing::new))?;
        (decoded.len() == bytes.len()).then(|| bytes.copy_from_slice(&decoded))?;
        Some(Self(bytes))
    }

    /// The key in base64url, as [`parse`](Self::parse) reads it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(&self.0))
    }

    /// The key itself; whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SnapshotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_each_spelling() {
        let key = SnapshotKey::generate().unwrap();
        let read = |text: &[u8]| SnapshotKey::parse(text).map(|key| *key.expose());
        let text = key.to_text();
        assert_eq!(read(text.as_bytes()), Some(*key.expose()));
        assert_eq!(read(format!(" {}=\n", *text).as_bytes()), Some(*key.expose()));
        let standard = text.replace('-', "+").replace('_', "/");
        assert_eq!(read(standard.as_bytes()), Some(*key.expose()));
        assert_eq!(read(key.expose()), Some(*key.expose()));
        for text in ["", "hunter2", &text[1..], &format!("{}AAAA", *text)] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(format!("{key:?}"), "SnapshotKey(…)");
    }
}
