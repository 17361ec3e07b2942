//! The gateway itself: the real binary, with a configuration file of its own.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, signal};

const LIMIT: Duration = Duration::from_secs(60);

const FILE: &str = "gateway.toml";

/// A running `parapet serve`; dropped, it ends.
#[derive(Debug)]
pub struct Gateway {
    /// Address of the public listener, `http://127.0.0.1:PORT`.
    pub url: String,
    /// Address of the listener for certificates, where there is one.
    pub mtls_url: Option<String>,
    /// Address of the private listener, unless the configuration turns it off.
    pub admin_url: Option<String>,
    process: Process,
    folder: TempDir,
}

impl Gateway {
    /// Writes `toml` to a file, runs the gateway with it and waits until it listens.
    ///
    /// Panics with its output when it ends instead.
    pub async fn start(toml: &str) -> Self {
        Self::start_with(toml, &[]).await
    }

    /// The same with these environment variables.
    pub async fn start_with(toml: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(FILE), toml).expect("a file in it");
        Self::run(folder, FILE, variables).await
    }

    /// The same with a file that lies in `folder`, under this name.
    pub async fn start_in(folder: TempDir, name: &str) -> Self {
        Self::run(folder, name, &[]).await
    }

    async fn run(folder: TempDir, name: &str, variables: &[(&str, &str)]) -> Self {
        let file = folder.path().join(name);
        let toml = std::fs::read_to_string(&file).expect("a file in it");
        let mut process = Process::spawn(
            Command::new(env!("CARGO_BIN_EXE_parapet"))
                .args(["serve", "--config"])
                .arg(&file)
                .envs(variables.iter().copied()),
        );
        let has_admin = has_admin(&toml);
        let (url, admin_url) = process
            .wait_for(LIMIT, |output| {
                let admin = address(output, "admin on ");
                let is_complete = admin.is_some() || !has_admin;
                address(output, "listening on ").filter(|_| is_complete).zip(Some(admin))
            })
            .await;
        let mtls_url = address(&process.output(), "mtls on ");
        Self { url, mtls_url, admin_url, process, folder }
    }

    /// The folder of its configuration, `gateway.toml`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts another file in the place of the configuration, at once.
    pub fn rewrite(&self, toml: &str) {
        let new = self.folder().join("gateway.toml.new");
        std::fs::write(&new, toml).expect("a file");
        std::fs::rename(new, self.folder().join(FILE)).expect("the same folder");
    }

    /// Asks it to read its configuration again.
    pub fn hang_up(&self) {
        signal("HUP", &self.process.id().to_string());
    }

    /// Everything it wrote so far to standard output and standard error.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Ends it at once, by SIGKILL.
    pub fn kill(self) {
        signal("KILL", &self.process.id().to_string());
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.process.id());
        std::fs::read_dir(path).expect("it runs").count()
    }

    /// Bytes of memory that it has in use.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Most bytes of memory that it had in use since [`forget_peak`](Self::forget_peak).
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Begins to measure the peak anew.
    pub fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.process.id());
        std::fs::write(path, "5").expect("the kernel lets its owner");
    }

    fn status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("such a line");
        let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
        kibibytes * 1024
    }

    /// Ends it with SIGTERM; gives its exit status and its whole output.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let status = self.process.stop();
        (status, self.process.output())
    }
}

/// The address on the first whole line that starts with `prefix`.
fn address(output: &str, prefix: &str) -> Option<String> {
    let mut lines = output.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.find_map(|line| Some(line.strip_prefix(prefix)?.trim().to_owned()))
}

fn has_admin(toml: &str) -> bool {
    let table: toml::Table = toml.parse().expect("a configuration in TOML");
    let listen = table.get("admin").and_then(|admin| admin.get("listen"));
    listen.and_then(toml::Value::as_str) != Some("")
}

#[test]
fn addresses_are_read_from_whole_lines() {
    let output = "admin on http://127.0.0.1:1\nlistening on http://127.0.0.1:2\nlistening on ht";
    assert_eq!(address(output, "admin on ").as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(address(output, "listening on ").as_deref(), Some("http://127.0.0.1:2"));
    assert_eq!(address("listening on http://127.0", "listening on "), None);
    assert!(has_admin("") && !has_admin("[admin]\nlisten = \"\""));
}
