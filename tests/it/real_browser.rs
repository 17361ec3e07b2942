//! Chromium signs in at Django through the gateway: no address that it asked for, was sent to or told
//! others about holds anything that was pushed.

use fantoccini::{Client as Driver, Locator};
use serde_json::Value;
use url::Url;

use crate::support::browser::{PASSWORD, USER};
use crate::support::chromium::{Chromium, PATIENCE, click, fill_in, network_log};
use crate::support::disclosure::discloses;
use crate::support::relying_party::{Client, REDIRECT_URI, RelyingParty};
use crate::support::stage::Stage;

#[tokio::test]
async fn b150_b152_chromium_sees_no_pushed_value_in_an_address() {
    let stage = Stage::django_as("django-oauth-toolkit", "required = true").await;
    let browser = Chromium::start().await;
    let client = browser.client.clone();
    let issuer = stage.issuer.clone();
    let visit = tokio::spawn(async move {
        for (prompt, asks) in [(None, true), (Some("login"), true), (None, false)] {
            let mut party = RelyingParty::discover(&issuer, Client::Public).await;
            party.further = prompt.map(|it| ("prompt", it.to_owned())).into_iter().collect();
            party.further.push(("claims", r#"{"id_token":{"email":null}}"#.to_owned()));
            let seen = sign_in(&client, &party.push().await, asks).await;
            assert_nothing_disclosed(&party, &seen);
            let claims = party.redeem(&seen.callback).await;
            assert!(claims["sub"].is_string(), "{claims}");
        }
    });
    browser.stop_after(visit).await;
    let (status, _) = stage.gateway.stop();
    assert!(status.success(), "{status}");
}

/// What the browser came across in one login.
struct Seen {
    /// The address bar after each step.
    shown: Vec<String>,
    /// The addresses of all requests, and what stood in `Location` and `Referer`.
    asked: Vec<String>,
    callback: Url,
}

async fn sign_in(client: &Driver, authorize_url: &Url, asks: bool) -> Seen {
    let mut shown = Vec::new();
    client.goto(authorize_url.as_str()).await.unwrap();
    if asks {
        fill_in(client, "input[name=username]", USER).await;
        fill_in(client, "input[name=password]", PASSWORD).await;
        shown.push(client.current_url().await.unwrap().to_string());
        click(client, "button[type=submit]").await;
    }
    let wait = client.wait().at_most(PATIENCE);
    wait.for_element(Locator::Css("input[name=allow]")).await.expect("the consent page");
    shown.push(client.current_url().await.unwrap().to_string());
    let referrer = client.execute("return document.referrer", Vec::new()).await.unwrap();
    shown.extend(referrer.as_str().map(str::to_owned));
    // Nobody listens at the client's address; that the browser went there is enough.
    click(client, "input[name=allow]").await;
    let mut log = Vec::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        log.extend(network_log(client).await);
        let requests =
            log.iter().filter_map(|message| message["params"]["request"]["url"].as_str());
        let mut back = requests.filter(|url| url.starts_with(&format!("{REDIRECT_URI}?")));
        if let Some(callback) = back.next_back() {
            let callback = Url::parse(callback).expect("a URL");
            return Seen { shown, asked: log.iter().flat_map(addresses).collect(), callback };
        }
        assert!(std::time::Instant::now() < deadline, "the browser is not sent back: {shown:?}");
    }
}

/// Every address in a message of the network log.
fn addresses(message: &Value) -> Vec<String> {
    let parameters = &message["params"];
    let headers = [
        &parameters["headers"],
        &parameters["request"]["headers"],
        &parameters["redirectResponse"]["headers"],
        &parameters["response"]["headers"],
    ];
    let fields = headers.into_iter().filter_map(Value::as_object).flatten();
    let named = ["location", "referer", "refresh", "content-location", "link"];
    let fields = fields.filter(|(name, _)| named.contains(&name.to_ascii_lowercase().as_str()));
    let urls = [
        &parameters["documentURL"],
        &parameters["request"]["url"],
        &parameters["response"]["url"],
        &parameters["redirectResponse"]["url"],
    ];
    let all = urls.into_iter().chain(fields.map(|(_, value)| value));
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn assert_nothing_disclosed(party: &RelyingParty, seen: &Seen) {
    let own = |url: &&String| !url.starts_with(&format!("{REDIRECT_URI}?"));
    let all: Vec<_> = seen.shown.iter().chain(&seen.asked).filter(own).collect();
    let logged = all.iter().filter(|url| url.contains("request_uri")).count();
    assert!(logged > 4, "the log of the network is not complete: {all:?}");
    for url in all {
        for (name, value) in party.secrets() {
            assert!(!discloses(url, &value), "{name} in {url}");
        }
    }
}
