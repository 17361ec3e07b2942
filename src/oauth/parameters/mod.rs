//! Ordered form or query parameters, read strictly and written in one canonical spelling.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr_iter};

use super::names;

pub use encoding::{Encoder, decode, encode};

mod encoding;

/// Most parameters one request may have.
pub const MOST: usize = 128;

/// Name and value pairs in the order they came, decoded; what needs no decoding is borrowed from
/// the input. `Debug` shows names alone.
#[derive(Clone, Default)]
pub struct Parameters<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Some name is not plain: some server could take it for another.
    ambiguous: bool,
    /// Some name is not registered, and some server takes it for one that is.
    imitating: bool,
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
    /// [`ParameterError`]: [`NotUtf8`](ParameterError::NotUtf8) where the text itself is not, else
    /// the first fault met.
    pub fn parse(text: &'a [u8]) -> Result<Self, ParameterError> {
        let mut rest = std::str::from_utf8(text).map_err(|_| ParameterError::NotUtf8)?;
        let mut pairs = Vec::with_capacity(16);
        while !rest.is_empty() {
            let (piece, after) = halves(rest, b'&');
            rest = after;
            if piece.is_empty() {
                continue;
            }
            if pairs.len() == MOST {
                return Err(ParameterError::TooMany);
            }
            let (name, value) = halves(piece, b'=');
            let (name, value) = (encoding::decoded(name)?, encoding::decoded(value)?);
            if !names::is_legal(&name) {
                return Err(ParameterError::IllegalName);
            }
            pairs.push((name, value));
        }
        Ok(Self::from_pairs(pairs))
    }

    /// Pairs that were decoded elsewhere.
    #[must_use]
    pub fn from_pairs(pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let ambiguous = !pairs.iter().all(|(name, _)| names::is_plain(name));
        let imitating = pairs.iter().any(|(name, _)| names::imitates_registered(name));
        Self { pairs, ambiguous, imitating }
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
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
        let alike = |key: &str| key == name || self.imitating && names::reads_as(key, name);
        self.iter().filter(|(key, _)| alike(key)).count()
    }

    /// The first name that stands twice, or beside one that a server could take for it. Several
    /// `resource` are one parameter with several values (RFC 8707 §2).
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let collide = |a: &str, b: &str| a == b || self.ambiguous && names::collide(a, b);
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

    /// Whether a name is not registered but could be taken for one that is.
    #[must_use]
    pub fn imitate_registered(&self) -> bool {
        self.imitating
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
    if query.is_empty() { 0 } else { 1 + memchr_iter(b'&', query.as_bytes()).count() }
}

/// The value of `name` in a query that we encoded ourselves.
#[must_use]
pub fn value_in<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut rest = query;
    while !rest.is_empty() {
        let (piece, after) = halves(rest, b'&');
        rest = after;
        if let Some(value) = piece.strip_prefix(name).and_then(|value| value.strip_prefix('=')) {
            return decode(value.as_bytes()).ok();
        }
    }
    None
}

/// What stands before the first `byte` and after it; all and nothing where there is none.
fn halves(text: &str, byte: u8) -> (&str, &str) {
    let Some(at) = memchr(byte, text.as_bytes()) else { return (text, "") };
    (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default())
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
            prop_assert!(text.bytes().all(|byte| encoding::unreserved(byte) || matches!(byte, b'%' | b'&' | b'=')));
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
