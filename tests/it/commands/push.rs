//! `parapet push` by every authentication method, against the real gateway.

use std::path::Path;
use std::process::Command;

use parapet::jose::Algorithm;
use parapet::push::hint::HINTS;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Said, parapet, parapet_with};
use crate::support::gateway::Gateway;
use crate::support::http::get;
use crate::support::jose::Signer;
use crate::support::markdown::Document;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::raw::PATIENCE;
use crate::support::tls::{Authority, Holder, named};
use crate::support::upstream::{Step, Upstream};

const CALLBACK: &str = "https://c.example/cb";
const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

/// A gateway over TLS with a client for each method, and the files of those clients.
struct Lab {
    folder: TempDir,
    issuer: String,
    gateway: Gateway,
    _upstream: Upstream,
}

impl Lab {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority");
        authority.server().write(folder.path(), "server");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        authority.sign(&named("app")).write(folder.path(), "app");
        let own = Holder::self_signed(&named("own"));
        own.write(folder.path(), "own");
        let signer = Signer::new(Algorithm::Ps256);
        std::fs::write(folder.path().join("rsa.pem"), signer.private_pem()).unwrap();
        let issuer = format!("https://127.0.0.1:{}", free_port());
        let upstream = upstream(&issuer).await;
        let toml = toml(folder.path(), &issuer, &upstream, [&signer.jwk(), &own.jwk(true)]);
        let gateway = Gateway::start(&toml).await;
        let lab = Self { folder, issuer, gateway, _upstream: upstream };
        let admin = lab.gateway.admin_url.as_deref().unwrap();
        while get(&format!("{admin}/readyz")).await.status != 200 {
            tokio::task::yield_now().await;
        }
        lab
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Pushes as this client with these further words; `FOLDER/` stands for the lab's own.
    async fn push(&self, client_id: &str, words: &str) -> Said {
        let ca = self.file("ca.pem");
        let mut arguments: Vec<String> =
            ["push", "--issuer", &self.issuer, "--client-id", client_id, "--ca", &ca]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(["--redirect-uri", CALLBACK, "--scope", "openid"].map(str::to_owned));
        let folder = self.file("");
        arguments.extend(words.split_whitespace().map(|word| word.replace("FOLDER/", &folder)));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        parapet_with(&arguments, &[("CLIENT_SECRET", SECRET)]).await
    }
}

async fn upstream(issuer: &str) -> Upstream {
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "dpop_signing_alg_values_supported": ["ES256"],
    });
    let body = document.to_string();
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    Upstream::scripted(move |_| vec![Step::Bytes(answer.clone().into_bytes())]).await
}

fn toml(folder: &Path, issuer: &str, upstream: &Upstream, [rsa, own]: [&Value; 2]) -> String {
    let folder = folder.display();
    let listen = issuer.trim_start_matches("https://");
    let jwks = |name: &str, key: &Value| {
        let path = format!("{folder}/{name}.jwks");
        std::fs::write(&path, json!({ "keys": [key] }).to_string()).unwrap();
        format!("jwks_file = \"{path}\"\n")
    };
    let client = |id: &str, method: &str, more: &str| {
        format!(
            "[[clients]]\nclient_id = \"{id}\"\nauthentication = \"{method}\"\n\
             redirect_uris = [\"{CALLBACK}\"]\n{more}\n"
        )
    };
    let secret = format!("secret = \"{SECRET}\"");
    [
        format!(
            "[server]\nlisten = [\"{listen}\"]\nissuer = \"{issuer}\"\n[server.tls]\n\
             certificate = \"{folder}/server.crt\"\nkey = \"{folder}/server.key\"\n\
             client_ca = \"{folder}/ca.pem\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = \"http://{}\"\n[par]\ndpop_nonce = true\n",
            upstream.address
        ),
        client("basic", "client_secret_basic", &secret),
        client("post", "client_secret_post", &secret),
        client("hmac", "client_secret_jwt", &secret),
        client("key", "private_key_jwt", &jwks("key", rsa)),
        client("ca", "tls_client_auth", "tls_client_auth_subject_dn = \"CN=app,O=Example\""),
        client("own", "self_signed_tls_client_auth", &jwks("own", own)),
        client("free", "none", ""),
        client("native", "none", "").replace(CALLBACK, "http://127.0.0.1/cb"),
        client("scoped", "none", "scopes = [\"email\"]"),
    ]
    .concat()
}

#[tokio::test]
async fn every_method_pushes_and_prints_where_to_go() {
    let lab = Lab::open().await;
    for (client_id, words) in [
        ("free", ""),
        ("basic", "--secret-file FOLDER/secret"),
        ("basic", "--secret-env CLIENT_SECRET --dpop"),
        ("post", "--secret-file FOLDER/secret --authentication client_secret_post"),
        ("hmac", "--secret-env CLIENT_SECRET --authentication client_secret_jwt"),
        ("key", "--key FOLDER/rsa.pem"),
        ("key", "--key FOLDER/rsa.pem --alg PS512 --request-object --dpop -p max_age=5"),
        ("ca", "--certificate FOLDER/app.crt --key FOLDER/app.key"),
        (
            "own",
            "--certificate FOLDER/own.crt --key FOLDER/own.key \
             --authentication self_signed_tls_client_auth",
        ),
    ] {
        let said = lab.push(client_id, &format!("{words} --json")).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{client_id} {words}: {said:?}");
        let pushed: Value = serde_json::from_str(&said.out).unwrap();
        let request_uri = pushed["request_uri"].as_str().unwrap();
        assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{pushed}");
        assert!((50..=60).contains(&pushed["expires_in"].as_u64().unwrap()), "{pushed}");
        let encoded = request_uri.replace(':', "%3A");
        let url = format!("{}/authorize?client_id={client_id}&request_uri={encoded}", lab.issuer);
        assert_eq!(pushed["authorize_url"], url);
        assert!(pushed["state"].is_string() && pushed["code_verifier"].is_null(), "{pushed}");
    }
    let said = lab.push("free", "--show-verifier -p state=mine -p nonce=").await;
    let lines: Vec<_> = said.out.lines().map(|line| line.split_whitespace().next()).collect();
    let names = ["request_uri", "expires_in", "authorize_url", "state", "code_verifier"];
    assert_eq!(lines, names.map(Some), "{said:?}");
    assert!(said.out.contains("state         mine\n"), "{said:?}");
}

#[tokio::test]
async fn a_refusal_says_what_may_be_the_matter() {
    let lab = Lab::open().await;
    for (client_id, words, error, anchor) in [
        ("basic", "--secret-file FOLDER/ca.pem", "401 invalid_client", "client-authentication"),
        ("unknown", "", "401 invalid_client", "client-authentication"),
        ("key", "--key FOLDER/app.key", "401 invalid_client", "client-authentication"),
        ("scoped", "", "400 invalid_scope", "the-authorization-request"),
        ("free", "-p redirect_uri=https://d.example/", "redirect_uri", "the-authorization-request"),
    ] {
        let said = lab.push(client_id, words).await;
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{words}: {said:?}");
        assert!(said.err.contains(error), "{words}: {}", said.err);
        let see = format!("see docs/errors.md#{anchor}\n");
        assert!(said.err.contains("hint: ") && said.err.ends_with(&see), "{}", said.err);
        assert!(!said.err.contains(SECRET), "{}", said.err);
    }
    let said = lab.push("basic", "--secret-file FOLDER/ca.pem --json").await;
    let refusal: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &refusal["status"]), (1, &json!(401)));
    assert_eq!(refusal["error"], "invalid_client");
}

#[tokio::test]
async fn what_cannot_be_pushed_ends_with_2_or_3() {
    let lab = Lab::open().await;
    for (words, expected) in [
        ("--authentication client_secret_post", "--secret-file or --secret-env"),
        ("--authentication private_key_jwt", "needs --key"),
        ("--authentication tls_client_auth", "needs --certificate"),
        ("--authentication guess", "client_secret_jwt"),
        ("--request-object", "needs --key"),
        ("-p client_secret=x", "a command line can be read by others"),
        ("-p nothing", "NAME=VALUE"),
    ] {
        let said = lab.push("free", words).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{words}: {said:?}");
        assert!(said.err.contains(expected), "{words}: {}", said.err);
    }
    for words in ["--secret-env NO_SUCH", "--secret-file FOLDER/none", "--key FOLDER/secret"] {
        let said = lab.push("free", words).await;
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{words}: {said:?}");
    }
    let foreign = ["push", "--client-id", "free", "--issuer"];
    for (issuer, code, expected) in [
        (lab.issuer.as_str(), 3, "UnknownIssuer; --ca FILE"),
        ("https://127.0.0.1:1", 3, "cannot be reached"),
        ("http://login.example", 2, "must be https"),
    ] {
        let said = parapet(&[&foreign[..], &[issuer]].concat()).await;
        assert_eq!(said.code, code, "{issuer}: {said:?}");
        assert!(said.err.contains(expected), "{issuer}: {}", said.err);
    }
}

#[tokio::test]
async fn the_answer_is_waited_for_on_loopback() {
    let lab = Lab::open().await;
    let (ca, issuer) = (lab.file("ca.pem"), lab.issuer.clone());
    for (changes, code, said) in [
        ("", 0, "state and iss are right\n"),
        ("x", 1, "wrong: state\n"),
        ("&iss=https://b.example", 1, "wrong: iss\n"),
    ] {
        let uri = format!("http://127.0.0.1:{}/cb", free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
        command.args(["push", "--issuer", &issuer, "--client-id", "native", "--ca", &ca]);
        command.args(["--redirect-uri", &uri, "--listen", "--listen-timeout", "50s"]).env_clear();
        let mut process = Process::spawn(&mut command);
        let state = process
            .wait_for(PATIENCE, |output| {
                let whole = output.contains("\nnonce");
                let state = output.lines().find_map(|line| line.strip_prefix("state "));
                state.filter(|_| whole).map(|state| state.trim().to_owned())
            })
            .await;
        assert_eq!(get(&format!("{uri}?nothing=1")).await.status, 404);
        assert_eq!(get(&uri.replace("/cb", "/other?code=1")).await.status, 404);
        let page = get(&format!("{uri}?code=abc&state={state}{changes}")).await;
        assert!(page.text().contains("You can close this page"), "{page:?}");
        let ended = process.wait_for(PATIENCE, |output| output.contains(said).then_some(()));
        ended.await;
        assert!(process.output().contains("code              abc\n"), "{}", process.output());
        while process.ended().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(process.ended().unwrap().code(), Some(code), "{changes}");
    }
    let said = lab.push("free", "--listen").await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("needs a redirect_uri such as"), "{}", said.err);
}

#[test]
fn hints_lead_to_headings() {
    let page = std::fs::read_to_string("docs/errors.md").unwrap();
    let anchors = Document::new(&page).anchors();
    for (_, _, hint) in HINTS {
        assert!(anchors.iter().any(|anchor| anchor == hint.anchor), "{hint:?}");
    }
    for anchor in ["the-message", "at-the-push-endpoint"] {
        assert!(anchors.iter().any(|known| known == anchor), "{anchor}");
    }
}
