//! The protected header of a signed token, read strictly (RFC 7515 §4, RFC 8725 §3).

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::json::{self, JsonError};

/// Longest `kid`, `typ` and `cty`, in bytes.
pub const LONGEST_TEXT: usize = 256;

/// Members that change what is signed, or say where to get the key. Nothing here follows them, and
/// a token that asks for them is not what we would take it for.
const REFUSED: [&str; 6] = ["crit", "b64", "zip", "jku", "x5u", "x5c"];

/// What a header says. Members that are not named here are ignored (RFC 7515 §4).
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `typ` as it stands; [`Header::media_type`] is for comparisons.
    pub typ: Option<String>,
    /// `cty` as it stands.
    pub cty: Option<String>,
    /// `kid`, which names a key.
    pub kid: Option<String>,
    /// `jwk`, a public key as it stands. A `DPoP` proof has one (RFC 9449 §4.2); anywhere else it is
    /// to be refused.
    pub jwk: Option<Map<String, Value>>,
}

/// Why a header is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not one JSON object in base64url.
    #[error("the header cannot be read: {0}")]
    Json(#[from] JsonError),
    /// No `alg`, or one that is not text.
    #[error("the header has no alg")]
    NoAlgorithm,
    /// `alg` is `none` (RFC 8725 §3.2).
    #[error("the token is not signed: alg is none")]
    Unsigned,
    /// Another `alg` that we cannot verify.
    #[error("the signature algorithm is not supported")]
    UnknownAlgorithm,
    /// A member that we refuse, by name.
    #[error("the header has {0}, which is not supported")]
    Refused(&'static str),
    /// `typ`, `cty`, `kid` or `jwk` of another type than it must have, or too long.
    #[error("{0} in the header is not what it must be")]
    Malformed(&'static str),
}

impl Header {
    /// Reads the first part of a token.
    pub fn parse(encoded: &str) -> Result<Self, HeaderError> {
        let members = json::object(&json::base64url(encoded)?)?;
        if let Some(name) = REFUSED.into_iter().find(|name| members.contains_key(*name)) {
            return Err(HeaderError::Refused(name));
        }
        let algorithm = algorithm(&members)?;
        let jwk = match members.get("jwk") {
            None => None,
            Some(Value::Object(jwk)) => Some(jwk.clone()),
            Some(_) => return Err(HeaderError::Malformed("jwk")),
        };
        Ok(Self {
            algorithm,
            typ: text(&members, "typ")?,
            cty: text(&members, "cty")?,
            kid: text(&members, "kid")?,
            jwk,
        })
    }

    /// `typ` for comparisons: lower case, without `application/` (RFC 7515 §4.1.9).
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let typ = self.typ.as_deref()?.to_ascii_lowercase();
        let bare = typ.strip_prefix("application/").filter(|bare| !bare.contains('/'));
        Some(bare.unwrap_or(&typ).to_owned())
    }
}

fn algorithm(members: &Map<String, Value>) -> Result<Algorithm, HeaderError> {
    let name = members.get("alg").and_then(Value::as_str).ok_or(HeaderError::NoAlgorithm)?;
    if name.eq_ignore_ascii_case("none") {
        return Err(HeaderError::Unsigned);
    }
    name.parse().map_err(|_| HeaderError::UnknownAlgorithm)
}

fn text(members: &Map<String, Value>, name: &'static str) -> Result<Option<String>, HeaderError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= LONGEST_TEXT => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(HeaderError::Malformed(name)),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn parsed(header: &str) -> Result<Header, HeaderError> {
        Header::parse(&URL_SAFE_NO_PAD.encode(header))
    }

    #[test]
    fn members_of_interest_are_read_and_others_ignored() {
        let header = parsed(r#"{"typ":"JWT","alg":"ES256","kid":"schlüssel ✓","iat":1}"#).unwrap();
        assert_eq!(header.algorithm, Algorithm::Es256);
        assert_eq!(header.kid.as_deref(), Some("schlüssel ✓"));
        assert_eq!((header.cty, header.jwk), (None, None));
    }

    #[test]
    fn types_are_compared_as_media_types() {
        for typ in [
            "oauth-authz-req+jwt",
            "OautH-auThZ-REQ+jWt",
            "application/oauth-authz-req+jwt",
            "APPLICATION/oauth-authz-req+jwt",
        ] {
            let header = parsed(&format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#)).unwrap();
            assert_eq!(header.media_type().as_deref(), Some("oauth-authz-req+jwt"));
        }
        let header = parsed(r#"{"alg":"ES256","typ":"application/a/b"}"#).unwrap();
        assert_eq!(header.media_type().as_deref(), Some("application/a/b"));
    }

    #[test]
    fn extensions_and_keys_from_elsewhere_are_refused() {
        for name in REFUSED {
            let header = format!(r#"{{"alg":"ES256","{name}":null}}"#);
            assert_eq!(parsed(&header), Err(HeaderError::Refused(name)));
        }
    }

    #[test]
    fn unsigned_and_unknown_algorithms_are_told_apart() {
        for (alg, error) in [
            (r#""none""#, HeaderError::Unsigned),
            (r#""nOnE""#, HeaderError::Unsigned),
            (r#""ES256K""#, HeaderError::UnknownAlgorithm),
            (r#""""#, HeaderError::UnknownAlgorithm),
            ("5", HeaderError::NoAlgorithm),
            (r#"["ES256"]"#, HeaderError::NoAlgorithm),
        ] {
            assert_eq!(parsed(&format!(r#"{{"alg":{alg}}}"#)), Err(error), "{alg}");
        }
        assert_eq!(parsed("{}"), Err(HeaderError::NoAlgorithm));
    }

    #[test]
    fn odd_headers_are_refused() {
        for (header, error) in [
            (r#"{"alg":"ES256","alg":"ES256"}"#, HeaderError::Json(JsonError::Syntax)),
            ("[]", HeaderError::Json(JsonError::NotAnObject)),
            (r#"{"alg":"ES256","typ":5}"#, HeaderError::Malformed("typ")),
            (r#"{"alg":"ES256","kid":""}"#, HeaderError::Malformed("kid")),
            (r#"{"alg":"ES256","jwk":"x"}"#, HeaderError::Malformed("jwk")),
        ] {
            assert_eq!(parsed(header), Err(error), "{header}");
        }
        let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(LONGEST_TEXT + 1));
        assert_eq!(parsed(&long), Err(HeaderError::Malformed("kid")));
        assert_eq!(Header::parse("e30="), Err(HeaderError::Json(JsonError::Encoding)));
    }
}
