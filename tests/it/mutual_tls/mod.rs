//! TLS on the gateway's own listeners, and clients that prove themselves by certificate (RFC 8705),
//! over real handshakes with the real binary.

use std::path::Path;

use http::StatusCode;
use rcgen::SanType;
use serde_json::json;
use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, get};
use crate::support::tls::{Authority, Holder, client_config, expired, named, push};

mod dpop;
mod headers;
mod key_servers;
mod reload;
mod request_object;
mod versions;

/// Everything a gateway with two TLS listeners needs, and who may call it.
struct Lab {
    folder: TempDir,
    /// Of servers and of clients.
    authority: Authority,
    own: Holder,
    registered: Holder,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority");
        authority.server().write(folder.path(), "server");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let own = Holder::self_signed(&named("own"));
        let registered = Holder::self_signed(&named("registered"));
        Self { folder, authority, own, registered }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `certificate`, `key` and `client_ca` of a table.
    fn files(&self) -> String {
        let folder = self.path().display();
        format!(
            "certificate = \"{folder}/server.crt\"\nkey = \"{folder}/server.key\"\n\
             client_ca = \"{folder}/ca.pem\"\n"
        )
    }

    fn clients(&self) -> String {
        let jwks = json!({"keys": [self.own.jwk(false)]});
        let file = self.path().join("registered.jwks");
        std::fs::write(&file, json!({"keys": [self.registered.jwk(true)]}).to_string()).unwrap();
        let key = &jwks["keys"][0];
        let by_name = |id: &str, name: &str| {
            format!(
                "[[clients]]\nclient_id = \"{id}\"\nauthentication = \"tls_client_auth\"\n\
                 {name}\nredirect_uris = [\"https://c.example/cb\"]\n"
            )
        };
        [
            by_name("dn", "tls_client_auth_subject_dn = \"cn=app, O=Example\""),
            by_name("dns", "tls_client_auth_san_dns = \"App.example\""),
            by_name("uri", "tls_client_auth_san_uri = \"urn:app:1\""),
            by_name("ip", "tls_client_auth_san_ip = \"2001:db8::1\""),
            by_name("email", "tls_client_auth_san_email = \"app@Example.com\""),
            format!(
                "[[clients]]\nclient_id = \"own\"\nauthentication = \"self_signed_tls_client_auth\"\n\
                 redirect_uris = [\"https://c.example/cb\"]\n\
                 jwks = {{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = {}, y = {} }}] }}\n",
                key["x"], key["y"]
            ),
            format!(
                "[[clients]]\nclient_id = \"registered\"\nredirect_uris = [\"https://c.example/cb\"]\n\
                 authentication = \"self_signed_tls_client_auth\"\njwks_file = \"{}\"\n",
                file.display()
            ),
            "[[clients]]\nclient_id = \"secret\"\nsecret = \"web-secret\"\n\
             authentication = \"client_secret_post\"\n\
             redirect_uris = [\"https://c.example/cb\"]\n"
                .to_owned(),
        ]
        .concat()
    }

    /// A gateway with these tables in `[server]` and below.
    async fn gateway(&self, server: &str) -> Gateway {
        Gateway::start(&self.toml(server)).await
    }

    fn toml(&self, server: &str) -> String {
        format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"https://login.example\"\n{server}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://127.0.0.1:9\"\n\
             authorization_path = \"/authorize\"\n[limits]\nfailures_per_address = \"10000/s\"\n{}",
            self.clients()
        )
    }

    /// A gateway that asks for certificates on both listeners.
    async fn both(&self) -> Gateway {
        self.gateway(&format!(
            "[server.tls]\n{files}[server.mtls]\nlisten = [\"127.0.0.1:0\"]\n\
             public_url = \"https://mtls.login.example\"\n{files}",
            files = self.files()
        ))
        .await
    }

    async fn push(&self, url: &str, client_id: &str, holder: Option<&Holder>) -> Answer {
        let form = form(client_id);
        push(url, client_config(&self.authority, holder), &form, &[]).await.unwrap()
    }
}

fn form(client_id: &str) -> Vec<(&str, &str)> {
    vec![
        ("client_id", client_id),
        ("response_type", "code"),
        ("redirect_uri", "https://c.example/cb"),
        ("scope", "openid"),
    ]
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_client");
}

#[tokio::test]
async fn b199_certificates_of_an_authority_prove_clients_by_each_kind_of_name() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    let mut parameters = named("app");
    parameters.subject_alt_names = vec![
        SanType::DnsName("app.example".try_into().unwrap()),
        SanType::URI("urn:app:1".try_into().unwrap()),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
        SanType::Rfc822Name("app@example.com".try_into().unwrap()),
    ];
    let app = lab.authority.sign(&parameters);
    for url in [&gateway.url, gateway.mtls_url.as_ref().unwrap()] {
        assert!(url.starts_with("https://"), "{url}");
        for client_id in ["dn", "dns", "uri", "ip", "email"] {
            let answer = lab.push(url, client_id, Some(&app)).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{client_id} {}", answer.text());
        }
        let nameless = &form("")[1..];
        let config = client_config(&lab.authority, Some(&app));
        refused(&push(url, config, nameless, &[]).await.unwrap());
    }
    let metrics = get(&format!("{}/metrics", gateway.admin_url.as_ref().unwrap())).await.text();
    assert!(metrics.contains("method=\"tls_client_auth\",verdict=\"accepted\"} 10"), "{metrics}");
    assert!(
        metrics.contains("parapet_tls_certificate_expires_timestamp_seconds{listener=\"mtls\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn b200_other_certificates_prove_nobody() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    let foreign = Authority::new("foreign");
    let app = lab.authority.sign(&named("app"));
    let others = [
        ("dn", None),
        ("dn", Some(lab.authority.sign(&named("other")))),
        ("dn", Some(lab.authority.sign(&expired("app")))),
        ("dn", Some(foreign.sign(&named("app")))),
        ("dn", Some(Holder::self_signed(&named("app")))),
        ("uri", Some(lab.authority.sign(&named("app")))),
        ("own", None),
        ("own", Some(Holder::self_signed(&named("own")))),
        ("own", Some(app)),
        ("registered", Some(Holder::self_signed(&named("registered")))),
        ("nobody", Some(lab.authority.sign(&named("app")))),
    ];
    for url in [&gateway.url, gateway.mtls_url.as_ref().unwrap()] {
        for (client_id, holder) in &others {
            refused(&lab.push(url, client_id, holder.as_ref()).await);
        }
    }
    let (_, log) = gateway.stop();
    for reason in
        ["certificate_expired", "certificate_unknown_authority", "certificate_other_holder"]
    {
        assert!(log.contains(reason), "{log}");
    }
}

#[tokio::test]
async fn b199_b200_self_signed_certificates_prove_by_key_or_certificate() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    for url in [&gateway.url, gateway.mtls_url.as_ref().unwrap()] {
        for (client_id, holder) in [("own", &lab.own), ("registered", &lab.registered)] {
            let answer = lab.push(url, client_id, Some(holder)).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{client_id} {}", answer.text());
        }
        refused(&lab.push(url, "registered", Some(&lab.own)).await);
    }
}

#[tokio::test]
async fn b201_others_may_show_certificates_that_do_not_matter() {
    let lab = Lab::new();
    let gateway = lab.both().await;
    let mut form = form("secret");
    form.push(("client_secret", "web-secret"));
    for holder in
        [None, Some(lab.authority.sign(&named("app"))), Some(Holder::self_signed(&named("x")))]
    {
        let config = client_config(&lab.authority, holder.as_ref());
        let answer = push(&gateway.url, config, &form, &[]).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    form[0].1 = "dn";
    let app = lab.authority.sign(&named("app"));
    let config = client_config(&lab.authority, Some(&app));
    refused(&push(&gateway.url, config, &form, &[]).await.unwrap());
}
