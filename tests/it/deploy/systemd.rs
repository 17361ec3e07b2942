//! `deploy/systemd`, judged by systemd itself.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use super::pods::drain;
use super::tools::{run, verdict};

const UNITS: &str = "deploy/systemd";

/// The unit with the program of this build, changed by `change`, beside its socket.
fn units(change: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let service = fs::read_to_string(format!("{UNITS}/parapet.service")).unwrap();
    let service = service.replace("/usr/bin/parapet", env!("CARGO_BIN_EXE_parapet"));
    fs::write(folder.path().join("parapet.service"), change(service)).unwrap();
    fs::copy(format!("{UNITS}/parapet.socket"), folder.path().join("parapet.socket")).unwrap();
    folder
}

/// What `systemd-analyze verify` says; it says nothing of a good unit.
fn complaints(change: impl Fn(String) -> String) -> String {
    let folder = units(change);
    let unit = |name: &str| folder.path().join(name);
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args([unit("parapet.service"), unit("parapet.socket")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn systemd_understands_the_units() {
    assert_eq!(complaints(|unit| unit), "");
    let found = complaints(|unit| unit.replace("NoNewPrivileges=", "NoNewPrivilege="));
    assert!(found.contains("Unknown key"), "{found}");
    let found = complaints(|unit| unit.replace("/parapet serve", "/parapett serve"));
    assert!(found.contains("not executable"), "{found}");
}

#[test]
fn systemd_finds_the_service_locked_in() {
    let exposure = |change: fn(String) -> String| {
        let folder = units(change);
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold=20"]);
        verdict(&run(analyze.arg(folder.path().join("parapet.service")), ""))
    };
    exposure(|unit| unit).unwrap();
    let open = exposure(|unit| unit.replace("CapabilityBoundingSet=\n", "")).unwrap_err();
    assert!(open.contains("Overall exposure level"), "{open}");
}

#[test]
fn the_service_has_time_to_stop_and_says_when_it_is_ready() {
    let service = fs::read_to_string(format!("{UNITS}/parapet.service")).unwrap();
    let keys: HashMap<_, _> = service.lines().filter_map(|line| line.split_once('=')).collect();
    let seconds = keys["TimeoutStopSec"].parse::<u64>().unwrap();
    let defaults = parapet::config::REFERENCE.parse().unwrap();
    assert!(seconds > drain(&defaults), "{seconds}");
    assert_eq!((keys["Type"], keys["NotifyAccess"]), ("notify", "main"));
    assert_eq!(keys["ExecReload"], "/bin/kill -HUP $MAINPID");
    let socket = fs::read_to_string(format!("{UNITS}/parapet.socket")).unwrap();
    let listen = defaults["server"]["listen"][0].as_str().unwrap();
    assert!(socket.contains(&format!("\nListenStream={listen}\n")), "{socket}");
}

#[test]
fn the_user_is_made() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let made = Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.path().display()))
        .arg(fs::canonicalize(format!("{UNITS}/parapet.sysusers")).unwrap())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.lines().any(|line| line.starts_with("parapet:")), "{users}");
}
