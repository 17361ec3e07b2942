//! Requests that were not pushed, where that is allowed; foreign references; PAR switched off.

use super::{Front, refused};

const PLAIN: &str = "/authorize?client_id=web&response_type=code&state=a%20b+c;d&x&&y=%zz";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b142_plain_requests_pass_byte_for_byte() {
    let front = Front::start("").await;
    assert_eq!(front.visit(PLAIN).await.status, 200);
    let form = "client_id=web&response_type=code&x=%zz;y";
    assert_eq!(front.post("/authorize?z", form).await.status, 200);
    let head = format!("HEAD {PLAIN} HTTP/1.1\r\nHost: login.example\r\n\r\n");
    assert_eq!(front.send(&head).await.status, 200);
    let calls = front.calls();
    assert_eq!((calls[0].method.as_str(), calls[0].target.as_str()), ("GET", PLAIN));
    assert_eq!(
        (calls[1].target.as_str(), calls[1].body.as_slice()),
        ("/authorize?z", form.as_bytes())
    );
    assert_eq!((calls[2].method.as_str(), calls[2].target.as_str()), ("HEAD", PLAIN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b139_foreign_references_are_refused_or_passed() {
    let target = "/authorize?client_id=web&request_uri=https%3A%2F%2Fclient.example%2Fro&a=1;b";
    let refusing = Front::start("").await;
    refused(&refusing.visit(target).await, 400, "request_uri_not_supported");
    refused(&refusing.post("/authorize", &target[11..]).await, 400, "request_uri_not_supported");
    assert!(refusing.calls().is_empty());
    let passing = Front::start("[authorize]\nforeign_request_uri = \"pass\"").await;
    assert_eq!(passing.visit(target).await.status, 200);
    assert_eq!(passing.calls()[0].target, target);
    let ours = passing.pushed().await;
    assert_eq!(passing.visit(&format!("/authorize?{ours}")).await.status, 200);
    assert!(!passing.calls()[1].target.contains("request_uri"));
    let required =
        Front::start("[authorize]\nforeign_request_uri = \"pass\"\n[par]\nrequired = true").await;
    refused(&required.visit(target).await, 400, "invalid_request");
    assert!(required.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b140_b141_doubled_forms_never_count_as_none() {
    for policy in ["refuse", "pass"] {
        let front = Front::start(&format!("[authorize]\nforeign_request_uri = \"{policy}\"")).await;
        for query in [
            "client_id=web&request_uri=https://a.example&request_uri=https://b.example",
            "client_id=web&request_uri=https://a.example&request=eyJ",
            "client_id=web&client_id=shop&request_uri=https://a.example",
            "client_id=web&Request_Uri=https://a.example&request_uri=https://a.example",
        ] {
            refused(&front.visit(&format!("/authorize?{query}")).await, 400, "invalid_request");
        }
        for query in
            ["client_id=web;request_uri=https://a.example", "client_id=web&request.uri=urn:x"]
        {
            assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 400, "{query}");
        }
        assert!(front.calls().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b145_b174_switched_off_there_is_nothing() {
    let front = Front::start("[par]\nenabled = false").await;
    assert_eq!(front.try_push("web", super::FORM).await.status, 404);
    let reference = "A".repeat(43);
    let query = format!("client_id=web&request_uri=urn:ietf:params:oauth:request_uri:{reference}");
    refused(&front.visit(&format!("/authorize?{query}")).await, 400, "invalid_request_uri");
    assert!(front.calls().is_empty());
    let metadata = front.visit("/.well-known/openid-configuration").await;
    assert!(!metadata.text().contains("pushed"), "{}", metadata.text());
    assert_eq!(front.visit(PLAIN).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b170_b220_lifetime_and_quota_are_each_clients_own() {
    let front =
        Front::start("[clients.shop]\nlifetime = \"90s\"\n[limits]\npushes_per_client = \"3/m\"")
            .await;
    let shop = [("response_type", "code"), ("redirect_uri", "https://shop.example/cb")];
    let answer = front.try_push("shop", &shop).await;
    assert!(answer.text().contains("\"expires_in\":90"), "{}", answer.text());
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = front.try_push("web", super::FORM).await;
        assert_eq!(answer.field("retry-after").is_some(), answer.status == 429);
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [201, 201, 201, 429]);
    assert_eq!(front.try_push("shop", &shop).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_reaches_the_upstream_on_no_spelling_of_the_path() {
    let front = Front::start("").await;
    let query = front.pushed().await;
    for path in ["/authorize/", "//authorize", "/%61uthorize", "/x/../authorize", "/Authorize"] {
        let answer = front.visit(&format!("{path}?{query}")).await;
        refused(&answer, 400, "invalid_request_uri");
        let upper = query.replace("urn:ietf", "URN:ietf");
        let body = format!("a={}", "x".repeat(70_000));
        refused(&front.visit(&format!("{path}?{upper}")).await, 400, "invalid_request_uri");
        let answer = front.post(&format!("{path}?{query}"), &body).await;
        refused(&answer, 400, "invalid_request_uri");
    }
    let before = front.calls();
    assert!(before.is_empty(), "{before:?}");
    assert_eq!(front.visit(&format!("/other?{query}")).await.status, 200);
    assert_eq!(front.visit("/authorize/?client_id=web&request_uri=https://a").await.status, 200);
    assert_eq!(front.visit(&format!("/authorize?{query}")).await.status, 200, "nothing is burnt");
}
