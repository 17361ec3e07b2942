//! Client libraries as they are on npm and `PyPI`, unchanged, with every proof that they have: each
//! pushes through the gateway, signs alice in at the real oidc-provider, and takes what comes back.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::StatusCode;
use parapet::jose::Algorithm;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::support::browser::{Browser, Journey};
use crate::support::http::get;
use crate::support::idp::{OidcProvider, folder, install};
use crate::support::jose::Signer;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::relying_party::REDIRECT_URI;
use crate::support::stage::Stage;
use crate::support::tls::{Authority, Holder, named};

const LIMIT: Duration = Duration::from_secs(60);
/// Long enough for an HMAC with SHA-256.
const SECRET: &str = "not a secret: it only keys the tests of real clients";

/// A library: the folder of `tests/idp` and the script there.
type Library = (&'static str, &'static str);

const OPENID_CLIENT: Library = ("openid-client", "openid-client");
const OAUTH4WEBAPI: Library = ("openid-client", "oauth4webapi");
const AUTHLIB: Library = ("python-clients", "with_authlib");
const IDPYOIDC: Library = ("python-clients", "with_idpyoidc");

/// Who pushes; each is known to gateway and server.
#[derive(Debug, Clone, Copy)]
enum Client {
    PrivateKey,
    SecretJwt,
    Certificate,
    /// Must sign its requests; `client_secret_basic`.
    Objects,
    /// The same with an RSA key.
    RsaObjects,
}

impl Client {
    const ALL: [Self; 5] =
        [Self::PrivateKey, Self::SecretJwt, Self::Certificate, Self::Objects, Self::RsaObjects];

    const fn id(self) -> &'static str {
        match self {
            Self::PrivateKey => "real-private-key",
            Self::SecretJwt => "real-secret-jwt",
            Self::Certificate => "real-certificate",
            Self::Objects => "real-objects",
            Self::RsaObjects => "real-rsa-objects",
        }
    }

    const fn authentication(self) -> &'static str {
        match self {
            Self::PrivateKey => "private_key_jwt",
            Self::SecretJwt => "client_secret_jwt",
            Self::Certificate => "self_signed_tls_client_auth",
            Self::Objects | Self::RsaObjects => "client_secret_basic",
        }
    }

    /// Its table in the gateway's configuration; `jwks` are files in `folder`.
    fn table(self, folder: &Path) -> String {
        let (keys, rsa) = (folder.join("keys.jwks"), folder.join("rsa.jwks"));
        let secret = format!("secret = \"{SECRET}\"");
        let signed = "require_signed_request_object = true";
        let more = match self {
            Self::PrivateKey | Self::Certificate => format!("jwks_file = {keys:?}"),
            Self::SecretJwt => secret,
            Self::Objects => format!("{secret}\n{signed}\njwks_file = {keys:?}"),
            Self::RsaObjects => format!("{secret}\n{signed}\njwks_file = {rsa:?}"),
        };
        format!(
            "[[clients]]\nclient_id = \"{}\"\nauthentication = \"{}\"\n\
             redirect_uris = [\"{REDIRECT_URI}\"]\n{more}\n",
            self.id(),
            self.authentication()
        )
    }

    /// Its metadata at the server, which sees no certificates: there that client only gets a code.
    fn metadata(self, keys: &Value) -> Value {
        let (id, method) = (self.id(), self.authentication());
        match self {
            Self::Certificate => json!({"client_id": id, "token_endpoint_auth_method": "none"}),
            Self::PrivateKey | Self::SecretJwt | Self::Objects | Self::RsaObjects => json!({
                "client_id": id, "token_endpoint_auth_method": method,
                "client_secret": SECRET, "jwks": keys,
            }),
        }
    }
}

/// The stage with all those clients, and their keys.
struct Lab {
    stage: Stage<OidcProvider>,
    folder: TempDir,
}

/// What one login came to.
struct Login {
    authorize: Url,
    journey: Journey,
    end: Value,
}

impl Lab {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (authority, client) = (Authority::new("authority"), Holder::self_signed(&named("own")));
        authority.server().write(path, "server");
        client.write(path, "client");
        let keys = json!({"keys": [client.jwk(false)]});
        let rsa = Signer::new(Algorithm::Rs256);
        for (name, text) in [
            ("authority.crt", authority.pem()),
            ("keys.jwks", keys.to_string()),
            ("rsa.jwks", rsa.jwks()),
            ("rsa.key", rsa.private_pem()),
        ] {
            std::fs::write(path.join(name), text).unwrap();
        }
        let mtls = format!("127.0.0.1:{}", free_port());
        let tables: String = Client::ALL.map(|client| client.table(path)).concat();
        let more = format!(
            "required = true\n[server.mtls]\nlisten = [\"{mtls}\"]\npublic_url = \"https://{mtls}\"\n\
             certificate = {:?}\nkey = {:?}\n{tables}",
            path.join("server.crt"),
            path.join("server.key")
        );
        let known = json!(Client::ALL.map(|client| client.metadata(&keys))).to_string();
        Self { stage: Stage::oidc_provider_with("oidc-provider", &more, &known).await, folder }
    }

    /// Runs a library's script; `with` is what else is in its environment.
    async fn run(&self, library: Library, client: Client, with: &[(&str, &str)]) -> Process {
        let (home, script) = library;
        install(home).await;
        let path = self.folder.path();
        let key = if matches!(client, Client::RsaObjects) { "rsa.key" } else { "client.key" };
        let mut command = Command::new(folder(home).join("run"));
        command
            .arg(script)
            .env("ISSUER", &self.stage.issuer)
            .env("CLIENT_ID", client.id())
            .env("CLIENT_SECRET", SECRET)
            .env("AUTHENTICATION", client.authentication())
            .env("REDIRECT_URI", REDIRECT_URI)
            .env("KEY", path.join(key))
            .env("CERTIFICATE", path.join("client.crt"))
            .env("AUTHORITY", path.join("authority.crt"))
            .env("CODE_ONLY", if matches!(client, Client::Certificate) { "yes" } else { "" })
            .env("WITH", "")
            .envs(with.iter().copied());
        Process::spawn(&mut command)
    }

    /// Signs alice in.
    async fn login(&self, library: Library, client: Client, with: &[(&str, &str)]) -> Login {
        let mut driver = self.run(library, client, with).await;
        let authorize = driver.wait_for(LIMIT, |output| said(output, "authorize")).await;
        let authorize = Url::parse(authorize.as_str().unwrap()).unwrap();
        let journey = Browser::default().sign_in(&authorize, REDIRECT_URI).await.unwrap();
        driver.say(journey.callback.as_str());
        let end = driver.wait_for(LIMIT, |output| said(output, "end")).await;
        Login { authorize, journey, end }
    }

    /// The same; nothing but the reference is in the browser's address, the server's login page
    /// follows, the method counts as accepted, and the ID token is alice's.
    async fn signs_in(&self, library: Library, client: Client, with: &str) {
        let login = self.login(library, client, &[("WITH", with)]).await;
        let query = parameters(&login.authorize);
        assert_eq!(query.keys().collect::<Vec<_>>(), ["client_id", "request_uri"]);
        self.assert_signed_in(&login, client).await;
    }

    async fn assert_signed_in(&self, login: &Login, client: Client) {
        let first = &login.journey.hops[0];
        assert_eq!(first.status, StatusCode::SEE_OTHER);
        let page = first.location.as_ref().unwrap();
        assert!(page.path().starts_with("/interaction/"), "{page}");
        let callback = parameters(&login.journey.callback);
        assert!(callback.contains_key("code"), "{callback:?}");
        assert_eq!(callback["iss"], self.stage.issuer);
        if matches!(client, Client::Certificate) {
            assert_eq!(login.end, true);
        } else {
            assert_eq!(login.end["sub"], "alice", "{}", login.end);
            let audiences = [json!(client.id()), json!([client.id()])];
            assert!(audiences.contains(&login.end["aud"]), "{}", login.end);
        }
        let admin = self.stage.gateway.admin_url.as_ref().unwrap();
        let metrics = get(&format!("{admin}/metrics")).await.text();
        let accepted = format!("method=\"{}\",verdict=\"accepted\"", client.authentication());
        assert!(metrics.contains(&accepted), "{metrics}");
    }
}

fn parameters(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// The value of the line `{"<name>": …}`.
fn said(output: &str, name: &str) -> Option<Value> {
    output.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get(name).cloned()
    })
}

#[tokio::test]
async fn openid_client_proves_itself_by_private_key_jwt() {
    Lab::start().await.signs_in(OPENID_CLIENT, Client::PrivateKey, "").await;
}

#[tokio::test]
async fn openid_client_proves_itself_by_client_secret_jwt() {
    Lab::start().await.signs_in(OPENID_CLIENT, Client::SecretJwt, "").await;
}

#[tokio::test]
async fn openid_client_proves_itself_by_certificate() {
    Lab::start().await.signs_in(OPENID_CLIENT, Client::Certificate, "").await;
}

#[tokio::test]
async fn openid_client_pushes_a_signed_request_object() {
    Lab::start().await.signs_in(OPENID_CLIENT, Client::Objects, "request_object").await;
}

#[tokio::test]
async fn openid_client_signs_proof_and_request_and_binds_the_code() {
    Lab::start().await.signs_in(OPENID_CLIENT, Client::PrivateKey, "request_object dpop").await;
}

#[tokio::test]
async fn oauth4webapi_proves_itself_by_private_key_jwt() {
    Lab::start().await.signs_in(OAUTH4WEBAPI, Client::PrivateKey, "").await;
}

#[tokio::test]
async fn oauth4webapi_proves_itself_by_client_secret_jwt() {
    Lab::start().await.signs_in(OAUTH4WEBAPI, Client::SecretJwt, "").await;
}

#[tokio::test]
async fn oauth4webapi_proves_itself_by_certificate() {
    Lab::start().await.signs_in(OAUTH4WEBAPI, Client::Certificate, "").await;
}

#[tokio::test]
async fn oauth4webapi_pushes_a_signed_request_object() {
    Lab::start().await.signs_in(OAUTH4WEBAPI, Client::Objects, "request_object").await;
}

#[tokio::test]
async fn oauth4webapi_binds_the_code_to_a_key() {
    Lab::start().await.signs_in(OAUTH4WEBAPI, Client::PrivateKey, "dpop").await;
}

#[tokio::test]
async fn authlib_proves_itself_by_private_key_jwt() {
    Lab::start().await.signs_in(AUTHLIB, Client::PrivateKey, "").await;
}

#[tokio::test]
async fn authlib_proves_itself_by_client_secret_jwt() {
    Lab::start().await.signs_in(AUTHLIB, Client::SecretJwt, "").await;
}

/// Its objects have neither `exp` nor `aud`, and an empty `iss`; it repeats parameters beside the
/// object and again at the authorize endpoint.
#[tokio::test]
async fn b085_b134_idpyoidc_pushes_an_object_without_exp_and_repeats_itself() {
    let lab = Lab::start().await;
    let adapted = [("ADAPTED", "texts created")];
    let login = lab.login(IDPYOIDC, Client::RsaObjects, &adapted).await;
    let query = parameters(&login.authorize);
    let names = ["client_id", "redirect_uri", "request_uri", "response_type", "scope"];
    assert_eq!(query.keys().collect::<Vec<_>>(), names);
    lab.assert_signed_in(&login, Client::RsaObjects).await;
}

/// Its objects have `scope` and `response_type` as lists, which RFC 9101 §4 does not know; and it takes
/// the 201 of RFC 9126 §2.2 for a failure.
#[tokio::test]
async fn b108_idpyoidc_needs_adapters_for_lists_and_for_201() {
    let lab = Lab::start().await;
    for (adapted, status) in [("", 400), ("texts", 201)] {
        let adapted = [("ADAPTED", adapted)];
        let mut driver = lab.run(IDPYOIDC, Client::RsaObjects, &adapted).await;
        let failed = driver.wait_for(LIMIT, |output| said(output, "failed")).await;
        assert_eq!(failed["status"], status, "{failed}");
        assert!(failed["error"].as_str().unwrap().starts_with("Could not connect"), "{failed}");
        let answer = &failed["answer"];
        assert_eq!(answer["request_uri"].is_string(), status == 201, "{failed}");
        assert_eq!(answer["error"] == "invalid_request_object", status == 400, "{failed}");
    }
}
