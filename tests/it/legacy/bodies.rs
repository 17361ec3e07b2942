//! Bodies at the authorize endpoint: they travel where a page of it could have sent them, and where no
//! login claims them they stay what the browser sent.

use super::{
    FORM, PUSHED, begin, begin_with, body_of, last, location, query_of, request_with,
    says_what_was_pushed, submit, submit_form, values,
};
use crate::authorize::{Front, cookies, ok, redirect, refused};
use percent_encoding::percent_decode_str;

use crate::support::upstream::Seen;

const REQUIRED: &str = "[par]\nrequired = true";
const MULTIPART: &str = "multipart/form-data; boundary=b";

fn part(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// A server like Hydra: its endpoint redirects and never shows a page.
async fn without_pages(settings: &str) -> Front {
    Front::answering(settings, |seen| match seen.target.split_once('?') {
        Some(("/authorize", query)) if seen.method == "GET" => {
            redirect("302 Found", &format!("/authorize?{query}&login_verifier=v"))
        }
        _ => redirect("302 Found", "/login?x=1"),
    })
    .await
}

/// A server whose endpoint answers with this page.
async fn with_page(settings: &str, page: &'static str, media_type: &'static str) -> Front {
    Front::answering(settings, move |_| {
        let length = page.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{page}")
            .into_bytes()
    })
    .await
}

fn went_without_body(call: &Seen) {
    assert_eq!((call.method.as_str(), body_of(call).as_str()), ("GET", ""), "{call:?}");
    for name in ["audience", "evil"] {
        assert!(!call.target.contains(name), "{}", call.target);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b297_no_body_travels_before_the_endpoint_has_shown_a_page() {
    let front = without_pages(REQUIRED).await;
    let flow = begin(&front).await;
    let handle = location(&flow.first);
    assert!(handle.starts_with("/authorize?client_id=web&request_uri="), "{handle}");
    let own = format!("/authorize?{}", flow.query);
    let whole = request_with(&[("audience", Some("evil"))]);
    let parts: String = whole
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(n, v)| part(n, v))
        .collect();
    let bodies = [
        (FORM, "audience=evil".to_owned()),
        (FORM, whole),
        (MULTIPART, part("audience", "evil") + "--b--\r\n"),
        (MULTIPART, parts + "--b--\r\n"),
        ("application/json", r#"{"audience":"evil"}"#.to_owned()),
        ("text/plain", "audience=evil".to_owned()),
    ];
    for target in [&own, &handle] {
        for (media_type, body) in &bodies {
            let answer = submit(&front, &flow.cookie, target, (media_type, body)).await;
            assert_eq!(answer.status, 302, "{target} {media_type} {}", answer.text());
            let call = last(&front);
            went_without_body(&call);
            says_what_was_pushed(query_of(&call.target));
        }
    }
    // On the bare path a form is a call of the login that it names.
    for (media_type, body) in &bodies[..4] {
        let answer = submit(&front, &flow.cookie, "/authorize", (media_type, body)).await;
        assert!(answer.status < 500, "{media_type}");
        went_without_body(&last(&front));
    }
    let before = front.calls().len();
    for (media_type, body) in &bodies[4..] {
        let answer = submit(&front, &flow.cookie, "/authorize", (media_type, body)).await;
        refused(&answer, 400, "invalid_request");
    }
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b297_with_authorize_method_post_the_body_is_the_stored_request() {
    let settings = "[upstream]\nauthorize_method = \"post\"\n[par]\nrequired = true";
    let front = without_pages(settings).await;
    let flow = begin(&front).await;
    let own = format!("/authorize?{}", flow.query);
    for body in ["audience=evil", &request_with(&[("audience", Some("evil"))])] {
        submit_form(&front, &flow.cookie, &own, body).await;
        let call = last(&front);
        assert_eq!(call.method, "POST");
        says_what_was_pushed(&body_of(&call));
        assert!(!body_of(&call).contains("audience"), "{}", body_of(&call));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b297_only_a_page_of_the_endpoint_lets_a_body_travel() {
    for (media_type, travels) in [
        ("text/html; charset=utf-8", true),
        ("application/xhtml+xml", true),
        ("application/json", false),
        ("image/png", false),
    ] {
        let front = with_page(REQUIRED, "<form method=post>", media_type).await;
        let flow = begin(&front).await;
        let own = format!("/authorize?{}", flow.query);
        submit_form(&front, &flow.cookie, &own, "confirm=t").await;
        let expected = if travels { "confirm=t" } else { "" };
        assert_eq!(body_of(&last(&front)), expected, "{media_type}");
    }
    // A page on another path is none of the endpoint's.
    let front = without_pages(REQUIRED).await;
    let flow = begin(&front).await;
    let elsewhere = front.visit_with("/login", &flow.cookie).await;
    assert!(elsewhere.all("set-cookie").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b264_b297_a_pushed_name_wins_unless_the_page_has_it_as_a_field_to_fill_in() {
    for (page, stays) in [
        (r#"<input type="hidden" name="audience" value="x">"#, false),
        ("<input type=HIDDEN name='audience'>", false),
        ("<p>no field</p>", false),
        (r#"<input name="audience">"#, true),
        (r#"<input type="checkbox" name="audience">"#, true),
        (r#"<select name="audience"><option>x</select>"#, true),
        (r#"<textarea name="audience"></textarea>"#, true),
        (r#"<button name="audience" value="x">ok</button>"#, true),
        (r#"<button name="&#97;udience" value="x">ok</button>"#, true),
    ] {
        for mask in ["", "[authorize]\nmask_html = true\n"] {
            let front = with_page(&format!("{mask}{REQUIRED}"), page, "text/html").await;
            let pushed = [PUSHED, &[("audience", "api")]].concat();
            let flow = begin_with(&front, &pushed).await;
            let own = format!("/authorize?{}", flow.query);
            for (media_type, body) in [
                (FORM, "audience=evil&confirm=t".to_owned()),
                (MULTIPART, part("audience", "evil") + &part("confirm", "t") + "--b--\r\n"),
            ] {
                submit(&front, &flow.cookie, &own, (media_type, &body)).await;
                let sent = body_of(&last(&front));
                assert_eq!(sent.contains("evil"), stays, "{page} {media_type}: {sent}");
                assert_eq!(sent.contains("api"), !stays, "{page} {media_type}: {sent}");
                assert!(sent.contains("confirm"), "{sent}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b264_the_button_of_a_page_cannot_be_pushed() {
    let page = r#"<form method=post><input type=submit name="allow" value="Authorize"></form>"#;
    let front = with_page(REQUIRED, page, "text/html").await;
    let flow = begin_with(&front, &[PUSHED, &[("allow", "Authorize")]].concat()).await;
    let own = format!("/authorize?{}", flow.query);
    for body in ["csrf=t", "csrf=t&allow=Deny"] {
        submit_form(&front, &flow.cookie, &own, body).await;
        assert_eq!(body_of(&last(&front)), body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b297_further_parameters_of_the_server_are_pinned() {
    let settings =
        "[upstream]\nparameters = [\"audience\", \"connection\"]\n[par]\nrequired = true";
    let front = with_page(settings, "<input name=audience>", "text/html").await;
    let flow = begin_with(&front, &[PUSHED, &[("audience", "api")]].concat()).await;
    let own = format!("/authorize?{}", flow.query);
    submit_form(&front, &flow.cookie, &own, "audience=evil&connection=ldap&confirm=t").await;
    assert_eq!(body_of(&last(&front)), "audience=api&confirm=t");
    submit_form(&front, &flow.cookie, &own, "client_id=web&confirm=t").await;
    assert_eq!(values(&body_of(&last(&front)), "audience"), ["api"]);
    let before = front.calls().len();
    for name in ["Audience", "audience[]", "audience%20", "conn-ection", "connection%00"] {
        let answer = submit_form(&front, &flow.cookie, &own, &format!("{name}=evil")).await;
        refused(&answer, 400, "invalid_request");
        let push = [PUSHED, &[(name, "x")]].concat();
        assert_eq!(front.try_push("web", &push).await.status, 400, "{name}");
    }
    assert_eq!(front.calls().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b256_b298_imitations_in_a_step_are_refused() {
    let front = with_page(REQUIRED, "<form method=post>", "text/html").await;
    let flow = begin(&front).await;
    let own = format!("/authorize?{}", flow.query);
    let before = front.calls().len();
    for name in [
        "scope%20",
        "%09scope",
        "scope%5D",
        "%5Dscope",
        "%5B%5Bscope%5D%5D",
        "Scope",
        "sc.ope",
        "scope%00",
        "scope%5Bx%5D",
        "%C5%BFcope",
        "id_to%E2%84%AAen_hint",
        "n%C3%B6nce",
        "%EF%BD%93cope",
        "state%0D%0A",
        "client-id",
        "redirectUri",
        "%25%37%33cope",
        "x%C3%A9",
    ] {
        for target in [own.as_str(), "/authorize"] {
            let body = format!("confirm=t&{name}=admin");
            let answer = submit_form(&front, &flow.cookie, target, &body).await;
            refused(&answer, 400, "invalid_request");
        }
        let decoded = percent_encoding_of(name);
        let body =
            [part("confirm", "t").as_bytes(), &part_of(&decoded, "admin"), b"--b--\r\n"].concat();
        let head = format!(
            "POST {own} HTTP/1.1\r\nHost: login.example\r\n{}Content-Type: {MULTIPART}\r\nContent-Length: {}\r\n\r\n",
            flow.cookie,
            body.len()
        );
        let mut client = front.connect().await;
        client.send([head.as_bytes(), &body].concat()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400, "{name} {}", answer.text());
    }
    assert_eq!(front.calls().len(), before);
    // On other paths of the server such a form passes.
    for body in ["%C5%BFcope=x", "Scope=x", "n%C3%B6nce=x"] {
        assert_eq!(submit_form(&front, &flow.cookie, "/profile", body).await.status, 200, "{body}");
    }
}

fn percent_encoding_of(name: &str) -> Vec<u8> {
    percent_decode_str(name).collect()
}

fn part_of(name: &[u8], value: &str) -> Vec<u8> {
    let head = b"--b\r\nContent-Disposition: form-data; name=\"".as_slice();
    [head, name, b"\"\r\n\r\n", value.as_bytes(), b"\r\n"].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b256_scopes_of_a_consent_page_may_be_a_list() {
    let front = with_page(REQUIRED, "<form method=post>", "text/html").await;
    let flow = begin(&front).await;
    let own = format!("/authorize?{}", flow.query);
    submit_form(&front, &flow.cookie, &own, "scope%5B%5D=openid&scope%5B%5D=profile&ok=t").await;
    assert_eq!(values(&body_of(&last(&front)), "scope[]"), ["openid", "profile"]);
    submit_form(&front, &flow.cookie, &own, "scopes%5B%5D=openid&scopes%5B%5D=admin&ok=t").await;
    assert_eq!(values(&body_of(&last(&front)), "scopes[]"), ["openid"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b310_where_the_server_takes_no_forms_nothing_passes_that_was_not_pushed() {
    for preset in ["keycloak", "hydra", "zitadel"] {
        let settings = format!("[upstream]\npreset = \"{preset}\"\n[par]\nrequired = true");
        let front =
            with_page(&settings, "<form method=post><input name=kc_action>", "text/html").await;
        let flow = begin(&front).await;
        let own = format!("/authorize?{}", flow.query);
        for target in [own.as_str(), "/authorize"] {
            for body in [
                "kc_action=UPDATE_PASSWORD&kc_idp_hint=evil&audience=evil&x=y",
                "client_id=web&state=pushed-state&kc_action=delete_account&audience=evil",
            ] {
                submit_form(&front, &flow.cookie, target, body).await;
                let sent = body_of(&last(&front)) + &last(&front).target;
                for name in ["kc_action", "kc_idp_hint", "audience", "x=y"] {
                    assert!(!sent.contains(name), "{preset} {target} {body}: {sent}");
                }
            }
            let query = format!("{own}&kc_action=UPDATE_PASSWORD");
            front.visit_with(&query, &flow.cookie).await;
            assert!(!last(&front).target.contains("kc_action"));
        }
    }
}

/// Calls of a plain login of another client, with every kind of body.
fn plain_calls() -> Vec<(String, &'static str, String)> {
    let request = "client_id=shop&response_type=code&state=own&scope=a%20b;c&x=%zz".to_owned();
    let json = r#"{"client_id":"shop","scope":"admin"}"#.to_owned();
    vec![
        (format!("/authorize?{request}"), FORM, "confirm=t&scope=admin".to_owned()),
        ("/authorize".to_owned(), FORM, request.clone()),
        ("/authorize".to_owned(), FORM, "confirm=t".to_owned()),
        (
            "/authorize".to_owned(),
            FORM,
            "confirm=t&scope=admin&Scope=x&scope]=y&a=b;c=d".to_owned(),
        ),
        (
            "/authorize".to_owned(),
            FORM,
            "client_id=web&response_type=code&state=another".to_owned(),
        ),
        ("/authorize?lang=de".to_owned(), MULTIPART, part("scope", "admin") + "--b--\r\n"),
        ("/authorize".to_owned(), MULTIPART, "no parts".to_owned()),
        ("/authorize".to_owned(), "application/json", json),
        ("/authorize".to_owned(), "text/plain", "scope=admin".to_owned()),
        ("/authorize".to_owned(), FORM, format!("confirm={}&scope=admin", "x".repeat(70_000))),
        ("/authorize".to_owned(), FORM, "p=%E9&scope=admin".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b248_b249_where_par_is_optional_a_call_that_no_login_claims_stays_as_it_is() {
    let front = Front::start("").await;
    let one = begin(&front).await;
    let two = front
        .push(
            "bank",
            &[
                ("response_type", "code"),
                ("redirect_uri", "https://bank.example/cb"),
                ("scope", "openid"),
            ],
        )
        .await;
    let two = front.visit(&format!("/authorize?{two}")).await;
    for cookie in [one.cookie.clone(), cookies(&[&one.first, &two])] {
        for (target, media_type, body) in plain_calls() {
            let answer = submit(&front, &cookie, &target, (media_type, &body)).await;
            assert_eq!(answer.status, 200, "{target} {media_type} {}", answer.text());
            let call = last(&front);
            assert_eq!((call.method.as_str(), &call.target), ("POST", &target));
            assert!(body_of(&call) == body, "{target} {media_type}: {}", body_of(&call));
            assert_eq!(call.field("content-type"), Some(media_type));
        }
        let target = "/authorize?client_id=shop&response_type=code&state=own&scope=a+b";
        assert_eq!(front.visit_with(target, &cookie).await.status, 200);
        assert_eq!(last(&front).target, target);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b248_what_a_login_claims_by_its_own_values_is_pinned_also_where_par_is_optional() {
    let front = Front::answering("", |_| ok("page")).await;
    let flow = begin(&front).await;
    let form = request_with(&[("scope", Some("openid profile admin"))]);
    submit_form(&front, &flow.cookie, "/authorize", &form).await;
    says_what_was_pushed(&body_of(&last(&front)));
    // One that was pushed without a state claims no request that has one.
    let query = front
        .push("shop", &[("response_type", "code"), ("redirect_uri", "https://shop.example/cb")])
        .await;
    let first = front.visit(&format!("/authorize?{query}")).await;
    let target = "/authorize?client_id=shop&response_type=code&redirect_uri=https://shop.example/cb&state=own";
    assert_eq!(front.visit_with(target, &cookies(&[&first])).await.status, 200);
    assert_eq!(last(&front).target, target);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b248_where_par_is_required_several_logins_that_agree_change_nothing() {
    let front = Front::answering(REQUIRED, |_| ok("page")).await;
    let one = begin(&front).await;
    let two = begin(&front).await;
    let both = cookies(&[&one.first, &two.first]);
    submit_form(&front, &both, "/authorize", "confirm=t&csrf=x").await;
    assert_eq!(body_of(&last(&front)), "confirm=t&csrf=x");
    let before = front.calls().len();
    let answer = submit_form(&front, &both, "/authorize", "confirm=t&scope=admin").await;
    refused(&answer, 400, "invalid_request");
    assert_eq!(front.calls().len(), before);
}
