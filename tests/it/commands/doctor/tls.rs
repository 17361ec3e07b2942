//! A server that speaks TLS: another gateway, which answers 502 to whatever it is asked.

use super::Ward;
use crate::support::gateway::Gateway;
use crate::support::tls::{Authority, Holder, expired, named};

/// Serves with these files of the folder.
async fn server(folder: &std::path::Path) -> Gateway {
    let folder = folder.display();
    Gateway::start(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://login.example\"\n\
         [server.tls]\ncertificate = \"{folder}/server.crt\"\nkey = \"{folder}/server.key\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://127.0.0.1:9\"\n"
    ))
    .await
}

fn toml(gateway: &Gateway, more: &str) -> String {
    let url = &gateway.url;
    format!("[server]\nissuer = \"https://login.example\"\n[upstream]\nurl = \"{url}\"\n{more}")
}

#[tokio::test]
async fn certificates_are_judged_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    authority.server().write(folder.path(), "server");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let gateway = server(folder.path()).await;
    let own = format!("[upstream.tls]\nca = \"{}\"\n", ca.display());
    let examined = Ward::new(&toml(&gateway, &own)).examine(&[]).await;
    examined.assert("upstream.reachable", "good", "answers");
    examined.assert("upstream.certificate", "good", "is good for");
    examined.assert("certificates", "good", "ca.pem");

    let other = Authority::new("other");
    std::fs::write(&ca, other.pem()).unwrap();
    let examined = Ward::new(&toml(&gateway, &own)).examine(&[]).await;
    examined.assert("upstream.reachable", "problem", "certificate");
    examined.assert_code();
    let examined = Ward::new(&toml(&gateway, "")).examine(&[]).await;
    let advice = examined.finding("upstream.reachable")["advice"].as_str().unwrap();
    assert!(advice.contains("[upstream.tls] ca"), "{advice}");
}

#[tokio::test]
async fn expired_certificates_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    Holder::self_signed(&expired("server")).write(folder.path(), "server");
    let gateway = server(folder.path()).await;
    Holder::self_signed(&named("client")).write(folder.path(), "client");
    let files = folder.path().display();
    let own = format!(
        "[server.tls]\ncertificate = \"{files}/server.crt\"\nkey = \"{files}/server.key\"\n\
         client_ca = \"{files}/client.crt\"\n"
    );
    let examined = Ward::new(&toml(&gateway, &own)).examine(&[]).await;
    examined.assert("upstream.certificate", "problem", "expired on");
    let findings = examined.report["findings"].as_array().unwrap();
    let own = findings.iter().filter(|finding| finding["check"] == "certificates");
    let verdicts: Vec<_> = own.map(|finding| finding["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["good", "problem"], "{findings:#?}");
}
