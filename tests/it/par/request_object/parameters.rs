//! The authorization request inside, and what stands beside the object.

use super::*;

#[tokio::test]
async fn b085_b086_b087_nothing_beside_the_object_counts() {
    let office = Office::open(Profile::Fapi1);
    let token = office.signed(&claims());
    for beside in [
        vec![("state", "outer-state"), ("nonce", "outer-nonce")],
        vec![("scope", "openid admin"), ("redirect_uri", "https://evil.example/cb")],
        vec![("response_type", "code id_token"), ("client_id", "jar"), ("state", "inner-state")],
        vec![("acr_values", "high"), ("x_vendor", "1"), ("prompt", "none")],
    ] {
        let form = [vec![("request", token.as_str())], beside].concat();
        let pushed = office.push_form(&form).await;
        assert_eq!(office.travelled(&pushed).await, travelling());
    }
    let stateless = office.signed(&changed(&json!({"state": null})));
    let pushed = office.push_form(&[("request", &stateless), ("state", "outer-state")]).await;
    assert!(office.travelled(&pushed).await.iter().all(|(name, _)| name != "state"));
}

#[tokio::test]
async fn b085_faults_of_the_form_stay_faults() {
    let office = Office::open(Profile::Oauth);
    let token = office.signed(&claims());
    for beside in [
        ("request", token.as_str()),
        ("Request", "x"),
        ("request_uri", "urn:ietf:params:oauth:request_uri:x"),
        ("request_uri", ""),
        ("client_id", "other"),
    ] {
        let answer = office.push_form(&[("request", &token), beside]).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b103_objects_do_not_nest() {
    let office = Office::open(Profile::Oauth);
    for (name, value) in [
        ("request", json!("x.y.z")),
        ("request", json!("")),
        ("request_uri", json!("urn:ietf:params:oauth:request_uri:abc")),
        ("request_uri", json!("https://c.example/object.jwt")),
        ("Request.Uri", json!("x")),
    ] {
        let answer = office.push(&changed(&json!({name: value}))).await;
        assert_object_refused(
            &answer,
            "request and request_uri are not allowed in a request object",
        );
    }
}

#[tokio::test]
async fn b104_b106_rules_of_the_plain_push_hold_with_its_codes() {
    for (profile, changes, error) in [
        (Profile::Fapi1, json!({"code_challenge": null}), "invalid_request"),
        (Profile::Fapi1, json!({"code_challenge_method": "plain"}), "invalid_request"),
        (Profile::Fapi1, json!({"code_challenge_method": null}), "invalid_request"),
        (Profile::Fapi1, json!({"response_type": "code"}), "unsupported_response_type"),
        (Profile::Fapi1, json!({"response_type": null}), "invalid_request"),
        (Profile::Fapi1, json!({"scope": null}), "invalid_request"),
        (Profile::Fapi1, json!({"nonce": null}), "invalid_request"),
        (Profile::Fapi1, json!({"nonce": ""}), "invalid_request"),
        (Profile::Fapi1, json!({"redirect_uri": "https://evil.example/cb"}), "invalid_request"),
        (Profile::Oauth, json!({"redirect_uri": "/cb"}), "invalid_request"),
        (Profile::Oauth, json!({"response_type": "device"}), "unsupported_response_type"),
        (Profile::Oauth, json!({"response_mode": "telepathy"}), "invalid_request"),
        (Profile::Oauth, json!({"scope": "a\"b"}), "invalid_scope"),
        (Profile::Oauth, json!({"prompt": "none login"}), "invalid_request"),
        (Profile::Oauth, json!({"max_age": -1}), "invalid_request"),
        (Profile::Oauth, json!({"max_age": 1.5}), "invalid_request"),
        (Profile::Oauth, json!({"claims": "no JSON"}), "invalid_request"),
        (Profile::Oauth, json!({"resource": "relative"}), "invalid_target"),
        (Profile::Oauth, json!({"Scope": "x"}), "invalid_request"),
        (Profile::Oauth, json!({"scope[]": "x"}), "invalid_request"),
        (Profile::Oauth, json!({"a.b": "x", "a_b": "y"}), "invalid_request"),
    ] {
        let answer = Office::open(profile).push(&changed(&changes)).await;
        assert_refused(&answer, 400, error);
    }
}

#[tokio::test]
async fn b105_redirect_uri_outside_does_not_help() {
    let office = Office::open(Profile::Oauth);
    let token = office.signed(&changed(&json!({"redirect_uri": null})));
    let answer = office.push_form(&[("request", &token), ("redirect_uri", CALLBACK)]).await;
    assert_object_refused(&answer, "redirect_uri is missing in the request object");
}

#[tokio::test]
async fn b107_b207_structured_values_travel_as_the_client_wrote_them() {
    let office = Office::open(Profile::Oauth);
    let envelope = claims().to_string();
    let members = r#","claims": {"userinfo": {"z": null, "a": {"value": 12345678901234567890}}},
        "authorization_details": [ {"type": "pay", "amount": 1.10, "note": "a b"} ],
        "max_age": 3600, "x_vendor": {"b": [1], "a": true}, "resource": ["https://a.example/",
        "https://b.example/"] }"#;
    let payload = format!("{}{members}", envelope.trim_end_matches('}'));
    let token = office.signer.token_of_texts(r#"{"alg":"ES256"}"#, &payload);
    let travelled = office.travelled(&office.push_token(&token).await).await;
    let value = |name: &str| {
        let values = travelled.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(value("claims"), [r#"{"userinfo":{"z":null,"a":{"value":12345678901234567890}}}"#]);
    assert_eq!(value("authorization_details"), [r#"[{"type":"pay","amount":1.10,"note":"a b"}]"#]);
    assert_eq!(value("max_age"), ["3600"]);
    assert_eq!(value("x_vendor"), [r#"{"b":[1],"a":true}"#]);
    assert_eq!(value("resource"), ["https://a.example/", "https://b.example/"]);
    let text = r#"[{"type":"pay"}]"#;
    let pushed = office.push(&changed(&json!({"authorization_details": text}))).await;
    let travelled = office.travelled(&pushed).await;
    assert!(travelled.contains(&("authorization_details".to_owned(), text.to_owned())));
}

#[tokio::test]
async fn b108_other_types_are_refused_and_empty_is_absent() {
    let office = Office::open(Profile::Oauth);
    for (name, value) in [
        ("scope", json!(["openid"])),
        ("state", json!({"a": 1})),
        ("nonce", json!(true)),
        ("redirect_uri", json!([CALLBACK])),
        ("response_type", json!(5)),
        ("claims", json!([1])),
        ("authorization_details", json!({"type": "x"})),
        ("max_age", json!(true)),
    ] {
        let answer = office.push(&changed(&json!({name: value}))).await;
        let text = "a parameter in the request object has another JSON type than it may have";
        assert_object_refused(&answer, text);
    }
    let mut claims = changed(&json!({"login_hint": ""}));
    claims["acr_values"] = Value::Null;
    let pushed = office.push(&claims).await;
    assert_eq!(office.travelled(&pushed).await, travelling());
}

#[tokio::test]
async fn b045_b113_credentials_inside_do_not_travel() {
    let office = Office::open(Profile::Oauth);
    let smuggled = json!({"client_secret": "s", "client_assertion": "a", "grant_type": "x",
        "code": "c", "typ": "JWT"});
    let pushed = office.push(&changed(&smuggled)).await;
    assert_eq!(office.travelled(&pushed).await, travelling());
}

#[tokio::test]
async fn b110_two_objects_are_none() {
    let office = Office::open(Profile::Oauth);
    let token = office.signed(&claims());
    let answer = office.push_form(&[("request", &token), ("request", &token)]).await;
    assert_refused(&answer, 400, "invalid_request");
    assert_created(&office.push_token(&token).await);
}
