//! What the client asks the authorization server directly, past the browser: the push, the code
//! exchange, the keys and the userinfo endpoint.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::request::Builder;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use crate::journey::Push;
use crate::settings::Settings;
use crate::web::{Fault, Parameters};

/// The client's side of the endpoints that browsers do not see.
#[derive(Debug)]
pub(crate) struct BackChannel {
    http: Client<HttpConnector, Full<Bytes>>,
    settings: Settings,
    server: String,
}

/// What a code was exchanged for.
pub(crate) struct Tokens {
    /// Opens the userinfo endpoint.
    pub(crate) access_token: String,
    /// Tells who signed in; not verified yet.
    pub(crate) id_token: String,
}

impl BackChannel {
    /// Towards the authorization server at the origin `server`.
    pub(crate) fn new(settings: &Settings, server: String) -> Self {
        Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            settings: settings.clone(),
            server,
        }
    }

    /// Pushes a request (RFC 9126 §2); gives the record of it and the `request_uri`.
    pub(crate) async fn push(&self, request: &Parameters) -> Result<(Push, String), Fault> {
        let path = self.settings.par_path.clone();
        let answer = self.post(&path, request).await?;
        let request_uri = member(&answer, "request_uri")?;
        let push = Push {
            endpoint: format!("{}{path}", self.server),
            names: request.0.iter().map(|(name, _)| name.clone()).collect(),
            answer: answer.to_string(),
        };
        Ok((push, request_uri))
    }

    /// Exchanges a code (RFC 6749 §4.1.3).
    pub(crate) async fn exchange(&self, code: &str, verifier: &str) -> Result<Tokens, Fault> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.settings.redirect_uri),
            ("code_verifier", verifier),
        ];
        let form = form.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = self.post("/token", &Parameters(form.collect())).await?;
        Ok(Tokens {
            access_token: member(&answer, "access_token")?,
            id_token: member(&answer, "id_token")?,
        })
    }

    /// The claims of an ID token whose signature, issuer, audience, time and nonce are right
    /// (`OpenID` Connect Core §3.1.3.7).
    pub(crate) async fn verified_claims(&self, token: &str, nonce: &str) -> Result<Value, Fault> {
        let keys = self.ask("/jwks.json", Request::get, None).await?;
        let keys: JwkSet = serde_json::from_value(keys)
            .map_err(|error| Fault::Peer(format!("the key set is none: {error}")))?;
        let key_id = jsonwebtoken::decode_header(token)?.kid.unwrap_or_default();
        let key = keys
            .find(&key_id)
            .ok_or_else(|| Fault::Peer("the ID token is signed by an unknown key".into()))?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.client_id]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        let claims: Value =
            jsonwebtoken::decode(token, &DecodingKey::from_jwk(key)?, &rules)?.claims;
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(Fault::Peer("the ID token has another nonce".into()));
        }
        Ok(claims)
    }

    /// Who the access token speaks for.
    pub(crate) async fn userinfo(&self, access_token: &str) -> Result<Value, Fault> {
        let bearer = format!("Bearer {access_token}");
        self.ask("/userinfo", Request::get, Some(&bearer)).await
    }

    async fn ask(
        &self,
        path: &str,
        method: fn(String) -> Builder,
        authorization: Option<&str>,
    ) -> Result<Value, Fault> {
        let mut request = method(format!("{}{path}", self.server));
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        self.send(path, request, Bytes::new()).await
    }

    async fn post(&self, path: &str, form: &Parameters) -> Result<Value, Fault> {
        let request = Request::post(format!("{}{path}", self.server))
            .header(AUTHORIZATION, self.client_secret_basic())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(path, request, form.encode().into()).await
    }

    async fn send(&self, path: &str, request: Builder, body: Bytes) -> Result<Value, Fault> {
        let trouble = |what: &dyn std::fmt::Display| Fault::Peer(format!("{path}: {what}"));
        let request = request
            .header(ACCEPT, "application/json")
            .body(Full::new(body))
            .map_err(|error| trouble(&error))?;
        let answer = tokio::time::timeout(PATIENCE, self.http.request(request))
            .await
            .map_err(|_| trouble(&"no answer in time"))?
            .map_err(|error| trouble(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| trouble(&error))?
            .to_bytes();
        if !matches!(status, StatusCode::OK | StatusCode::CREATED) {
            let text = String::from_utf8_lossy(&body);
            return Err(trouble(&format!("{status} {text}")));
        }
        serde_json::from_slice(&body).map_err(|error| trouble(&error))
    }

    /// Id and secret are form-encoded before base64 (RFC 6749 §2.3.1).
    fn client_secret_basic(&self) -> String {
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let id = encode(&self.settings.client_id);
        let secret = encode(&self.settings.client_secret);
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    }
}

fn member(answer: &Value, name: &str) -> Result<String, Fault> {
    let text = answer.get(name).and_then(Value::as_str);
    text.map(ToOwned::to_owned).ok_or_else(|| Fault::Peer(format!("the answer lacks {name}")))
}

const PATIENCE: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
