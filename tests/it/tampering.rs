//! One change at a time, by somebody at the keyboard, at a real server that believes what it gets: the
//! address that its login page goes on to, the second visit of its authorize endpoint, the consent form.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;

use crate::support::browser::{Browser, Journey, PASSWORD, Stray, USER};
use crate::support::forms::forms;
use crate::support::http::encode;
use crate::support::relying_party::{Client, REDIRECT_URI, RelyingParty};
use crate::support::stage::Stage;

const CLAIMS: &str = r#"{"id_token":{"email":{"essential":true}}}"#;

/// What is tried. Less `scope` is not: people may take scopes away.
const EVIL: &[(&str, &str)] = &[
    ("scope", "openid profile email introspection"),
    ("nonce", "evil-nonce"),
    ("state", "evil-state"),
    ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
    ("redirect_uri", "http://127.0.0.1:41900/callback/evil"),
    ("claims", r#"{"id_token":{"evil":null}}"#),
];

/// A form may ask for less, an address may not.
const LESS: (&str, &str) = ("scope", "openid");

async fn party(stage: &str, prompt: Option<&str>) -> RelyingParty {
    let mut party = RelyingParty::discover(stage, Client::Public).await;
    party.further = vec![("claims", CLAIMS.to_owned())];
    party.further.extend(prompt.map(|prompt| ("prompt", prompt.to_owned())));
    party
}

/// The authorize URL of old with one parameter changed.
fn whole_request_with(party: &RelyingParty, (name, evil): (&str, &str)) -> Url {
    let mut parameters = party.parameters();
    for (_, value) in parameters.iter_mut().filter(|(known, _)| *known == name) {
        evil.clone_into(value);
    }
    let mut url = party.endpoint("authorization_endpoint");
    url.set_query(Some(&encode(&parameters)));
    url
}

fn set_query_parameter(url: &mut Url, name: &str, value: &str) {
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
    url.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, value);
}

/// What the server writes into its pages must be seen here.
const PAR: &str = "required = true\n[authorize]\nmask_html = false";

/// Signs in while one thing is changed once, and demands that it was tried.
async fn attack(
    party: &RelyingParty,
    change: impl Fn(&mut Url, &mut Vec<(String, String)>) -> bool + Send + Sync + 'static,
) -> Result<Journey, Stray> {
    let authorize_url = party.push().await;
    let changes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&changes);
    let mut browser = Browser::tampering(move |url, fields| {
        if counter.load(Ordering::Relaxed) == 0 {
            counter.fetch_add(usize::from(change(url, fields)), Ordering::Relaxed);
        }
    });
    let journey = browser.sign_in(&authorize_url, REDIRECT_URI).await;
    assert!(changes.load(Ordering::Relaxed) > 0, "nothing was changed: {journey:?}");
    journey
}

/// Demands a login as it was pushed: `tokens` looks at state, nonce and verifier.
async fn assert_as_pushed(party: &RelyingParty, journey: &Journey, (name, evil): (&str, &str)) {
    assert!(journey.callback.as_str().starts_with(&format!("{REDIRECT_URI}?")));
    let tokens = party.tokens(&journey.callback).await;
    assert_eq!(tokens["scope"], "openid profile email", "{name}");
    // What the server writes into its consent page is what it believes.
    let consent = journey.hops.iter().rev().find(|hop| hop.page_shows("code_challenge"));
    let consent = consent.expect("a consent page");
    assert!(consent.page_shows(&party.nonce), "{}", consent.body);
    let is_part = evil == LESS.1;
    assert!(is_part || !consent.page_shows(evil), "{name} in {}", consent.body);
}

#[tokio::test]
async fn b151_what_is_changed_in_the_address_behind_the_login_is_not_honoured() {
    let stage = Stage::django_as("django-oauth-toolkit", PAR).await;
    for change in EVIL.iter().chain([&LESS]) {
        let party = party(&stage.issuer, None).await;
        let evil_next = whole_request_with(&party, *change);
        let evil_next = format!("{}?{}", evil_next.path(), evil_next.query().unwrap_or_default());
        let outcome = attack(&party, move |url, fields| {
            let is_login = fields.iter().any(|(name, _)| name == "next");
            for (_, next) in fields.iter_mut().filter(|(name, _)| name == "next") {
                evil_next.clone_into(next);
            }
            if is_login {
                set_query_parameter(url, "next", &evil_next);
            }
            is_login
        });
        match outcome.await {
            Ok(journey) => assert_as_pushed(&party, &journey, *change).await,
            Err(stray) => assert_refused(&stray, *change),
        }
    }
}

/// The request is not recognised any more, and what was not pushed is not let in.
fn assert_refused(stray: &Stray, change: (&str, &str)) {
    let last = stray.hops.last().expect("hops");
    assert_eq!(last.status, http::StatusCode::BAD_REQUEST, "{change:?}: {stray:?}");
    assert!(last.headers.get("x-frame-options").is_none() || !last.page_shows(change.1));
}

#[tokio::test]
async fn b151_what_is_changed_in_the_second_visit_is_not_honoured() {
    let stage = Stage::django_as("django-oauth-toolkit", PAR).await;
    let is_second = |url: &Url, fields: &[(String, String)]| {
        fields.is_empty() && url.path().ends_with("/authorize/")
    };
    for change @ (name, evil) in EVIL.iter().chain([&LESS]) {
        // Beside the handle.
        let beside = party(&stage.issuer, None).await;
        let outcome = attack(&beside, move |url, fields| {
            let now = is_second(url, fields);
            if now {
                url.query_pairs_mut().append_pair(name, evil);
            }
            now
        });
        assert_as_pushed(&beside, &outcome.await.expect("a login"), *change).await;
        // In its place.
        let instead = party(&stage.issuer, Some("login")).await;
        let whole = whole_request_with(&instead, *change);
        let outcome = attack(&instead, move |url, fields| {
            let now = is_second(url, fields);
            if now {
                whole.clone_into(url);
            }
            now
        });
        match outcome.await {
            Ok(journey) => assert_as_pushed(&instead, &journey, *change).await,
            Err(stray) => assert_refused(&stray, *change),
        }
    }
}

#[tokio::test]
async fn what_is_changed_in_the_consent_form_is_not_honoured() {
    let stage = Stage::django_as("django-oauth-toolkit", PAR).await;
    for change @ (name, evil) in EVIL {
        let party = party(&stage.issuer, None).await;
        let outcome = attack(&party, move |_, fields| {
            let mut changed = false;
            for (_, value) in fields.iter_mut().filter(|(known, _)| known == name) {
                (*evil).clone_into(value);
                changed = true;
            }
            changed
        });
        assert_as_pushed(&party, &outcome.await.expect("a login"), *change).await;
    }
}

/// A part of a multipart form for every field.
fn parts(fields: &[(String, String)]) -> String {
    let part = |(name, value): &(String, String)| {
        format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect()
}

/// Django reads the parts behind the end of a multipart form as well.
#[tokio::test]
async fn parts_behind_the_end_of_a_consent_form_make_no_grant() {
    let stage = Stage::django_as("django-oauth-toolkit", PAR).await;
    let party = party(&stage.issuer, None).await;
    let mut browser = Browser::default();
    browser.sign_in(&party.push().await, REDIRECT_URI).await.expect("a login");
    for (end, is_granted) in [("", true), ("--xx--\r\n", false)] {
        let consent = browser.open(&party.push().await).await;
        let form = forms(&consent.body).into_iter().find(|form| form.is_post);
        let form = form.unwrap_or_else(|| panic!("no consent page: {consent:?}"));
        let mut fields = form.filled(USER, PASSWORD);
        assert!(
            fields.iter().any(|(name, value)| (name.as_str(), value) == ("nonce", &party.nonce))
        );
        for (_, nonce) in fields.iter_mut().filter(|(name, _)| name == "nonce") {
            "evil-nonce".clone_into(nonce);
        }
        let harmless = [("foo".to_owned(), "1".to_owned())];
        let body = [&parts(&harmless), end, &parts(&fields), "--xx--\r\n"].concat();
        let media_type = "multipart/form-data; boundary=xx";
        let hop = browser.submit_body(&consent.url, (media_type, body)).await;
        let callback = hop.location.as_ref().filter(|to| to.as_str().starts_with(REDIRECT_URI));
        assert_eq!(callback.is_some(), is_granted, "{hop:?}");
        if let Some(callback) = callback {
            // As it was pushed: the nonce of the ID token is looked at.
            party.redeem(callback).await;
        } else {
            assert_eq!(hop.status, http::StatusCode::BAD_REQUEST, "{hop:?}");
        }
    }
}
