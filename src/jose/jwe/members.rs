//! JSON objects in which no member stands twice, at any depth: two readers of one header must not
//! see two headers (RFC 7516 §4).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<String, Member>);

/// What a member may be, as far as a header cares.
#[derive(Debug)]
enum Member {
    Text(String),
    Object(Members),
    Other,
}

impl Members {
    /// Reads JSON text; `None` unless it is one object without repetitions.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        match serde_json::from_slice(json).ok()? {
            Member::Object(members) => Some(members),
            Member::Text(_) | Member::Other => None,
        }
    }

    /// Whether a member of that name is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The string under `name`; nothing where it is absent, an error where it is something else.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, NotOfItsType> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Member::Text(text)) => Ok(Some(text)),
            Some(Member::Object(_) | Member::Other) => Err(NotOfItsType),
        }
    }

    /// The object under `name`; nothing where it is absent, an error where it is something else.
    pub(super) fn object(&self, name: &str) -> Result<Option<&Self>, NotOfItsType> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Member::Object(members)) => Ok(Some(members)),
            Some(Member::Text(_) | Member::Other) => Err(NotOfItsType),
        }
    }
}

/// A member is there with another type than its definition says.
#[derive(Debug)]
pub(super) struct NotOfItsType;

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyMember)
    }
}

struct AnyMember;

impl<'de> Visitor<'de> for AnyMember {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key()? {
            match members.entry(name) {
                Entry::Vacant(place) => place.insert(map.next_value()?),
                Entry::Occupied(_) => return Err(A::Error::custom("a member is repeated")),
            };
        }
        Ok(Member::Object(Members(members)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member, A::Error> {
        while items.next_element::<Member>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_members_are_refused_at_any_depth() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"epk":{"x":"1","x":"1"}}"#,
            r#"{"list":[{"x":1,"x":2}]}"#,
        ] {
            assert!(Members::read(json.as_bytes()).is_none(), "{json}");
        }
        assert!(Members::read(br#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}"#).is_some());
    }

    #[test]
    fn only_one_object_is_read() {
        for json in ["", "[]", "\"a\"", "null", "{}{}", "{\"a\":}", "\u{feff}{}"] {
            assert!(Members::read(json.as_bytes()).is_none(), "{json}");
        }
        assert!(Members::read(b"{\"a\":\"\xff\"}").is_none());
        assert!(Members::read("[".repeat(10_000).as_bytes()).is_none());
    }

    #[test]
    fn members_have_their_types() {
        let members = Members::read(br#"{"t":"x","o":{},"n":1,"z":null,"f":1.5,"i":-1,"b":true}"#);
        let members = members.unwrap();
        assert_eq!(members.text("t").unwrap(), Some("x"));
        assert!(members.text("absent").unwrap().is_none());
        assert!(members.object("absent").unwrap().is_none());
        assert!(members.object("o").unwrap().is_some());
        for name in ["o", "n", "z", "f", "i", "b"] {
            assert!(members.has(name) && members.text(name).is_err(), "{name}");
        }
        assert!(members.object("t").is_err());
    }
}
