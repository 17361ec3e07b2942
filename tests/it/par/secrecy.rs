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
    for format in ["json", "text"] {
        let tables = format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"");
        let road = Road::open(&tables).await;
        let par = format!("{}/par", road.gateway.url);
        let mut secrets: Vec<String> = PLANTED.iter().map(|(_, value)| (*value).into()).collect();

        // Failing, at every stage.
        let wrong = post_form(&par, &planted("post"), None).await;
        assert_eq!(wrong.status, 401);
        let unknown = post_form(&par, &planted("planted-nobody"), None).await;
        assert_eq!(unknown.status, 401);
        secrets.push("planted-nobody".into());
        let both = post_form(&par, &planted("web"), Some(("web", "planted-basic"))).await;
        assert_eq!(both.status, 400);
        let header = basic("web", "planted-basic");
        secrets.extend([header.trim_start_matches("Basic ").to_owned(), "planted-basic".into()]);
        let mut form = planted("web");
        form.retain(|(name, _)| *name != "client_secret");
        let basic_wrong = post_form(&par, &form, Some(("web", "planted-basic"))).await;
        assert_eq!(basic_wrong.status, 401);
        for (name, value) in [
            ("redirect_uri", "https://c.example/planted"),
            ("request_uri", "urn:ietf:params:oauth:request_uri:planted-reference"),
            ("request", "eyJwbGFudGVk.b2JqZWN0.c2ln"),
            ("scope", "planted-scope"),
            ("state", "planted-state-7e1a"),
        ] {
            let mut form = form.clone();
            form.push((name, value));
            let answer = post_form(&par, &form, Some(("web", "web-secret"))).await;
            assert_eq!(answer.status, 400, "{name}");
            secrets.push(value.into());
        }
        for (body, status) in
            [(&b"state=planted-broken%zz"[..], 400), (b"{\"planted-json\":1}", 400)]
        {
            let request = Request::post(&par).header(CONTENT_TYPE, FORM);
            let request = request.header(AUTHORIZATION, &header);
            let answer = send(request.body(Bytes::from_static(body)).unwrap()).await;
            assert!([status, 401].contains(&answer.status.as_u16()));
        }
        secrets.extend(["planted-broken".to_owned(), "planted-json".to_owned()]);

        // Succeeding, redeemed, redeemed by another, and never issued.
        let answer = post_form(&par, &form, Some(("web", "web-secret"))).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let issued = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let reference = issued.rsplit(':').next().unwrap().to_owned();
        let invented = format!("{}{}", &issued[..issued.len() - 8], "AAAAAAAA");
        for (client_id, request_uri, status) in [
            ("two", &issued, 400),
            ("web", &issued, 200),
            ("web", &issued, 200),
            ("web", &invented, 400),
        ] {
            let query = encode(&[("client_id", client_id), ("request_uri", request_uri)]);
            let answer =
                get(&format!("{}/authorize?{query}&login_hint=planted-more", road.gateway.url))
                    .await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
        secrets.extend([reference.clone(), reference[..12].to_owned(), "planted-more".into()]);
        secrets.extend(["web-secret".to_owned(), "post-secret".to_owned()]);
        secrets.push(basic("web", "web-secret").trim_start_matches("Basic ").to_owned());

        let admin = road.gateway.admin_url.clone().unwrap();
        let metrics = get(&format!("{admin}/metrics")).await.text();
        assert!(metrics.contains("parapet_"), "{metrics}");
        let (status, output) = road.gateway.stop();
        assert!(status.success());
        assert!(output.contains("push.accepted") && output.contains("push.refused"), "{output}");
        assert!(output.contains("redeem.accepted") && output.contains("redeem.refused"));
        for secret in &secrets {
            let encoded = encode(&[("", secret)]).split_off(1);
            let cut = &secret[..secret.len() - 1];
            for text in [secret.as_str(), &encoded, cut] {
                assert!(!metrics.contains(text), "{text} in metrics");
                let line = output.lines().find(|line| line.contains(text));
                assert_eq!(line, None, "{text} in the log ({format})");
            }
        }
        assert!(!output.contains("planted") && !metrics.contains("planted"));
    }
}
