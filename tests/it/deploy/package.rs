//! `deploy/debian`, packed by cargo-deb and read by dpkg.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::tools::{packed, run, verdict};

/// The package. In the place of the program it holds a script that calls it: packing a development build
/// takes a minute.
fn package() -> &'static Path {
    static PACKAGE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, package) = PACKAGE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("release/parapet");
        fs::create_dir(folder.path().join("release")).unwrap();
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_parapet"));
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let out = folder.path().join("out");
        packed(folder.path(), &out).unwrap();
        let mut found = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
        let package = found.find(|path| path.extension().is_some_and(|end| end == "deb"));
        (folder, package.expect("a package"))
    });
    package
}

fn dpkg(action: &str) -> String {
    verdict(&run(Command::new("dpkg-deb").arg(action).arg(package()), "")).unwrap()
}

#[test]
fn the_package_holds_everything_in_its_place() {
    let contents = dpkg("--contents");
    let files: BTreeMap<_, _> = contents
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[5].trim_start_matches('.'), words[0]))
        .collect();
    for (path, mode) in [
        ("/usr/bin/parapet", "-rwxr-xr-x"),
        ("/etc/parapet/gateway.toml", "-rw-r-----"),
        ("/etc/parapet/clients.d/clients.toml", "-rw-r-----"),
        ("/usr/lib/systemd/system/parapet.service", "-rw-r--r--"),
        ("/usr/lib/systemd/system/parapet.socket", "-rw-r--r--"),
        ("/usr/lib/sysusers.d/parapet.conf", "-rw-r--r--"),
        ("/usr/share/man/man1/parapet.1.gz", "-rw-r--r--"),
        ("/usr/share/bash-completion/completions/parapet", "-rw-r--r--"),
        ("/usr/share/zsh/vendor-completions/_parapet", "-rw-r--r--"),
        ("/usr/share/fish/vendor_completions.d/parapet.fish", "-rw-r--r--"),
        ("/usr/share/doc/parapet/copyright", "-rw-r--r--"),
        ("/usr/share/doc/parapet/gateway.toml", "-rw-r--r--"),
        ("/usr/share/doc/parapet/docs/operations.md", "-rw-r--r--"),
    ] {
        assert_eq!(files.get(path), Some(&mode), "{path} in\n{contents}");
    }
}

#[test]
fn what_the_operator_changes_is_kept_and_the_program_starts_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let extract = |action: &str, into: &Path| {
        let mut dpkg = Command::new("dpkg-deb");
        verdict(&run(dpkg.arg(action).arg(package()).arg(into), "")).unwrap();
    };
    let (root, control) = (folder.path().join("root"), folder.path().join("control"));
    extract("--extract", &root);
    extract("--control", &control);
    let kept = fs::read_to_string(control.join("conffiles")).unwrap();
    let kept: Vec<_> = kept.lines().collect();
    assert_eq!(kept, ["/etc/parapet/gateway.toml", "/etc/parapet/clients.d/clients.toml"]);
    for script in ["postinst", "prerm", "postrm"] {
        let mode = fs::metadata(control.join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{script}");
        let mut shell = Command::new("sh");
        verdict(&run(shell.arg("-n").arg(control.join(script)), "")).unwrap();
    }
    let file = root.join("etc/parapet/gateway.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"/etc/", &format!("\"{}/etc/", root.display()))).unwrap();
    let mut parapet = Command::new(root.join("usr/bin/parapet"));
    let said = verdict(&run(parapet.env_clear().args(["check", "--config"]).arg(&file), ""));
    assert!(said.unwrap().ends_with("good, 0 clients\n"));
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/parapet.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/parapet serve --config /etc/parapet/gateway.toml"));
}

#[test]
fn the_package_says_what_it_needs() {
    let fields = dpkg("--field");
    for line in ["Package: parapet", concat!("Version: ", env!("CARGO_PKG_VERSION"), "-1")] {
        assert!(fields.lines().any(|found| found == line), "{line} in\n{fields}");
    }
    let needs = fields.lines().find(|line| line.starts_with("Depends: ")).expect("a line");
    assert!(needs.contains("systemd | systemd-standalone-sysusers"), "{needs}");
}
