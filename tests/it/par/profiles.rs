//! What the profiles demand of the pushed parameters. Clients of a profile authenticate by keys; here
//! they keep their secrets, so that the parameters alone are judged.

use parapet::client::Registry;
use parapet::config::Profile;
use parapet::upstream::key_set::KeyFetcher;

use super::*;

/// The clients of [`CLIENTS`] under `profile`.
fn desk(profile: Profile) -> Desk {
    let mut config = configuration("http://127.0.0.1:9", "");
    for client in &mut config.clients {
        client.profile = profile;
    }
    Desk::of(config, None)
}

#[tokio::test]
async fn b020_fapi2_knows_the_code_flow_alone() {
    let desk = desk(Profile::Fapi2);
    assert_created(&desk.push(&complete()).await);
    for response_type in ["code id_token", "token", "id_token", "code token", "none"] {
        let answer = desk.push(&altered(&[("response_type", Some(response_type))])).await;
        assert_refused(&answer, 400, "unsupported_response_type");
    }
    for response_mode in ["jwt", "query", "form_post"] {
        assert_created(&desk.push(&altered(&[("response_mode", Some(response_mode))])).await);
    }
}

#[tokio::test]
async fn b020_b221_fapi1_knows_the_hybrid_flow_and_jarm() {
    let desk = desk(Profile::Fapi1);
    for (response_type, response_mode, error) in [
        ("code id_token", None, ""),
        ("id_token code", Some("fragment"), ""),
        ("code", Some("jwt"), ""),
        ("code", Some("query.jwt"), ""),
        ("code", None, "unsupported_response_type"),
        ("code", Some("query"), "unsupported_response_type"),
        ("code token", None, "unsupported_response_type"),
        ("code id_token", Some("query"), "invalid_request"),
    ] {
        let form = altered(&[
            ("response_type", Some(response_type)),
            ("response_mode", response_mode),
            ("nonce", Some("n-0S6")),
        ]);
        let answer = desk.push(&form).await;
        match error {
            "" => assert_created(&answer),
            error => assert_refused(&answer, 400, error),
        }
    }
}

#[tokio::test]
async fn b021_b106_what_a_profile_needs_is_missed() {
    let plain = [("scope", Some("profile"))];
    for (profile, name) in [
        (Profile::Fapi1, "redirect_uri"),
        (Profile::Fapi1, "scope"),
        (Profile::Fapi1, "nonce"),
        (Profile::Fapi2, "redirect_uri"),
    ] {
        let base = [("response_mode", Some("jwt")), ("nonce", Some("n-0S6"))];
        let whole = [&plain[..], &base].concat();
        let desk = desk(profile);
        assert_created(&desk.push(&altered(&whole)).await);
        for value in [None, Some("")] {
            let answer = desk.push(&altered(&[&whole[..], &[(name, value)]].concat())).await;
            assert_refused(&answer, 400, "invalid_request");
            let description = json(&answer)["error_description"].clone();
            assert_eq!(description, format!("{name} is missing"), "{profile:?}");
        }
    }
}

#[tokio::test]
async fn b027_redirect_uris_need_tls() {
    for (profile, redirect_uri, accepted) in [
        (Profile::Fapi2, "https://c.example/cb", true),
        (Profile::Fapi2, "http://c.example/cb", false),
        (Profile::Fapi2, "http://127.0.0.1:51004/cb", true),
        (Profile::Fapi2, "http://[::1]:51004/cb", true),
        (Profile::Fapi2, "http://localhost/cb", false),
        (Profile::Fapi2, "http://127.0.0.1@evil.example/cb", false),
        (Profile::Fapi2, "com.example.app:/cb", false),
        (Profile::Fapi1, "http://127.0.0.1/cb", false),
        (Profile::Oauth, "http://c.example/cb", true),
        (Profile::Oauth, "com.example.app:/cb", true),
    ] {
        let desk = desk(profile);
        let form = altered(&[
            ("client_id", Some("free")),
            ("redirect_uri", Some(redirect_uri)),
            ("response_mode", Some("jwt")),
            ("nonce", Some("n-0S6")),
        ]);
        let answer = desk.plain(encode(&form)).await;
        if accepted {
            assert_created(&answer);
        } else {
            assert_refused(&answer, 400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn b032_b033_both_profiles_need_s256() {
    for profile in [Profile::Fapi1, Profile::Fapi2] {
        let desk = desk(profile);
        let base = [("response_mode", Some("jwt")), ("nonce", Some("n-0S6"))];
        for fault in [
            ("code_challenge", None),
            ("code_challenge_method", None),
            ("code_challenge_method", Some("plain")),
        ] {
            let answer = desk.push(&altered(&[&base[..], &[fault]].concat())).await;
            assert_refused(&answer, 400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn a_request_that_must_be_signed_is_not_taken_plain() {
    let mut config = configuration("http://127.0.0.1:9", "");
    for client in &mut config.clients {
        client.request_object.required = true;
    }
    let desk = Desk::of(config, None);
    let answer = desk.push(&complete()).await;
    assert_refused(&answer, 400, "invalid_request");
    assert_eq!(json(&answer)["error_description"], "a signed request object is required");
    let wrong = post(encode(&[("client_id", "web"), ("client_secret", "no")]).into());
    assert_refused(&desk.send(wrong).await, 401, "invalid_client");
}

#[tokio::test]
async fn clients_of_fapi2_must_push() {
    for (profile, must_push) in
        [(Profile::Oauth, false), (Profile::Fapi1, false), (Profile::Fapi2, true)]
    {
        let Desk { config, clock, .. } = desk(profile);
        let fetcher = Arc::new(KeyFetcher::new(&config.client_keys, clock));
        let registry = Registry::new(&config.clients, &config.par, &fetcher);
        assert_eq!(registry.any_must_push(), must_push);
        assert!(registry.any_needs_pkce());
    }
}
