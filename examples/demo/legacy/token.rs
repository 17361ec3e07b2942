//! Codes and tokens: granted at consent, exchanged once, ID tokens signed with a key made at start.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parapet::clock::{Clock, Timestamp};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::shelf::Shelf;
use crate::web::{self, Answer, Call, Fault, Parameters};

use super::request::RegisteredClient;
use super::same;

/// What was granted, and the key that vouches for it.
#[derive(Debug)]
pub(crate) struct Tokens {
    issuer: String,
    clock: Arc<dyn Clock>,
    key: SigningKey,
    codes: Mutex<Shelf<Pending>>,
    granted: Mutex<Shelf<Pending>>,
}

/// What a user allowed a client.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    client_id: String,
    redirect_uri: String,
    code_challenge: String,
    scope: String,
    nonce: String,
    username: &'static str,
}

#[derive(Debug)]
struct Pending {
    grant: Grant,
    expires_at: Timestamp,
}

struct SigningKey(EncodingKey);

impl Grant {
    /// The grant that a checked request asks for.
    pub(crate) fn of(request: &Parameters, username: &'static str) -> Self {
        let value = |name| request.value(name).to_owned();
        Self {
            client_id: value("client_id"),
            redirect_uri: value("redirect_uri"),
            code_challenge: value("code_challenge"),
            scope: value("scope"),
            nonce: value("nonce"),
            username,
        }
    }
}

impl Tokens {
    /// Makes a key; nothing is granted yet.
    pub(crate) fn new(issuer: String, clock: Arc<dyn Clock>) -> Result<Self, Fault> {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| Fault::Random)?;
        Ok(Self {
            issuer,
            clock,
            key: SigningKey(EncodingKey::from_ec_der(pkcs8.as_ref())),
            codes: Mutex::new(Shelf::new()),
            granted: Mutex::new(Shelf::new()),
        })
    }

    /// The issuer in ID tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A code that is good for one exchange within a minute.
    pub(crate) fn grant(&self, grant: Grant) -> Result<String, Fault> {
        let code = web::random_token()?;
        let expires_at = self.clock.now() + CODE_LIFETIME;
        let pending = Pending { grant, expires_at };
        self.codes.lock().put(code.clone(), pending);
        Ok(code)
    }

    /// `POST /token` (RFC 6749 §4.1.3, RFC 7636 §4.6).
    pub(crate) fn exchange(&self, call: &Call, client: &RegisteredClient) -> Result<Answer, Fault> {
        if !authenticated(call.header(AUTHORIZATION), client) {
            let mut answer = error(StatusCode::UNAUTHORIZED, "invalid_client");
            let challenge = HeaderValue::from_static("Basic realm=\"token\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return Ok(answer);
        }
        let form = call.form();
        if form.repeated().is_some() {
            return Ok(error(StatusCode::BAD_REQUEST, "invalid_request"));
        }
        if form.value("grant_type") != "authorization_code" {
            return Ok(error(StatusCode::BAD_REQUEST, "unsupported_grant_type"));
        }
        // Taken before it is judged: whoever guesses wrong does not guess twice.
        let pending = self.codes.lock().take(form.value("code"));
        let Some(grant) = pending
            .filter(|pending| self.clock.now() < pending.expires_at)
            .map(|pending| pending.grant)
            .filter(|grant| grant.client_id == client.client_id)
            .filter(|grant| grant.redirect_uri == form.value("redirect_uri"))
            .filter(|grant| same(&web::s256(form.value("code_verifier")), &grant.code_challenge))
        else {
            return Ok(error(StatusCode::BAD_REQUEST, "invalid_grant"));
        };
        self.issue(grant)
    }

    /// `GET /userinfo`
    pub(crate) fn userinfo(&self, call: &Call) -> Answer {
        let token = call.header(AUTHORIZATION).strip_prefix("Bearer ");
        let mut tokens = self.granted.lock();
        let found = tokens
            .find(token.unwrap_or_default())
            .filter(|token| self.clock.now() < token.expires_at);
        let Some(Pending { grant, .. }) = found else {
            let mut answer = error(StatusCode::UNAUTHORIZED, "invalid_token");
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return answer;
        };
        let mut claims = json!({ "sub": grant.username });
        if grant.scope.split(' ').any(|scope| scope == "profile")
            && let Some(claims) = claims.as_object_mut()
        {
            claims.insert("name".into(), "Alice Liddell".into());
            claims.insert("preferred_username".into(), grant.username.into());
        }
        web::json(StatusCode::OK, &claims)
    }

    /// `GET /jwks.json`
    pub(crate) fn jwks(&self) -> Result<Answer, Fault> {
        let mut key = Jwk::from_encoding_key(&self.key.0, Algorithm::ES256)?;
        key.common.key_id = Some(KEY_ID.to_owned());
        key.common.public_key_use = Some(PublicKeyUse::Signature);
        key.common.key_algorithm = Some(KeyAlgorithm::ES256);
        let set = JwkSet { keys: vec![key] };
        Ok(web::json(StatusCode::OK, &json!(set)))
    }

    fn issue(&self, grant: Grant) -> Result<Answer, Fault> {
        let now = self.clock.now();
        let issued_at = now.as_millis() / 1000;
        let mut claims = json!({
            "iss": self.issuer,
            "sub": grant.username,
            "aud": grant.client_id,
            "iat": issued_at,
            "exp": issued_at + TOKEN_LIFETIME.as_secs(),
        });
        if let Some(claims) = claims.as_object_mut().filter(|_| !grant.nonce.is_empty()) {
            claims.insert("nonce".into(), grant.nonce.clone().into());
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        let id_token = jsonwebtoken::encode(&header, &claims, &self.key.0)?;
        let access_token = web::random_token()?;
        let answer = json!({
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME.as_secs(),
            "scope": grant.scope,
            "id_token": id_token,
        });
        let expires_at = now + TOKEN_LIFETIME;
        let pending = Pending { grant, expires_at };
        self.granted.lock().put(access_token, pending);
        Ok(web::json(StatusCode::OK, &answer))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// `client_secret_basic`: id and secret are form-encoded before base64 (RFC 6749 §2.3.1).
fn authenticated(authorization: &str, client: &RegisteredClient) -> bool {
    let credentials = authorization
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded).ok())
        .and_then(|decoded| String::from_utf8(decoded).ok());
    let Some((id, secret)) = credentials.as_deref().and_then(|pair| pair.split_once(':')) else {
        return false;
    };
    form_decoded(id) == client.client_id && same(&form_decoded(secret), &client.client_secret)
}

fn form_decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

fn error(status: StatusCode, code: &str) -> Answer {
    web::json(status, &json!({ "error": code }))
}

const CODE_LIFETIME: Duration = Duration::from_secs(60);
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
const KEY_ID: &str = "demo";
