//! What the world does to a gateway: ports that are taken, files that are no good, disks that are
//! full, a server that is late.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use rcgen::date_time_ymd;

use super::{Scene, authorization_server, toml, until};
use crate::support::gateway::Gateway;
use crate::support::http::get;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::tls::{Authority, named};
use crate::support::upstream::Upstream;

/// Runs it until it ends; gives the exit code and what it said on standard error.
fn refused(toml: &str, files: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files.iter().chain(&[("gateway.toml", toml)]) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::create_dir(folder.path().join("a-folder")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_parapet"))
        .args(["serve", "--config"])
        .arg("gateway.toml")
        .current_dir(folder.path())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_taken_admin_port_is_named_and_ends_the_start() {
    let upstream = Upstream::fine().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, said) =
        refused(&toml(&upstream, &format!("[admin]\nlisten = \"{address}\"\n")), &[]);
    assert_eq!(code, 3, "{said}");
    let expected = format!(
        "parapet: cannot listen on {address} ([admin] listen): Address already in use (os error 98)\n"
    );
    assert!(said.ends_with(&expected), "{said}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_a_bad_configuration() {
    let upstream = Upstream::fine().await;
    let client = "[[clients]]\nclient_id = \"app\"\nsecret_file = \"a-folder\"\n";
    let (code, said) = refused(&toml(&upstream, client), &[]);
    assert_eq!(code, 1, "{said}");
    let expected =
        "`secret_file` in [[clients]]: cannot read a-folder: Is a directory (os error 21)";
    assert!(said.contains(expected), "{said}");
}

/// A certificate that is over is better than none to whoever looks at the gateway: it serves, says
/// so, and the metric tells.
#[tokio::test]
async fn an_expired_certificate_serves_with_a_warning() {
    let upstream = Upstream::scripted(authorization_server).await;
    let authority = Authority::new("ca");
    let mut parameters = named("server");
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2021, 1, 1);
    let folder = tempfile::tempdir().unwrap();
    authority.sign(&parameters).write(folder.path(), "server");
    let tls = "---[server.tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n";
    let toml = toml(&upstream, tls).replace("http://127.0.0.1:8080", "https://login.example");
    std::fs::write(folder.path().join("gateway.toml"), toml).unwrap();
    let gateway = Gateway::start_with_file(folder, "gateway.toml").await;
    let scene = Scene { gateway, upstream };
    until("it is told", async || !scene.lines("the TLS certificate is not valid now").is_empty())
        .await;
    let expiry = "parapet_tls_certificate_expires_timestamp_seconds{listener=\"public\"}";
    assert_eq!(scene.metric(expiry).await, 1_609_459_200);
}

#[tokio::test]
async fn a_server_that_comes_later_makes_the_gateway_ready_by_itself() {
    let address = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"http://127.0.0.1:8080\"\n\
                [admin]\nlisten = \"127.0.0.1:0\"\n";
    let gateway = Gateway::start(&format!("{text}[upstream]\nurl = \"http://{address}\"\n")).await;
    let readyz = format!("{}/readyz?verbose", gateway.admin_url.as_deref().unwrap());
    let told = get(&readyz).await;
    assert_eq!(told.status, 503, "{}", told.text());
    assert_eq!(told.json()["checks"]["metadata"], false);
    let upstream = Upstream::on(address, authorization_server).await;
    let scene = Scene { gateway, upstream };
    scene.until_ready().await;
    assert_eq!(scene.get("/any").await.text(), "ok");
}

#[tokio::test]
async fn a_full_disk_takes_log_lines_and_nothing_else() {
    let upstream = Upstream::scripted(authorization_server).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, toml(&upstream, "")).unwrap();
    let mut process = Process::spawn(Command::new("sh").args([
        "-c",
        "exec \"$0\" serve --config \"$1\" 2>/dev/full",
        env!("CARGO_BIN_EXE_parapet"),
        &file.display().to_string(),
    ]));
    let address = |output: &str, prefix: &str| {
        output.lines().find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
    };
    let (url, admin) = process
        .wait_for(Duration::from_secs(30), |output| {
            address(output, "listening on ").zip(address(output, "admin on "))
        })
        .await;
    for _ in 0..50 {
        assert_eq!(get(&format!("{url}/any")).await.status, 200);
    }
    let dropped = async || {
        let metrics = get(&format!("{admin}/metrics")).await.text();
        let name = "parapet_log_lines_dropped_total ";
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        value.unwrap_or_default()
    };
    until("what is lost is counted", async || dropped().await >= 50.0).await;
    assert!(process.stop().success());
}
