//! `mask_html`: what was pushed is not in the upstream's pages either, and what comes back from them
//! is what was pushed.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;

use crate::authorize::{Front, cookies, refused};
use crate::legacy::{
    self, Flow, PUSHED, begin, body_of, last, query_of, says_what_was_pushed, submit, submit_form,
    values,
};
use crate::support::browser::Browser;
use crate::support::forms::forms;
use crate::support::http::encode;
use crate::support::raw::Answer;
use crate::support::relying_party::{Client, REDIRECT_URI, RelyingParty};
use crate::support::stage::Stage;
use crate::support::upstream::Seen;

const MASKED: &str = "[authorize]\nmask_html = true\n";

fn settings(preset: &str) -> String {
    format!("{}\n{MASKED}", legacy::settings(preset))
}

/// An answer with these further header lines.
fn page(fields: &str, html: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"e\"\r\n{fields}\r\n", html.len());
    [head.as_bytes(), html].concat()
}

fn html(text: &str) -> Vec<u8> {
    page("Content-Type: text/html; charset=utf-8\r\n", text.as_bytes())
}

/// `LemonLDAP::NG`'s consent page: every parameter in a hidden field, and the form goes to `action`.
fn consent(seen: &Seen, form: &str) -> String {
    let query = query_of(&seen.target);
    let fields: Vec<_> = ["client_id", "allow"]
        .into_iter()
        .chain(PUSHED.iter().map(|(name, _)| *name))
        .filter_map(|name| Some((name, values(query, name).pop()?)))
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\"/>"))
        .collect();
    let (fields, link) = (fields.concat(), query.replace('&', "&amp;"));
    format!(
        "<html><body><h1>pushed-state</h1><form {form}>{fields}<input type=hidden name=confirm \
         value=1><button name=ok>ok</button></form><a href=\"/authorize?{link}\">again</a></body>"
    )
}

/// The names and values of the page's form.
fn fields(answer: &Answer) -> Vec<(String, String)> {
    let form = forms(&answer.text()).into_iter().next().expect("a form");
    form.filled("", "")
}

fn form(fields: &[(String, String)]) -> String {
    let pairs: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    encode(&pairs)
}

async fn front(action: &'static str) -> (Front, Flow) {
    let front =
        Front::answering(&settings("lemonldap-ng"), move |seen| html(&consent(seen, action))).await;
    let flow = begin(&front).await;
    (front, flow)
}

/// Asserts that of all that was pushed only what people read is in the page.
fn shows_what_people_read(answer: &Answer) {
    let text = answer.text();
    assert!(text.contains("<h1>pushed-state</h1>"), "{text}");
    legacy::shows_nothing(&text.replace("<h1>pushed-state</h1>", ""));
    assert!(
        !text.contains("S256") && !text.contains("openid") && !text.contains("alice"),
        "{text}"
    );
    assert!(text.contains("parapet:") && text.contains("value=\"web\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_page_with_all_parameters_shows_none_and_brings_all_back() {
    let (front, flow) = front("action=\"#\" method=\"POST\"").await;
    shows_what_people_read(&flow.first);
    assert_eq!(flow.first.field("etag"), None);
    let again = front.visit_with(&format!("/authorize?{}", flow.query), &flow.cookie).await;
    assert_eq!(again.body, flow.first.body, "a reload shows the same page");
    let filled = fields(&flow.first);
    for target in [format!("/authorize?{}", flow.query), "/authorize".to_owned()] {
        let answer = submit_form(&front, &flow.cookie, &target, &form(&filled)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = body_of(&last(&front));
        says_what_was_pushed(&body);
        assert_eq!(values(&body, "confirm"), ["1"]);
    }
    let parts: Vec<_> = filled
        .iter()
        .map(|(name, value)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .collect();
    let body = format!("{}--b--\r\n", parts.concat());
    let multipart = ("multipart/form-data; boundary=b", body.as_str());
    assert_eq!(submit(&front, &flow.cookie, "/authorize", multipart).await.status, 200);
    let body = body_of(&last(&front));
    for (name, value) in PUSHED {
        assert!(body.contains(&format!("name=\"{name}\"\r\n\r\n{value}\r\n")), "{name} in {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_and_forms_by_get_lead_on() {
    let (front, flow) = front("action=\"/authorize\"").await;
    let text = flow.first.text();
    let handle = text.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let handle = handle.replace("&amp;", "&");
    shows_what_people_read(&front.visit_with(&handle, &flow.cookie).await);
    says_what_was_pushed(query_of(&last(&front).target));
    assert_eq!(front.visit(&handle).await.status, 400);
    let filled = form(&fields(&flow.first));
    let answer = front.visit_with(&format!("/authorize?{filled}"), &flow.cookie).await;
    shows_what_people_read(&answer);
    says_what_was_pushed(query_of(&last(&front).target));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tampered_token_is_what_was_pushed() {
    let (front, flow) = front("action=\"#\" method=\"POST\"").await;
    let address = format!("/authorize?{}", flow.query);
    let filled = fields(&flow.first);
    let state = filled.iter().find(|(name, _)| name == "state").unwrap().1.clone();
    let other = begin(&front).await;
    let others = fields(&other.first);
    assert_ne!(others.iter().find(|(name, _)| name == "state").unwrap().1, state);
    for (name, value) in [
        ("nonce", format!("{state}x")),
        ("nonce", state.clone()),
        ("scope", "parapet:".to_owned()),
        ("redirect_uri", "https://client.example/second".to_owned()),
    ] {
        let mut changed = filled.clone();
        for field in changed.iter_mut().filter(|(known, _)| known == name) {
            field.1.clone_from(&value);
        }
        let answer = submit_form(&front, &flow.cookie, &address, &form(&changed)).await;
        assert_eq!(answer.status, 200);
        says_what_was_pushed(&body_of(&last(&front)));
    }
    // Tokens of another flow are foreign text, on the bare path too, where they find no flow.
    submit_form(&front, &flow.cookie, &address, &form(&others)).await;
    says_what_was_pushed(&body_of(&last(&front)));
    let before = front.calls().len();
    let stray = submit_form(&front, &flow.cookie, "/authorize", &form(&others)).await;
    refused(&stray, 400, "invalid_request");
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_no_parameter_of_oauth_comes_back_as_itself() {
    let settings = settings("generic");
    let front = Front::answering(&settings, |seen| html(&consent(seen, "method=post"))).await;
    let mut pushed = PUSHED.to_vec();
    pushed.push(("allow", "secret-choice"));
    let flow = legacy::begin_with(&front, &pushed).await;
    assert!(!flow.first.text().contains("secret-choice"));
    let filled = form(&fields(&flow.first));
    submit_form(&front, &flow.cookie, "/authorize", &filled).await;
    assert_eq!(values(&body_of(&last(&front)), "allow"), ["secret-choice"]);
    // What was pushed wins, as the page has no field of that name to fill in.
    let forged = filled.replace("allow=parapet%3A", "allow=parapet%3AA");
    submit_form(&front, &flow.cookie, "/authorize", &forged).await;
    assert_eq!(values(&body_of(&last(&front)), "allow"), ["secret-choice"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_cannot_be_masked_passes_whole_or_not_at_all() {
    let large = format!("<p>scope</p><p title=\"{}\">profile", "x".repeat(3 << 20)).into_bytes();
    let wide: Vec<u8> = "<p>profile".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let kind = "Content-Type: text/html\r\n";
    let marked = [&[0xff, 0xfe][..], &wide].concat();
    for (fields, body) in [
        (kind.to_owned(), large),
        (format!("{kind}Content-Encoding: gzip\r\n"), b"\x1f\x8b profile".to_vec()),
        ("Content-Type: text/html; charset=utf-16le\r\n".to_owned(), wide),
        (kind.to_owned(), marked),
    ] {
        let (answer, text) = (page(&fields, &body), settings("generic"));
        let script = move |_: &Seen| answer.clone();
        let front = Front::answering(&text, script.clone()).await;
        let query = front.pushed().await;
        let passed = front.visit(&format!("/authorize?{query}")).await;
        assert_eq!(passed.status, 200);
        assert!(passed.body == body, "{} of {}", passed.body.len(), body.len());
        // Of a large page the first piece would be on its way.
        let refuse = format!("{text}mask_failure = \"refuse\"\n");
        let front = Front::answering(&refuse, script).await;
        let query = front.pushed().await;
        if body.len() < 100 {
            let refusal = front.visit(&format!("/authorize?{query}")).await;
            assert_eq!(refusal.status, 502, "{}", refusal.text());
            assert!(!refusal.text().contains("profile"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_is_shown_whose_handle_is_not_kept() {
    let front = Front::answering(&settings("generic"), |seen| {
        let query = query_of(&seen.target).replace('&', "&amp;");
        let link = |n| format!("<a href=\"/authorize?{query}&amp;step={n}\">profile</a>");
        html(&(0..17).map(link).collect::<Vec<_>>().concat())
    })
    .await;
    // A short request: all of the page comes in one piece, before anything went out.
    let query = front.pushed().await;
    let refusal = front.visit(&format!("/authorize?{query}")).await;
    assert_eq!(refusal.status, 502, "{}", refusal.text());
    legacy::shows_nothing(&refusal.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_1_mib_takes_less_than_2_mib_of_memory() {
    let calls = AtomicUsize::new(0);
    let front = Front::answering(&settings("generic"), move |seen| {
        let page = consent(seen, "method=post");
        let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        html(&page.repeat(if is_first { 1 } else { (1 << 20) / page.len() + 1 }))
    })
    .await;
    let flow = begin(&front).await;
    let before = front.gateway.memory();
    front.gateway.forget_peak();
    let page = front.visit_with(&format!("/authorize?{}", flow.query), &flow.cookie).await;
    assert!(page.body.len() > 1 << 20 && page.text().ends_with("</body>"));
    shows_what_people_read(&page);
    let grown = front.gateway.peak_memory().saturating_sub(before);
    assert!(grown < 2 << 20, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_setting_pages_are_the_upstreams() {
    let front = Front::answering(&legacy::settings("lemonldap-ng"), |seen| {
        html(&consent(seen, "method=post"))
    })
    .await;
    let flow = begin(&front).await;
    assert!(flow.first.text().contains("value=\"pushed-nonce\""));
    assert_eq!(cookies(&[&flow.first]), flow.cookie);
}

#[tokio::test]
async fn b150_b151_django_shows_nothing_in_any_page() {
    for preset in ["django-oauth-toolkit", "generic"] {
        let stage = Stage::django_as(preset, &format!("required = true\n{MASKED}")).await;
        for client in [Client::ConfidentialBasic, Client::Public] {
            let party = RelyingParty::discover(&stage.issuer, client).await;
            let authorize_url = party.push().await;
            let mut browser = Browser::default();
            let journey = browser.sign_in(&authorize_url, REDIRECT_URI).await.expect("a login");
            assert!(party.redeem(&journey.callback).await["sub"].is_string());
            let consents = journey.hops.iter().filter(|hop| hop.body.contains("parapet:"));
            assert!(consents.count() > 0, "{preset}: no page was masked");
            for hop in &journey.hops {
                for (name, value) in party.secrets() {
                    assert!(!hop.address_shows(&value), "{name} in {}", hop.url);
                    let leaves = hop
                        .location
                        .as_ref()
                        .is_some_and(|url| url.as_str().starts_with(REDIRECT_URI));
                    assert!(leaves || !hop.location_shows(&value), "{name} in {:?}", hop.location);
                    let is_page = hop.status == StatusCode::OK;
                    assert!(!is_page || !hop.page_shows(&value), "{name} in {}", hop.body);
                    assert!(!hop.posted_shows(&value), "{name} was posted");
                }
            }
        }
    }
}
