//! "Required" means required: on every spelling of the path, and on paths that are none of its.

use super::{Front, refused};

const ALIASES: &[&str] = &[
    "/authorize",
    "/authorize/",
    "//authorize",
    "/authorize//",
    "/./authorize",
    "/x/../authorize",
    "/x/%2e%2e/authorize",
    "/AUTHORIZE",
    "/Authorize",
    "/%61uthorize",
    "/%2561uthorize",
    "/%252561uthorize",
    "/%2fauthorize",
    "/%252fauthorize",
    "/authorize%2f",
    "/authorize;x=1",
    "/authorize;jsessionid=1/",
    "/;a/authorize",
    "/\\authorize",
    "/%5cauthorize",
    "\\authorize",
    "/authorize%3bx",
    "/authorize/.",
];

/// As the loosest server reads them.
const DISGUISES: &[&str] = &[
    "client_id=web&response_type=code",
    "client_id=web;response_type=code",
    "x=1;client_id=web;response_type=code",
    "Client_ID=web&RESPONSE_TYPE=code",
    "client.id=web&response.type=code",
    "client%5Fid=web&response%5ftype=code",
    "client_id[]=web&response_type[]=code",
    "client_id=web&request=eyJhbGciOiJub25lIn0",
    "client_id=web&request_uri=https://evil.example/ro",
    "+client_id=web&response+type=code",
    "client_id=web&client_id=shop&response_type=code",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_b144_nothing_unpushed_reaches_the_upstream_on_any_alias() {
    let front = Front::start("[par]\nrequired = true").await;
    for alias in ALIASES {
        for query in ["?client_id=web&response_type=code&state=s", "?client_id=web&request=eyJ", ""]
        {
            let target = format!("{alias}{query}");
            let answer = front.visit(&target).await;
            assert_eq!(answer.status, 400, "{target}");
            assert_eq!(answer.field("location"), None);
        }
        let target = format!("{alias}?client_id=web");
        assert_eq!(front.post(&target, "response_type=code").await.status, 400, "POST {target}");
    }
    assert!(front.calls().is_empty(), "{:?}", front.calls());
    let query = front.pushed().await;
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
    let other = front.pushed().await;
    let answer = front.visit(&format!("//authorize?{other}")).await;
    refused(&answer, 400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_the_presets_extra_path_is_guarded_too() {
    let settings = "[upstream]\npreset = \"duende\"\n[par]\nrequired = true";
    let front = Front::start(settings).await;
    for path in ["/connect/authorize/callback", "/Connect//authorize/%63allback/"] {
        let answer = front.visit(&format!("{path}?client_id=web&authz=1")).await;
        refused(&answer, 400, "invalid_request");
    }
    assert!(front.calls().is_empty());
    let front = Front::start("[par]\nrequired = true").await;
    assert_eq!(front.visit("/connect/authorize/callback?client_id=web").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_disguised_requests_are_refused_on_every_path_but_the_endpoints() {
    let front = Front::start("[par]\nrequired = true").await;
    for disguise in DISGUISES {
        for path in ["/", "/login", "/o/authorize2", "/token/x"] {
            let answer = front.visit(&format!("{path}?{disguise}")).await;
            refused(&answer, 400, "invalid_request");
        }
    }
    assert!(front.calls().is_empty(), "{:?}", front.calls());
    for harmless in [
        "/token?client_id=web&response_type=code",
        "/userinfo?client_id=web&request=x",
        "/login?client_id=web",
        "/login?response_type=code",
        "/login?next=%2Fauthorize%3Fclient_id%3Dweb%26response_type%3Dcode",
        "/authorized?x=1",
        "/authorize/consent",
    ] {
        assert_eq!(front.visit(harmless).await.status, 200, "{harmless}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_where_one_client_must_push_the_others_need_not() {
    let front = Front::start("[clients.web]\nrequire_pushed_authorization_requests = true").await;
    for target in [
        "/authorize?client_id=web&response_type=code",
        "/authorize?client_id=%77eb&response_type=code",
        "/authorize?Client.Id=web&response_type=code",
        "/authorize?client_id=shop&client_id=web&response_type=code",
        "/authorize?a=b;client_id=web;response_type=code",
        "//authorize?client_id=web&response_type=code",
        "/login?client_id=web&response_type=code",
        "/login?client_id=shop&client_id=web&response_type=code",
    ] {
        refused(&front.visit(target).await, 400, "invalid_request");
    }
    refused(
        &front.post("/authorize", "client_id=web&response_type=code").await,
        400,
        "invalid_request",
    );
    refused(
        &front.post("/authorize?client_id=web", "response_type=code").await,
        400,
        "invalid_request",
    );
    assert!(front.calls().is_empty());
    for target in [
        "/authorize?client_id=shop&response_type=code",
        "/authorize?client_id=unknown&response_type=code",
        "//authorize?client_id=shop&response_type=code",
        "/login?client_id=shop&response_type=code",
        "/login",
    ] {
        assert_eq!(front.visit(target).await.status, 200, "{target}");
    }
    assert_eq!(front.post("/authorize", "client_id=shop&response_type=code").await.status, 200);
    let metadata = front.visit("/.well-known/openid-configuration").await;
    assert!(metadata.text().contains("\"require_pushed_authorization_requests\":false"));
    let query = front.pushed().await;
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_fields_that_rewrite_method_or_path_never_get_through() {
    let front = Front::start("[par]\nrequired = true").await;
    let target = "/authorize?client_id=web&response_type=code";
    for (name, value) in [
        ("X-HTTP-Method-Override", "GET"),
        ("X-HTTP-Method", "GET"),
        ("X-Method-Override", "GET"),
        ("X-Original-URL", target),
        ("X-Rewrite-URL", target),
        ("X-Original-URI", target),
        ("x_original_url", target),
        ("X-Forwarded-Prefix", "/authorize"),
        ("X-Forwarded-Uri", target),
        ("X-Envoy-Original-Path", target),
    ] {
        let answer = front.visit_with("/login", &format!("{name}: {value}\r\n")).await;
        assert_eq!(answer.status, 200, "{name}");
        let call = front.calls().pop().unwrap();
        assert_eq!(call.field(&name.to_ascii_lowercase()), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b143_before_the_upstream_is_known_nothing_gets_past() {
    let reserved = crate::support::ports::free_port();
    let toml = super::configuration(&format!(
        "[upstream]\nurl = \"http://127.0.0.1:{reserved}\"\n[par]\nrequired = true"
    ));
    let gateway = crate::support::gateway::Gateway::start(&toml).await;
    for path in ["/authorize", "//authorize", "/login"] {
        let url = format!("{}{path}?client_id=web&response_type=code", gateway.url);
        let answer = crate::support::http::get(&url).await;
        assert!([400, 502].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b145_a_form_that_only_others_can_read_does_not_free_a_client_that_must_push() {
    let front = Front::start("[clients.web]\nrequire_pushed_authorization_requests = true").await;
    let form = "application/x-www-form-urlencoded";
    // `client_id=web&response_type=code` in EBCDIC.
    let foreign =
        b"\x83\x93\x89\x85\x95\xa3\x6d\x89\x84\x7e\xa6\x85\x82\x50\x99\x85\xa2\x97\x96\x95\
\xa2\x85\x6d\xa3\xa8\x97\x85\x7e\x83\x96\x84\x85";
    let fields = [
        format!("Content-Type: {form}; charset=ibm037\r\n"),
        format!("Content-Type: {form}\r\nContent-Encoding: gzip\r\n"),
    ];
    for fields in fields {
        let length = foreign.len();
        let mut client = front.connect().await;
        client
            .send(&format!(
                "POST /authorize HTTP/1.1\r\nHost: login.example\r\n{fields}Content-Length: {length}\r\n\r\n"
            ))
            .await;
        client.send(foreign).await;
        let answer = client.answer_to("POST").await;
        refused(&answer, 400, "invalid_request");
    }
    assert!(front.calls().iter().all(|seen| seen.body.is_empty()), "{:?}", front.calls());
}
