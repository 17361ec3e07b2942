//! `parapet healthcheck` against the real gateway and against a listener that says other things.

use super::{parapet, parapet_with};
use crate::support::gateway::Gateway;
use crate::support::http::get;
use crate::support::ports::free_port;
use crate::support::raw::PATIENCE;
use crate::support::upstream::{Seen, Step, Upstream};

fn toml(upstream: &str, admin: u16) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"http://127.0.0.1:8080\"\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"\n[upstream]\nurl = \"{upstream}\"\n"
    )
}

fn metadata(_: &Seen) -> Vec<Step> {
    let body =
        r#"{"issuer":"http://127.0.0.1:8080","authorization_endpoint":"http://127.0.0.1:8080/a"}"#;
    let length = body.len();
    vec![Step::Bytes(
        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes(),
    )]
}

#[tokio::test]
async fn a_gateway_is_well_once_it_is_ready() {
    let upstream = Upstream::scripted(metadata).await;
    let text = toml(&format!("http://{}", upstream.address), free_port());
    let gateway = Gateway::start(&text).await;
    let admin = gateway.admin_url.clone().unwrap();
    let ready = async {
        while get(&format!("{admin}/readyz")).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("a gateway that becomes ready");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for arguments in [
        &["healthcheck", "--config", file][..],
        &["healthcheck", "--config", file, "--live"],
        &["healthcheck", "--url", &admin],
        &["healthcheck", "--url", &format!("{admin}/startupz"), "--timeout", "10s"],
    ] {
        let said = parapet(arguments).await;
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""), "{arguments:?}");
    }
    let moved = [("PARAPET__ADMIN__LISTEN", admin.trim_start_matches("http://"))];
    std::fs::write(file, toml("http://127.0.0.1:9", 1)).unwrap();
    assert_eq!(parapet_with(&["healthcheck", "-c", file], &moved).await.code, 0);
    gateway.stop();
    let said = parapet(&["healthcheck", "--url", &admin]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("/readyz?verbose cannot be reached"), "{}", said.err);
}

#[tokio::test]
async fn a_gateway_that_is_not_ready_says_why_in_one_line() {
    let gateway = Gateway::start(&toml("http://127.0.0.1:9", 0)).await;
    let admin = gateway.admin_url.clone().unwrap();
    let said = parapet(&["healthcheck", "--url", &admin]).await;
    assert_eq!((said.code, said.err.lines().count()), (1, 1), "{}", said.err);
    assert!(said.err.contains("503") && said.err.contains("metadata"), "{}", said.err);
    assert_eq!(parapet(&["healthcheck", "--url", &admin, "--live"]).await.code, 0);
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_well() {
    let silent = Upstream::scripted(|_| vec![Step::Await(std::sync::Arc::default())]).await;
    let url = format!("http://{}", silent.address);
    let said = parapet(&["healthcheck", "--url", &url, "--timeout", "200ms"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("does not answer within 200ms"), "{}", said.err);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let path = file.to_str().unwrap();
    for (text, expected) in [
        ("admin.listen = \"\"", "turns the private listener off"),
        ("admin.listen = \"127.0.0.1:0\"", "say --url"),
        ("admin.listen = 5", "expected an address"),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = parapet(&["healthcheck", "--config", path]).await;
        assert_eq!(said.code, 1, "{text}");
        assert!(said.err.contains(expected), "{}", said.err);
    }
    for (arguments, code) in
        [(["--url", "gopher://a"], 1), (["--timeout", "soon"], 2), (["--timeout", "0s"], 2)]
    {
        let said = parapet(&["healthcheck", arguments[0], arguments[1]]).await;
        assert_eq!(said.code, code, "{arguments:?} {said:?}");
    }
}
