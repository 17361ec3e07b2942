//! Request objects at the push (RFC 9101, RFC 9126 §3), signed and encrypted for real.

use std::time::Duration;

use parapet::config::Profile;
use parapet::jose::Algorithm;
use serde_json::json;

use super::*;
use crate::support::jose::Signer;

mod claims;
pub(super) mod encryption;
mod parameters;
mod signature;

const ISSUER: &str = "http://127.0.0.1:8080";
/// What the clock of a [`Desk`] shows, in seconds.
const NOW: u64 = 1_700_000_000;

/// A desk, the client `jar` with a key for ES256 and one for RSA, and `other` with its own.
pub(super) struct Office {
    pub(super) desk: Desk,
    pub(super) signer: Signer,
    rsa: Signer,
    pub(super) other: Signer,
}

impl Office {
    pub(super) fn open(profile: Profile) -> Self {
        Self::with(profile, "", "")
    }

    /// With tables of the configuration, and keys in that of `jar`.
    pub(super) fn with(profile: Profile, tables: &str, of_client: &str) -> Self {
        let signer = Signer::new(Algorithm::Es256);
        let (rsa, other) = (Signer::new(Algorithm::Ps256), Signer::new(Algorithm::Es256));
        let keys = [signer.jwk_named("ec"), rsa.jwk_named("rsa")];
        let tables = format!(
            "{tables}\n[[authorization_details]]\ntype = \"pay\"\n\
             [[clients]]\nclient_id = \"jar\"\nsecret = \"jar-secret\"\n\
             redirect_uris = [\"{CALLBACK}\"]\njwks = {{ keys = [{}] }}\n{of_client}\n\
             [[clients]]\nclient_id = \"other\"\nsecret = \"other-secret\"\n\
             redirect_uris = [\"{CALLBACK}\"]\njwks = {{ keys = [{}] }}\n",
            keys.map(|key| in_toml(&key)).join(", "),
            in_toml(&other.jwk_named("ec"))
        );
        let mut config = configuration("http://127.0.0.1:9", &tables);
        for client in config.clients.iter_mut().filter(|client| client.client_id == "jar") {
            client.profile = profile;
        }
        Self { desk: Desk::of(config, None), signer, rsa, other }
    }

    /// Pushes an object with these claims by `jar`, signed with its ES256 key.
    pub(super) async fn push(&self, claims: &Value) -> Response<Bytes> {
        self.push_token(&self.signed(claims)).await
    }

    pub(super) async fn push_token(&self, token: &str) -> Response<Bytes> {
        self.push_form(&[("request", token)]).await
    }

    async fn push_form(&self, form: &[(&str, &str)]) -> Response<Bytes> {
        let mut request = post(encode(form).into());
        request.headers_mut().insert(AUTHORIZATION, basic("jar", "jar-secret").parse().unwrap());
        self.desk.send(request).await
    }

    fn signed(&self, claims: &Value) -> String {
        self.signer.token_with(&json!({"alg": "ES256", "kid": "ec"}), claims)
    }

    /// What the upstream gets for `pushed`, sorted.
    async fn travelled(&self, pushed: &Response<Bytes>) -> Vec<(String, String)> {
        assert_created(pushed);
        let mut pairs = self.desk.redeemed("jar", pushed).await;
        pairs.sort();
        pairs
    }
}

/// A complete object of `jar`, as every profile takes it.
pub(super) fn claims() -> Value {
    json!({
        "iss": "jar", "aud": ISSUER, "exp": NOW + 300, "nbf": NOW, "iat": NOW, "jti": "a-1",
        "client_id": "jar", "response_type": "code id_token", "redirect_uri": CALLBACK,
        "scope": "openid", "state": "inner-state", "nonce": "inner-nonce",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

/// [`claims`] with other members; `null` takes one out.
pub(super) fn changed(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

/// The pairs of [`claims`] that travel, sorted.
fn travelling() -> Vec<(String, String)> {
    let mut pairs = owned(&[
        ("client_id", "jar"),
        ("response_type", "code id_token"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "inner-state"),
        ("nonce", "inner-nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    pairs.sort();
    pairs
}

/// A flat JSON object as an inline table.
fn in_toml(object: &Value) -> String {
    let members = object.as_object().unwrap().iter();
    let members: Vec<_> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!("{{ {} }}", members.join(", "))
}

#[track_caller]
fn assert_object_refused(answer: &Response<Bytes>, description: &str) {
    assert_refused(answer, 400, "invalid_request_object");
    assert_eq!(json(answer)["error_description"], description);
}
