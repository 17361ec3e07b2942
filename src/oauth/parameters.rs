//! Ordered form or query parameters, read strictly and written in one canonical spelling.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use super::names;

/// Most parameters one request may have.
pub const MOST: usize = 128;

/// Name and value pairs in the order they came, decoded; what needs no decoding is borrowed from
/// the input. `Debug` shows names alone.
#[derive(Clone, Default)]
pub struct Parameters<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Why a form or query was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// `%` without two hexadecimal digits.
    #[error("a percent-encoding is broken")]
    BrokenEncoding,
    /// The bytes are not UTF-8.
    #[error("a parameter is not UTF-8")]
    NotUtf8,
    /// A name is empty, or has characters outside visible ASCII.
    #[error("a parameter name is not legal")]
    IllegalName,
    /// More than [`MOST`].
    #[error("there are more than 128 parameters")]
    TooMany,
}

impl<'a> Parameters<'a> {
    /// Reads `application/x-www-form-urlencoded` text: every pair is kept, in order, whether
    /// repeated or empty. Only `&` separates.
    ///
    /// # Errors
    /// [`ParameterError`], for the first fault met.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParameterError> {
        let mut pairs = Vec::with_capacity(16);
        for piece in text.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
            if pairs.len() == MOST {
                return Err(ParameterError::TooMany);
            }
            let mut halves = piece.splitn(2, |&byte| byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if !names::is_legal(&name) {
                return Err(ParameterError::IllegalName);
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// Pairs that were decoded elsewhere.
    #[must_use]
    pub const fn from_pairs(pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        Self { pairs }
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The first value under exactly this name that is not empty: a parameter without a value
    /// counts as omitted (RFC 6749 §3.1).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// How often `name`, or a name that a server could take for it, stands here; empty values count.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.iter().filter(|(key, _)| names::reads_as(key, name)).count()
    }

    /// The first name that stands twice, or beside one that a server could take for it. Several
    /// `resource` are one parameter with several values (RFC 8707 §2).
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let all_plain = self.pairs.iter().all(|(name, _)| names::is_plain(name));
        let collide = |a: &str, b: &str| if all_plain { a == b } else { names::collide(a, b) };
        let mut rest = self.pairs.as_slice();
        while let Some(((name, _), others)) = rest.split_first() {
            rest = others;
            let repeats = |other: &str| {
                collide(name, other) && !(name == names::REPEATABLE && other == names::REPEATABLE)
            };
            if others.iter().any(|(other, _)| repeats(other)) {
                return Some(name);
            }
        }
        None
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl fmt::Debug for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

/// How many pairs a query of ours has.
#[must_use]
pub fn count_in(query: &str) -> usize {
    if query.is_empty() { 0 } else { 1 + query.bytes().filter(|&byte| byte == b'&').count() }
}

/// Writes `pairs` as a query or form body. Everything but RFC 3986's unreserved characters is
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
        let plain = rest.bytes().position(|byte| !unreserved(byte)).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(plain);
        out.push_str(head);
        let Some(next) = tail.chars().next() else {
            return;
        };
        let (odd, after) = tail.split_at(next.len_utf8());
        for byte in odd.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        rest = after;
    }
}

/// Decodes one form-encoded name or value: `+` is a blank, `%xx` a byte, the bytes are UTF-8.
///
/// # Errors
/// [`ParameterError::BrokenEncoding`] and [`ParameterError::NotUtf8`].
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, ParameterError> {
    if !text.iter().any(|&byte| byte == b'%' || byte == b'+') {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| ParameterError::NotUtf8);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = hex(bytes.next()).ok_or(ParameterError::BrokenEncoding)?;
                let low = hex(bytes.next()).ok_or(ParameterError::BrokenEncoding)?;
                high << 4 | low
            }
            plain => plain,
        });
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| ParameterError::NotUtf8)
}

/// The value of `name` in a query that we encoded ourselves.
#[must_use]
pub fn value_in<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    decode(value.as_bytes()).ok()
}

fn hex(digit: Option<&u8>) -> Option<u8> {
    let digit = char::from(*digit?).to_digit(16)?;
    u8::try_from(digit).ok()
}

const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_keep_their_order_and_repeats() {
        let parameters = Parameters::parse(b"b=2&a=1&resource=x&resource=y&&c").unwrap();
        let pairs: Vec<_> = parameters.iter().collect();
        assert_eq!(
            pairs,
            [("b", "2"), ("a", "1"), ("resource", "x"), ("resource", "y"), ("c", "")]
        );
        assert_eq!(parameters.value("c"), None);
        assert_eq!(parameters.repeated(), None);
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            (&b"a=%4"[..], ParameterError::BrokenEncoding),
            (b"a=%zz", ParameterError::BrokenEncoding),
            (b"a=%ff", ParameterError::NotUtf8),
            (b"a=\xff", ParameterError::NotUtf8),
            (b"=x", ParameterError::IllegalName),
            (b"a%0a=x", ParameterError::IllegalName),
            (b"%c3%a9=x", ParameterError::IllegalName),
        ] {
            assert_eq!(Parameters::parse(text).unwrap_err(), fault, "{text:?}");
        }
        let many = "a=1&".repeat(MOST + 1);
        assert_eq!(Parameters::parse(many.as_bytes()).unwrap_err(), ParameterError::TooMany);
    }

    #[test]
    fn repeats_are_found_through_every_spelling() {
        for text in [
            "a=1&a=1",
            "scope=a&Scope=b",
            "redirect_uri=a&redirect.uri=b",
            "scope=a&scope[0]=b",
            "resource=a&resource[]=b",
        ] {
            assert!(Parameters::parse(text.as_bytes()).unwrap().repeated().is_some(), "{text}");
        }
    }

    #[test]
    fn debug_hides_values() {
        let shown = format!("{:?}", Parameters::parse(b"client_secret=hunter2").unwrap());
        assert!(shown.contains("client_secret") && !shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(pairs in proptest::collection::vec(("[ -~]{1,12}", ".{0,24}"), 0..20)) {
            let mut encoder = Encoder::default();
            for (name, value) in &pairs {
                encoder.push(name, value);
            }
            let text = encoder.finish();
            prop_assert!(text.bytes().all(|byte| unreserved(byte) || matches!(byte, b'%' | b'&' | b'=')));
            let read = Parameters::parse(text.as_bytes()).unwrap();
            let read: Vec<_> = read.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn no_input_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parameters::parse(&text);
        }
    }

    #[test]
    fn values_are_found_and_decoded() {
        let query = "client_id=a&redirect_uri=https%3A%2F%2Fc%2Fcb&state=s";
        assert_eq!(value_in(query, "redirect_uri").unwrap(), "https://c/cb");
        assert_eq!(value_in(query, "uri"), None);
    }
}
