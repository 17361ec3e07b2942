//! What a hostile or odd client or upstream must not bring about.

use std::sync::Arc;

use parapet::config::{self, Environment};
use parapet::upstream::{Discovery, HttpClient};

use crate::support::gateway::Gateway;
use crate::support::http::{get, post_form};
use crate::support::upstream::{Step, Upstream};

const REDIRECT_URI: &str = "https://client.example/cb";

fn toml(upstream: &Upstream) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"http://127.0.0.1:8080\"\n\
         [admin]\nlisten = \"\"\n[upstream]\nurl = \"http://{}\"\n\
         [[clients]]\nclient_id = \"app\"\nauthentication = \"none\"\n\
         redirect_uris = [\"{REDIRECT_URI}\"]\n",
        upstream.address
    )
}

/// An upstream with this authorization endpoint, which answers every call of it with `location`.
async fn upstream(endpoint: &'static str, location: &'static str) -> Upstream {
    Upstream::scripted(move |seen| {
        let document = format!(
            "{{\"issuer\":\"http://127.0.0.1:8080\",\"authorization_endpoint\":\"{endpoint}\"}}"
        );
        let answer = if seen.target.contains("/.well-known/") {
            let length = document.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{document}")
        } else {
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
        };
        vec![Step::Bytes(answer.into_bytes())]
    })
    .await
}

/// A gateway that has read the upstream's documents.
async fn gateway(upstream: &Upstream) -> Gateway {
    let gateway = Gateway::start(&toml(upstream)).await;
    let metadata = get(&format!("{}/.well-known/openid-configuration", gateway.url)).await;
    assert_eq!(metadata.status, 200, "{}", metadata.text());
    gateway
}

fn request(state: &str) -> [(&str, &str); 4] {
    [
        ("client_id", "app"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT_URI),
        ("state", state),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b155_a_location_in_raw_utf8_completes_too() {
    let location = "https://client.example/cb?code=1&state=\u{e9}t\u{e9}";
    let upstream = upstream("http://127.0.0.1:8080/authorize", location).await;
    let gateway = gateway(&upstream).await;
    let pushed = post_form(&format!("{}/par", gateway.url), &request("\u{e9}t\u{e9}"), None).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let reference = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let url = format!("{}/authorize?client_id=app&request_uri={reference}", gateway.url);
    let completed = get(&url).await;
    assert_eq!(
        completed.header("location"),
        Some(
            "https://client.example/cb?code=1&state=%C3%A9t%C3%A9\
             &iss=http%3A%2F%2F127.0.0.1%3A8080"
        )
    );
    assert_eq!(get(&url).await.status, 400, "the request is spent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_that_no_authorization_endpoint_could_redeem() {
    let upstream = upstream("https://elsewhere.example/authorize", "/").await;
    let gateway = gateway(&upstream).await;
    let refused = post_form(&format!("{}/par", gateway.url), &request("s"), None).await;
    assert_eq!(refused.status, 502, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_issuer_is_told_once() {
    let upstream = upstream("http://127.0.0.1:8080/authorize", "/").await;
    let other = toml(&upstream).replace("127.0.0.1:8080", "127.0.0.1:8081");
    let gateway = Gateway::start(&other).await;
    let _ = get(&format!("{}/.well-known/openid-configuration", gateway.url)).await;
    let (_, output) = gateway.stop();
    assert_eq!(output.matches("another issuer").count(), 1, "{output}");
}

#[tokio::test]
async fn callers_share_the_failure_of_one_fetch() {
    let upstream = Upstream::answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, toml(&upstream)).unwrap();
    let config = config::load(&file, &Environment::default()).unwrap().config;
    let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
    let discovery = Arc::new(Discovery::new(client, &config));
    let (a, b, c) =
        tokio::join!(discovery.available(), discovery.available(), discovery.available());
    assert!(a.is_err() && b.is_err() && c.is_err());
    assert_eq!(upstream.seen().len(), discovery.places().len());
    assert!(discovery.available().await.is_err());
    assert_eq!(upstream.seen().len(), 2 * discovery.places().len(), "the next one tries again");
}
