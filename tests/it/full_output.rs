//! Standard output and standard error that take nothing (B-283).

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::Request;

use crate::support::http::try_send;
use crate::support::ports::free_port;
use crate::support::process::signal;

const PROGRAM: &str = env!("CARGO_BIN_EXE_parapet");

/// Where a stream of the program leads.
#[derive(Debug, Clone, Copy)]
enum Sink {
    FullDisk,
    Closed,
    FullPipe,
}

/// The command with both streams leading there, and what has to be kept so that they do.
fn command(sink: Sink, arguments: &[&str]) -> (Command, Option<UnixStream>) {
    let mut command = Command::new("sh");
    let run = if matches!(sink, Sink::Closed) { "exec \"$@\" >&- 2>&-" } else { "exec \"$@\"" };
    command.args(["-c", run, "sh", PROGRAM]).args(arguments);
    let kept = match sink {
        Sink::FullDisk => {
            let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
            command.stdout(full()).stderr(full());
            None
        }
        Sink::Closed => None,
        Sink::FullPipe => {
            let (reader, mut writer) = UnixStream::pair().unwrap();
            writer.set_nonblocking(true).unwrap();
            let full = loop {
                if let Err(error) = writer.write(&[b'x'; 1]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::WouldBlock);
            writer.set_nonblocking(false).unwrap();
            let other = writer.try_clone().unwrap();
            command.stdout(Stdio::from(OwnedFd::from(writer)));
            command.stderr(Stdio::from(OwnedFd::from(other)));
            Some(reader)
        }
    };
    (command, kept)
}

fn configuration(folder: &Path) -> (String, String) {
    let (public, admin) = (free_port(), free_port());
    let file = folder.join("gateway.toml");
    let text = format!(
        "[server]\nissuer = \"http://127.0.0.1:{public}\"\nlisten = [\"127.0.0.1:{public}\"]\n\
         drain_delay = \"0s\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
         [upstream]\nurl = \"http://127.0.0.1:9\"\nauthorization_path = \"/authorize\"\n\
         [log]\naudit = \"stdout\"\n\
         [[clients]]\nclient_id = \"app\"\nauthentication = \"none\"\n\
         redirect_uris = [\"https://c.example/cb\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    (file.display().to_string(), format!("http://127.0.0.1:{public}"))
}

/// Pushes until the gateway is there.
async fn pushed(url: &str) -> u16 {
    let form = "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fc.example%2Fcb&\
                code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let request = Request::post(format!("{url}/par"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
            .unwrap();
        match try_send(request).await {
            Ok(answer) => return answer.status.as_u16(),
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn b283_a_gateway_serves_whatever_its_output_takes() {
    for sink in [Sink::FullDisk, Sink::Closed, Sink::FullPipe] {
        let folder = tempfile::tempdir().unwrap();
        let (file, url) = configuration(folder.path());
        let (mut command, _kept) = command(sink, &["serve", "--config", &file]);
        let mut process = command.spawn().unwrap();
        for _ in 0..50 {
            assert_eq!(pushed(&url).await, 201, "{sink:?}");
        }
        signal("TERM", &process.id().to_string());
        let status = process.wait().unwrap();
        assert!(status.success(), "{sink:?}: {status}");
    }
}

#[test]
fn b283_an_exit_code_says_what_output_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[server]\n").unwrap();
    let file = file.display().to_string();
    for sink in [Sink::FullDisk, Sink::Closed] {
        for subcommand in ["serve", "check"] {
            let (mut command, _kept) = command(sink, &[subcommand, "--config", &file]);
            assert_eq!(command.status().unwrap().code(), Some(1), "{subcommand}, {sink:?}");
        }
        let (mut command, _kept) = command(sink, &["healthcheck", "--url", "http://127.0.0.1:9"]);
        assert_eq!(command.status().unwrap().code(), Some(1), "{sink:?}");
    }
}
