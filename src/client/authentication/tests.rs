use http::HeaderValue;

use super::AuthenticationError as E;
use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::config;
use crate::store::MemoryStore;
use crate::upstream::key_set::KeyFetcher;
use crate::upstream::{Discovery, HttpClient};

fn registry() -> Registry {
    let client = |client_id: &str, authentication, enabled| config::Client {
        client_id: client_id.into(),
        profile: config::Profile::Oauth,
        authentication,
        keys: None,
        request_object: config::ClientRequestObject::default(),
        authorization_details_types: None,
        dpop_bound_access_tokens: false,
        redirect_uris: Vec::new(),
        allow_unregistered_redirect_uris: false,
        scopes: None,
        lifetime: None,
        require_pkce: None,
        require_pushed_authorization_requests: false,
        enabled,
    };
    let par = config::Par {
        enabled: true,
        path: "/par".into(),
        lifetime: std::time::Duration::from_secs(60),
        exempt: Vec::new(),
        required: false,
        max_body_bytes: 65_536,
        cors_origins: Vec::new(),
        profile: config::Profile::Oauth,
        require_pkce: false,
        dpop_nonce: false,
        interaction_id: false,
        advertise: true,
    };
    let clients = [
        client("basic", Authentication::ClientSecretBasic(secret("s:1 %+é")), true),
        client("post", Authentication::ClientSecretPost(secret("s2")), true),
        client("public", Authentication::None, true),
        client("off", Authentication::None, false),
        client("a:b", Authentication::ClientSecretBasic(secret("s3")), true),
    ];
    let rolled = RollOver::new(SecretDigest::of("new"), Some(SecretDigest::of("old")));
    let rolled = client("rolled", Authentication::ClientSecretPost(rolled), true);
    let clients: Vec<_> = clients.into_iter().chain([rolled]).collect();
    let policy = config::ClientKeysPolicy { allow_private_addresses: Vec::new(), ca: None };
    Registry::new(&clients, &par, &Arc::new(KeyFetcher::new(&policy, clock())))
}

fn secret(text: &str) -> RollOver<SecretDigest> {
    RollOver::new(SecretDigest::of(text), None)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)))
}

fn assertions() -> Assertions {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = "[server]\nissuer = \"https://login.example\"\n\
                [upstream]\nurl = \"http://127.0.0.1:9\"\n";
    std::fs::write(&file, text).unwrap();
    let config = config::load(&file, &config::Environment::default()).unwrap().config;
    let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
    let store = Arc::new(MemoryStore::new(1 << 20, clock()));
    Assertions::new(&config, Arc::new(Discovery::new(client, &config)), store, clock())
}

async fn judge(authorization: &[&str], form: &str) -> Result<Authenticated, AuthenticationError> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    let form = Parameters::parse(form.as_bytes()).unwrap();
    authenticate(&registry(), &Presented::read(&headers, &form)?, &assertions()).await
}

fn basic_header(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

#[tokio::test]
async fn b052_basic_credentials_are_form_encoded_inside() {
    let header = basic_header("basic:s%3A1+%25%2B%C3%A9");
    let authenticated = judge(&[&header], "client_id=basic").await.unwrap();
    assert_eq!(&*authenticated.client.client_id, "basic");
    assert_eq!(authenticated.method, AuthMethod::ClientSecretBasic);
    assert!(judge(&[&header.replace("Basic", "bAsIc")], "").await.is_ok());
    assert!(judge(&[&basic_header("a%3Ab:s3")], "").await.is_ok());
}

/// The right credentials of `basic`.
const GOOD: Option<&str> = Some("Basic YmFzaWM6cyUzQTErJTI1JTJCJUMzJUE5");

/// Authorization header, form, and who is believed or why nobody is.
type Presentation = (Option<&'static str>, &'static str, Result<&'static str, E>);

const REGISTERED_AGAINST_PRESENTED: &[Presentation] = &[
    (None, "client_id=post&client_secret=s2", Ok("post")),
    (None, "client_id=rolled&client_secret=new", Ok("rolled")),
    (None, "client_id=rolled&client_secret=old", Ok("rolled")),
    (None, "client_id=rolled&client_secret=older", Err(E::WrongSecret)),
    (None, "client_id=public", Ok("public")),
    (None, "", Err(E::Missing)),
    (None, "client_secret=s2", Err(E::Missing)),
    (None, "client_id=basic", Err(E::Missing)),
    (None, "client_id=off", Err(E::UnknownClient)),
    (None, "client_id=nobody", Err(E::UnknownClient)),
    (None, "client_id=post&client_secret=s3", Err(E::WrongSecret)),
    (None, "client_id=post&client_secret=", Err(E::Missing)),
    (None, "client_id=public&client_secret=x", Err(E::WrongMethod)),
    (None, "client_id=post&client_assertion=x", Err(E::Malformed)),
    (Some("Basic cG9zdDpzMg=="), "", Err(E::WrongMethod)),
    (GOOD, "client_id=post", Err(E::OtherClientId)),
    (Some("Basic YmFzaWM6eA=="), "client_id=post", Err(E::WrongSecret)),
    (GOOD, "client_secret=x", Err(E::SeveralMethods)),
    (GOOD, "client_assertion=x", Err(E::SeveralMethods)),
    (None, "client_id=a&client_id=a", Err(E::RepeatedCredential)),
    (None, "client_id=a&Client_Id=b", Err(E::RepeatedCredential)),
];

#[tokio::test]
async fn b049_b053_b054_registered_against_presented() {
    for (authorization, form, expected) in REGISTERED_AGAINST_PRESENTED {
        let header: Vec<_> = authorization.iter().copied().collect();
        let outcome = judge(&header, form).await;
        let outcome = outcome.as_ref().map(|known| &*known.client.client_id).map_err(Clone::clone);
        assert_eq!(outcome, expected.clone(), "{authorization:?} {form}");
    }
}

#[tokio::test]
async fn b224_headers_that_cannot_be_read_are_a_refusal() {
    for header in [
        "Basic",
        "Basic !",
        "Basic YWJj",
        "Bearer x",
        "Basic Og==",
        "Basic OnM=",
        "",
        "Basic JWZmOg==",
    ] {
        assert_eq!(
            judge(&[header], "").await.unwrap_err().code(),
            ErrorCode::InvalidClient,
            "{header}"
        );
    }
    let good = basic_header("basic:x");
    assert_eq!(
        judge(&[&good, &good], "").await.unwrap_err(),
        AuthenticationError::RepeatedCredential
    );
}

#[test]
fn b050_unknown_client_and_wrong_secret_read_the_same() {
    let unknown = AuthenticationError::UnknownClient;
    let wrong = AuthenticationError::WrongSecret;
    assert_eq!(unknown.code(), wrong.code());
    assert_eq!(unknown.description(), wrong.description());
}
