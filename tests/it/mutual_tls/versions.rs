//! What a handshake may be, and what the two listeners serve.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use rustls::crypto::aws_lc_rs::{cipher_suite as suites, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, SupportedCipherSuite,
};

use super::Lab;
use crate::support::http::try_send_by;
use crate::support::tls::{client, client_config};
use crate::support::upstream::Upstream;

fn address(url: &str) -> &str {
    url.strip_prefix("https://").unwrap()
}

/// Shakes hands with this version and suite; gives the version agreed on.
fn shake(
    lab: &Lab,
    url: &str,
    version: &'static rustls::SupportedProtocolVersion,
    suite: SupportedCipherSuite,
) -> Option<ProtocolVersion> {
    let mut provider = default_provider();
    provider.cipher_suites = vec![suite];
    let mut roots = RootCertStore::empty();
    roots
        .add(
            rustls::pki_types::CertificateDer::from_pem_slice(lab.authority.pem().as_bytes())
                .unwrap(),
        )
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "127.0.0.1".try_into().unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address(url)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).ok()?;
    }
    tls.protocol_version()
}

/// A `ClientHello` of this version without extensions, with suites that were common then.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, 8, 0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 1, 0]);
    let mut record = vec![0x16, 3, 1];
    record.extend(u16::try_from(body.len() + 4).unwrap().to_be_bytes());
    record.extend([1, 0, 0]);
    record.push(u8::try_from(body.len()).unwrap());
    record.extend(body);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn b203_old_versions_and_weak_suites_are_refused_and_1_3_is_offered() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    for url in [&gateway.url, gateway.mtls_url.as_ref().unwrap()] {
        let best = shake(&lab, url, &TLS13, suites::TLS13_AES_128_GCM_SHA256);
        assert_eq!(best, Some(ProtocolVersion::TLSv1_3));
        let good = suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        assert_eq!(shake(&lab, url, &TLS12, good), Some(ProtocolVersion::TLSv1_2));
        let unlisted = suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
        assert_eq!(shake(&lab, url, &TLS12, unlisted), None);
        // SSL 3.0, TLS 1.0, TLS 1.1, and TLS 1.2 with suites in CBC mode.
        for minor in 0..=3 {
            let mut socket = TcpStream::connect(address(url)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            socket.write_all(&old_hello(minor)).unwrap();
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer);
            // A fatal alert, if anything.
            assert!(answer.is_empty() || (answer[0] == 0x15 && answer[5] == 2), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn b183_the_listener_for_certificates_serves_every_route_and_is_named() {
    let lab = Lab::new();
    let document = serde_json::json!({
        "issuer": "https://login.example",
        "authorization_endpoint": "https://login.example/authorize",
        "token_endpoint": "https://login.example/token",
        "tls_client_certificate_bound_access_tokens": true,
        "token_endpoint_auth_methods_supported": ["tls_client_auth", "private_key_jwt"],
    })
    .to_string();
    let upstream = Upstream::answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{document}",
        document.len()
    ))
    .await;
    let toml = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://login.example\"\n\
         [server.mtls]\nlisten = [\"127.0.0.1:0\"]\npublic_url = \"https://MTLS.login.example\"\n{}\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         authorization_path = \"/authorize\"\n{}",
        lab.files(),
        upstream.address,
        lab.clients()
    );
    let gateway = crate::support::gateway::Gateway::start(&toml).await;
    let url = gateway.mtls_url.as_ref().unwrap();
    assert!(gateway.url.starts_with("http://"), "{}", gateway.url);
    let holder = lab.authority.sign(&crate::support::tls::named("app"));
    let config = || client_config(&lab.authority, Some(&holder));
    let request = Request::get(format!("{url}/userinfo")).header("host", "mtls.login.example");
    let request = request.header("client-cert", ":AAAA:").body(bytes::Bytes::new()).unwrap();
    let answer = try_send_by(client(config()), request).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let seen = upstream.seen();
    let seen = seen.iter().find(|seen| seen.target == "/userinfo").unwrap();
    assert_eq!(seen.field("host"), Some("login.example"), "the upstream knows one name");
    assert_eq!(seen.field("client-cert"), None);
    let answer = lab.push(url, "dn", Some(&holder)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let well_known = format!("{url}/.well-known/oauth-authorization-server");
    let request = Request::get(well_known).body(bytes::Bytes::new()).unwrap();
    let document = try_send_by(client(config()), request).await.unwrap().json();
    let endpoint = "pushed_authorization_request_endpoint";
    let aliases = serde_json::json!({endpoint: "https://mtls.login.example/par"});
    assert_eq!(document["mtls_endpoint_aliases"], aliases);
    assert_eq!(document[endpoint], "https://login.example/par");
    assert_eq!(document["tls_client_certificate_bound_access_tokens"], true);
    let methods = &document["token_endpoint_auth_methods_supported"];
    assert!(methods.as_array().unwrap().contains(&"tls_client_auth".into()), "{methods}");
}

#[tokio::test]
async fn a_handshake_that_is_never_finished_ends_in_time() {
    let lab = Lab::new();
    let server = format!("[server.tls]\n{}[limits]\nheader_timeout = \"1s\"", lab.files());
    let toml = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://login.example\"\n{server}\n\
         connections = 1\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [upstream]\nurl = \"http://127.0.0.1:9\"\nauthorization_path = \"/authorize\"\n{}",
        lab.clients()
    );
    let gateway = crate::support::gateway::Gateway::start(&toml).await;
    let address = address(&gateway.url).to_owned();
    let held = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(&[0x16, 3, 1]).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket.read(&mut [0; 16])
    });
    assert!(matches!(held.await.unwrap(), Ok(0) | Err(_)));
    let app = lab.authority.sign(&crate::support::tls::named("app"));
    let answer = lab.push(&gateway.url, "dn", Some(&app)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
}
