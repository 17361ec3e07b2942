//! The audit trail apart, and logs that nobody takes: no request waits for either.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, get, post_form};
use crate::support::process::signal;
use crate::support::raw::Raw;
use crate::support::upstream::Upstream;

fn toml(upstream: &Upstream, log: &str) -> String {
    format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nissuer = \"http://127.0.0.1:8080\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"http://{}\"\n\
         authorization_path = \"/authorize\"\n[log]\n{log}\n\
         [[clients]]\nclient_id = \"app\"\nauthentication = \"none\"\n\
         redirect_uris = [\"https://client.example/cb\"]\n",
        upstream.address
    )
}

async fn push(url: &str) -> Answer {
    let form = [
        ("client_id", "app"),
        ("response_type", "code"),
        ("redirect_uri", "https://client.example/cb"),
        ("state", "planted-state"),
    ];
    post_form(&format!("{url}/par"), &form, None).await
}

/// The lines of a file, once there are `number`.
async fn lines(path: &Path, number: usize) -> Vec<Value> {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') && text.lines().count() >= number {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        assert!(Instant::now() < limit, "{text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn metric(admin_url: &str, name: &str) -> f64 {
    let text = get(&format!("{admin_url}/metrics")).await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_its_own_gets_every_line_whatever_the_level_and_outlives_a_rotation() {
    let upstream = Upstream::fine().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("audit.log"), folder.path().join("audit.log.1"));
    let log = format!("level = \"error\"\nformat = \"text\"\naudit = \"{}\"", path.display());
    let gateway = Gateway::start(&toml(&upstream, &log)).await;
    assert_eq!(push(&gateway.url).await.status, 201);
    let refused = post_form(&format!("{}/par", gateway.url), &[("client_id", "x")], None).await;
    assert_eq!(refused.status, 401);
    let written = lines(&path, 3).await;
    let events: Vec<_> = written.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["push.accepted", "client_authentication.failed", "push.refused"]);
    let schema = std::fs::read_to_string("docs/audit.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for line in &written {
        assert!(jsonschema::is_valid(&schema, line), "{line}");
        assert!(!line.to_string().contains("planted"), "{line}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);

    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(push(&gateway.url).await.status, 201);
    assert_eq!(lines(&path, 1).await.len(), 1, "in the new file");
    assert_eq!(lines(&moved, 3).await.len(), 3, "and not in the old one");
    let (_, output) = gateway.stop();
    assert!(!output.contains("push.accepted"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_counted_lines_and_no_push() {
    let upstream = Upstream::fine().await;
    let gateway = Gateway::start(&toml(&upstream, "audit = \"/dev/full\"")).await;
    for _ in 0..5 {
        assert_eq!(push(&gateway.url).await.status, 201);
    }
    let limit = Instant::now() + Duration::from_secs(20);
    let admin = gateway.admin_url.clone().unwrap();
    while metric(&admin, "parapet_audit_lines_dropped_total").await < 5.0 {
        assert!(Instant::now() < limit, "{}", gateway.output());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(gateway.stop().0.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_is_off_and_a_folder_that_is_not_there_is_told_at_start() {
    let upstream = Upstream::fine().await;
    let gateway = Gateway::start(&toml(&upstream, "audit = \"off\"")).await;
    assert_eq!(push(&gateway.url).await.status, 201);
    let (_, output) = gateway.stop();
    assert!(output.contains("parapet::access") && !output.contains("parapet::audit"), "{output}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, toml(&upstream, "audit = \"none/audit.log\"")).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_parapet"))
        .args(["serve", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(3), "{said}");
    assert!(said.contains("[log] audit: cannot write to") && said.contains("none/audit.log"));
}

/// A gateway whose standard error goes elsewhere, and whose standard output nobody reads after the
/// addresses.
struct Unread {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    url: String,
    admin_url: String,
}

impl Unread {
    fn start(toml: &str, folder: &Path, stderr: impl Into<Stdio>) -> Self {
        let file = folder.join("gateway.toml");
        std::fs::write(&file, toml).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_parapet"))
            .args(["serve", "--config"])
            .arg(&file)
            .env("PARAPET__SERVER__DRAIN_DELAY", "0s")
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().unwrap());
        let (mut url, mut line) = (String::new(), String::new());
        while !line.starts_with("admin on ") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "it ended");
            if let Some(address) = line.strip_prefix("listening on ") {
                url = address.trim().to_owned();
            }
        }
        let admin_url = line["admin on ".len()..].trim().to_owned();
        Self { child, _stdout: stdout, url, admin_url }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipes_that_nobody_reads_hold_no_request_up_and_no_end() {
    let upstream = Upstream::fine().await;
    let folder = tempfile::tempdir().unwrap();
    let toml = toml(&upstream, "audit = \"stdout\"");
    let mut gateway = Unread::start(&toml, folder.path(), Stdio::piped());
    let address = gateway.url.trim_start_matches("http://").parse().unwrap();
    let mut client = Raw::connect(address).await;
    // A pipe holds 64 KiB: two hundred lines of the log, three hundred of the audit trail.
    let form = format!(
        "client_id=app&response_type=code&state=s&redirect_uri={}",
        "https%3A%2F%2Fclient.example%2Fcb"
    );
    let push = format!(
        "POST /par HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let mut accepted = 0;
    for _ in 0..600 {
        client.send(&push).await;
        let answer = client.answer().await;
        assert!([201, 429].contains(&answer.status), "{}", answer.text());
        accepted += usize::from(answer.status == 201);
    }
    assert!(accepted > 0);
    signal("TERM", &gateway.child.id().to_string());
    let limit = Instant::now() + Duration::from_secs(15);
    while gateway.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < limit, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_on_a_full_disk_costs_lines_and_no_push() {
    let upstream = Upstream::fine().await;
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let gateway = Unread::start(&toml(&upstream, ""), folder.path(), full);
    for _ in 0..5 {
        assert_eq!(push(&gateway.url).await.status, 201);
    }
    let limit = Instant::now() + Duration::from_secs(20);
    // One line of the access log and one of the audit trail for each.
    while metric(&gateway.admin_url, "parapet_log_lines_dropped_total").await < 10.0 {
        assert!(Instant::now() < limit, "the lost lines are not counted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
