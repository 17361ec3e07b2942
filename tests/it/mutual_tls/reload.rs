//! Files of TLS listeners that change while they are used.

use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};

use super::{Lab, refused};
use crate::support::gateway::Gateway;
use crate::support::http::{encode, get, try_send_by};
use crate::support::tls::{Authority, client, client_config, named, push};

const LIMIT: Duration = Duration::from_secs(30);

/// Asks again and again until it is so.
async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_trusted(gateway: &Gateway, by: &Authority) -> bool {
    push(&gateway.url, client_config(by, None), &[], &[]).await.is_ok()
}

#[tokio::test]
async fn certificate_key_and_authorities_are_replaced_under_use() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    let app = lab.authority.sign(&named("app"));
    assert_eq!(lab.push(&gateway.url, "dn", Some(&app)).await.status, StatusCode::CREATED);

    let next = Authority::new("next");
    let server = next.server();
    server.write(lab.path(), "server");
    until("the new certificate is shown", || is_trusted(&gateway, &next)).await;
    assert!(!is_trusted(&gateway, &lab.authority).await, "the old one is shown too");

    let new_app = next.sign(&named("app"));
    let by_next = || push(&gateway.url, client_config(&next, Some(&new_app)), &FORM, &[]);
    refused(&by_next().await.unwrap());
    std::fs::write(lab.path().join("ca.pem"), next.pem()).unwrap();
    until("the new authority counts", || async {
        by_next().await.unwrap().status == StatusCode::CREATED
    })
    .await;
    let by_old = push(&gateway.url, client_config(&next, Some(&app)), &FORM, &[]).await.unwrap();
    refused(&by_old);
}

#[tokio::test]
async fn files_that_are_no_good_change_nothing_and_are_told_once() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    let others = Authority::new("others");
    let key = std::fs::read(lab.path().join("server.key")).unwrap();
    others.server().write(lab.path(), "server");
    std::fs::write(lab.path().join("server.key"), &key).unwrap();
    std::fs::write(lab.path().join("ca.pem"), "nonsense").unwrap();
    let lines = || gateway.output().matches("cannot be used; the old ones stay").count();
    // Two listeners, each with an identity and authorities.
    until("each is told", || async { lines() == 4 }).await;
    assert!(gateway.output().contains("does not fit the certificate"), "{}", gateway.output());
    let app = lab.authority.sign(&named("app"));
    assert_eq!(lab.push(&gateway.url, "dn", Some(&app)).await.status, StatusCode::CREATED);

    // The files are looked at again and again; a right one is taken, and the line is not repeated.
    std::fs::write(lab.path().join("ca.pem"), others.pem()).unwrap();
    let foreign = others.sign(&named("app"));
    until("the right file is taken", || async {
        lab.push(&gateway.url, "dn", Some(&foreign)).await.status == StatusCode::CREATED
    })
    .await;
    assert_eq!(lines(), 4, "{}", gateway.output());
    let metrics = get(&format!("{}/metrics", gateway.admin_url.as_ref().unwrap())).await.text();
    assert!(metrics.contains("expires_timestamp_seconds{listener=\"public\"}"), "{metrics}");
}

const FORM: [(&str, &str); 3] =
    [("client_id", "dn"), ("response_type", "code"), ("redirect_uri", "https://c.example/cb")];

#[tokio::test]
async fn a_connection_gains_nothing_by_being_older_than_the_authorities() {
    let lab = Lab::new();
    let next = Authority::new("next");
    std::fs::write(lab.path().join("next.pem"), next.pem()).unwrap();
    let before = format!("[server.tls]\n{}", lab.files());
    let gateway = lab.gateway(&before).await;
    let app = lab.authority.sign(&named("app"));
    let kept = client(client_config(&lab.authority, Some(&app)));
    let push = || {
        let request = Request::post(format!("{}/par", gateway.url))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        try_send_by(kept.clone(), request.body(encode(&FORM).into()).unwrap())
    };
    assert_eq!(push().await.unwrap().status, StatusCode::CREATED);

    gateway.rewrite(&lab.toml(&before.replace("ca.pem", "next.pem")));
    gateway.hang_up();
    let applied = "parapet_config_reloads_total{outcome=\"applied\"} 1";
    let metrics = format!("{}/metrics", gateway.admin_url.as_ref().unwrap());
    until("the reload is applied", || async { get(&metrics).await.text().contains(applied) }).await;
    refused(&push().await.unwrap());
}
