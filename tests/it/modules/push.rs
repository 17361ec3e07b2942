//! The suite's default request and client assertion, to be altered by each module.

use std::time::{SystemTime, UNIX_EPOCH};

use parapet::jose::{Algorithm, Key};
use serde_json::{Value, json};

use crate::support::http::encode;
use crate::support::jose::Signer;

pub(super) const ISSUER: &str = "https://login.example";
pub(super) const PAR_ENDPOINT: &str = "https://login.example/par";
pub(super) const TOKEN_ENDPOINT: &str = "https://login.example/token";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// One of the two clients.
pub(super) struct Party {
    pub(super) id: &'static str,
    pub(super) algorithm: Algorithm,
    pub(super) signer: Signer,
    pub(super) redirect_uri: &'static str,
}

impl Party {
    pub(super) fn first() -> Self {
        Self {
            id: "first",
            algorithm: Algorithm::Es256,
            signer: Signer::new(Algorithm::Es256),
            redirect_uri: "https://suite.example/test/a/callback",
        }
    }

    pub(super) fn second() -> Self {
        Self {
            id: "second",
            algorithm: Algorithm::Ps256,
            signer: Signer::new(Algorithm::Ps256),
            redirect_uri: "https://suite.example/test/a/callback?dummy1=lorem&dummy2=ipsum",
        }
    }

    /// A token with these claims under the client's name of its key.
    fn token(&self, typ: Option<&str>, claims: &Value) -> String {
        let mut header = json!({ "alg": self.algorithm.name(), "kid": self.id });
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        self.signer.token_with(&header, claims)
    }
}

/// A request to the push endpoint.
pub(super) struct Push<'a> {
    pub(super) party: &'a Party,
    /// The authorization parameters.
    pub(super) parameters: Value,
    /// Claims of the request object, where there is one.
    object: Option<Value>,
    /// The request object as it is sent, where it is not simply [`object`](Self::object) signed.
    token: Option<String>,
    assertion: Value,
    beside: Vec<(&'static str, String)>,
    pub(super) proof: Option<String>,
}

impl<'a> Push<'a> {
    /// The default request, as form parameters.
    pub(super) fn plain(party: &'a Party, response_type: &str) -> Self {
        // The second client's state has 128 characters.
        let state = if party.id == "second" { 128 } else { 10 };
        let parameters = json!({
            "client_id": party.id, "response_type": response_type, "scope": "openid",
            "redirect_uri": party.redirect_uri, "state": random(state), "nonce": random(10),
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        let assertion = json!({
            "iss": party.id, "sub": party.id, "aud": ISSUER, "jti": random(20),
            "iat": now(), "nbf": now(), "exp": now() + 60,
        });
        Self {
            party,
            parameters,
            object: None,
            token: None,
            assertion,
            beside: Vec::new(),
            proof: None,
        }
    }

    /// The default request, as a request object.
    pub(super) fn signed(party: &'a Party, response_type: &str) -> Self {
        let mut claims =
            json!({ "iss": party.id, "aud": ISSUER, "exp": now() + 300, "nbf": now() });
        if party.id == "second" {
            claims["iat"] = json!(now());
        }
        Self { object: Some(claims), ..Self::plain(party, response_type) }
    }

    /// Other authorization parameters; `null` leaves one out.
    pub(super) fn with(mut self, changes: &Value) -> Self {
        merge(&mut self.parameters, changes);
        self
    }

    /// Another client assertion.
    pub(super) fn asserting(mut self, changes: &Value) -> Self {
        merge(&mut self.assertion, changes);
        self
    }

    /// Other claims of the request object.
    pub(super) fn claiming(mut self, changes: &Value) -> Self {
        merge(self.object.as_mut().expect("a request object"), changes);
        self
    }

    /// Another text in the place of the request object.
    pub(super) fn sending(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// A further form parameter.
    pub(super) fn beside(mut self, name: &'static str, value: &str) -> Self {
        self.beside.push((name, value.to_owned()));
        self
    }

    /// A `DPoP` header with a proof of `signer`, made so many seconds from now.
    pub(super) fn proving(mut self, signer: &Signer, seconds: i64) -> Self {
        let iat = i64::try_from(now()).unwrap() + seconds;
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": signer.jwk() });
        let claims = json!({
            "jti": random(20), "htm": "POST", "htu": PAR_ENDPOINT, "iat": iat,
        });
        self.proof = Some(signer.token_with(&header, &claims));
        self
    }

    /// Every claim of the request object.
    pub(super) fn claims(&self) -> Value {
        let mut claims = self.object.clone().expect("a request object");
        merge(&mut claims, &self.parameters);
        claims
    }

    /// The request object, signed by its client.
    pub(super) fn request_object(&self) -> String {
        let typ = match self.party.id {
            "second" => "oauth-AUTHZ-req+JWT",
            _ => "oauth-authz-req+jwt",
        };
        self.party.token(Some(typ), &self.claims())
    }

    /// The form.
    pub(super) fn form(&self) -> String {
        let assertion = self.party.token(None, &self.assertion);
        let mut form: Vec<(&str, String)> = match (&self.object, &self.token) {
            (None, _) => self.pairs(),
            (Some(_), Some(token)) => vec![("request", token.clone())],
            (Some(_), None) => vec![("request", self.request_object())],
        };
        form.push(("client_assertion", assertion));
        form.push(("client_assertion_type", ASSERTION_TYPE.to_owned()));
        form.extend(self.beside.iter().cloned());
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        encode(&form)
    }

    /// The authorization parameters as they stand in a form.
    pub(super) fn pairs(&self) -> Vec<(&str, String)> {
        let parameters = self.parameters.as_object().unwrap().iter();
        parameters.map(|(name, value)| (name.as_str(), text(value))).collect()
    }

    /// One authorization parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters[name].as_str()
    }
}

/// How a form carries it: a text as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn merge(value: &mut Value, changes: &Value) {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        members.insert(name.clone(), change.clone());
    }
    members.retain(|_, member| !member.is_null());
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Letters and digits by chance.
pub(super) fn random(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut bytes = vec![0; length];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

pub(super) fn thumbprint(signer: &Signer) -> String {
    Key::from_jwk(signer.jwk().as_object().unwrap()).unwrap().thumbprint().to_owned()
}
