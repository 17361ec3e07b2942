//! `make demo` in a real browser: Debian's chromium presses the buttons.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use fantoccini::{Client, Locator};
use percent_encoding::percent_decode_str;
use tempfile::TempDir;

use crate::support::chromium::{Child, Chromium, PATIENCE, click};
use crate::support::ports::free_port;

#[tokio::test]
async fn both_buttons_sign_in_through_the_gateway() {
    let demo = Demo::start(&[]);
    let browser = Chromium::start().await;
    let client = browser.client.clone();
    let Ports { client: at, gateway, .. } = demo.ports;
    let visit = tokio::spawn(async move {
        let home = format!("http://127.0.0.1:{at}/");
        let gateway = format!("http://127.0.0.1:{gateway}");

        client.goto(&home).await.unwrap();
        click(&client, "#plain").await;
        let old = sign_in(&client).await;
        assert_whole_request_exposed(&old, &gateway);
        assert_eq!(claim(&client, "#id-token", "iss").await, gateway);

        client.goto(&home).await.unwrap();
        click(&client, "#par").await;
        let new = sign_in(&client).await;
        assert!(new.title.contains("Signed in as Alice Liddell, with PAR"));
        let first = new.hops.first().unwrap();
        assert_no_address_exposes_the_request(&new);
        let verdict = client.find(Locator::Css("#verdict.fine")).await.unwrap();
        let verdict = verdict.text().await.unwrap();
        assert!(verdict.contains("out of every address that the browser saw"), "{verdict}");
        assert!(verdict.contains("still held the request, in hidden fields"), "{verdict}");
        let (page, query) = first.url.split_once('?').unwrap();
        assert_eq!(page, format!("{gateway}/authorize"));
        let names: Vec<_> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
        assert_eq!(names, ["client_id", "request_uri"]);
        let last = new.hops.last().unwrap();
        assert!(last.url.contains("/callback?code="), "{}", last.url);
        assert_eq!(claim(&client, "#id-token", "sub").await, "alice");
        assert_eq!(claim(&client, "#userinfo", "name").await, "Alice Liddell");
    });
    browser.stop_after(visit).await;
}

#[tokio::test]
async fn the_old_way_works_without_the_gateway() {
    let demo = Demo::start(&["--without-gateway"]);
    let browser = Chromium::start().await;
    let client = browser.client.clone();
    let Ports { client: at, legacy, .. } = demo.ports;
    let visit = tokio::spawn(async move {
        // The page moves to the host of the redirect URI, where its cookie lives.
        client.goto(&format!("http://localhost:{at}/")).await.unwrap();
        click(&client, "#plain").await;
        let journey = sign_in(&client).await;
        assert_whole_request_exposed(&journey, &format!("http://127.0.0.1:{legacy}"));
        let titles: Vec<_> = journey.hops.iter().map(|hop| hop.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "1. The client sends the browser to the authorization server",
                "2. The login page",
                "3. The consent page",
                "4. The browser comes back to the client",
            ]
        );
        let login = journey.hops.get(1).unwrap();
        assert!(login.url.contains("/login?next=/authorize%3Fresponse_type"));
        assert_eq!(login.exposed, WHOLE_REQUEST);
        client.goto(&format!("http://127.0.0.1:{at}/")).await.unwrap();
        assert!(client.find(Locator::Css("#par")).await.is_err());
    });
    browser.stop_after(visit).await;
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    for (key, of) in [
        ("[upstream] url", 0),
        ("[[clients]] redirect_uris", 1),
        ("[admin] listen", 2),
        ("[server] listen", 3),
    ] {
        let ports = Ports::free();
        let all = [ports.legacy, ports.client, ports.admin, ports.gateway];
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, all[of])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = ports.write_config(folder.path());
        let output = Command::new(demo_program()).arg("--config").arg(&config).output().unwrap();
        drop(taken);
        assert!(!output.status.success());
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(problem.contains(&format!("change `{key}` in")), "{problem}");
        assert!(problem.contains(&all[of].to_string()), "{problem}");
    }
}

const WHOLE_REQUEST: &str = "response_type redirect_uri scope state nonce code_challenge \
    code_challenge_method login_hint";

/// The result page, as far as it is looked at.
struct Journey {
    title: String,
    hops: Vec<Hop>,
}

struct Hop {
    title: String,
    url: String,
    exposed: String,
    hidden: String,
}

fn assert_whole_request_exposed(journey: &Journey, origin: &str) {
    assert!(journey.title.contains("Signed in as Alice Liddell, the old way"));
    let first = journey.hops.first().unwrap();
    assert!(first.url.starts_with(&format!("{origin}/authorize?response_type=code&")));
    assert_eq!(first.exposed, WHOLE_REQUEST);
}

/// By the page's own reading, and by ours: decoded as often as one likes, no address to the server
/// holds a parameter that was pushed.
fn assert_no_address_exposes_the_request(journey: &Journey) {
    let [first, login, consent, answer] = journey.hops.as_slice() else { panic!("four hops") };
    assert!(login.url.contains("/login?next="), "{}", login.url);
    assert!(consent.url.contains("/authorize?"), "{}", consent.url);
    assert_eq!((consent.hidden.as_str(), answer.exposed.as_str()), (WHOLE_REQUEST, ""));
    for hop in [first, login, consent] {
        assert_eq!(hop.exposed, "", "{}", hop.url);
        assert!(hop.url.contains("request_uri"), "{}", hop.url);
        let decode = |text: String| percent_decode_str(&text).decode_utf8_lossy().into_owned();
        let plain = (0..4).fold(hop.url.clone(), |text, _| decode(text));
        for name in WHOLE_REQUEST.split(' ') {
            assert!(!plain.contains(&format!("{name}=")), "{name} in {}", hop.url);
        }
        assert!(!plain.contains("wonderland"), "the login_hint in {}", hop.url);
    }
}

/// From the login page to the result.
async fn sign_in(client: &Client) -> Journey {
    click(client, "#login").await;
    click(client, "#allow").await;
    let wait = client.wait().at_most(PATIENCE);
    wait.for_element(Locator::Css("#id-token")).await.expect("claims on the result page");
    let mut hops = Vec::new();
    for hop in client.find_all(Locator::Css(".hop")).await.unwrap() {
        let title = hop.find(Locator::Css("h3")).await.unwrap();
        hops.push(Hop {
            title: title.text().await.unwrap(),
            url: hop.attr("data-url").await.unwrap().unwrap(),
            exposed: hop.attr("data-exposed").await.unwrap().unwrap(),
            hidden: hop.attr("data-in-the-page").await.unwrap().unwrap(),
        });
    }
    let title = client.title().await.unwrap();
    Journey { title, hops }
}

async fn claim(client: &Client, table: &str, name: &str) -> String {
    let path = format!("//table[@id='{}']//tr[th='{name}']/td", &table[1..]);
    let cell = client.find(Locator::XPath(&path)).await.unwrap();
    cell.text().await.unwrap()
}

/// The demonstration on ports of its own.
struct Demo {
    ports: Ports,
    process: Child,
    _folder: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let ports = Ports::free();
        let folder = tempfile::tempdir().unwrap();
        let config = ports.write_config(folder.path());
        let mut command = Command::new(demo_program());
        command.arg("--config").arg(&config).args(arguments).stdout(Stdio::null());
        let mut demo = Self { process: Child(command.spawn().unwrap()), ports, _folder: folder };
        demo.process.wait_for(demo.ports.client);
        demo
    }
}

#[derive(Clone, Copy)]
struct Ports {
    gateway: u16,
    admin: u16,
    legacy: u16,
    client: u16,
}

impl Ports {
    fn free() -> Self {
        Self { gateway: free_port(), admin: free_port(), legacy: free_port(), client: free_port() }
    }

    fn write_config(self, folder: &Path) -> PathBuf {
        let Self { gateway, admin, legacy, client } = self;
        let text = format!(
            r#"
            [server]
            listen = ["127.0.0.1:{gateway}"]
            issuer = "http://127.0.0.1:{gateway}"
            [admin]
            listen = "127.0.0.1:{admin}"
            [upstream]
            url = "http://127.0.0.1:{legacy}"
            [[clients]]
            client_id = "demo-web"
            authentication = "client_secret_basic"
            secret = "demo-secret"
            redirect_uris = ["http://127.0.0.1:{client}/callback"]
            "#
        );
        let path = folder.join("gateway.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// The example's binary. Cargo tests the example by its own harness and so does not build the plain
/// program for us; asked again, with the same target folder and profile, it builds or finds it.
fn demo_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--example", "demo"]);
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.status().unwrap();
        assert!(status.success(), "the example does not build");
        profile.join("examples/demo")
    })
}
