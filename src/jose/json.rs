//! JSON read strictly, so that no two readers can see two things in one text: UTF-8, every member
//! named once at every depth, bounded depth, nothing after the end (RFC 8725 §2.4, RFC 7515 §4).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Arrays and objects inside each other, the outermost counted.
pub const DEEPEST: usize = 16;

/// A text that is not strict JSON, or not an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not base64url in its one spelling: padding, other letters, or bits left over.
    #[error("it is not base64url without padding")]
    Encoding,
    /// Not JSON in UTF-8, a member named twice, too deep, or something after the end.
    #[error("it is not JSON in which each member is named once")]
    Syntax,
    /// JSON of another kind.
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// Reads one JSON object.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match value(text)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonError::NotAnObject)
        }
    }
}

/// Reads one JSON value.
pub fn value(text: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(text).map_err(|_| JsonError::Syntax)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|_| JsonError::Syntax)?;
    reader.end().map_err(|_| JsonError::Syntax)?;
    Ok(value)
}

/// Decodes one part of a token: base64url without padding, in its one spelling.
pub fn base64url(text: &str) -> Result<Vec<u8>, JsonError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JsonError::Encoding)
}

/// Reads a value that stands inside `depth` others.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > DEEPEST { Err(E::custom("too deep")) } else { Ok(Self { depth }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a member is named twice"));
            }
            members.insert(name, entries.next_value_seed(inner)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_named_twice_are_refused_at_every_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(object(text.as_bytes()), Err(JsonError::Syntax), "{text}");
        }
        assert!(object(br#"{"a":{"b":1},"c":{"b":1},"A":1}"#).is_ok());
    }

    #[test]
    fn the_depth_is_bounded() {
        let nested =
            |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(object(nested(DEEPEST).as_bytes()).is_ok());
        assert_eq!(object(nested(DEEPEST + 1).as_bytes()), Err(JsonError::Syntax));
        assert_eq!(object(nested(100_000).as_bytes()), Err(JsonError::Syntax));
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for text in ["[]", "null", "\"a\"", "1", "true"] {
            assert_eq!(object(text.as_bytes()), Err(JsonError::NotAnObject), "{text}");
        }
        for text in ["", "{", "{}{}", "{} x", "{\"a\":1e999}", "{\"a\":NaN}", "{'a':1}", "{a:1}"] {
            assert_eq!(object(text.as_bytes()), Err(JsonError::Syntax), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(JsonError::Syntax));
        assert_eq!(object(br#"{"a":"\ud800"}"#), Err(JsonError::Syntax));
        assert_eq!(object(b"\xef\xbb\xbf{}"), Err(JsonError::Syntax));
    }

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(base64url("AA").unwrap(), [0]);
        for text in ["AB", "AA==", "A", "A A", "+w", "AA\n"] {
            assert_eq!(base64url(text), Err(JsonError::Encoding), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_strictly_is_what_serde_reads(text in r#"[\[\]{}:,"a1e. \\-]{0,24}"#) {
            if let Ok(strict) = value(text.as_bytes()) {
                prop_assert_eq!(strict, serde_json::from_str::<Value>(&text).unwrap());
            }
        }

        #[test]
        fn no_bytes_make_it_fall(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = object(&bytes);
        }
    }
}
