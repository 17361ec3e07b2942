//! What never shows in any output, however much is logged (B-045, B-214).

use super::travel::Road;
use super::*;
use crate::support::http::{get, post_form, send};

/// Planted values; each is looked for as it is, form-encoded, and without its last byte.
const PLANTED: &[(&str, &str)] = &[
    ("client_secret", "planted-secret~one"),
    ("id_token_hint", "eyJwbGFudGVk.aGludA.c2ln"),
    ("login_hint", "planted+login@example.com"),
    ("state", "planted-state-7e1a"),
    ("nonce", "planted-nonce-93bd"),
    ("code_challenge", CHALLENGE),
    ("kc_idp_hint", "planted-vendor-value"),
    ("redirect_uri", "https://c.example/planted"),
];

fn planted(client_id: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut form = vec![("client_id", client_id), ("response_type", "code")];
    form.extend(PLANTED.iter().filter(|(name, _)| *name != "redirect_uri"));
    form.push(("redirect_uri", CALLBACK));
    form
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b214_planted_secrets_show_nowhere_at_trace() {
    let libraries = "trace,pingora_core=trace,pingora_proxy=trace,hyper=trace,hyper_util=trace";
    for (format, level) in [("json", "trace"), ("text", libraries)] {
        let tables = format!("[log]\nlevel = \"{level}\"\nformat = \"{format}\"");
        let road = Road::open(&tables).await;
        let mut secrets: Vec<String> = PLANTED.iter().map(|(_, value)| (*value).into()).collect();
        secrets.extend(["web-secret".to_owned(), "post-secret".to_owned()]);
        secrets.push(credentials("web-secret"));
        secrets.extend(without_credentials(&road).await);
        secrets.extend(with_bad_parameters(&road).await);
        secrets.extend(redeemed_and_not(&road).await);

        let admin = road.gateway.admin_url.clone().unwrap();
        let metrics = get(&format!("{admin}/metrics")).await.text();
        assert!(metrics.contains("parapet_"), "{metrics}");
        let (status, output) = road.gateway.stop();
        assert!(status.success());
        for event in ["push.accepted", "push.refused", "redeem.accepted", "redeem.refused"] {
            assert!(output.contains(event), "{event} is missing:\n{output}");
        }
        assert!(!output.contains("planted") && !metrics.contains("planted"), "{output}");
        for secret in &secrets {
            let encoded = encode(&[("", secret)]).split_off(1);
            for text in [secret.as_str(), &encoded, &secret[..secret.len() - 1]] {
                assert!(!metrics.contains(text), "{text} in metrics");
                let line = output.lines().find(|line| line.contains(text));
                assert_eq!(line, None, "{text} in the log ({format})");
            }
        }
    }
}

fn credentials(secret: &str) -> String {
    basic("web", secret).trim_start_matches("Basic ").to_owned()
}

fn without_secret() -> Vec<(&'static str, &'static str)> {
    planted("web").into_iter().filter(|(name, _)| *name != "client_secret").collect()
}

/// Pushes that do not authenticate; gives what was planted in them.
async fn without_credentials(road: &Road) -> Vec<String> {
    let par = format!("{}/par", road.gateway.url);
    let wrong = Some(("web", "planted-basic"));
    for (form, header, status) in [
        (planted("post"), None, 401),
        (planted("planted-nobody"), None, 401),
        (planted("web"), wrong, 400),
        (without_secret(), wrong, 401),
        (without_secret(), Some(("planted-nobody", "planted-basic")), 401),
    ] {
        assert_eq!(post_form(&par, &form, header).await.status, status);
    }
    let bearer = Request::post(&par).header(CONTENT_TYPE, FORM);
    let bearer = bearer.header(AUTHORIZATION, "Bearer planted-bearer");
    let answer = send(bearer.body(Bytes::from_static(b"client_id=web")).unwrap()).await;
    assert_eq!(answer.status, 401);
    let mut planted: Vec<String> = vec![credentials("planted-basic")];
    planted.extend(["planted-nobody", "planted-basic", "planted-bearer"].map(str::to_owned));
    planted
}

/// Pushes of a client that authenticates; gives what was planted in them.
async fn with_bad_parameters(road: &Road) -> Vec<String> {
    let par = format!("{}/par", road.gateway.url);
    let mut planted = Vec::new();
    for (name, value) in [
        ("request_uri", "urn:ietf:params:oauth:request_uri:planted-reference"),
        ("request", "eyJwbGFudGVk.b2JqZWN0.c2ln"),
        ("scope", "planted-scope"),
        ("state", "planted-again"),
        ("planted-name", "1"),
        ("planted-name", "2"),
    ] {
        let mut form = without_secret();
        form.extend([(name, value), ("planted-name", "x")]);
        let answer = post_form(&par, &form, Some(("web", "web-secret"))).await;
        assert_eq!(answer.status, 400, "{name}");
        planted.extend([value, name].map(str::to_owned).into_iter().filter(|v| v.len() > 9));
    }
    planted.retain(|value| value != "request_uri");
    for body in [&b"state=planted-broken%zz"[..], b"{\"planted-json\":1}", b"\xff=planted-bytes"] {
        let request = Request::post(&par).header(CONTENT_TYPE, FORM);
        let request = request.header(AUTHORIZATION, basic("web", "web-secret"));
        let answer = send(request.body(Bytes::from_static(body)).unwrap()).await;
        assert_eq!(answer.status, 400);
    }
    planted
}

/// A push that is redeemed, by its client, by another, and one that was never made.
async fn redeemed_and_not(road: &Road) -> Vec<String> {
    let par = format!("{}/par", road.gateway.url);
    let answer = post_form(&par, &without_secret(), Some(("web", "web-secret"))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let issued = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let invented = format!("{}AAAAAAAA", &issued[..issued.len() - 8]);
    for (client_id, request_uri, status) in [
        ("two", &issued, 400),
        ("web", &issued, 200),
        ("web", &issued, 200),
        ("web", &invented, 400),
    ] {
        let query = encode(&[
            ("client_id", client_id),
            ("request_uri", request_uri),
            ("login_hint", "planted-more"),
        ]);
        let answer = get(&format!("{}/authorize?{query}", road.gateway.url)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let reference = issued.rsplit(':').next().unwrap().to_owned();
    vec![reference[..12].to_owned(), reference]
}
