//! A real browser: Debian's chromium, with nobody in front of it, and the log of all that it asked for.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use super::ports::free_port;

/// How long a page may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A chromium that nobody sees, and its driver.
pub struct Chromium {
    pub client: Client,
    _driver: Child,
    _profile: TempDir,
}

impl Chromium {
    pub async fn start() -> Self {
        let port = free_port();
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("/usr/bin/chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut driver = Child(command.spawn().expect("Debian's chromium-driver"));
        driver.wait_for(port);
        let options = json!({
            "binary": "/usr/bin/chromium",
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                format!("--user-data-dir={}", profile.path().display()),
            ],
        });
        let capabilities = [
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), json!({ "performance": "ALL" })),
        ];
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.into_iter().collect::<serde_json::Map<String, Value>>())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, _driver: driver, _profile: profile }
    }

    /// Closes the browser even where the visit failed: it would outlive its driver.
    pub async fn stop_after(self, visit: tokio::task::JoinHandle<()>) {
        let outcome = visit.await;
        self.client.clone().close().await.unwrap();
        if let Err(failure) = outcome {
            std::panic::resume_unwind(failure.into_panic());
        }
    }
}

/// Clicks what the selector finds, once it is there.
pub async fn click(client: &Client, selector: &str) {
    let wait = client.wait().at_most(PATIENCE);
    let element = wait.for_element(Locator::Css(selector)).await;
    element.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.unwrap();
}

/// Types into what the selector finds, once it is there.
pub async fn fill_in(client: &Client, selector: &str, text: &str) {
    let wait = client.wait().at_most(PATIENCE);
    let element = wait.for_element(Locator::Css(selector)).await;
    let element = element.unwrap_or_else(|error| panic!("{selector}: {error}"));
    element.send_keys(text).await.unwrap();
}

/// What the browser did on the network since this was last asked: the `DevTools` messages that name a
/// request or an answer, each with all its addresses and header fields.
pub async fn network_log(client: &Client) -> Vec<Value> {
    let log = client.issue_cmd(PerformanceLog).await.unwrap();
    let entries = log.as_array().expect("a list").iter();
    let messages = entries.map(|entry| {
        let text = entry["message"].as_str().expect("a message");
        serde_json::from_str::<Value>(text).expect("JSON")["message"].clone()
    });
    let named = |message: &Value| message["method"].as_str().unwrap_or_default().to_owned();
    messages.filter(|message| named(message).starts_with("Network.")).collect()
}

/// Gives the browser a `DevTools` command.
pub async fn devtools(client: &Client, command: &'static str, parameters: Value) -> Value {
    client.issue_cmd(DevTools { command, parameters }).await.unwrap()
}

/// The page as a PNG, from its top, in this size.
pub async fn screenshot(client: &Client, width: u64, height: u64) -> Vec<u8> {
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
    let parameters = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
    let taken = devtools(client, "Page.captureScreenshot", parameters).await;
    STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base64")
}

/// chromedriver's own command.
#[derive(Debug)]
struct DevTools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}

/// chromedriver's own command.
#[derive(Debug)]
struct PerformanceLog;

impl WebDriverCompatibleCommand for PerformanceLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "performance" }).to_string()))
    }
}

/// A child that ends with its owner.
pub struct Child(pub std::process::Child);

impl Child {
    /// Waits until somebody listens on `port`.
    pub fn wait_for(&mut self, port: u16) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = self.0.try_wait().unwrap() {
                panic!("ended with {status} before it listened on {port}");
            }
            assert!(Instant::now() < deadline, "nobody listens on {port}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
