//! The form itself: method, media type, names, repeats (B-001…B-019, B-223).

use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request};

use super::*;

#[tokio::test]
async fn b001_b121_complete_form_is_created_and_redeemed() {
    let desk = Desk::open();
    let answer = desk.push(&complete()).await;
    assert_created(&answer);
    assert_eq!(json(&answer)["expires_in"], 60);
    assert_eq!(desk.redeemed("web", &answer).await, owned(&complete()));
}

#[tokio::test]
async fn b002_b003_other_methods_are_not_allowed() {
    let desk = Desk::open();
    for method in ["GET", "HEAD", "DELETE", "PATCH", "PUT", "OPTIONS", "PROPFIND", "post"] {
        let mut request = by_web(encode(&complete()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = desk.send(request).await;
        assert_refused(&answer, 405, "invalid_request");
        assert_eq!(answer.headers()[ALLOW], "POST", "{method}");
    }
}

#[tokio::test]
async fn b004_other_media_types_are_refused() {
    let desk = Desk::open();
    for media in [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded2",
        "application/x-www-form-urlencoded, application/json",
        "",
    ] {
        let mut request = by_web(encode(&complete()));
        request.headers_mut().insert(CONTENT_TYPE, media.parse().unwrap());
        assert_refused(&desk.send(request).await, 400, "invalid_request");
    }
    let mut request = by_web(encode(&complete()));
    request.headers_mut().remove(CONTENT_TYPE);
    assert_refused(&desk.send(request).await, 400, "invalid_request");
    let mut request = by_web(encode(&complete()));
    request.headers_mut().append(CONTENT_TYPE, "application/json".parse().unwrap());
    assert_refused(&desk.send(request).await, 400, "invalid_request");
}

#[tokio::test]
async fn b005_media_type_may_have_parameters_and_capitals() {
    let desk = Desk::open();
    for media in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded ; charset=UTF-8",
    ] {
        let mut request = by_web(encode(&complete()));
        request.headers_mut().insert(CONTENT_TYPE, media.parse().unwrap());
        assert_created(&desk.send(request).await);
    }
}

#[tokio::test]
async fn b006_parameters_in_the_query_are_refused() {
    let desk = Desk::open();
    let query = encode(&complete());
    for form in [String::new(), "client_id=web".to_owned(), encode(&complete())] {
        let mut request = by_web(form);
        *request.uri_mut() = format!("/par?{query}").parse().unwrap();
        assert_refused(&desk.send(request).await, 400, "invalid_request");
    }
    let mut request = by_web(encode(&complete()));
    *request.uri_mut() = "/par?".parse().unwrap();
    assert_created(&desk.send(request).await);
}

#[tokio::test]
async fn b007_credentials_in_the_query_do_not_authenticate() {
    let desk = Desk::open();
    for credentials in ["client_secret=post-secret", "client_assertion=x&client_assertion_type=y"] {
        let form = encode(&altered(&[("client_id", Some("post"))]));
        let request = Request::post(format!("/par?client_id=post&{credentials}"))
            .header(CONTENT_TYPE, FORM)
            .body(form.into())
            .unwrap();
        assert_refused(&desk.send(request).await, 401, "invalid_client");
        let mut request = by_web(encode(&complete()));
        *request.uri_mut() = format!("/par?{credentials}").parse().unwrap();
        assert_refused(&desk.send(request).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b010_b011_request_uri_is_refused_whatever_it_holds() {
    let desk = Desk::open();
    let issued = json(&desk.push(&complete()).await)["request_uri"].as_str().unwrap().to_owned();
    for value in [&*issued, "https://c.example/request.jwt", "urn:x", ""] {
        for name in ["request_uri", "Request_Uri", "request.uri", "request_uri[]"] {
            let mut form = complete();
            form.push((name, value));
            assert_refused(&desk.push(&form).await, 400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn b012_duplicate_parameter_is_refused() {
    let desk = Desk::open();
    let mut names: Vec<_> = complete().iter().map(|(name, _)| *name).collect();
    names.extend(["prompt", "nonce", "kc_idp_hint", "request", "grant_type"]);
    for name in names {
        for (first, second) in [("same", "same"), ("one", "two"), ("", "two"), ("one", "")] {
            let mut form = altered(&[(name, Some(first))]);
            form.push((name, second));
            assert_refused(&desk.push(&form).await, 400, "invalid_request");
        }
    }
    let twice = format!("{}&client_secret=post-secret&client_secret=post-secret", {
        encode(&altered(&[("client_id", Some("post"))]))
    });
    assert_refused(&desk.plain(twice).await, 400, "invalid_request");
}

#[tokio::test]
async fn b012_names_that_a_server_could_fold_are_refused() {
    let desk = Desk::open();
    for name in [
        "Redirect_Uri",
        "redirect.uri",
        "redirect uri",
        "scope[]",
        "scope[0]",
        " state",
        "CLIENT_ID",
        "Prompt",
        "client_id[]",
        "Grant_Type",
    ] {
        let mut form = complete();
        form.push((name, "web"));
        assert_refused(&desk.push(&form).await, 400, "invalid_request");
    }
    for (one, other) in [("x_hint", "x.hint"), ("Hint", "hint"), ("hint", "hint[]")] {
        let mut form = complete();
        form.extend([(one, "1"), (other, "2")]);
        assert_refused(&desk.push(&form).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b013_several_resources_are_kept_in_order() {
    let desk = Desk::open();
    let mut form = complete();
    for resource in ["https://z.example/", "urn:example:api", "https://a.example/?x=1"] {
        form.push(("resource", resource));
        let answer = desk.push(&form).await;
        assert_created(&answer);
        assert_eq!(desk.redeemed("web", &answer).await, owned(&form));
    }
}

#[tokio::test]
async fn b014_b015_unknown_parameters_are_kept_and_empty_ones_are_not() {
    let desk = Desk::open();
    let known = [("kc_idp_hint", "google"), ("acr_values", "a b"), ("x[y]", "1"), ("-", ";=&")];
    let mut form: Vec<_> = known.into_iter().chain(complete()).collect();
    let kept = form.clone();
    form.insert(1, ("nonce", ""));
    form.push(("vendor", ""));
    let answer = desk.push(&form).await;
    assert_created(&answer);
    assert_eq!(desk.redeemed("web", &answer).await, owned(&kept));
}

#[tokio::test]
async fn b016_missing_client_id_is_taken_from_the_authentication() {
    let desk = Desk::open();
    for client_id in [None, Some("")] {
        let form = altered(&[("client_id", client_id)]);
        let answer = desk.push(&form).await;
        assert_created(&answer);
        let redeemed = desk.redeemed("web", &answer).await;
        assert_eq!(redeemed.iter().filter(|(name, _)| name == "client_id").count(), 1);
        assert_eq!(redeemed, {
            let rest = complete().into_iter().filter(|(name, _)| *name != "client_id");
            owned(&[("client_id", "web")].into_iter().chain(rest).collect::<Vec<_>>())
        });
    }
}

#[tokio::test]
async fn b017_another_client_id_is_refused() {
    let desk = Desk::open();
    for other in ["post", "nobody", "WEB", "web "] {
        let answer = desk.push(&altered(&[("client_id", Some(other))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b044_b045_token_parameters_and_credentials_have_no_effect() {
    let desk = Desk::open();
    let mut form = altered(&[("client_id", Some("post"))]);
    let kept = form.clone();
    form.extend([
        ("grant_type", "authorization_code"),
        ("code", "stolen"),
        ("code_verifier", "v"),
        ("refresh_token", "r"),
        ("password", "p"),
        ("client_secret", "post-secret"),
    ]);
    let answer = desk.plain(encode(&form)).await;
    assert_created(&answer);
    assert_eq!(desk.redeemed("post", &answer).await, owned(&kept));
}

#[tokio::test]
async fn b046_values_are_decoded_once() {
    let desk = Desk::open();
    let base = encode(&altered(&[("state", None)]));
    for (sent, meant) in [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%252Bb", "a%2Bb"),
        ("%25", "%"),
        ("a%26b%3Dc%23d%3Be", "a&b=c#d;e"),
        ("a;b=c", "a;b=c"),
        ("a=b=c", "a=b=c"),
        ("%c3%A9%e2%82%ac%F0%9F%98%80", "é€😀"),
        ("\u{e9}", "é"),
    ] {
        let answer = desk.send(by_web(format!("{base}&state={sent}"))).await;
        assert_created(&answer);
        let redeemed = desk.redeemed("web", &answer).await;
        assert_eq!(redeemed.last().unwrap(), &("state".to_owned(), meant.to_owned()), "{sent}");
    }
}

#[tokio::test]
async fn b047_references_keep_to_their_own_parameters() {
    let desk = Desk::open();
    let mut pushed = Vec::new();
    for (client_id, state) in [("web", "1"), ("web", "2"), ("strict", "3"), ("two", "4")] {
        let form = altered(&[("client_id", Some(client_id)), ("state", Some(state))]);
        let answer = if client_id == "web" {
            desk.push(&form).await
        } else {
            desk.plain(encode(&form)).await
        };
        assert_created(&answer);
        pushed.push((client_id, owned(&form), answer));
    }
    let uris: std::collections::HashSet<_> =
        pushed.iter().map(|(.., answer)| json(answer)["request_uri"].to_string()).collect();
    assert_eq!(uris.len(), 4);
    for (client_id, form, answer) in pushed.iter().rev() {
        assert_eq!(&desk.redeemed(client_id, answer).await, form);
    }
}

#[tokio::test]
async fn b084_request_object_is_not_supported_where_it_is_off() {
    let desk = Desk::with("[request_object]\nenabled = false");
    let mut form = complete();
    form.push(("request", "eyJhbGciOiJub25lIn0.e30."));
    assert_refused(&desk.push(&form).await, 400, "request_not_supported");
    form.pop();
    form.push(("request", ""));
    assert_created(&desk.push(&form).await);
}

#[tokio::test]
async fn b223_broken_encodings_and_other_bytes_are_refused() {
    let desk = Desk::open();
    let base = encode(&altered(&[("state", None)]));
    for state in
        [&b"%"[..], b"%4", b"%zz", b"%+1", b"%ff", b"\xff\xfe", b"%c3", b"%ed%a0%80", b"%c0%80"]
    {
        let mut form = format!("{base}&state=").into_bytes();
        form.extend_from_slice(state);
        let mut request = by_web(String::new());
        *request.body_mut() = form.into();
        assert_refused(&desk.send(request).await, 400, "invalid_request");
    }
}
