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
    /// `None` where somebody else keeps it.
    folder: Option<TempDir>,
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
        let process = Self::spawn_with(folder.path(), toml, &[], variables);
        let gateway = Self::listening(process, toml).await;
        Self { folder: Some(folder), ..gateway }
    }

    /// The same with a file that lies in `folder`, under this name.
    pub async fn start_with_file(folder: TempDir, name: &str) -> Self {
        let file = folder.path().join(name);
        let toml = std::fs::read_to_string(&file).expect("a file in it");
        let process = Self::spawn_file(&file, &toml, &[], &[]);
        let gateway = Self::listening(process, &toml).await;
        Self { folder: Some(folder), ..gateway }
    }

    /// The same in a folder that stays.
    pub async fn start_in(folder: &Path, toml: &str) -> Self {
        Self::listening(Self::spawn_in(folder, FILE, toml, &[]), toml).await
    }

    /// Runs `parapet serve` with a file of this name there and further arguments, and waits for nothing.
    /// A gateway that runs from another file of the folder does not take it for its own.
    pub fn spawn_in(folder: &Path, name: &str, toml: &str, arguments: &[&str]) -> Process {
        let file = folder.join(name);
        std::fs::write(&file, toml).expect("a file in it");
        Self::spawn_file(&file, toml, arguments, &[])
    }

    fn spawn_with(
        folder: &Path,
        toml: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Process {
        let file = folder.join(FILE);
        std::fs::write(&file, toml).expect("a file in it");
        Self::spawn_file(&file, toml, arguments, variables)
    }

    fn spawn_file(
        file: &Path,
        toml: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
        // Nobody balances here, unless the test says so.
        if !toml.contains("drain_delay") {
            command.env("PARAPET__SERVER__DRAIN_DELAY", "0s");
        }
        command.envs(variables.iter().copied());
        Process::spawn(command.args(["serve", "--config"]).arg(file).args(arguments))
    }

    /// Waits until this process listens.
    pub async fn listening(mut process: Process, toml: &str) -> Self {
        let has_admin = has_admin(toml);
        let (url, admin_url) = process
            .wait_for(LIMIT, |output| {
                let admin = address(output, "admin on ");
                let is_complete = admin.is_some() || !has_admin;
                address(output, "listening on ").filter(|_| is_complete).zip(Some(admin))
            })
            .await;
        let mtls_url = address(&process.output(), "mtls on ");
        Self { url, mtls_url, admin_url, process, folder: None }
    }

    /// The folder of its configuration, `gateway.toml`.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a folder of its own").path()
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

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        signal(name, &self.process.id().to_string());
    }

    /// Waits until it has ended by itself; gives its exit status and its whole output.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = self.process.ended() {
                return (status, self.process.output());
            }
            if begun.elapsed() > LIMIT {
                self.process.fail("did not end");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
