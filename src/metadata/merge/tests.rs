use super::*;

fn additions() -> Additions {
    Additions {
        issuer: "https://login.example/t".into(),
        public_origin: "https://login.example".into(),
        internal_origin: "http://idp:9000".into(),
        endpoint: Some("https://login.example/par".into()),
        required: false,
        pkce: false,
        iss: true,
        dpop_algorithms: vec!["PS256", "ES256"],
        details_types: Vec::new(),
        request_objects: None,
        certificates: false,
        alias: None,
        profiles: vec![Profile::Oauth],
    }
}

fn merged(additions: &Additions, document: Value) -> Value {
    let Value::Object(document) = document else { panic!("not an object") };
    Value::Object(additions.merge(document))
}

#[test]
fn b172_b173_b176_the_endpoint_is_named() {
    let document = merged(&additions(), json!({"issuer": "http://idp:9000/t"}));
    assert_eq!(
        document,
        json!({
            "issuer": "https://login.example/t",
            "pushed_authorization_request_endpoint": "https://login.example/par",
            "require_pushed_authorization_requests": false,
        })
    );
    let required = Additions { required: true, ..additions() };
    let document = merged(&required, json!({"issuer": "x"}));
    assert_eq!(document["require_pushed_authorization_requests"], json!(true));
}

#[test]
fn b174_b175_nothing_is_said_where_it_is_off_or_unlisted() {
    let silent = Additions { endpoint: None, ..additions() };
    let upstream = json!({
        "issuer": "x",
        "pushed_authorization_request_endpoint": "http://idp:9000/par",
        "require_pushed_authorization_requests": true,
    });
    assert_eq!(merged(&silent, upstream), json!({"issuer": "https://login.example/t"}));
}

#[test]
fn b177_iss_is_promised_only_where_it_is_always_there() {
    let name = "authorization_response_iss_parameter_supported";
    let flag = |additions: &Additions, document| merged(additions, document).get(name).cloned();
    let required = Additions { required: true, ..additions() };
    assert_eq!(flag(&additions(), json!({})), None);
    assert_eq!(flag(&additions(), json!({name: false})), Some(json!(false)));
    assert_eq!(flag(&additions(), json!({name: true})), Some(json!(true)));
    assert_eq!(flag(&required, json!({})), Some(json!(true)));
    assert_eq!(flag(&Additions { iss: false, ..required }, json!({})), None);
}

#[test]
fn b178_b184_b235_what_is_not_ours_stays_and_signatures_go() {
    let upstream = json!({
        "issuer": "x",
        "request_uri_parameter_supported": false,
        "require_request_uri_registration": true,
        "x_vendor": {"a": [1, null, {"b": "c"}]},
        "signed_metadata": "eyJ",
    });
    let document = merged(&additions(), upstream.clone());
    for name in ["request_uri_parameter_supported", "require_request_uri_registration", "x_vendor"]
    {
        assert_eq!(document[name], upstream[name], "{name}");
    }
    assert!(document.get("signed_metadata").is_none());
}

#[test]
fn b180_b181_lists_tell_what_works() {
    let pkce = Additions { pkce: true, ..additions() };
    let upstream = json!({
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "private_key_jwt", "tls_client_auth", "x_vendor"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256K"],
        "code_challenge_methods_supported": ["plain"],
    });
    let (methods, algorithms) = (
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    );
    let document = merged(&pkce, upstream.clone());
    assert_eq!(document[methods], json!(["client_secret_basic", "private_key_jwt"]));
    assert_eq!(document[algorithms], json!(["RS256", "PS256"]));
    let strict = Additions { profiles: vec![Profile::Fapi2], ..additions() };
    let by_strict = merged(&strict, upstream);
    assert_eq!(by_strict[methods], json!(["private_key_jwt"]));
    assert_eq!(by_strict[algorithms], json!(["PS256"]));
    assert_eq!(merged(&strict, json!({}))[methods], json!(["private_key_jwt"]));
    let nothing = merged(&strict, json!({ algorithms: ["RS256"] }));
    assert!(nothing.get(algorithms).is_none());
    assert_eq!(document["code_challenge_methods_supported"], json!(["plain", "S256"]));
}

#[test]
fn b182_dpop_is_promised_where_both_sides_have_it() {
    let name = "dpop_signing_alg_values_supported";
    let listed = |list: Value| merged(&additions(), json!({ name: list })).get(name).cloned();
    assert_eq!(listed(json!(["ES256", "RS512", "ES256K"])), Some(json!(["ES256"])));
    assert_eq!(listed(json!(["RS512"])), None);
    assert_eq!(merged(&additions(), json!({})).get(name), None);
}

#[test]
fn b182_types_of_details_are_promised_where_they_are_taken() {
    let name = "authorization_details_types_supported";
    let configured = Additions { details_types: vec!["a".into(), "b".into()], ..additions() };
    let listed = |additions: &Additions, document| merged(additions, document).get(name).cloned();
    for (by_upstream, promised) in [
        (json!({ name: ["b", "c"] }), Some(json!(["b"]))),
        (json!({ name: ["c"] }), None),
        (json!({}), Some(json!(["a", "b"]))),
        (json!({ name: [] }), Some(json!(["a", "b"]))),
    ] {
        assert_eq!(listed(&configured, by_upstream), promised);
    }
    assert_eq!(listed(&additions(), json!({ name: ["c"] })), Some(json!(["c"])));
    assert_eq!(listed(&additions(), json!({})), None);
}

#[test]
fn b183_aliases_name_our_endpoint_and_nothing_that_is_not_there() {
    let ours = "https://mtls.example/par";
    let mtls = Additions { alias: Some(ours.into()), certificates: true, ..additions() };
    let upstream = json!({
        "token_endpoint": "http://idp:9000/token",
        "token_endpoint_auth_methods_supported": ["tls_client_auth", "private_key_jwt"],
        "tls_client_certificate_bound_access_tokens": true,
        "mtls_endpoint_aliases": {
            "token_endpoint": "https://mtls.idp/token",
            "authorization_endpoint": "https://mtls.idp/authorize",
            "pushed_authorization_request_endpoint": "https://mtls.idp/par",
            "revocation_endpoint": "https://mtls.idp/revoke",
            "token": "https://mtls.idp/token",
        },
    });
    let document = merged(&mtls, upstream.clone());
    let aliases = json!({
        "token_endpoint": "https://mtls.idp/token",
        "pushed_authorization_request_endpoint": ours,
    });
    assert_eq!(document["mtls_endpoint_aliases"], aliases);
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], json!(true));
    let methods = json!(["tls_client_auth", "private_key_jwt"]);
    assert_eq!(document["token_endpoint_auth_methods_supported"], methods);
    let document = merged(&additions(), upstream);
    let aliases = json!({"token_endpoint": "https://mtls.idp/token"});
    assert_eq!(document["mtls_endpoint_aliases"], aliases);
    let document = merged(&additions(), json!({"mtls_endpoint_aliases": {"a": "b"}}));
    assert!(document.get("mtls_endpoint_aliases").is_none());
}

#[test]
fn b231_internal_addresses_become_public_ones() {
    let upstream = json!({
        "token_endpoint": "http://idp:9000/token",
        "mtls_endpoint_aliases": {"token_endpoint": "http://idp:9000/mtls"},
        "op_policy_uri": "http://idp:90001/x",
    });
    let document = merged(&additions(), upstream);
    assert_eq!(document["token_endpoint"], "https://login.example/token");
    assert_eq!(document["mtls_endpoint_aliases"]["token_endpoint"], "https://login.example/mtls");
    assert_eq!(document["op_policy_uri"], "http://idp:90001/x");
}
