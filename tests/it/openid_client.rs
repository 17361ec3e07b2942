//! The certified client library openid-client, unchanged, from discovery to ID token.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::support::browser::{Browser, Journey};
use crate::support::disclosure::discloses;
use crate::support::idp::{Django, OidcProvider, folder, install};
use crate::support::process::Process;
use crate::support::relying_party::{Client, REDIRECT_URI};
use crate::support::stage::Stage;

const LIMIT: Duration = Duration::from_secs(60);

/// What one login of openid-client came to.
#[derive(Debug)]
struct Login {
    /// The metadata that it discovered.
    discovered: Value,
    /// The address that it sent the browser to.
    authorize: Url,
    /// The authorization request, as it was pushed or sent.
    request: Value,
    /// The way through the browser.
    journey: Journey,
    /// The type of the access token, if there was one.
    token_type: Option<Value>,
    /// The claims of the ID token; or what the token endpoint said in place of one.
    claims: Value,
}

/// Signs alice in at `issuer` with `mode` `par` or `plain`.
async fn login(issuer: &str, client: Client, mode: &str) -> Login {
    login_in(&mut Browser::default(), issuer, client, (mode, "")).await
}

/// The same in a browser that may have a session, with a `prompt` that may be empty.
async fn login_in(
    browser: &mut Browser,
    issuer: &str,
    client: Client,
    (mode, prompt): (&str, &str),
) -> Login {
    install("openid-client").await;
    let mut driver = Process::spawn(
        Command::new(folder("openid-client").join("run"))
            .env("ISSUER", issuer)
            .env("CLIENT_ID", client.id())
            .env("CLIENT_SECRET", client.secret())
            .env("AUTHENTICATION", client.authentication())
            .env("REDIRECT_URI", REDIRECT_URI)
            .env("MODE", mode)
            .env("PROMPT", prompt),
    );
    let authorize = driver.wait_for(LIMIT, |output| said(output, "authorize")).await;
    let authorize = Url::parse(authorize.as_str().expect("text")).expect("a URL");
    let journey = browser.sign_in(&authorize, REDIRECT_URI).await.expect("a login");
    driver.say(journey.callback.as_str());
    let end = |output: &str| said(output, "claims").or_else(|| said(output, "refused"));
    let claims = driver.wait_for(LIMIT, end).await;
    Login {
        discovered: said(&driver.output(), "discovered").expect("said first"),
        request: said(&driver.output(), "request").expect("said before"),
        token_type: said(&driver.output(), "token_type"),
        authorize,
        journey,
        claims,
    }
}

/// The value of the line `{"<name>": …}`.
fn said(output: &str, name: &str) -> Option<Value> {
    output.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get(name).cloned()
    })
}

fn assert_pushed(login: &Login, issuer: &str, client: Client) {
    let mut query: Vec<_> = login.authorize.query_pairs().collect();
    query.sort();
    let names: Vec<_> = query.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["client_id", "request_uri"], "{}", login.authorize);
    assert_eq!(query[0].1, client.id());
    assert_eq!(login.claims["iss"], issuer);
    let endpoint = login.discovered["pushed_authorization_request_endpoint"].as_str();
    let origin = Url::parse(issuer).expect("a URL").origin().ascii_serialization();
    assert!(endpoint.is_some_and(|url| url.starts_with(&origin)), "{}", login.discovered);
}

#[tokio::test]
async fn openid_client_signs_in_at_oidc_provider_without_the_gateway() {
    let server = OidcProvider::start_alone(REDIRECT_URI).await;
    let login = login(&server.issuer, Client::ConfidentialBasic, "plain").await;
    assert_eq!(login.claims["sub"], "alice");
    assert!(login.discovered.get("pushed_authorization_request_endpoint").is_none());
}

#[tokio::test]
async fn openid_client_signs_in_at_django_without_the_gateway() {
    let server = Django::start_alone(REDIRECT_URI).await;
    let login = login(&server.issuer, Client::Public, "plain").await;
    assert_eq!(login.claims["iss"], *server.issuer);
}

#[tokio::test]
async fn openid_client_pushes_to_oidc_provider_through_the_gateway() {
    let stage = Stage::oidc_provider().await;
    for client in [Client::ConfidentialBasic, Client::ConfidentialPost, Client::Public] {
        let login = login(&stage.issuer, client, "par").await;
        assert_pushed(&login, &stage.issuer, client);
        assert_eq!(login.claims["sub"], "alice");
        assert_eq!(login.discovered["require_pushed_authorization_requests"], true);
    }
}

#[tokio::test]
async fn b185_b194_openid_client_binds_its_code_to_a_key() {
    for par in ["required = true", "required = true\ndpop_nonce = true"] {
        let stage = Stage::oidc_provider_as("oidc-provider", par).await;
        for client in [Client::ConfidentialBasic, Client::Public] {
            let login = login(&stage.issuer, client, "dpop").await;
            assert_eq!(login.claims["sub"], "alice", "{}", login.claims);
            assert_pushed(&login, &stage.issuer, client);
            let kind = login.token_type.as_ref().and_then(Value::as_str).unwrap_or_default();
            assert!(kind.eq_ignore_ascii_case("DPoP"), "{kind}");
            let offered = &login.discovered["dpop_signing_alg_values_supported"];
            assert!(offered.as_array().is_some_and(|list| list.contains(&"ES256".into())));
        }
        let stolen = login(&stage.issuer, Client::Public, "dpop-other-key").await;
        assert_eq!(stolen.claims, "invalid_grant");
        assert_eq!(stolen.token_type, None);
    }
}

#[tokio::test]
async fn openid_client_pushes_to_django_through_the_gateway() {
    let stage = Stage::django().await;
    for client in [Client::ConfidentialBasic, Client::ConfidentialPost, Client::Public] {
        let login = login(&stage.issuer, client, "par").await;
        assert_pushed(&login, &stage.issuer, client);
    }
}

#[tokio::test]
async fn b150_b152_openid_client_pushes_to_django_where_par_is_required() {
    let stage = Stage::django_as("django-oauth-toolkit", "required = true").await;
    let mut browser = Browser::default();
    for (prompt, passwords) in [("", 1), ("login", 1), ("", 0)] {
        let client = Client::ConfidentialBasic;
        let login = login_in(&mut browser, &stage.issuer, client, ("par", prompt)).await;
        assert_pushed(&login, &stage.issuer, client);
        assert_eq!(login.discovered["require_pushed_authorization_requests"], true);
        let hops = &login.journey.hops;
        let asked = hops.iter().filter(|hop| hop.posted_shows("wonderland")).count();
        assert_eq!(asked, passwords, "{prompt}");
        for (name, value) in login.request.as_object().expect("parameters") {
            let value = value.as_str().expect("text");
            for hop in hops
                .iter()
                .filter(|_| !["prompt", "code_challenge_method"].contains(&name.as_str()))
            {
                assert!(!discloses(hop.url.as_str(), value), "{name} in {}", hop.url);
            }
        }
    }
}
