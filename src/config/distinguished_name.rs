//! Distinguished names, as RFC 4514 writes them and as certificates hold them, in one form that can
//! be compared: `tls_client_auth_subject_dn` against the subject of a certificate (RFC 8705 §2.1.2).

use std::str::FromStr as _;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::name::RdnSequence;

/// A distinguished name. Equal are names with the same types and values in the same order; the
/// string types of the encoding do not matter, case and blanks inside a value do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName {
    /// In the order of the encoding: the most general first.
    relative: Vec<Vec<Attribute>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    kind: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    /// Encoded, where it is no text.
    Encoded(Vec<u8>),
}

impl DistinguishedName {
    /// Reads the text of RFC 4514 §3, the most special part first: `CN=app,O=Example,C=DE`. The
    /// prefix `subject=`, blanks around separators, and types in any case are taken too, since that
    /// is what `openssl x509 -noout -subject -nameopt RFC2253` and people write. `None` for anything
    /// else, the empty name among it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("subject=").unwrap_or(text);
        let mut relative = Vec::new();
        for part in split(text, ',') {
            let attributes = split(part, '+').into_iter().map(attribute);
            relative.push(sorted(attributes.collect::<Option<Vec<_>>>()?));
        }
        relative.reverse();
        Some(Self { relative })
    }

    /// Reads an encoded `Name` (RFC 5280 §4.1.2.4); `None` for what is none or has no parts.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let name = RdnSequence::from_der(der).ok()?;
        let relative: Option<Vec<_>> = name
            .iter()
            .map(|part| part.iter().map(Attribute::of).collect::<Option<Vec<_>>>().map(sorted))
            .collect();
        relative.filter(|parts| !parts.is_empty()).map(|relative| Self { relative })
    }
}

impl Attribute {
    fn of(encoded: &AttributeTypeAndValue) -> Option<Self> {
        let bytes = encoded.value.value();
        let tag = encoded.value.tag();
        let text = if UTF8.contains(&tag) {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        } else if tag == Tag::BmpString {
            utf16(bytes)
        } else if tag == Tag::TeletexString {
            // T.61 in the standard, Latin-1 in the field.
            Some(bytes.iter().copied().map(char::from).collect())
        } else {
            None
        };
        let value = match text {
            Some(text) => Value::Text(text),
            None => Value::Encoded(encoded.value.to_der().ok()?),
        };
        Some(Self { kind: encoded.oid.to_string(), value })
    }
}

/// Text that is UTF-8, or a part of it.
const UTF8: [Tag; 4] = [Tag::Utf8String, Tag::PrintableString, Tag::Ia5String, Tag::NumericString];

fn sorted(mut attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes.sort();
    attributes
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

/// One `type=value`.
fn attribute(text: &str) -> Option<Attribute> {
    let (kind, value) = text.split_once('=')?;
    let kind = kind.trim();
    let oid = match known(&kind.to_ascii_uppercase()) {
        Some(oid) => oid.to_owned(),
        None => ObjectIdentifier::new(kind).ok()?.to_string(),
    };
    let value = trimmed(value);
    // An empty value, or quotes as RFC 2253 had them: more likely a mistake than a name.
    if value.is_empty() || value.starts_with('"') {
        return None;
    }
    let encoded = AttributeTypeAndValue::from_str(&format!("{oid}={value}")).ok()?;
    Attribute::of(&encoded)
}

/// Cuts at separators that are not escaped.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(text.get(from..at).unwrap_or_default());
            from = at + character.len_utf8();
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// Without blanks around it; an escaped one at the end stays.
fn trimmed(value: &str) -> &str {
    let value = value.trim_start_matches(' ');
    let bare = value.trim_end_matches(' ');
    let backslashes = bare.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if backslashes % 2 == 1 { value.get(..=bare.len()).unwrap_or(bare) } else { bare }
}

/// Types with a name (RFC 4514 §3, RFC 4519 §2, RFC 2985, and what openssl prints).
fn known(name: &str) -> Option<&'static str> {
    Some(match name {
        "CN" | "COMMONNAME" => "2.5.4.3",
        "SN" | "SURNAME" => "2.5.4.4",
        "SERIALNUMBER" => "2.5.4.5",
        "C" | "COUNTRYNAME" => "2.5.4.6",
        "L" | "LOCALITYNAME" => "2.5.4.7",
        "ST" | "S" | "STATEORPROVINCENAME" => "2.5.4.8",
        "STREET" | "STREETADDRESS" => "2.5.4.9",
        "O" | "ORGANIZATIONNAME" => "2.5.4.10",
        "OU" | "ORGANIZATIONALUNITNAME" => "2.5.4.11",
        "T" | "TITLE" => "2.5.4.12",
        "BUSINESSCATEGORY" => "2.5.4.15",
        "POSTALCODE" => "2.5.4.17",
        "GN" | "GIVENNAME" => "2.5.4.42",
        "ORGANIZATIONIDENTIFIER" => "2.5.4.97",
        "UID" | "USERID" => "0.9.2342.19200300.100.1.1",
        "DC" | "DOMAINCOMPONENT" => "0.9.2342.19200300.100.1.25",
        "EMAILADDRESS" | "E" => "1.2.840.113549.1.9.1",
        "JURISDICTIONC" | "JURISDICTIONCOUNTRYNAME" => "1.3.6.1.4.1.311.60.2.1.3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b199_one_name_in_many_spellings() {
        let name = DistinguishedName::parse("CN=app,O=Example\\, Inc,C=DE").unwrap();
        for same in [
            "cn=app, o=Example\\, Inc, c=DE",
            "subject=CN = app , O = Example\\2c Inc,C=DE ",
            "2.5.4.3=app,2.5.4.10=Example\\, Inc,C=#13024445",
        ] {
            assert_eq!(DistinguishedName::parse(same).as_ref(), Some(&name), "{same}");
        }
        for other in [
            "C=DE,O=Example\\, Inc,CN=app",
            "CN=App,O=Example\\, Inc,C=DE",
            "CN=app+O=Example\\, Inc,C=DE",
            "O=Example\\, Inc,C=DE",
        ] {
            assert_ne!(DistinguishedName::parse(other).as_ref(), Some(&name), "{other}");
        }
        let several = DistinguishedName::parse("UID=1+CN=a,O=b").unwrap();
        assert_eq!(DistinguishedName::parse("cn=a + uid=1, O=b"), Some(several));
        assert_eq!(trimmed(" a\\  "), "a\\ ");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "CN", "CN=", "/C=DE/CN=a", "wrong=a", "CN=a,", "CN=\"a\"", "CN=a\\zz"] {
            assert_eq!(DistinguishedName::parse(text), None, "{text}");
        }
        for der in [&b""[..], b"\x30\x00", b"\x30\x01", b"\x31\x00"] {
            assert_eq!(DistinguishedName::from_der(der), None);
        }
    }
}
