//! The claims of the JWT itself.

use super::*;

#[tokio::test]
async fn b082_b113_signed_object_alone_is_the_whole_request() {
    for profile in [Profile::Oauth, Profile::Fapi1] {
        let office = Office::open(profile);
        let pushed = office.push(&claims()).await;
        assert_eq!(json(&pushed)["expires_in"], 60);
        assert_eq!(office.travelled(&pushed).await, travelling());
    }
}

#[tokio::test]
async fn b090_b091_b092_object_is_the_authenticated_clients() {
    let office = Office::open(Profile::Oauth);
    let other = "client_id in the request object is not that of the authenticated client";
    let iss = "iss in the request object is not the client_id";
    for (changes, description) in [
        (json!({"client_id": "other"}), other),
        (json!({"client_id": "other", "iss": "other"}), other),
        (
            json!({"client_id": null}),
            "the request object is not acceptable: the claim client_id is missing",
        ),
        (
            json!({"client_id": ["jar"]}),
            "the request object is not acceptable: the claim client_id is not of the type it must be",
        ),
        (json!({"iss": "other"}), iss),
        (json!({"iss": ISSUER}), iss),
    ] {
        assert_object_refused(&office.push(&changed(&changes)).await, description);
    }
    for absent in [json!({"iss": null}), json!({"iss": ""})] {
        assert_created(&office.push(&changed(&absent)).await);
    }
}

#[tokio::test]
async fn b093_b094_b095_audience_names_the_issuer() {
    let par = format!("{ISSUER}/par");
    for profile in [Profile::Oauth, Profile::Fapi1] {
        let office = Office::open(profile);
        for audience in [json!([ISSUER]), json!(["https://else.example", ISSUER, par])] {
            assert_created(&office.push(&changed(&json!({"aud": audience}))).await);
        }
        for audience in [json!("https://else.example"), json!(par), json!([par])] {
            let answer = office.push(&changed(&json!({"aud": audience}))).await;
            assert_object_refused(&answer, "aud in the request object does not name the issuer");
        }
        for audience in [json!([]), json!(5), json!([5])] {
            let answer = office.push(&changed(&json!({"aud": audience}))).await;
            assert_refused(&answer, 400, "invalid_request_object");
        }
        let missing = office.push(&changed(&json!({"aud": null}))).await;
        if profile == Profile::Oauth {
            assert_created(&missing);
        } else {
            assert_refused(&missing, 400, "invalid_request_object");
        }
    }
}

#[tokio::test]
async fn b096_b097_b098_times_keep_their_window() {
    for (changes, by_oauth, by_fapi) in [
        (json!({"exp": NOW - 3600}), false, false),
        (json!({"nbf": NOW + 3600}), false, false),
        (json!({"iat": NOW + 3600}), false, false),
        (json!({"exp": "soon"}), false, false),
        (json!({"exp": NOW + 4200}), true, false),
        (json!({"exp": null}), true, false),
        (json!({"nbf": NOW - 4200, "exp": NOW - 300}), false, false),
        (json!({"nbf": NOW - 4200}), true, false),
        (json!({"nbf": null}), true, false),
        (json!({"exp": null, "nbf": null, "iat": null}), true, false),
        (json!({"nbf": NOW + 8, "iat": NOW + 8}), true, true),
        (json!({"exp": NOW + 3600}), true, true),
        (json!({"nbf": NOW - 3000, "exp": NOW + 60}), true, true),
    ] {
        for (profile, accepted) in [(Profile::Oauth, by_oauth), (Profile::Fapi1, by_fapi)] {
            let answer = Office::open(profile).push(&changed(&changes)).await;
            if accepted {
                assert_created(&answer);
            } else {
                assert_refused(&answer, 400, "invalid_request_object");
            }
        }
    }
}

#[tokio::test]
async fn b099_windows_can_be_tighter_than_the_profiles_but_not_wider() {
    let tables = "[request_object]\nmax_lifetime = \"10m\"\nmax_age = \"15m\"\n";
    for (changes, accepted) in [
        (json!({"exp": NOW + 600}), true),
        (json!({"exp": NOW + 660}), false),
        (json!({"nbf": NOW - 840, "exp": NOW - 240 + 60}), false),
        (json!({"nbf": NOW - 540, "exp": NOW + 60}), true),
        (json!({"nbf": NOW - 960, "exp": NOW + 60}), false),
        (json!({"nbf": null}), false),
        (json!({"exp": null}), false),
    ] {
        for profile in [Profile::Oauth, Profile::Fapi1] {
            let answer = Office::with(profile, tables, "").push(&changed(&changes)).await;
            if accepted {
                assert_created(&answer);
            } else {
                assert_refused(&answer, 400, "invalid_request_object");
            }
        }
    }
    let age_alone = "[request_object]\nmax_age = \"15m\"\n";
    let office = Office::with(Profile::Oauth, age_alone, "");
    assert_created(&office.push(&changed(&json!({"exp": null}))).await);
    let old = office.push(&changed(&json!({"exp": null, "nbf": NOW - 960}))).await;
    assert_refused(&old, 400, "invalid_request_object");
    let wider = "[request_object]\nmax_lifetime = \"3h\"\nmax_age = \"3h\"\n";
    let office = Office::with(Profile::Fapi1, wider, "");
    assert_refused(
        &office.push(&changed(&json!({"exp": NOW + 4200}))).await,
        400,
        "invalid_request_object",
    );
}

#[tokio::test]
async fn b102_object_must_not_look_like_an_assertion() {
    let office = Office::open(Profile::Oauth);
    let answer = office.push(&changed(&json!({"sub": "jar"}))).await;
    assert_object_refused(&answer, "sub in the request object must not be the client_id");
    let pushed = office.push(&changed(&json!({"sub": "somebody"}))).await;
    assert_eq!(office.travelled(&pushed).await, travelling());
}

#[tokio::test]
async fn b112_same_object_may_be_pushed_again() {
    let office = Office::open(Profile::Fapi1);
    let token = office.signed(&claims());
    let uri = |answer: &Response<Bytes>| json(answer)["request_uri"].clone();
    let (first, second) = (office.push_token(&token).await, office.push_token(&token).await);
    assert_created(&first);
    assert_created(&second);
    assert_ne!(uri(&first), uri(&second));
    for jti in [json!(5), json!("")] {
        let answer = office.push(&changed(&json!({"jti": jti}))).await;
        assert_refused(&answer, 400, "invalid_request_object");
    }
}

#[tokio::test]
async fn b114_request_does_not_outlive_its_object_by_much() {
    let office = Office::open(Profile::Fapi1);
    for (seconds, expires_in) in [(20, 20), (600, 60), (60, 60), (6, 6), (1, 5)] {
        let pushed = office.push(&changed(&json!({"exp": NOW + seconds}))).await;
        assert_created(&pushed);
        assert_eq!(json(&pushed)["expires_in"], expires_in);
    }
    let late = office.push(&changed(&json!({"exp": NOW - 10, "nbf": NOW - 60}))).await;
    assert_eq!(json(&late)["expires_in"], 5);
    let pushed = office.push(&changed(&json!({"exp": NOW + 20}))).await;
    office.desk.clock.advance(Duration::from_secs(21));
    let visit = office.desk.authorize("jar", &pushed).await;
    assert!(matches!(visit, Decision::Answer(page) if page.status() == 400));
}
