//! The values of single parameters (B-018…B-020, B-029…B-043, B-212, B-213, B-221).

use parapet::oauth::parameters::Encoder;

use super::*;

#[tokio::test]
async fn b018_b019_response_type_is_needed_and_known() {
    let desk = Desk::open();
    for response_type in [None, Some("")] {
        let answer = desk.push(&altered(&[("response_type", response_type)])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    for response_type in
        ["banana", "code banana", "Code", " code", "code ", "code  token", "code\n"]
    {
        let answer = desk.push(&altered(&[("response_type", Some(response_type))])).await;
        assert_refused(&answer, 400, "unsupported_response_type");
    }
}

/// An upstream with a metadata document.
async fn documented(members: &str) -> (Upstream, Desk) {
    let (upstream, desk) = super::documented(&format!(",{members}"), "").await;
    desk.discovery.available().await.unwrap();
    (upstream, desk)
}

#[tokio::test]
async fn b019_b221_response_types_of_the_upstream_in_any_order() {
    let (_upstream, desk) =
        documented(r#""response_types_supported":["code","code id_token","none"]"#).await;
    for (response_type, is_fine) in [
        ("code", true),
        ("code id_token", true),
        ("id_token code", true),
        ("none", true),
        ("token", false),
        ("code token", false),
        ("code code", false),
        ("id_token id_token", false),
        ("code id_token token", false),
    ] {
        let form = altered(&[("response_type", Some(response_type)), ("nonce", Some("n"))]);
        let answer = desk.push(&form).await;
        if is_fine {
            assert_created(&answer);
        } else {
            assert_refused(&answer, 400, "unsupported_response_type");
        }
    }
}

#[tokio::test]
async fn b041_response_modes_of_the_upstream() {
    let (_upstream, desk) = documented(r#""response_modes_supported":["query","form_post"]"#).await;
    for (mode, is_fine) in
        [("query", true), ("form_post", true), ("fragment", false), ("jwt", false), ("x", false)]
    {
        let form = altered(&[("response_mode", Some(mode))]);
        let answer = desk.push(&form).await;
        if is_fine {
            assert_created(&answer);
            assert_eq!(desk.redeemed("web", &answer).await, owned(&form));
        } else {
            assert_refused(&answer, 400, "invalid_request");
        }
    }
    let desk = Desk::open();
    for mode in ["query", "fragment", "form_post", "jwt", "query.jwt"] {
        assert_created(&desk.push(&altered(&[("response_mode", Some(mode))])).await);
    }
    let answer = desk.push(&altered(&[("response_mode", Some("smoke_signal"))])).await;
    assert_refused(&answer, 400, "invalid_request");
}

#[tokio::test]
async fn b029_b030_b031_scope() {
    let desk = Desk::open();
    for scope in ["openid", "profile openid", "openid profile email", "email"] {
        let form = altered(&[("scope", Some(scope))]);
        let answer = desk.push(&form).await;
        assert_created(&answer);
        assert_eq!(desk.redeemed("web", &answer).await, owned(&form));
    }
    for scope in [
        "openid admin",
        "OpenID",
        "openid  profile",
        " openid",
        "openid ",
        "openid\tprofile",
        "open\"id",
        "open\\id",
        "openid\u{0}",
        "openid é",
    ] {
        let answer = desk.push(&altered(&[("scope", Some(scope))])).await;
        assert_refused(&answer, 400, "invalid_scope");
    }
    for scope in ["anything at:all", "https://api.example/read"] {
        let form = altered(&[("client_id", Some("free")), ("scope", Some(scope))]);
        assert_created(&desk.plain(encode(&form)).await);
    }
}

#[tokio::test]
async fn b032_b033_pkce_where_it_is_required() {
    let everywhere = Desk::with("[par]\nrequire_pkce = true");
    let desk = Desk::open();
    for (desk, client_id) in [(&desk, "strict"), (&everywhere, "two")] {
        let push = async |changes: &[(&'static str, Option<&'static str>)]| {
            let mut form = altered(changes);
            form.retain(|(name, _)| *name != "client_id");
            form.push(("client_id", client_id));
            desk.plain(encode(&form)).await
        };
        assert_created(&push(&[]).await);
        let without = [("code_challenge", None), ("code_challenge_method", None)];
        assert_refused(&push(&without).await, 400, "invalid_request");
        assert_refused(&push(&[("code_challenge", Some(""))]).await, 400, "invalid_request");
        for method in [None, Some("plain"), Some("s256"), Some("S512")] {
            let answer = push(&[("code_challenge_method", method)]).await;
            assert_refused(&answer, 400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn b034_challenges_are_checked_wherever_they_are_pushed() {
    let desk = Desk::open();
    let plain = altered(&[("code_challenge_method", Some("plain"))]);
    assert_created(&desk.push(&plain).await);
    let none = altered(&[("code_challenge", None), ("code_challenge_method", None)]);
    assert_created(&desk.push(&none).await);
    for method in ["S512", "s256", "Plain", "S256 "] {
        let answer = desk.push(&altered(&[("code_challenge_method", Some(method))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    for length in [43, 128] {
        let challenge = "a".repeat(length);
        assert_created(&desk.push(&altered(&[("code_challenge", Some(&challenge))])).await);
    }
    let padded = format!("{CHALLENGE}=");
    for challenge in ["a".repeat(42), "a".repeat(129), padded, format!("+{CHALLENGE}")] {
        let answer = desk.push(&altered(&[("code_challenge", Some(&challenge))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    let answer = desk.push(&altered(&[("code_challenge", None)])).await;
    assert_refused(&answer, 400, "invalid_request");
}

#[tokio::test]
async fn b035_b036_b042_long_values_travel_whole() {
    let desk = Desk::open();
    let printable: String = (' '..='~').cycle().take(1200).collect();
    let hint = "e".repeat(4096);
    for (name, value) in [
        ("state", &printable[..128]),
        ("state", &printable),
        ("nonce", &hint[..64]),
        ("nonce", &hint[..384]),
        ("id_token_hint", &hint),
        ("login_hint", "usér+x@example.com"),
    ] {
        let form = altered(&[(name, Some(value))]);
        let answer = desk.push(&form).await;
        assert_created(&answer);
        assert_eq!(desk.redeemed("web", &answer).await, owned(&form));
    }
}

#[tokio::test]
async fn b037_state_and_nonce_are_not_invented() {
    let desk = Desk::open();
    let form = altered(&[("state", None)]);
    let answer = desk.push(&form).await;
    assert_created(&answer);
    assert_eq!(desk.redeemed("web", &answer).await, owned(&form));
}

#[tokio::test]
async fn b038_b043_prompt() {
    let desk = Desk::open();
    for prompt in ["none login", "login none", "consent none", "none select_account", "none none"] {
        let answer = desk.push(&altered(&[("prompt", Some(prompt))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    for prompt in ["none", "login", "login consent", "create"] {
        assert_created(&desk.push(&altered(&[("prompt", Some(prompt))])).await);
    }
}

#[tokio::test]
async fn b039_max_age_and_claims() {
    let desk = Desk::open();
    for max_age in ["-1", "+1", "1.5", "soon", "1e3", " 1", "99999999999999999999", "0x10"] {
        let answer = desk.push(&altered(&[("max_age", Some(max_age))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    for max_age in ["0", "3600"] {
        assert_created(&desk.push(&altered(&[("max_age", Some(max_age))])).await);
    }
    for claims in ["{", "[]", "null", "\"x\"", "{}x", "{'a':1}", "1"] {
        let answer = desk.push(&altered(&[("claims", Some(claims))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    for claims in ["{}", r#"{"id_token":{"acr":{"essential":true,"values":["é"]}}}"#] {
        let form = altered(&[("claims", Some(claims))]);
        let answer = desk.push(&form).await;
        assert_created(&answer);
        assert_eq!(desk.redeemed("web", &answer).await, owned(&form));
    }
}

#[tokio::test]
async fn b040_resource_is_absolute_without_fragment() {
    let desk = Desk::open();
    for resource in [
        "/api",
        "api",
        "//api.example",
        "https://api.example/#",
        "https://api.example/#x",
        " https://api.example/",
        "https://api.example/a b",
        "https://api.example/\u{0}",
        "https://",
    ] {
        let answer = desk.push(&altered(&[("resource", Some(resource))])).await;
        assert_refused(&answer, 400, "invalid_target");
        let mut form = altered(&[("resource", Some("https://fine.example/"))]);
        form.push(("resource", resource));
        assert_refused(&desk.push(&form).await, 400, "invalid_target");
    }
}

#[tokio::test]
async fn b212_b213_descriptions_name_the_check() {
    let desk = Desk::open();
    for (name, value, word) in [
        ("response_type", None, "response_type"),
        ("redirect_uri", Some("https://evil.example/"), "redirect_uri"),
        ("scope", Some("admin"), "scope"),
        ("code_challenge", Some("short"), "code_challenge"),
        ("prompt", Some("none login"), "prompt"),
        ("max_age", Some("x"), "max_age"),
        ("claims", Some("x"), "claims"),
        ("resource", Some("x"), "resource"),
        ("response_mode", Some("x"), "response_mode"),
        ("request", Some("x"), "request object"),
        ("request_uri", Some("x"), "request_uri"),
    ] {
        let answer = desk.push(&altered(&[(name, value)])).await;
        let description = json(&answer)["error_description"].as_str().unwrap().to_owned();
        assert!(description.contains(word), "{name}: {description}");
    }
}

#[tokio::test]
async fn request_that_does_not_fit_the_upstream_is_refused_with_the_limit() {
    let get = Desk::with("max_target_bytes = 1000");
    let post = Desk::with("max_target_bytes = 1000\nauthorize_method = \"post\"");
    let long = "x".repeat(900);
    for (desk, name, is_fine) in
        [(&get, "state", false), (&post, "state", true), (&post, "vendor", false)]
    {
        // Percent-encoded threefold, so that what is counted is what is sent.
        let value = if name == "vendor" { "é".repeat(200) } else { long.clone() };
        let answer = desk.push(&altered(&[(name, Some(&value))])).await;
        if is_fine {
            assert_created(&answer);
        } else {
            assert_refused(&answer, 400, "invalid_request");
            assert!(json(&answer)["error_description"].as_str().unwrap().contains("1000"));
        }
    }
    let mut encoder = Encoder::default();
    for (name, value) in complete() {
        encoder.push(name, value);
    }
    let room = 1000 - "/authorize?&v=".len() - encoder.finish().len();
    let value = "x".repeat(room + 1);
    assert_created(&get.push(&altered(&[("v", Some(&value[..room]))])).await);
    assert_refused(&get.push(&altered(&[("v", Some(&value))])).await, 400, "invalid_request");
}

#[tokio::test]
async fn b012_what_is_kept_can_be_read_again() {
    let desk = Desk::open();
    let form = |number: usize| {
        let mut form = altered(&[("client_id", None)]);
        let length = form.len();
        form.extend((length..number).map(|_| ("resource", "https://api.example/")));
        form
    };
    // With `client_id`, which the header names, it would be one more than is ever read.
    assert_refused(&desk.push(&form(128)).await, 400, "invalid_request");
    assert_eq!(desk.push(&form(127)).await.status(), 201);
}
