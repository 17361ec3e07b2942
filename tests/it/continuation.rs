//! The request survives a real server that hands it back to the browser: Django puts all of it into
//! its login redirect and its consent form, and believes what comes back.

use http::StatusCode;
use url::Url;

use crate::support::browser::{Browser, Journey, Tamper};
use crate::support::idp::Django;
use crate::support::relying_party::{Client, REDIRECT_URI, RelyingParty};
use crate::support::stage::Stage;

async fn sign_in(party: &RelyingParty, mut browser: Browser) -> Journey {
    let authorize_url = party.push().await;
    let journey = browser.sign_in(&authorize_url, REDIRECT_URI).await.expect("a login");
    assert!(party.redeem(&journey.callback).await["sub"].is_string());
    journey
}

fn assert_addresses_show_nothing(party: &RelyingParty, journey: &Journey) {
    for hop in &journey.hops {
        let leaves =
            hop.location.as_ref().is_some_and(|url| url.as_str().starts_with(REDIRECT_URI));
        for (name, value) in party.secrets() {
            assert!(!hop.address_shows(&value), "{name} in {}", hop.url);
            assert!(leaves || !hop.location_shows(&value), "{name} in {:?}", hop.location);
            assert!(!hop.status.is_redirection() || !hop.page_shows(&value), "{name} in the body");
        }
    }
}

#[tokio::test]
async fn b150_b151_django_where_par_is_required_shows_the_browser_nothing() {
    for preset in ["django-oauth-toolkit", "generic"] {
        let stage = Stage::django_as(preset, "required = true").await;
        for client in [Client::ConfidentialBasic, Client::Public] {
            let party = RelyingParty::discover(&stage.issuer, client).await;
            let journey = sign_in(&party, Browser::default()).await;
            assert_addresses_show_nothing(&party, &journey);
            assert_eq!(journey.callback_parameter("iss").as_ref(), Some(&stage.issuer));
        }
    }
}

#[tokio::test]
async fn b152_prompt_login_asks_once_and_a_session_asks_not_at_all() {
    let stage = Stage::django_as("generic", "required = true").await;
    let mut browser = Browser::default();
    for (prompt, passwords) in [(None, 1), (Some("login"), 1), (None, 0)] {
        let mut party = RelyingParty::discover(&stage.issuer, Client::ConfidentialBasic).await;
        party.further = prompt.map(|prompt| ("prompt", prompt.to_owned())).into_iter().collect();
        let authorize_url = party.push().await;
        let journey = browser.sign_in(&authorize_url, REDIRECT_URI).await.expect("a login");
        party.redeem(&journey.callback).await;
        let asked = journey.hops.iter().filter(|hop| hop.posted_shows("wonderland")).count();
        assert_eq!(asked, passwords, "{prompt:?}");
    }
}

/// Lengthens the request by characters that no encoding makes longer, until the authorize URL of old would have this many bytes.
fn lengthen(party: &mut RelyingParty, bytes: usize) {
    let missing = bytes.saturating_sub(party.plain_url().as_str().len());
    party.further = vec![("ui_locales", "de-".repeat(missing / 3 + 1))];
    assert!(party.plain_url().as_str().len() >= bytes);
}

#[tokio::test]
async fn b149_a_request_of_6000_bytes_survives_the_login_redirect() {
    let stage = Stage::django_as("django-oauth-toolkit", "required = true").await;
    let mut party = RelyingParty::discover(&stage.issuer, Client::ConfidentialBasic).await;
    lengthen(&mut party, 6_000);
    let journey = sign_in(&party, Browser::default()).await;
    assert_addresses_show_nothing(&party, &journey);
}

#[tokio::test]
async fn django_alone_loses_a_request_of_6000_bytes() {
    let server = Django::start_alone(REDIRECT_URI).await;
    let mut party = RelyingParty::discover(&server.issuer, Client::ConfidentialBasic).await;
    lengthen(&mut party, 6_000);
    // It drops a `next` of over 2,048 characters, and the login leads to its default page.
    let stray = Browser::default().sign_in(&party.plain_url(), REDIRECT_URI).await;
    let stray = stray.expect_err("the request is lost");
    let last = stray.hops.last().expect("hops");
    assert_eq!((last.url.path(), last.status), ("/accounts/profile/", StatusCode::NOT_FOUND));
}

/// Everything somebody at the keyboard can put in or take out.
fn change_everything(url: &mut Url, fields: &mut Vec<(String, String)>) {
    let evil = |name: &str| match name {
        "scope" => Some("openid introspection"),
        "nonce" => Some("evil-nonce"),
        "state" => Some("evil-state"),
        "code_challenge" => Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        "redirect_uri" => Some("http://127.0.0.1:41900/callback/evil"),
        "claims" => Some("{}"),
        _ => None,
    };
    if fields.iter().any(|(name, _)| name == "code_challenge") {
        for (name, value) in fields.iter_mut().filter(|(name, _)| name != "state") {
            if let Some(evil) = evil(name) {
                evil.clone_into(value);
            }
        }
        fields.push(("acr_values".into(), "low".into()));
        fields.push(("request".into(), "eyJhbGciOiJub25lIn0.e30.".into()));
    }
    if url.path().ends_with("/authorize/") && url.query().is_some() {
        url.query_pairs_mut().append_pair("scope", "introspection").append_pair("nonce", "evil");
    }
}

/// What the consent form would lose.
fn drop_the_protection(_: &mut Url, fields: &mut Vec<(String, String)>) {
    fields.retain(|(name, _)| {
        !["nonce", "code_challenge", "code_challenge_method"].contains(&name.as_str())
    });
}

#[tokio::test]
async fn what_the_browser_changes_or_drops_is_set_back() {
    for par in ["required = true", "required = false"] {
        let stage = Stage::django_as("django-oauth-toolkit", par).await;
        for tamper in [change_everything as Tamper, drop_the_protection] {
            let party = RelyingParty::discover(&stage.issuer, Client::Public).await;
            // `redeem` demands the pushed nonce, state and verifier.
            let journey = sign_in(&party, Browser::tampering(tamper)).await;
            assert!(journey.callback.as_str().starts_with(&format!("{REDIRECT_URI}?")));
        }
    }
}

#[tokio::test]
async fn a_continuation_is_nothing_in_another_browser() {
    let stage = Stage::django_as("django-oauth-toolkit", "required = true").await;
    let party = RelyingParty::discover(&stage.issuer, Client::ConfidentialBasic).await;
    let mut browser = Browser::default();
    let first = browser.open(&party.push().await).await;
    let login = first.location.expect("a login page");
    let (_, next) = login.query_pairs().find(|(name, _)| name == "next").expect("next");
    let authorize = login.join(&next).expect("a URL");
    assert!(authorize.query().is_some_and(|query| query.contains("request_uri=")), "{authorize}");
    let stolen = Browser::default().open(&authorize).await;
    assert_eq!(stolen.status, StatusCode::BAD_REQUEST);
    assert!(stolen.body.contains("invalid_request_uri"), "{}", stolen.body);
    for _ in 0..2 {
        assert!(browser.open(&authorize).await.location.is_some());
    }
}

#[tokio::test]
async fn a_full_request_in_a_fresh_browser_is_refused() {
    let stage = Stage::django_as("django-oauth-toolkit", "required = true").await;
    let party = RelyingParty::discover(&stage.issuer, Client::ConfidentialBasic).await;
    sign_in(&party, Browser::default()).await;
    let plain = Browser::default().open(&party.plain_url()).await;
    assert_eq!(plain.status, StatusCode::BAD_REQUEST);
}
