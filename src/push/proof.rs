//! Signed claims: of who the client is, of the request, and of the key that the code is bound to.

use serde_json::{Map, Value, json};

use super::{SignError, Signer, World, random_text};

/// How long an assertion or a request object is good for, in seconds.
const LIFETIME: u64 = 60;

/// A client assertion (RFC 7523 §3).
pub(super) fn assertion(
    signer: &Signer,
    client_id: &str,
    audience: &str,
    world: World<'_>,
) -> Result<String, SignError> {
    let mut claims = timed(world)?;
    claims.insert("iss".to_owned(), json!(client_id));
    claims.insert("sub".to_owned(), json!(client_id));
    claims.insert("aud".to_owned(), json!(audience));
    signer.token("JWT", &Value::Null, &Value::Object(claims))
}

/// A request object (RFC 9101 §4) of these parameters.
pub(super) fn request_object(
    signer: &Signer,
    parameters: &[(String, String)],
    (client_id, audience): (&str, &str),
    world: World<'_>,
) -> Result<String, SignError> {
    let mut claims = timed(world)?;
    claims.insert("iss".to_owned(), json!(client_id));
    claims.insert("aud".to_owned(), json!(audience));
    for (name, value) in parameters {
        claims.insert(name.clone(), claim(name, value));
    }
    signer.token("oauth-authz-req+jwt", &Value::Null, &Value::Object(claims))
}

/// A proof that the push is by the holder of the key (RFC 9449 §4.2).
pub(super) fn dpop(
    signer: &Signer,
    endpoint: &str,
    nonce: Option<&str>,
    world: World<'_>,
) -> Result<String, SignError> {
    let mut claims = timed(world)?;
    claims.remove("exp");
    claims.remove("nbf");
    claims.insert("htm".to_owned(), json!("POST"));
    claims.insert("htu".to_owned(), json!(endpoint));
    if let Some(nonce) = nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    signer.token("dpop+jwt", &signer.public_jwk(), &Value::Object(claims))
}

/// Parameters whose values are JSON stand in a request object as what they are.
fn claim(name: &str, value: &str) -> Value {
    let is_json = matches!(name, "authorization_details" | "claims");
    let number = name == "max_age";
    let read = || serde_json::from_str(value).ok();
    if is_json || number { read() } else { None }.unwrap_or_else(|| json!(value))
}

fn timed(world: World<'_>) -> Result<Map<String, Value>, SignError> {
    let now = world.clock.wall().as_secs();
    let claims = [
        ("jti", json!(random_text::<16>(world.random)?)),
        ("iat", json!(now)),
        ("nbf", json!(now)),
        ("exp", json!(now + LIFETIME)),
    ];
    Ok(claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_parameters_are_claims_as_they_are() {
        assert_eq!(claim("claims", "{\"a\":1}"), json!({"a": 1}));
        assert_eq!(claim("max_age", "5"), json!(5));
        assert_eq!(claim("state", "5"), json!("5"));
        assert_eq!(claim("claims", "{"), json!("{"));
    }
}
