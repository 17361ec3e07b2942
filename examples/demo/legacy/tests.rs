//! The legacy server, asked without a socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE as COOKIE_HEADER, HeaderName, LOCATION, SET_COOKIE};
use http_body_util::BodyExt as _;
use parapet::clock::SystemClock;

use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REQUEST: &str = "response_type=code&client_id=demo-web&scope=openid+profile&state=s%26%22\
    &nonce=n&redirect_uri=http%3A%2F%2F127.0.0.1%3A8081%2Fcallback\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

fn legacy() -> Legacy {
    let settings = Settings {
        issuer: "http://127.0.0.1:8080".into(),
        public_origin: "http://127.0.0.1:8080".into(),
        gateway: String::new(),
        admin: String::new(),
        legacy: String::new(),
        par_path: "/par".into(),
        client_id: "demo-web".into(),
        client_secret: "demo-secret".into(),
        redirect_uri: "http://127.0.0.1:8081/callback".into(),
        client: String::new(),
    };
    let clock = Arc::new(SystemClock::start());
    Legacy::new(&settings, clock, Arc::new(Journeys::new())).unwrap()
}

fn call(method: Method, target: &str, cookie: &str, form: &[(&str, &str)]) -> Call {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE_HEADER, cookie.parse().unwrap());
    let form = form.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Call {
        method,
        path: path.into(),
        query: query.into(),
        headers,
        body: Bytes::from(Parameters(form.collect()).encode()),
    }
}

fn field(answer: &Answer, name: HeaderName) -> String {
    let value = answer.headers().get(name).expect("a header");
    value.to_str().unwrap().to_owned()
}

fn session_cookie(answer: &Answer) -> String {
    let line = field(answer, SET_COOKIE);
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Lax"));
    line.split(';').next().unwrap().to_owned()
}

async fn text(answer: Answer) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn csrf_token(page: &str) -> String {
    let (_, behind) = page.split_once("name=\"csrf_token\" value=\"").unwrap();
    behind.split('"').next().unwrap().to_owned()
}

/// Logs in and allows; gives the address that the browser is sent back to.
async fn sign_in(legacy: &Legacy) -> String {
    let target = format!("/authorize?{REQUEST}");
    let away = legacy.answer(call(Method::GET, &target, "", &[])).await.unwrap();
    let login = field(&away, LOCATION);
    assert!(login.starts_with("/login?next=/authorize%3Fresponse_type%3Dcode%26"));

    let page = legacy.answer(call(Method::GET, &login, "", &[])).await.unwrap();
    let cookie = session_cookie(&page);
    let token = csrf_token(&text(page).await);
    let form = [
        ("csrf_token", token.as_str()),
        ("next", &target),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let back = legacy.answer(call(Method::POST, "/login", &cookie, &form)).await.unwrap();
    assert_eq!(field(&back, LOCATION), target);
    assert_ne!(session_cookie(&back), cookie, "the session changes at login");
    let cookie = session_cookie(&back);

    let page = legacy.answer(call(Method::GET, &target, &cookie, &[])).await.unwrap();
    let page = text(page).await;
    assert!(page.contains("name=\"state\" value=\"s&amp;&quot;\""));
    let mut form = Parameters::parse(REQUEST.as_bytes()).0;
    form.push(("csrf_token".into(), csrf_token(&page)));
    form.push(("answer".into(), "allow".into()));
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let done = legacy.answer(call(Method::POST, "/authorize", &cookie, &form)).await.unwrap();
    field(&done, LOCATION)
}

async fn exchange(
    legacy: &Legacy,
    code: &str,
    verifier: &str,
    secret: &str,
) -> (StatusCode, String) {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "http://127.0.0.1:8081/callback"),
        ("code_verifier", verifier),
    ];
    let mut call = call(Method::POST, "/token", "", &form);
    let credentials = STANDARD.encode(format!("demo-web:{secret}"));
    let value = format!("Basic {credentials}").parse().unwrap();
    call.headers.insert(AUTHORIZATION, value);
    let answer = legacy.answer(call).await.unwrap();
    (answer.status(), text(answer).await)
}

fn code_of(location: &str) -> String {
    let (address, query) = location.split_once('?').unwrap();
    assert_eq!(address, "http://127.0.0.1:8081/callback");
    let answer = Parameters::parse(query.as_bytes());
    assert_eq!(answer.value("state"), "s&\"");
    assert_eq!(answer.value("iss"), "");
    answer.value("code").to_owned()
}

#[tokio::test]
async fn a_code_is_exchanged_once() {
    let legacy = legacy();
    let code = code_of(&sign_in(&legacy).await);
    let (status, tokens) = exchange(&legacy, &code, VERIFIER, "demo-secret").await;
    assert_eq!(status, StatusCode::OK);
    assert!(tokens.contains("id_token"));
    let (status, error) = exchange(&legacy, &code, VERIFIER, "demo-secret").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error.contains("invalid_grant"));
}

#[tokio::test]
async fn a_wrong_verifier_loses_the_code() {
    let legacy = legacy();
    let code = code_of(&sign_in(&legacy).await);
    let (status, _) = exchange(&legacy, &code, "wrong", "demo-secret").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = exchange(&legacy, &code, VERIFIER, "demo-secret").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_wrong_secret_is_401_and_leaves_the_code_alone() {
    let legacy = legacy();
    let code = code_of(&sign_in(&legacy).await);
    let (status, _) = exchange(&legacy, &code, VERIFIER, "guess").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, _) = exchange(&legacy, &code, VERIFIER, "demo-secret").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn forms_without_the_csrf_token_do_nothing() {
    let legacy = legacy();
    let page = legacy.answer(call(Method::GET, "/login", "", &[])).await.unwrap();
    let cookie = session_cookie(&page);
    let form = [("next", "/authorize?x"), ("username", "alice"), ("password", "wonderland")];
    let answer = legacy.answer(call(Method::POST, "/login", &cookie, &form)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let answer = legacy.answer(call(Method::POST, "/authorize", &cookie, &[])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn login_leads_nowhere_else() {
    let legacy = legacy();
    let page = legacy.answer(call(Method::GET, "/login", "", &[])).await.unwrap();
    let cookie = session_cookie(&page);
    let token = csrf_token(&text(page).await);
    for next in ["//evil.example/authorize?", "https://evil.example/", "/", ""] {
        let form = [
            ("csrf_token", token.as_str()),
            ("next", next),
            ("username", "alice"),
            ("password", "wonderland"),
        ];
        let answer = legacy.answer(call(Method::POST, "/login", &cookie, &form)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{next}");
    }
}

#[tokio::test]
async fn a_foreign_redirect_uri_gets_a_page() {
    let legacy = legacy();
    let target = format!("/authorize?{}", REQUEST.replace("8081", "8082"));
    let answer = legacy.answer(call(Method::GET, &target, "", &[])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.headers().get(LOCATION).is_none());
}

#[tokio::test]
async fn the_discovery_document_knows_no_par() {
    let legacy = legacy();
    let target = "/.well-known/openid-configuration";
    let answer = legacy.answer(call(Method::GET, target, "", &[])).await.unwrap();
    let document = text(answer).await;
    assert!(document.contains("\"issuer\":\"http://127.0.0.1:8080\""));
    assert!(!document.contains("pushed"));
}
