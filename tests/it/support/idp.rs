//! Real authorization servers without Pushed Authorization Requests, from `tests/idp`.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use tempfile::TempDir;

use super::http::try_send;
use super::ports::free_port;
use super::process::Process;

/// How long a server may take to start on a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// What runs behind [`OidcProvider`] and [`Django`]; dropped, it ends.
#[derive(Debug)]
pub struct Server {
    /// Its own address, without a path: `http://127.0.0.1:PORT`.
    pub url: String,
    /// The issuer that it takes itself for.
    pub issuer: String,
    process: Process,
    _state: TempDir,
}

/// npm's oidc-provider with its development pages; its issuer has no path.
#[derive(Debug)]
pub struct OidcProvider(Server);

/// django-oauth-toolkit with Django's own login page; its issuer is `http://…/o`.
#[derive(Debug)]
pub struct Django(Server);

impl OidcProvider {
    /// Starts one that takes itself for `issuer`, with `redirect_uri` registered for every client, and
    /// waits until it answers. `clients` are further ones, a JSON array of their metadata.
    pub async fn start(issuer: &str, redirect_uri: &str, clients: &str) -> Self {
        let url = unused_address();
        let settings = [("ISSUER", issuer), ("REDIRECT_URI", redirect_uri), ("CLIENTS", clients)];
        Self(Server::start("oidc-provider", &url, &settings).await)
    }

    /// The same with its own address as issuer and no further clients.
    pub async fn start_alone(redirect_uri: &str) -> Self {
        let url = unused_address();
        let settings = [("ISSUER", &*url), ("REDIRECT_URI", redirect_uri)];
        Self(Server::start("oidc-provider", &url, &settings).await)
    }
}

impl Django {
    /// Starts one that takes itself for `issuer`, which ends in `/o`, with `redirect_uri` registered
    /// for every client, and waits until it answers.
    pub async fn start(issuer: &str, redirect_uri: &str) -> Self {
        let url = unused_address();
        let settings = [("ISSUER", issuer), ("REDIRECT_URI", redirect_uri)];
        Self(Server::start("django", &url, &settings).await)
    }

    /// The same with its own address and `/o` as issuer.
    pub async fn start_alone(redirect_uri: &str) -> Self {
        let url = unused_address();
        let issuer = format!("{url}/o");
        let settings = [("ISSUER", &*issuer), ("REDIRECT_URI", redirect_uri)];
        Self(Server::start("django", &url, &settings).await)
    }
}

impl Deref for OidcProvider {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Deref for Django {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Server {
    /// `settings` go into its environment, `ISSUER` first.
    async fn start(name: &str, url: &str, settings: &[(&str, &str)]) -> Self {
        install(name).await;
        let state = tempfile::tempdir().expect("a temporary folder");
        let port = url.rsplit(':').next().unwrap_or_default();
        let process = Process::spawn(
            Command::new(folder(name).join("start"))
                .env("PORT", port)
                .envs(settings.iter().copied())
                .env("STATE", state.path()),
        );
        let mut server =
            Self { url: url.to_owned(), issuer: settings[0].1.to_owned(), process, _state: state };
        server.wait().await;
        server
    }

    /// Everything that it logged so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    async fn wait(&mut self) {
        let path = url::Url::parse(&self.issuer).expect("an issuer").path().to_owned();
        let path = path.trim_end_matches('/');
        let discovery = format!("{}{path}/.well-known/openid-configuration", self.url);
        let answered = tokio::time::timeout(LIMIT, async {
            while !answers(&discovery).await {
                if let Some(status) = self.process.ended() {
                    self.process.fail(&format!("ended at the start ({status})"));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        if answered.await.is_err() {
            self.process.fail(&format!("does not answer at {discovery}"));
        }
    }
}

/// Where the scripts of `name` are.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idp").join(name)
}

/// Installs the packages of `name` unless they are there; several tests may ask at once. Gives what
/// the script says.
pub async fn install(name: &str) -> String {
    let script = folder(name).join("install");
    let installed = tokio::task::spawn_blocking(move || Command::new(script).output());
    let output = installed.await.expect("no panic").expect("a script to run");
    assert!(
        output.status.success(),
        "{name} cannot be installed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn unused_address() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

async fn answers(url: &str) -> bool {
    let request = Request::get(url).body(Bytes::new()).expect("a request");
    try_send(request).await.is_ok_and(|answer| answer.status == StatusCode::OK)
}
