//! `LemonLDAP::NG`: the login page is served at the authorize URL, every page posts to its own
//! address, the consent page holds all parameters in hidden inputs, and its body wins.

use super::{
    Flow, begin, body_of, last, query_of, request_with, says_what_was_pushed, settings, submit,
    submit_form,
};
use crate::authorize::{Front, refused};
use crate::support::upstream::Seen;

async fn front() -> Front {
    Front::start(&settings("lemonldap-ng")).await
}

fn page(flow: &Flow) -> String {
    format!("/authorize?{}", flow.query)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_form_comes_through_whole_and_the_pushed_query_comes_back() {
    let front = front().await;
    let flow = begin(&front).await;
    let login = "user=alice&password=a%2Bb+c&token=t&url=aHR0cDov&token=u";
    assert_eq!(submit_form(&front, &flow.cookie, &page(&flow), login).await.status, 200);
    let call = last(&front);
    says_what_was_pushed(query_of(&call.target));
    assert_eq!(call.count("content-length"), 1);
    assert_eq!(call.field("content-length"), Some(login.len().to_string().as_str()));
    assert_eq!(body_of(&call), login);
    // Some skins post to the bare path.
    assert_eq!(submit_form(&front, &flow.cookie, "/authorize", login).await.status, 200);
    assert_eq!(
        (last(&front).target.as_str(), body_of(&last(&front)).as_str()),
        ("/authorize", login)
    );
}

const TAMPERINGS: &[(&str, Option<&str>)] = &[
    ("scope", Some("openid profile admin")),
    ("scope", Some("admin")),
    ("nonce", Some("evil")),
    ("nonce", None),
    ("state", Some("evil")),
    ("state", None),
    ("code_challenge", Some("evil")),
    ("code_challenge", None),
    ("code_challenge_method", Some("plain")),
    ("code_challenge_method", None),
    ("redirect_uri", Some("https://client.example/second")),
    ("redirect_uri", None),
    ("response_type", Some("code token")),
    ("client_id", Some("shop")),
    ("request", Some("eyJhbGciOiJub25lIn0.e30.")),
    ("request_uri", Some("https://evil.example/ro")),
    ("acr_values", Some("low")),
    ("claims", Some("{}")),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_consent_page_sends_back_is_what_was_pushed() {
    let front = front().await;
    let flow = begin(&front).await;
    for change in TAMPERINGS {
        let body = request_with(&[*change, ("confirm", Some("token"))]);
        let answer = submit_form(&front, &flow.cookie, &page(&flow), &body).await;
        assert_eq!(answer.status, 200, "{change:?}");
        let call = last(&front);
        let body = body_of(&call);
        says_what_was_pushed(query_of(&call.target));
        says_what_was_pushed(&body);
        assert_eq!(super::values(&body, "confirm"), ["token"]);
        assert_eq!(call.field("content-length"), Some(body.len().to_string().as_str()));
    }
    let less = request_with(&[("scope", Some("openid"))]);
    submit_form(&front, &flow.cookie, &page(&flow), &less).await;
    assert_eq!(super::values(&body_of(&last(&front)), "scope"), ["openid"]);
}

fn multipart(form: &str) -> String {
    let pairs = url::form_urlencoded::parse(form.as_bytes());
    let parts: Vec<_> = pairs
        .map(|(name, value)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .collect();
    parts.concat() + "--b--\r\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_multipart_consent_page_is_pinned_too() {
    let front = front().await;
    let flow = begin(&front).await;
    let honest = multipart(&request_with(&[("confirm", Some("token"))]));
    let media_type = "multipart/form-data; boundary=b";
    for change in [("confirm", Some("token")), ("scope", Some("admin")), ("nonce", Some("evil"))] {
        let body = multipart(&request_with(&[change]));
        submit(&front, &flow.cookie, &page(&flow), (media_type, &body)).await;
        let call = last(&front);
        let sent = body_of(&call);
        under_our_boundary(&call);
        assert!(!sent.contains("admin") && !sent.contains("evil"), "{sent}");
        for (name, value) in super::PUSHED {
            let part = format!("name=\"{name}\"\r\n\r\n{value}\r\n");
            assert_eq!(sent.matches(&part).count(), 1, "{sent}");
        }
    }
    submit(&front, &flow.cookie, &page(&flow), (media_type, &honest)).await;
    let ours = under_our_boundary(&last(&front));
    assert_eq!(body_of(&last(&front)), honest.replace("--b", &format!("--{ours}")));
}

const PHOTO: &str = "Content-Disposition: form-data; name=\"photo\"; filename=\"me.png\"\r\n\
    Content-Type: image/png\r\n\r\nPNG --\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_multipart_body_of_the_browsers_goes_on_as_it_came() {
    let front = front().await;
    let flow = begin(&front).await;
    let field = |rest: &str| format!("Content-Disposition: form-data; {rest}");
    let body = format!("--b\r\n{PHOTO}\r\n--b\r\n{}\r\n\r\nt\r\n--b--\r\n", field("name=confirm"));
    let evil = format!("--b\r\n{}\r\n\r\nadmin\r\n", field("name=\"scope\""));
    let head = |head: &str| ("b", format!("--b\r\n{}\r\n\r\nadmin\r\n--b--\r\n", field(head)));
    let led =
        |by: &str| ("b", format!("--b\r\n{}\r\n\r\n{by}{evil}--b--\r\n", field("name=\"foo\"")));
    let tricks = [
        head("name=\"foo\"; name=\"scope\""),
        head("x=\"\\\"; name=foo; y=\"; name=\"scope\""),
        head("name=\"foo\"\r\n x: ; name=\"scope\""),
        ("c; boundary=b", evil.clone() + "--b--\r\n"),
        ("b; boundary=c", led("").1.replace(&evil, &evil.replace("--b", "--c"))),
        led("1\n"),
        led("1"),
        led("1\r\n--b--\r\n"),
    ];
    for target in [page(&flow), "/authorize".to_owned()] {
        let media_type = "multipart/form-data; boundary=b; charset=utf-8";
        submit(&front, &flow.cookie, &target, (media_type, &body)).await;
        let call = last(&front);
        let ours = under_our_boundary(&call);
        let expected =
            body.replace("--b", &format!("--{ours}")).replace("=confirm", "=\"confirm\"");
        assert_eq!(body_of(&call), expected);
        let before = front.calls().len();
        for (boundary, body) in &tricks {
            let media_type = format!("multipart/form-data; boundary={boundary}");
            let answer = submit(&front, &flow.cookie, &target, (&media_type, body)).await;
            assert_eq!(answer.status, 400, "{media_type} {body}");
        }
        assert_eq!(front.calls().len(), before);
    }
}

/// The boundary of a body, which is not the browser's `b`.
fn under_our_boundary(call: &Seen) -> String {
    let boundary =
        call.field("content-type").unwrap().strip_prefix("multipart/form-data; boundary=");
    let boundary = boundary.unwrap().to_owned();
    assert!(boundary.starts_with("parapet-") && call.count("content-type") == 1, "{boundary}");
    assert_eq!(call.field("content-length"), Some(call.body.len().to_string().as_str()));
    assert_eq!(call.count("content-length"), 1);
    let sent = body_of(call);
    assert!(sent.starts_with(&format!("--{boundary}\r\n")), "{sent}");
    assert!(sent.ends_with(&format!("\r\n--{boundary}--\r\n")), "{sent}");
    boundary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_ends_at_a_nul_says_nothing() {
    let front = front().await;
    let flow = begin(&front).await;
    let before = front.calls().len();
    for body in [
        "csrf=t&client_id%00=shop&redirect_uri%00=https://evil.example",
        "csrf=t&scope%00x=admin",
        "csrf=%E9&scope%00=admin",
        "csrf=t&x%00=1",
        "csrf=t&x%E9=1",
        "csrf=%&a=b",
        &"a=b&".repeat(200),
    ] {
        for target in [page(&flow), "/authorize".to_owned()] {
            let answer = submit_form(&front, &flow.cookie, &target, body).await;
            refused(&answer, 400, "invalid_request");
        }
    }
    assert_eq!(front.calls().len(), before);
    let login = "user=al%E9&password=%FF";
    assert_eq!(submit_form(&front, &flow.cookie, "/authorize", login).await.status, 200);
    assert_eq!(body_of(&last(&front)), login);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_read_is_refused() {
    let front = front().await;
    let flow = begin(&front).await;
    let before = front.calls().len();
    let large = request_with(&[("confirm", Some(&"x".repeat(70_000)))]);
    for target in [page(&flow), "/authorize".to_owned()] {
        for (media_type, body) in [
            ("application/json", "{\"scope\":\"admin\"}"),
            ("text/plain", "scope=admin"),
            ("multipart/form-data", "scope=admin"),
            (super::FORM, &large),
        ] {
            let answer = submit(&front, &flow.cookie, &target, (media_type, body)).await;
            assert!([400, 413].contains(&answer.status), "{media_type} {}", answer.status);
        }
    }
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_without_the_clients_name_is_pinned_all_the_same() {
    let front = front().await;
    let flow = begin(&front).await;
    for (body, name, expected) in [
        ("confirm=t&scope=admin", "scope", &["openid profile"][..]),
        (
            "confirm=t&code_challenge=evil",
            "code_challenge",
            &["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        ),
        ("confirm=t&acr_values=low", "acr_values", &[]),
        ("confirm=t;scope=admin", "scope", &[]),
        ("confirm=t;client_id=web;response_type=code;scope=admin", "client_id", &[]),
    ] {
        for target in [page(&flow), "/authorize".to_owned()] {
            let answer = submit_form(&front, &flow.cookie, &target, body).await;
            assert_eq!(answer.status, 200, "{body}");
            let sent = body_of(&last(&front));
            assert_eq!(super::values(&sent, name), expected, "{body}");
            assert!(!sent.contains(';'), "{sent}");
        }
    }
    submit_form(&front, &flow.cookie, "/authorize?scope=admin;nonce=evil&acr_values=low", "a=b")
        .await;
    assert!(!query_of(&last(&front).target).contains("admin"), "{}", last(&front).target);
    let before = front.calls().len();
    for body in [
        "confirm=t&request_uri=https://evil.example",
        "confirm=t&request=eyJ",
        "confirm=t&Scope=admin",
    ] {
        let answer = submit_form(&front, &flow.cookie, "/authorize", body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let answer = submit_form(&front, "", "/authorize", "confirm=t").await;
    refused(&answer, 400, "invalid_request");
    assert_eq!(front.calls().len(), before);
}
