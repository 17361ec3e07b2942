//! A real redis-server of its own for a test: started, stopped, killed, frozen, or with a clock that
//! the test moves.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use redis::{Client, Cmd, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::ports::free_port;
use super::process::{Process, signal};

const LIMIT: Duration = Duration::from_secs(30);

/// A running redis-server; dropped, it ends.
#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    process: Option<Process>,
    options: Vec<String>,
    clock: Option<Clock>,
    folder: TempDir,
}

/// Where the server reads its clock.
#[derive(Debug)]
struct Clock {
    file: File,
    path: PathBuf,
}

impl Redis {
    /// An empty one that keeps nothing over a restart, with these options such as `--maxmemory`.
    pub async fn start(options: &[&str]) -> Self {
        Self::launch(free_port(), options, None).await
    }

    /// One whose clock stands still at `milliseconds` since the epoch until it is moved.
    pub async fn start_at(milliseconds: u64) -> Self {
        Self::launch(free_port(), &[], Some(milliseconds)).await
    }

    /// A sentinel that calls the server at this port `main`, and takes half a second to find it dead.
    pub async fn sentinel(primary: u16) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nprotected-mode no\n\
             sentinel monitor main 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n"
        );
        std::fs::write(&file, text).expect("a file in it");
        let mut process = Process::spawn(Command::new("redis-server").arg(&file).arg("--sentinel"));
        process.wait_for(LIMIT, |output| output.contains("+monitor master").then_some(())).await;
        Self { port, process: Some(process), options: Vec::new(), clock: None, folder }
    }

    async fn launch(port: u16, options: &[&str], clock: Option<u64>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = clock.map(|milliseconds| {
            let path = folder.path().join("clock");
            let clock = Clock { file: File::create(&path).expect("a file"), path };
            clock.set(milliseconds);
            clock
        });
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { port, process: None, options, clock, folder };
        server.restart().await;
        server
    }

    /// Starts it again, empty, at the same port.
    pub async fn restart(&mut self) {
        self.process = None;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.options);
        if let Some(clock) = &self.clock {
            command.env("LD_PRELOAD", shim()).env("CLOCK_FILE", &clock.path);
        }
        let mut process = Process::spawn(&mut command);
        process
            .wait_for(LIMIT, |output| output.contains("Ready to accept connections").then_some(()))
            .await;
        self.process = Some(process);
    }

    /// With these options from the next start on.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&option| option.to_owned()).collect();
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Moves its clock to `milliseconds` since the epoch.
    pub fn set_clock(&self, milliseconds: u64) {
        self.clock.as_ref().expect("a clock that can be moved").set(milliseconds);
    }

    /// Ends it at once, by SIGKILL.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.process = None;
    }

    /// Lets it answer nothing, until [`Self::thaw`].
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("a server that runs");
        signal(name, &process.id().to_string());
    }

    /// Asks it something, over a connection of its own.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&[u8]]) -> RedisResult<T> {
        let client = Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut connection).await
    }

    /// Everything that lies in it: each key, and each string that is kept under it.
    pub async fn dump(&self) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
        let keys: Vec<Vec<u8>> = self.ask(&[b"KEYS", b"*"]).await.expect("keys");
        let mut all = Vec::new();
        for key in keys {
            let kind: String = self.ask(&[b"TYPE", &key]).await.expect("a type");
            let values = match kind.as_str() {
                "string" => vec![self.ask(&[b"GET", &key]).await.expect("a string")],
                "hash" => self.ask(&[b"HGETALL", &key]).await.expect("a hash"),
                _ => Vec::new(),
            };
            all.push((key, values));
        }
        all
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.thaw();
        }
    }
}

impl Clock {
    /// Written over what stands there, so that the server never finds it empty.
    fn set(&self, milliseconds: u64) {
        self.file.write_all_at(format!("{milliseconds:020}").as_bytes(), 0).expect("written");
    }
}

/// The library that is preloaded; compiled once.
fn shim() -> PathBuf {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    let made = SHIM.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("clock-{}.so", std::process::id()));
        let status = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&path)
            .arg("tests/it/support/clock.c")
            .status()
            .expect("a C compiler");
        assert!(status.success());
        path
    });
    made.clone()
}
