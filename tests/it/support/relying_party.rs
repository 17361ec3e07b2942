//! A client of the authorization server that checks all it is told: state, issuer, nonce, audience.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::http::{Answer, encode, get, post_form};

/// Where every client is sent back to. Nobody listens there: the browser stops before it.
pub const REDIRECT_URI: &str = "http://127.0.0.1:41900/callback";

/// The clients that every server of `tests/idp` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `conf-basic`, `client_secret_basic`
    ConfidentialBasic,
    /// `conf-post`, `client_secret_post`
    ConfidentialPost,
    /// `public-spa`, `none`
    Public,
}

impl Client {
    /// Its `client_id`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ConfidentialBasic => "conf-basic",
            Self::ConfidentialPost => "conf-post",
            Self::Public => "public-spa",
        }
    }

    /// Its secret; empty for the public client.
    pub const fn secret(self) -> &'static str {
        match self {
            Self::ConfidentialBasic => "conf-basic-secret",
            Self::ConfidentialPost => "conf-post-secret",
            Self::Public => "",
        }
    }

    /// Its `token_endpoint_auth_method`.
    pub const fn authentication(self) -> &'static str {
        match self {
            Self::ConfidentialBasic => "client_secret_basic",
            Self::ConfidentialPost => "client_secret_post",
            Self::Public => "none",
        }
    }
}

/// One login of one client.
#[derive(Debug)]
pub struct RelyingParty {
    pub client: Client,
    /// The discovery document.
    pub metadata: Value,
    pub state: String,
    pub nonce: String,
    /// Further parameters of the request.
    pub further: Vec<(&'static str, String)>,
    verifier: String,
}

impl RelyingParty {
    /// Reads the discovery document of `issuer` and begins a login.
    pub async fn discover(issuer: &str, client: Client) -> Self {
        let answer = get(&format!("{issuer}/.well-known/openid-configuration")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let metadata = answer.json();
        assert_eq!(metadata["issuer"], issuer);
        let further = Vec::new();
        Self { client, metadata, state: random(), nonce: random(), further, verifier: random() }
    }

    /// A URL of the discovery document.
    pub fn endpoint(&self, name: &str) -> Url {
        let url = self.metadata[name].as_str();
        let url = url.unwrap_or_else(|| panic!("no {name} in {:#}", self.metadata));
        Url::parse(url).expect("a URL")
    }

    /// The authorization request.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let challenge = digest(&SHA256, self.verifier.as_bytes());
        let mut parameters = vec![
            ("client_id", self.client.id().to_owned()),
            ("response_type", "code".to_owned()),
            ("redirect_uri", REDIRECT_URI.to_owned()),
            ("scope", "openid profile email".to_owned()),
            ("state", self.state.clone()),
            ("nonce", self.nonce.clone()),
            ("code_challenge", URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256".to_owned()),
            ("login_hint", "mark er+1%41&x=y#z/é@example.org".to_owned()),
        ];
        parameters.extend(self.further.iter().cloned());
        parameters
    }

    /// Those values of the request that nobody but client and server has to know.
    pub fn secrets(&self) -> Vec<(&'static str, String)> {
        let mut parameters = self.parameters();
        parameters.retain(|(name, _)| {
            !["client_id", "response_type", "code_challenge_method", "prompt"].contains(name)
        });
        parameters
    }

    /// The authorize URL of old: the whole request in the query.
    pub fn plain_url(&self) -> Url {
        let mut url = self.endpoint("authorization_endpoint");
        url.set_query(Some(&encode(&self.parameters())));
        url
    }

    /// Pushes the request (RFC 9126 §2.1) and gives the authorize URL with its `request_uri`.
    pub async fn push(&self) -> Url {
        let answer = self.pushed().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let cache = answer.header("cache-control").unwrap_or_default();
        assert!(cache.contains("no-store"), "Cache-Control: {cache}");
        let body = answer.json();
        assert!(body["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{body}");
        let request_uri = body["request_uri"].as_str().expect("a request_uri");
        let mut url = self.endpoint("authorization_endpoint");
        let query = [("client_id", self.client.id()), ("request_uri", request_uri)];
        url.set_query(Some(&encode(&query)));
        url
    }

    /// The answer of the PAR endpoint.
    pub async fn pushed(&self) -> Answer {
        let endpoint = self.endpoint("pushed_authorization_request_endpoint");
        self.authenticated(&endpoint, self.parameters()).await
    }

    /// Checks the callback, exchanges its code and gives the claims of the ID token, checked too.
    pub async fn redeem(&self, callback: &Url) -> Value {
        let tokens = self.tokens(callback).await;
        claims(tokens["id_token"].as_str().expect("an ID token"))
    }

    /// The same, with the whole answer of the token endpoint.
    pub async fn tokens(&self, callback: &Url) -> Value {
        let of = |name: &str| {
            let mut pairs = callback.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let issuer = self.metadata["issuer"].as_str();
        assert_eq!(of("state").as_ref(), Some(&self.state), "{callback}");
        let announced = &self.metadata["authorization_response_iss_parameter_supported"];
        if of("iss").is_some() || *announced == true {
            assert_eq!(of("iss").as_deref(), issuer, "{callback}");
        }
        let form = vec![
            ("client_id", self.client.id().to_owned()),
            ("grant_type", "authorization_code".to_owned()),
            ("code", of("code").unwrap_or_else(|| panic!("no code in {callback}"))),
            ("redirect_uri", REDIRECT_URI.to_owned()),
            ("code_verifier", self.verifier.clone()),
        ];
        let answer = self.authenticated(&self.endpoint("token_endpoint"), form).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let tokens = answer.json();
        let claims = claims(tokens["id_token"].as_str().expect("an ID token"));
        assert_eq!(claims["nonce"], *self.nonce, "{claims}");
        assert_eq!(claims["iss"].as_str(), issuer, "{claims}");
        let audience = &claims["aud"];
        let id = self.client.id();
        assert!(*audience == id || audience[0] == id, "{claims}");
        tokens
    }

    /// Posts a form with the client's authentication; `form` holds the `client_id`.
    async fn authenticated(&self, url: &Url, form: Vec<(&str, String)>) -> Answer {
        let mut form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (id, secret) = (self.client.id(), self.client.secret());
        let credentials = match self.client {
            Client::ConfidentialBasic => Some((id, secret)),
            Client::ConfidentialPost => {
                form.push(("client_secret", secret));
                None
            }
            Client::Public => None,
        };
        post_form(url.as_str(), &form, credentials).await
    }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON claims")
}

fn random() -> String {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}
