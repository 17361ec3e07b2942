//! The whole hop list of a login at real servers: no address, no `Location` and no header field of an
//! answer gives a pushed value away, in any encoding; and what a server does that keeps the request.

use http::StatusCode;
use url::Url;

use crate::support::browser::{Browser, Hop, Journey};
use crate::support::disclosure::discloses;
use crate::support::forms::forms;
use crate::support::relying_party::{Client, REDIRECT_URI, RelyingParty};
use crate::support::stage::Stage;

/// A login with every kind of value that is easily encoded wrong.
async fn sign_in(browser: &mut Browser, issuer: &str, further: &[(&'static str, &str)]) -> Journey {
    let mut party = RelyingParty::discover(issuer, Client::ConfidentialBasic).await;
    let claims = r#"{"id_token":{"email":{"essential":true}}}"#;
    party.further = vec![("claims", claims.to_owned())];
    party.further.extend(further.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let authorize_url = party.push().await;
    let journey = browser.sign_in(&authorize_url, REDIRECT_URI).await.expect("a login");
    assert!(party.redeem(&journey.callback).await["sub"].is_string());
    assert_eq!(journey.callback_parameter("iss").as_deref(), Some(issuer));
    let secrets = party.secrets();
    let secrets: Vec<_> = secrets.iter().filter(|(name, _)| *name != "max_age").collect();
    for hop in &journey.hops {
        for (name, value) in &secrets {
            assert_shows_nothing(hop, name, value);
        }
    }
    journey
}

fn assert_shows_nothing(hop: &Hop, name: &str, value: &str) {
    assert!(!discloses(hop.url.as_str(), value), "{name} in {}", hop.url);
    // The last redirect leads to the client, which knows its own request.
    let leaves = hop.location.as_ref().is_some_and(|to| to.as_str().starts_with(REDIRECT_URI));
    for (field, text) in &hop.headers {
        let text = String::from_utf8_lossy(text.as_bytes());
        if !(leaves && field == "location") {
            assert!(!discloses(&text, value), "{name} in {field} of {}: {text}", hop.url);
        }
    }
    if hop.location.is_some() && !leaves {
        assert!(!discloses(&hop.body, value), "{name} in the body of a redirect: {}", hop.body);
    }
}

#[tokio::test]
async fn b150_no_hop_at_django_discloses_what_was_pushed() {
    for preset in ["django-oauth-toolkit", "generic"] {
        let stage = Stage::django_as(preset, "required = true").await;
        let mut browser = Browser::default();
        for further in [&[][..], &[("prompt", "login")], &[("resource", "https://api.example/a?b")]]
        {
            sign_in(&mut browser, &stage.issuer, further).await;
        }
    }
}

fn passwords(journey: &Journey) -> usize {
    journey.hops.iter().filter(|hop| hop.posted_shows("wonderland")).count()
}

/// What people see of the gateway in the hops of a login: the paths, without names of their own.
fn paths(journey: &Journey) -> Vec<String> {
    let nameless = |url: &Url| {
        let segments = url.path_segments().into_iter().flatten();
        segments.map(|it| if it.len() > 12 { "UID" } else { it }).collect::<Vec<_>>().join("/")
    };
    journey.hops.iter().map(|hop| format!("{} {}", hop.method, nameless(&hop.url))).collect()
}

#[tokio::test]
async fn b150_b152_no_hop_at_oidc_provider_discloses_what_was_pushed() {
    let mut shapes = Vec::new();
    for preset in ["oidc-provider", "generic"] {
        for par in ["required = true", "required = false"] {
            let stage = Stage::oidc_provider_as(preset, par).await;
            let mut browser = Browser::default();
            let mut shape = Vec::new();
            for (further, asked) in [
                (&[][..], 1),
                // A session, then two ways to ask all the same, then the session again.
                (&[], 0),
                (&[("prompt", "login")], 1),
                (&[("max_age", "0")], 1),
                (&[("max_age", "600")], 0),
            ] {
                let journey = sign_in(&mut browser, &stage.issuer, further).await;
                assert_eq!(passwords(&journey), asked, "{preset}, {par}, {further:?}");
                shape.push(paths(&journey));
            }
            sign_out(&mut browser, &stage.issuer).await;
            let again = sign_in(&mut browser, &stage.issuer, &[]).await;
            assert_eq!(passwords(&again), 1, "{preset}, {par}");
            shape.push(paths(&again));
            shapes.push(shape);
        }
    }
    // The preset and `required` change nothing of what the browser does.
    assert!(shapes.windows(2).all(|two| two[0] == two[1]), "{shapes:#?}");
}

/// By the server's own page (`OpenID` Connect RP-Initiated Logout).
async fn sign_out(browser: &mut Browser, issuer: &str) {
    let party = RelyingParty::discover(issuer, Client::ConfidentialBasic).await;
    let page = browser.open(&party.endpoint("end_session_endpoint")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let form = forms(&page.body).into_iter().find(|form| form.is_post).expect("a form");
    let mut fields = form.filled("", "");
    // Its button stands outside the form.
    fields.push(("logout".to_owned(), "yes".to_owned()));
    let to = page.url.join(&form.action).expect("a URL");
    let gone = browser.submit(&to, fields).await;
    assert!(gone.status.is_redirection() || gone.status.is_success(), "{gone:?}");
}
