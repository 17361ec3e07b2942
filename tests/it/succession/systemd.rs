//! The service manager's side, played by the test: sockets that are passed on, and what it is told.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use super::toml;
use crate::support::front::{is_ready, until, upstream};
use crate::support::gateway::Gateway;
use crate::support::http::get;
use crate::support::process::Process;

/// Opens the sockets named by its arguments, as `NAME=ADDRESS`, passes them on as systemd does, and
/// becomes the program after `--`.
const LAUNCHER: &str = r#"
import os, socket, sys
end = sys.argv.index("--")
opened = []
for argument in sys.argv[1:end]:
    name, address = argument.split("=", 1)
    if address.startswith("/"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        os.chmod(address, 0o660)
    else:
        host, port = address.rsplit(":", 1)
        listener = socket.socket(socket.AF_INET)
        listener.bind((host, int(port)))
    listener.listen(128)
    print(name, listener.getsockname(), flush=True)
    opened.append((name, listener))
# Away from the numbers that they are to have.
kept = [os.dup(listener.fileno()) for _, listener in opened]
kept = [os.dup2(fd, 50 + number, inheritable=False) for number, fd in enumerate(kept)]
for number, fd in enumerate(kept):
    os.dup2(fd, 3 + number)
    os.set_inheritable(3 + number, True)
os.environ.update(
    LISTEN_FDS=str(len(kept)),
    LISTEN_PID=str(os.getpid()),
    LISTEN_FDNAMES=":".join(name for name, _ in opened),
)
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"#;

fn launch(folder: &std::path::Path, toml: &str, sockets: &[&str]) -> Process {
    let file = folder.join("gateway.toml");
    std::fs::write(&file, toml).unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", LAUNCHER]).args(sockets).arg("--").arg(env!("CARGO_BIN_EXE_parapet"));
    command.args(["serve", "--config"]).arg(&file).env("PARAPET__SERVER__DRAIN_DELAY", "0s");
    Process::spawn(&mut command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_of_the_service_manager_are_used_by_address_and_by_name() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("public.sock");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("listen = [\"unix:{}\", \"{free}\", \"127.0.0.1:0\"]", path.display());
    let toml = toml(&upstream, &server, "");
    let by_path = format!("parapet.socket={}", path.display());
    let by_address = format!("parapet.socket={free}");
    let sockets = ["public=127.0.0.2:0", by_address.as_str(), by_path.as_str()];
    let process = launch(folder.path(), &toml, &sockets);
    let gateway = Gateway::listening(process, &toml).await;
    let listening: Vec<String> = gateway
        .output()
        .lines()
        .filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
        .collect();
    let [unix, addressed, named] = &listening[..] else { panic!("{}", gateway.output()) };
    assert_eq!(*unix, format!("unix:{}", path.display()));
    assert_eq!(*addressed, format!("http://{free}"));
    assert!(named.starts_with("http://127.0.0.2:"), "{named}");
    for url in [addressed, named] {
        assert_eq!(get(&format!("{url}/x")).await.status, 200);
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o660, "it is the service manager's");
    gateway.stop();
    assert!(path.exists(), "it is the service manager's");
    assert!(TcpStream::connect(free).is_err(), "the launcher keeps none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_no_listener_is_for_is_refused() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let mut process = launch(folder.path(), &toml(&upstream, "", ""), &["other=127.0.0.2:0"]);
    let limit = Duration::from_secs(60);
    let refused = |output: &str| {
        output.lines().find(|line| line.contains("no listener is for")).map(str::to_owned)
    };
    let line = process.wait_for(limit, refused).await;
    assert!(line.contains("(other) of LISTEN_FDS"), "{line}");
}

/// What a service manager was told until it was told nothing for a while, one state to a line.
fn heard(manager: &UnixDatagram) -> Vec<String> {
    let mut states = Vec::new();
    let mut message = [0; 4096];
    while let Ok(length) = manager.recv(&mut message) {
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        states.extend(text.lines().map(str::to_owned));
    }
    states
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_hears_of_readiness_life_and_the_end() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let file = folder.path().join("gateway.toml");
    let toml = toml(&upstream, "", "");
    std::fs::write(&file, &toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
    command.args(["serve", "--config"]).arg(&file);
    command.envs(HashMap::from([
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "300000"),
        ("PARAPET__SERVER__DRAIN_DELAY", "0s"),
    ]));
    let gateway = Gateway::listening(Process::spawn(&mut command), &toml).await;
    until("ready", async || is_ready(&gateway).await).await;
    let mut message = [0; 4096];
    let mut beats = 0;
    let mut ready = false;
    for _ in 0..8 {
        let length = manager.recv(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        beats += text.matches("WATCHDOG=1").count();
        ready |= text.contains("READY=1") && text.contains("STATUS=serving");
    }
    assert!(ready && beats >= 4, "{ready} {beats}");
    for (text, end) in [
        (toml.clone() + "# changed\n", "STATUS=serving"),
        ("[".to_owned(), "STATUS=serving; the new configuration is refused"),
    ] {
        std::fs::write(&file, text).unwrap();
        let mut told = Vec::new();
        while told.last().is_none_or(|line| line != end) {
            let length = manager.recv(&mut message).unwrap();
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            let states = text.lines().filter(|line| !line.starts_with("WATCHDOG"));
            told.extend(states.map(str::to_owned));
        }
        assert_eq!(told.first().map(String::as_str), Some("RELOADING=1"), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{told:?}");
        assert!(told.iter().any(|line| line == "READY=1"), "{told:?}");
    }
    gateway.stop();
    let rest = heard(&manager);
    let expected = ["STOPPING=1", "STATUS=finishing what is in flight"];
    assert!(expected.iter().all(|state| rest.iter().any(|line| line == state)), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("EXTEND_TIMEOUT_USEC=")), "{rest:?}");
}
