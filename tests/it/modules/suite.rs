//! A gateway of one profile with the suite's two clients, before an upstream that lets everybody in.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::push::{ISSUER, PAR_ENDPOINT, Party, Push, TOKEN_ENDPOINT};
use crate::authorize::{Front, cookies, ok, redirect};
use crate::support::gateway::Gateway;
use crate::support::http::encode;
use crate::support::raw::Answer;
use crate::support::upstream::{Seen, Step, Upstream};

/// The suite and what it looks at.
pub(super) struct Suite {
    pub(super) front: Front,
    pub(super) first: Party,
    pub(super) second: Party,
}

/// A flow that ended well.
#[derive(Debug)]
pub(super) struct Success {
    /// What the upstream was asked.
    pub(super) asked: HashMap<String, String>,
    /// What the client got.
    pub(super) answered: HashMap<String, String>,
}

impl Suite {
    /// With `required`, as only then every response is one that the gateway adds `iss` to.
    pub(super) async fn fapi2() -> Self {
        Self::start("[par]\nprofile = \"fapi2\"\nrequired = true", "").await
    }

    pub(super) async fn message_signing() -> Self {
        let par = "[par]\nprofile = \"fapi2\"\nrequired = true";
        Self::start(&format!("[request_object]\nrequired = true\n{par}"), "").await
    }

    pub(super) async fn fapi1() -> Self {
        Self::start("[par]\nprofile = \"fapi1\"", "").await
    }

    /// With these tables, the last of which is `[par]`, and further lines for both clients.
    pub(super) async fn start(tables: &str, of_clients: &str) -> Self {
        let (first, second) = (Party::first(), Party::second());
        let upstream = Upstream::scripted(|seen| vec![Step::Bytes(upstream(seen))]).await;
        let clients = [&first, &second].map(|party| client(party, of_clients)).concat();
        let toml = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"{ISSUER}\"\n[admin]\nlisten = \"\"\n\
             [upstream]\nurl = \"http://{}\"\n{tables}\n{clients}",
            upstream.address
        );
        let front = Front { upstream, gateway: Gateway::start(&toml).await };
        assert_eq!(front.visit("/.well-known/openid-configuration").await.status, 200);
        Self { front, first, second }
    }

    /// The answer to a push.
    pub(super) async fn push(&self, push: &Push<'_>) -> Answer {
        self.push_by("POST", push).await
    }

    pub(super) async fn push_by(&self, method: &str, push: &Push<'_>) -> Answer {
        let proof = push.proof.as_ref().map(|proof| format!("DPoP: {proof}\r\n"));
        let form = push.form();
        self.front
            .send(&format!(
                "{method} /par HTTP/1.1\r\nHost: login.example\r\n{}\
                 Content-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{form}",
                proof.unwrap_or_default(),
                form.len()
            ))
            .await
    }

    /// Pushes what must be taken; the `request_uri`.
    pub(super) async fn pushed(&self, push: &Push<'_>) -> String {
        checked(&self.push(push).await)
    }

    /// The visit as the suite makes it by default: parameters of the request stand beside the
    /// `request_uri`.
    pub(super) async fn visit(&self, push: &Push<'_>, request_uri: &str) -> Answer {
        let mut query = vec![("client_id", push.party.id), ("request_uri", request_uri)];
        for name in ["response_type", "scope", "redirect_uri"] {
            query.extend(push.parameter(name).map(|value| (name, value)));
        }
        self.visit_with(&query).await
    }

    pub(super) async fn visit_with(&self, query: &[(&str, &str)]) -> Answer {
        self.front.visit(&format!("/authorize?{}", encode(query))).await
    }

    /// Pushes, visits, and says what came of it: `STATUS ERROR` of the push, `page`, `redirect
    /// ERROR`, or `success`.
    pub(super) async fn outcome(&self, push: &Push<'_>) -> String {
        let answer = self.push(push).await;
        if answer.status != 201 {
            return refusal(&answer);
        }
        let answer = self.visit(push, &checked(&answer)).await;
        self.outcome_of_visit(push, &answer).await
    }

    pub(super) async fn outcome_of_visit(&self, push: &Push<'_>, answer: &Answer) -> String {
        match answer.field("location") {
            None if answer.status == 200 => {
                self.complete(push, answer, "code").await;
                "success".to_owned()
            }
            None => {
                assert!((400..500).contains(&answer.status), "{}", answer.text());
                "page".to_owned()
            }
            Some(location) => {
                assert!(location.starts_with(push.party.redirect_uri), "{location}");
                let answered = answered(location);
                assert_eq!(answered["iss"], ISSUER);
                format!("redirect {}", answered["error"])
            }
        }
    }

    /// One of `accepted` comes of it.
    pub(super) async fn ends(&self, push: &Push<'_>, accepted: &[&str]) {
        let outcome = self.outcome(push).await;
        assert!(accepted.contains(&outcome.as_str()), "{outcome} is none of {accepted:?}");
    }

    /// The same of a visit.
    pub(super) async fn visit_ends(&self, push: &Push<'_>, answer: &Answer, accepted: &[&str]) {
        let outcome = self.outcome_of_visit(push, answer).await;
        assert!(accepted.contains(&outcome.as_str()), "{outcome} is none of {accepted:?}");
    }

    /// The whole flow ends well.
    pub(super) async fn succeeds(&self, push: &Push<'_>) -> Success {
        let request_uri = self.pushed(push).await;
        let login = self.visit(push, &request_uri).await;
        self.complete(push, &login, "code").await
    }

    /// The user answers the login page: `code`, or the error that is given.
    pub(super) async fn complete(&self, push: &Push<'_>, login: &Answer, with: &str) -> Success {
        assert_eq!((login.status, login.text().as_str()), (200, "login"));
        let asked = self.asked();
        let back = answer_to(&asked, with);
        let accept = format!("/accept?{}", encode(&[("to", &back)]));
        let answer = self.front.visit_with(&accept, &cookies(&[login])).await;
        assert!(matches!(answer.status, 302 | 303), "{} {}", answer.status, answer.text());
        let location = answer.field("location").unwrap();
        assert!(location.starts_with(push.party.redirect_uri), "{location}");
        let answered = answered(location);
        assert_eq!(answered["iss"], ISSUER);
        assert_eq!(answered.get("state").map(String::as_str), push.parameter("state"));
        for name in ["client_id", "redirect_uri", "scope", "nonce", "code_challenge"] {
            assert_eq!(asked.get(name).map(String::as_str), push.parameter(name), "{name}");
        }
        assert!(!asked.contains_key("request_uri") && !asked.contains_key("request"));
        Success { asked, answered }
    }

    /// What the upstream's authorization endpoint was asked last.
    fn asked(&self) -> HashMap<String, String> {
        let calls = self.front.calls();
        let target = calls.iter().rev().find_map(|seen| seen.target.strip_prefix("/authorize?"));
        pairs(target.expect("a call of the upstream"))
    }
}

/// Every check that the suite makes of a push that was taken; gives the `request_uri`.
pub(super) fn checked(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(answer.field("content-type").unwrap().starts_with("application/json"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(body.is_object() && body.get("error").is_none(), "{body}");
    let expires_in = body["expires_in"].as_u64().unwrap();
    assert!((5..365 * 24 * 60 * 60).contains(&expires_in), "{expires_in}");
    let request_uri = body["request_uri"].as_str().unwrap();
    url::Url::parse(request_uri).unwrap();
    assert!(entropy(request_uri) > 96.0, "{request_uri}");
    request_uri.to_owned()
}

/// Shannon's entropy of a whole text, in bits.
fn entropy(text: &str) -> f64 {
    let mut counts = HashMap::new();
    for byte in text.bytes() {
        *counts.entry(byte).or_insert(0_u32) += 1;
    }
    let length = f64::from(u32::try_from(text.len()).unwrap());
    counts.values().map(|count| -f64::from(*count) * (f64::from(*count) / length).log2()).sum()
}

/// Status and error of a push that was refused.
pub(super) fn refusal(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    format!("{} {}", answer.status, body["error"].as_str().unwrap())
}

fn client(party: &Party, lines: &str) -> String {
    let key = party.signer.jwk_named(party.id);
    let members = key.as_object().unwrap().iter();
    let members: Vec<_> = members.map(|(name, value)| format!("{name} = {value}")).collect();
    format!(
        "[[clients]]\nclient_id = \"{}\"\nauthentication = \"private_key_jwt\"\n\
         jwks = {{ keys = [{{ {} }}] }}\nredirect_uris = [\"{}\"]\n{lines}\n",
        party.id,
        members.join(", "),
        party.redirect_uri
    )
}

fn upstream(seen: &Seen) -> Vec<u8> {
    if seen.target == "/.well-known/openid-configuration" {
        return ok(&metadata().to_string());
    }
    if seen.target.contains("/.well-known/") {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    match seen.target.strip_prefix("/accept?") {
        Some(query) => redirect("302 Found", &pairs(query)["to"]),
        None => ok("login"),
    }
}

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://login.example/authorize",
        "token_endpoint": TOKEN_ENDPOINT,
        "jwks_uri": "https://login.example/jwks",
        "scopes_supported": ["openid", "profile"],
        "claims_parameter_supported": true,
        "response_types_supported": ["code", "code id_token"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "ES256"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": ["PS256", "ES256"],
    })
}

/// The upstream's answer to a request, which names no issuer.
fn answer_to(asked: &HashMap<String, String>, with: &str) -> String {
    let redirect_uri = &asked["redirect_uri"];
    let joint = match (asked["response_type"].contains("id_token"), redirect_uri.contains('?')) {
        (true, _) => '#',
        (false, true) => '&',
        (false, false) => '?',
    };
    let (name, value) = match with {
        "code" => ("code", "SplxlOBeZQQYbYS6WxSbIASplxlOBeZQQYbYS6WxSbIA"),
        error => ("error", error),
    };
    let mut answer = vec![(name, value)];
    answer.extend(asked.get("state").map(|state| ("state", state.as_str())));
    format!("{redirect_uri}{joint}{}", encode(&answer))
}

/// The parameters of an authorization response, in query or fragment.
fn answered(location: &str) -> HashMap<String, String> {
    let (address, fragment) = location.split_once('#').unwrap_or((location, ""));
    let query = address.split_once('?').map_or("", |(_, query)| query);
    pairs(if fragment.is_empty() { query } else { fragment })
}

pub(super) fn pairs(query: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The metadata as clients read them, with the members that every profile needs.
pub(super) async fn discovered(suite: &Suite) -> Value {
    let answer = suite.front.visit("/.well-known/openid-configuration").await;
    assert_eq!(answer.status, 200);
    let document: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(document["issuer"], ISSUER);
    assert_eq!(document["pushed_authorization_request_endpoint"], PAR_ENDPOINT);
    let flag = &document["require_pushed_authorization_requests"];
    assert!(flag.is_null() || flag.is_boolean());
    assert!(document.get("mtls_endpoint_aliases").is_none_or(Value::is_object));
    assert!(has(&document, "code_challenge_methods_supported", &["S256"]));
    assert!(has(&document, "token_endpoint_auth_methods_supported", &["private_key_jwt"]));
    assert!(has(&document, "dpop_signing_alg_values_supported", &["ES256", "PS256"]));
    document
}

/// Whether a list of the metadata holds all of `values`.
pub(super) fn has(document: &Value, name: &str, values: &[&str]) -> bool {
    let list = document[name].as_array().unwrap_or_else(|| panic!("{name}: {document}"));
    values.iter().all(|value| list.contains(&json!(value)))
}
