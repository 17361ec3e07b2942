//! Form and percent-encoding: read strictly, written in one spelling. Values of some KiB are usual and
//! nearly all of their bytes stand for themselves, so both ways take them in runs.

use std::borrow::Cow;

use memchr::memchr2;

use super::ParameterError;

/// Writes pairs as a query or form body. Everything but RFC 3986's unreserved characters is
/// percent-encoded, so that no server reads another pair out of it: neither `;` nor `+` appears.
#[derive(Default, Clone)]
pub struct Encoder(String);

impl Encoder {
    /// An encoder with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// Appends one pair.
    pub fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        encode(&mut self.0, name);
        self.0.push('=');
        encode(&mut self.0, value);
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// Appends `text` percent-encoded but for unreserved characters (RFC 3986 §2.3).
pub fn encode(out: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, tail) = rest.split_at(plain_bytes(rest.as_bytes()));
        out.push_str(plain);
        let Some(next) = tail.chars().next() else {
            return;
        };
        let (odd, after) = tail.split_at(next.len_utf8());
        for byte in odd.bytes() {
            out.push('%');
            out.push(upper_hex(byte >> 4));
            out.push(upper_hex(byte & 0xf));
        }
        rest = after;
    }
}

/// Decodes one form-encoded name or value: `+` is a blank, `%xx` a byte, the bytes are UTF-8.
///
/// # Errors
/// [`ParameterError::BrokenEncoding`] and [`ParameterError::NotUtf8`].
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, ParameterError> {
    decoded(std::str::from_utf8(text).map_err(|_| ParameterError::NotUtf8)?)
}

/// The same of a text.
pub(super) fn decoded(text: &str) -> Result<Cow<'_, str>, ParameterError> {
    let mut rest = text.as_bytes();
    if memchr2(b'%', b'+', rest).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [b'+', after @ ..] => {
                out.push(b' ');
                after
            }
            [b'%', encoded @ ..] => {
                let (byte, after) = octet(encoded).ok_or(ParameterError::BrokenEncoding)?;
                out.push(byte);
                after
            }
            [] => break,
            plain => {
                let end = memchr2(b'%', b'+', plain).unwrap_or(plain.len());
                let (plain, after) = plain.split_at(end);
                out.extend_from_slice(plain);
                after
            }
        };
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| ParameterError::NotUtf8)
}

/// The byte that two digits stand for, and what follows them.
fn octet(digits: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = digits else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, after))
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The digit of a number below sixteen.
fn upper_hex(digit: u8) -> char {
    char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 })
}

/// Bytes that are looked at together.
const RUN: usize = 16;

/// How many bytes in front stand for themselves.
fn plain_bytes(text: &[u8]) -> usize {
    let (runs, _) = text.as_chunks::<RUN>();
    let is_plain = |run: &&[u8; RUN]| !run.iter().fold(false, |odd, &byte| odd | is_odd(byte));
    let whole = RUN * runs.iter().take_while(is_plain).count();
    let rest = text.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|&&byte| !is_odd(byte)).count()
}

/// Whether a byte is encoded: all but the unreserved ones are. Looked up, as this is asked of each
/// byte of each value.
fn is_odd(byte: u8) -> bool {
    ODD.get(usize::from(byte)).copied().unwrap_or(true)
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "made while compiling, over the bytes there are"
)]
static ODD: [bool; 256] = {
    let mut odd = [true; 256];
    let mut byte = 0;
    while byte < odd.len() {
        odd[byte] = !unreserved(byte as u8);
        byte += 1;
    }
    odd
};

pub(super) const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_unreserved_stand_for_themselves() {
        for byte in 0..=u8::MAX {
            let known = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            assert_eq!(is_odd(byte), !known, "{byte}");
        }
    }

    #[test]
    fn digits_are_of_either_case() {
        for byte in 0..=u8::MAX {
            for text in [format!("%{byte:02X}"), format!("%{byte:02x}")] {
                let read = decode(text.as_bytes());
                if byte.is_ascii() {
                    assert_eq!(read.unwrap().as_bytes(), [byte], "{text}");
                } else {
                    assert_eq!(read, Err(ParameterError::NotUtf8), "{text}");
                }
            }
        }
        for text in ["%", "%4", "%4g", "%g4", "a%", "%%41", "% 41", "%+41"] {
            assert_eq!(decode(text.as_bytes()), Err(ParameterError::BrokenEncoding), "{text}");
        }
    }

    #[test]
    fn runs_end_where_a_byte_is_odd() {
        for length in 0..40 {
            for odd in 0..length {
                let mut text = "x".repeat(length);
                text.replace_range(odd..=odd, "/");
                let mut out = String::new();
                encode(&mut out, &text);
                assert_eq!(out, text.replace('/', "%2F"));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in ".{0,80}") {
            let mut out = String::new();
            encode(&mut out, &text);
            prop_assert_eq!(decode(out.as_bytes()).unwrap(), text);
        }

        #[test]
        fn what_is_decoded_is_what_the_standard_reader_reads(text in "[a%+0-9A-F é]{0,24}") {
            if let Ok(read) = decode(text.as_bytes()) {
                let pair = format!("n={text}");
                let (_, known) = url::form_urlencoded::parse(pair.as_bytes()).next().unwrap();
                prop_assert_eq!(read, known);
            }
        }
    }
}
