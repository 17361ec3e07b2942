//! Who may push (B-049…B-055, B-079…B-081, B-224).

use std::time::Instant;

use http::header::WWW_AUTHENTICATE;

use super::*;

/// A push with these `Authorization` fields.
async fn with_header(desk: &Desk, fields: &[&[u8]], form: String) -> Response<Bytes> {
    let mut request = post(form.into());
    for field in fields {
        let value = http::HeaderValue::from_bytes(field).unwrap();
        request.headers_mut().append(AUTHORIZATION, value);
    }
    desk.send(request).await
}

fn form_of(client_id: &str, more: &str) -> String {
    format!("{}{more}", encode(&altered(&[("client_id", Some(client_id))])))
}

#[tokio::test]
async fn b049_confidential_client_without_credentials_is_refused() {
    let desk = Desk::open();
    for form in [
        form_of("web", ""),
        form_of("post", ""),
        form_of("post", "&client_secret="),
        encode(&altered(&[("client_id", None)])),
    ] {
        let answer = desk.plain(form).await;
        assert_refused(&answer, 401, "invalid_client");
        assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
    }
}

#[tokio::test]
async fn b050_unknown_client_and_wrong_secret_are_answered_alike() {
    let desk = Desk::open();
    let mut answers = Vec::new();
    for (client_id, secret) in
        [("web", "wrong"), ("nobody", "wrong"), ("off", "off-secret"), ("post", "post-secret")]
    {
        let header = basic(client_id, secret);
        answers.push(with_header(&desk, &[header.as_bytes()], form_of(client_id, "")).await);
    }
    for answer in &answers {
        assert_refused(answer, 401, "invalid_client");
        assert_eq!(answer.body(), answers[0].body());
        assert_eq!(answer.headers(), answers[0].headers());
    }
    let mut answers = Vec::new();
    for client_id in ["post", "nobody", "web", "app"] {
        answers.push(desk.plain(form_of(client_id, "&client_secret=wrong")).await);
    }
    for answer in &answers {
        assert_refused(answer, 401, "invalid_client");
        assert_eq!((answer.body(), answer.headers()), (answers[0].body(), answers[0].headers()));
    }
}

#[tokio::test]
async fn b050_unknown_client_and_wrong_secret_take_the_same_time() {
    let desk = Desk::with("[limits]\nfailures_per_address = \"1000000/s\"");
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..3000 {
        // Interleaved, so that whatever else the machine does meets both alike.
        for which in [round % 2, 1 - round % 2] {
            let client_id = ["web", "wob"][which];
            let mut request = post(form_of(client_id, "").into());
            let header = basic(client_id, "wrong").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, header);
            let began = Instant::now();
            let answer = desk.endpoints.push(request).await;
            took[which].push(began.elapsed());
            assert_eq!(answer.status(), 401);
        }
    }
    let [known, unknown] = took.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    });
    let ratio = known / unknown;
    assert!((0.5..2.0).contains(&ratio), "known {known} s, unknown {unknown} s");
}

#[tokio::test]
async fn b051_challenge_comes_where_the_header_was_used() {
    let desk = Desk::open();
    let header = basic("web", "wrong");
    let answer = with_header(&desk, &[header.as_bytes()], form_of("web", "")).await;
    assert_refused(&answer, 401, "invalid_client");
    let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert_eq!(challenge, "Basic realm=\"http://127.0.0.1:8080\", charset=\"UTF-8\"");
    let answer = desk.plain(form_of("post", "&client_secret=wrong")).await;
    assert_refused(&answer, 401, "invalid_client");
    assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
}

#[tokio::test]
async fn b052_odd_characters_in_basic_credentials() {
    let desk = Desk::open();
    let header = basic("a:b %+c", "s:1 %+é/=");
    for form in [form_of("a:b %+c", ""), encode(&altered(&[("client_id", None)]))] {
        let answer = with_header(&desk, &[header.as_bytes()], form).await;
        assert_created(&answer);
        let redeemed = desk.redeemed("a:b %+c", &answer).await;
        assert!(redeemed.contains(&("client_id".into(), "a:b %+c".into())));
    }
    for (pair, is_fine) in [("web:web%2Dsecret", true), ("web:web-secret ", false), ("web:", false)]
    {
        let header = format!("basic {}", STANDARD.encode(pair));
        let answer = with_header(&desk, &[header.as_bytes()], form_of("web", "")).await;
        assert_eq!(answer.status() == 201, is_fine, "{pair}");
    }
}

#[tokio::test]
async fn b053_two_mechanisms_at_once_are_refused() {
    let desk = Desk::open();
    let header = basic("web", "web-secret");
    for more in [
        "&client_secret=web-secret",
        "&client_assertion=x",
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        "&client_assertion=",
    ] {
        let answer = with_header(&desk, &[header.as_bytes()], form_of("web", more)).await;
        assert_refused(&answer, 400, "invalid_request");
        assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
    }
    let both = form_of("post", "&client_secret=post-secret&client_assertion=x");
    assert_refused(&desk.plain(both).await, 400, "invalid_request");
}

#[tokio::test]
async fn b054_right_credentials_by_another_method_are_refused() {
    let desk = Desk::open();
    let in_body = desk.plain(form_of("web", "&client_secret=web-secret")).await;
    assert_refused(&in_body, 401, "invalid_client");
    let header = basic("post", "post-secret");
    let by_basic = with_header(&desk, &[header.as_bytes()], form_of("post", "")).await;
    assert_refused(&by_basic, 401, "invalid_client");
    for secret in ["", "x"] {
        let header = basic("two", secret);
        let public = with_header(&desk, &[header.as_bytes()], form_of("two", "")).await;
        assert_refused(&public, 401, "invalid_client");
    }
    assert_created(&desk.plain(form_of("post", "&client_secret=post-secret")).await);
}

#[tokio::test]
async fn b055_public_client_pushes_with_its_client_id_alone() {
    let desk = Desk::open();
    assert_created(&desk.plain(form_of("two", "")).await);
    assert_refused(&desk.plain(form_of("two", "&client_secret=x")).await, 401, "invalid_client");
}

#[tokio::test]
async fn b079_disabled_client_is_refused() {
    let desk = Desk::open();
    let header = basic("off", "off-secret");
    let answer = with_header(&desk, &[header.as_bytes()], form_of("off", "")).await;
    assert_refused(&answer, 401, "invalid_client");
}

#[tokio::test]
async fn b080_authentication_is_judged_before_the_parameters() {
    let desk = Desk::open();
    for form in [
        "client_id=web",
        "client_id=web&response_type=banana&scope=%22",
        "client_id=web&request_uri=x",
        "client_id=web&state=1&state=2",
        "client_id=web&Scope=x",
        "client_id=web&request=x",
        "client_id=post",
    ] {
        let header = basic("web", "wrong");
        let answer = with_header(&desk, &[header.as_bytes()], form.to_owned()).await;
        assert_refused(&answer, 401, "invalid_client");
    }
    let mut request = by_web(encode(&complete()));
    request.headers_mut().insert(AUTHORIZATION, basic("web", "wrong").parse().unwrap());
    request.headers_mut().insert("dpop", "x".parse().unwrap());
    *request.uri_mut() = "/par?a=b".parse().unwrap();
    assert_refused(&desk.send(request).await, 401, "invalid_client");
}

#[tokio::test]
async fn b081_methods_that_cannot_be_checked_do_not_authenticate() {
    let desk = Desk::open();
    for client_id in ["web", "post", "nobody"] {
        let mut request = post(form_of(client_id, "").into());
        for name in ["oauth-client-attestation", "oauth-client-attestation-pop", "client-cert"] {
            request.headers_mut().insert(name, "eyJhbGciOiJFUzI1NiJ9.e30.x".parse().unwrap());
        }
        assert_refused(&desk.send(request).await, 401, "invalid_client");
        let assertion = form_of(client_id, "&client_assertion=eyJ.e30.x&client_assertion_type=x");
        assert_refused(&desk.plain(assertion).await, 401, "invalid_client");
    }
}

#[tokio::test]
async fn b224_headers_that_cannot_be_read() {
    let desk = Desk::open();
    let good = basic("web", "web-secret");
    let colonless = format!("Basic {}", STANDARD.encode("web"));
    let not_utf8 = format!("Basic {}", STANDARD.encode(b"web:\xff"));
    let broken = format!("Basic {}", STANDARD.encode("web:%zz"));
    let headers: &[&[u8]] = &[
        b"",
        b"Basic",
        b"Basic ",
        b"Basic !!!!",
        b"Basic d2Vi=",
        b"Basic\xff d2Vi",
        b"Bearer abc",
        b"DPoP abc",
        b"Negotiate",
        colonless.as_bytes(),
        not_utf8.as_bytes(),
        broken.as_bytes(),
    ];
    for header in headers {
        let answer =
            with_header(&desk, &[header], form_of("", "").replace("client_id=&", "")).await;
        assert_refused(&answer, 401, "invalid_client");
        assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
        let answer = with_header(&desk, &[header], form_of("two", "")).await;
        assert_refused(&answer, 401, "invalid_client");
    }
    let good = good.as_bytes();
    for twice in [[good, good], [good, b"Bearer x"], [b"x", good]] {
        let answer = with_header(&desk, &twice, form_of("web", "")).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}
