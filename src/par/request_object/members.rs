//! The members of a request object as the parameters of a form: text as it stands, objects and arrays
//! as the JSON that the client wrote, without blanks (RFC 9101 §4, `OpenID` Connect Core §6.1).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::ObjectError;
use super::compact::compact;
use crate::oauth::names;
use crate::oauth::parameters::{MOST, Parameters};

/// Claims of the JWT itself, which do not travel.
const ENVELOPE: [&str; 8] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub", "typ"];

/// The parameters in `payload`, which is known to be strict JSON, by name. `null` counts as absent.
pub(super) fn parameters(payload: &[u8]) -> Result<Parameters<'static>, ObjectError> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(payload).map_err(|_| ObjectError::Unreadable)?;
    let nested = |name: &String| ["request", "request_uri"].map(|own| names::reads_as(name, own));
    if members.keys().any(|name| nested(name).contains(&true)) {
        return Err(ObjectError::Nested);
    }
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        if ENVELOPE.contains(&name.as_str()) {
            continue;
        }
        if !names::is_legal(&name) {
            return Err(ObjectError::Names);
        }
        for value in texts(&name, value.get())? {
            pairs.push((Cow::Owned(name.clone()), Cow::Owned(value)));
        }
    }
    if pairs.len() > MOST {
        return Err(ObjectError::Names);
    }
    Ok(Parameters::from_pairs(pairs))
}

/// What a member says, in as many values as the parameter may have.
fn texts(name: &str, json: &str) -> Result<Vec<String>, ObjectError> {
    let kind = Kind::of(json);
    match (name, kind) {
        (_, Kind::Null) => Ok(Vec::new()),
        (_, Kind::Text) => Ok(vec![read(json)?]),
        (names::REPEATABLE, Kind::Array) => read(json),
        ("claims" | "registration", Kind::Object)
        | ("authorization_details", Kind::Array)
        | ("max_age", Kind::Number) => Ok(vec![compact(json)]),
        _ if names::is_authorization(name) => Err(ObjectError::Type),
        // Nobody knows what type an extension has.
        (_, Kind::Object | Kind::Array | Kind::Number | Kind::Boolean) => Ok(vec![compact(json)]),
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, ObjectError> {
    serde_json::from_str(json).map_err(|_| ObjectError::Type)
}

/// The type of a JSON value.
#[derive(Clone, Copy)]
enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    /// By the first letter, which tells it in sound JSON.
    const fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => Self::Text,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<(String, String)>, ObjectError> {
        let parameters = parameters(json.as_bytes())?;
        Ok(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn b107_b207_objects_and_arrays_are_carried_as_the_client_wrote_them() {
        for (json, text) in [
            (
                r#"{"claims": { "z": [1, {"b": "a  \" b"}],
                    "a": 12345678901234567890123.50 } }"#,
                r#"{"z":[1,{"b":"a  \" b"}],"a":12345678901234567890123.50}"#,
            ),
            (r#"{"authorization_details":[ {"type":"x"} ]}"#, r#"[{"type":"x"}]"#),
            (r#"{"authorization_details":"[{\"type\": 1}]"}"#, r#"[{"type": 1}]"#),
            (r#"{"claims":"{}"}"#, "{}"),
            (r#"{"max_age":0}"#, "0"),
            (r#"{"max_age":"60"}"#, "60"),
            (r#"{"x_vendor":{"b":1, "a":2}}"#, r#"{"b":1,"a":2}"#),
            (r#"{"x_vendor":true}"#, "true"),
            (r#"{"state":"a\u00e4\n"}"#, "a\u{e4}\n"),
        ] {
            let found = read(json).unwrap();
            assert_eq!((found.len(), found[0].1.as_str()), (1, text), "{json}");
        }
        let several = read(r#"{"resource":["https://a.example/","https://b.example/"]}"#).unwrap();
        assert_eq!(several.len(), 2);
    }

    #[test]
    fn b108_other_types_are_refused_and_null_is_absent() {
        for json in [
            r#"{"scope":["openid"]}"#,
            r#"{"scope":{}}"#,
            r#"{"state":true}"#,
            r#"{"state":5}"#,
            r#"{"claims":[]}"#,
            r#"{"claims":1}"#,
            r#"{"authorization_details":{}}"#,
            r#"{"max_age":[1]}"#,
            r#"{"resource":[1]}"#,
            r#"{"resource":{}}"#,
        ] {
            assert_eq!(read(json), Err(ObjectError::Type), "{json}");
        }
        assert_eq!(read(r#"{"scope":null,"claims":null,"x":null}"#), Ok(vec![]));
    }

    #[test]
    fn b103_b113_the_envelope_stays_and_nothing_is_nested() {
        let envelope = r#"{"iss":"a","aud":["b"],"exp":1,"nbf":1,"iat":1,"jti":"x","sub":"y",
            "typ":"JWT","state":"s"}"#;
        assert_eq!(read(envelope), Ok(vec![("state".to_owned(), "s".to_owned())]));
        for json in [
            r#"{"request":"x"}"#,
            r#"{"request_uri":null}"#,
            r#"{"request_uri":""}"#,
            r#"{"Request.URI":"x"}"#,
            r#"{"request[]":"x"}"#,
        ] {
            assert_eq!(read(json), Err(ObjectError::Nested), "{json}");
        }
        for json in [r#"{"":"x"}"#, r#"{"\u0000":"x"}"#, r#"{"\u00e4":"x"}"#] {
            assert_eq!(read(json), Err(ObjectError::Names), "{json}");
        }
        let many: Vec<String> = (0..=MOST).map(|n| format!("\"n{n}\":\"\"")).collect();
        assert_eq!(read(&format!("{{{}}}", many.join(","))), Err(ObjectError::Names));
    }
}
