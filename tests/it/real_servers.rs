//! Real, unchanged authorization servers: what they show a browser by themselves, and the whole way
//! from discovery to ID token through the gateway.

use http::StatusCode;

use crate::support::browser::{Browser, Journey};
use crate::support::http::get;
use crate::support::idp::{Django, OidcProvider};
use crate::support::relying_party::{Client, REDIRECT_URI, RelyingParty};
use crate::support::stage::Stage;

/// Pushes, signs in and exchanges the code at `issuer`.
async fn sign_in_with_par(issuer: &str, client: Client) -> (RelyingParty, Journey) {
    let party = RelyingParty::discover(issuer, client).await;
    let authorize_url = party.push().await;
    let journey = Browser::default().sign_in(&authorize_url, REDIRECT_URI).await.expect("a login");
    let claims = party.redeem(&journey.callback).await;
    assert!(claims["sub"].is_string(), "{claims}");
    (party, journey)
}

fn assert_first_address_shows_nothing(party: &RelyingParty, journey: &Journey) {
    let first = &journey.hops[0];
    for (name, value) in party.secrets() {
        assert!(!first.address_shows(&value), "{name} in {}", first.url);
    }
    let names: Vec<_> = first.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
}

fn assert_no_secret_in(output: &str, client: Client) {
    let secret = client.secret();
    assert!(secret.is_empty() || !output.contains(secret), "a secret in:\n{output}");
}

#[tokio::test]
async fn driver_completes_a_login_without_the_gateway_at_oidc_provider() {
    let server = OidcProvider::start_alone(REDIRECT_URI).await;
    for client in [Client::ConfidentialBasic, Client::Public] {
        let party = RelyingParty::discover(&server.issuer, client).await;
        let mut browser = Browser::default();
        let journey = browser.sign_in(&party.plain_url(), REDIRECT_URI).await.expect("a login");
        assert_eq!(journey.callback_parameter("iss"), Some(server.issuer.clone()));
        assert_eq!(party.redeem(&journey.callback).await["sub"], "alice");

        // The request stays at the server after the first hop; its development pages show it.
        let [first, login, ..] = journey.hops.as_slice() else { panic!("{:?}", journey.hops) };
        assert!(first.address_shows(&party.state) && !first.location_shows(&party.state));
        assert!(login.page_shows(&party.state) && !login.address_shows(&party.state));
        assert!(!first.set_cookies.is_empty());
        for cookie in &first.set_cookies {
            let same_site = cookie.same_site.as_deref().unwrap_or_default();
            assert!(cookie.http_only && same_site.eq_ignore_ascii_case("lax"), "{cookie:?}");
        }
    }
    assert!(server.output().contains("oidc-provider for"), "{}", server.output());
}

#[tokio::test]
async fn driver_completes_a_login_without_the_gateway_at_django() {
    let server = Django::start_alone(REDIRECT_URI).await;
    for client in [Client::ConfidentialPost, Client::Public] {
        let party = RelyingParty::discover(&server.issuer, client).await;
        let mut browser = Browser::default();
        let journey = browser.sign_in(&party.plain_url(), REDIRECT_URI).await.expect("a login");
        party.redeem(&journey.callback).await;

        // The request goes through the browser at every hop, and the last one believes the form.
        let [first, login, .., consent] = journey.hops.as_slice() else {
            panic!("{:?}", journey.hops)
        };
        for (name, value) in party.secrets() {
            assert!(first.location_shows(&value), "{name}");
            assert!(login.address_shows(&value), "{name}");
        }
        assert!(consent.posted_shows(&party.nonce) && consent.posted_shows("Authorize"));
    }
}

#[tokio::test]
async fn oidc_provider_takes_pushed_requests_where_par_is_required() {
    let stage = Stage::oidc_provider().await;
    for client in [Client::ConfidentialBasic, Client::ConfidentialPost, Client::Public] {
        let (party, journey) = sign_in_with_par(&stage.issuer, client).await;
        assert_first_address_shows_nothing(&party, &journey);
        assert_eq!(party.metadata["require_pushed_authorization_requests"], true);
        assert_eq!(journey.callback_parameter("iss").as_ref(), Some(&stage.issuer));
        for hop in &journey.hops {
            for (name, value) in party.secrets() {
                assert!(!hop.address_shows(&value), "{name} in {}", hop.url);
            }
        }
    }
    let own = format!("{}/.well-known/openid-configuration", stage.upstream.url);
    assert!(get(&own).await.json().get("pushed_authorization_request_endpoint").is_none());
    let admin = stage.gateway.admin_url.as_deref().expect("a private listener");
    assert_eq!(get(&format!("{admin}/livez")).await.status, StatusCode::OK);
    let (status, output) = stage.gateway.stop();
    assert!(status.success(), "{status} {output}");
    assert_no_secret_in(&output, Client::ConfidentialBasic);
    assert_no_secret_in(&output, Client::ConfidentialPost);
}

#[tokio::test]
async fn b154_b156_b164_oidc_provider_ends_a_flow_by_form_post() {
    let stage = Stage::oidc_provider().await;
    let mut party = RelyingParty::discover(&stage.issuer, Client::ConfidentialBasic).await;
    party.further.push(("response_mode", "form_post".to_owned()));
    let authorize_url = party.push().await;
    let mut browser = Browser::default();
    let journey = browser.sign_in(&authorize_url, REDIRECT_URI).await.expect("a login");
    let last = journey.hops.last().expect("a hop");
    assert!(last.location.is_none() && last.status == StatusCode::OK, "{last:?}");
    let issuers = journey.callback.query_pairs().filter(|(name, _)| name == "iss").count();
    assert_eq!(issuers, 1, "{}", journey.callback);
    assert_eq!(party.redeem(&journey.callback).await["sub"], "alice");
    for mut browser in [browser, Browser::default()] {
        let again = browser.open(&authorize_url).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "{again:?}");
        assert!(again.page_shows("invalid_request_uri"), "{}", again.body);
    }
}

#[tokio::test]
async fn oidc_provider_never_sees_an_unpushed_request_where_par_is_required() {
    let stage = Stage::oidc_provider().await;
    let party = RelyingParty::discover(&stage.issuer, Client::Public).await;
    let refused = Browser::default().open(&party.plain_url()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(!refused.page_shows(&party.state), "{}", refused.body);
}

#[tokio::test]
async fn django_takes_pushed_requests_where_par_is_optional() {
    let stage = Stage::django().await;
    for client in [Client::ConfidentialBasic, Client::Public] {
        let (party, journey) = sign_in_with_par(&stage.issuer, client).await;
        assert_first_address_shows_nothing(&party, &journey);
        assert_ne!(party.metadata["require_pushed_authorization_requests"], true);
        assert_eq!(journey.callback_parameter("iss").as_ref(), Some(&stage.issuer));
    }
    assert_no_secret_in(&stage.gateway.output(), Client::ConfidentialBasic);
}

#[tokio::test]
async fn django_still_takes_plain_requests_where_par_is_optional() {
    let stage = Stage::django().await;
    let party = RelyingParty::discover(&stage.issuer, Client::ConfidentialBasic).await;
    let mut browser = Browser::default();
    let journey = browser.sign_in(&party.plain_url(), REDIRECT_URI).await.expect("a login");
    party.redeem(&journey.callback).await;
}
