//! A real redis-server of its own for a test: started, stopped, killed, frozen, or with a clock that
//! the test moves.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use redis::{Client, Cmd, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::idp::install;
use super::ports::free_port;
use super::process::{Process, signal};

const LIMIT: Duration = Duration::from_secs(30);

/// Which server is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// The redis-server of the system.
    Installed,
    /// The oldest that the gateway works with.
    Redis62,
    Valkey,
}

impl Make {
    async fn program(self) -> PathBuf {
        let name = match self {
            Self::Installed => return "redis-server".into(),
            Self::Redis62 => "redis-6.2",
            Self::Valkey => "valkey",
        };
        PathBuf::from(install("redis-servers").await.trim()).join(name)
    }
}

/// A running redis-server; dropped, it ends.
#[derive(Debug)]
pub struct Redis {
    pub port: u16,
    program: PathBuf,
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
        Self::launch(Make::Installed, options, None).await
    }

    /// The same of another make.
    pub async fn start_of(make: Make, options: &[&str]) -> Self {
        Self::launch(make, options, None).await
    }

    /// One whose clock stands still at `milliseconds` since the epoch until it is moved.
    pub async fn start_at(make: Make, milliseconds: u64) -> Self {
        Self::launch(make, &[], Some(milliseconds)).await
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
        let (program, options) = ("redis-server".into(), Vec::new());
        Self { port, program, process: Some(process), options, clock: None, folder }
    }

    async fn launch(make: Make, options: &[&str], clock: Option<u64>) -> Self {
        let (port, program) = (free_port(), make.program().await);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = clock.map(|milliseconds| {
            let path = folder.path().join("clock");
            let clock = Clock { file: File::create(&path).expect("a file"), path };
            clock.set(milliseconds);
            clock
        });
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { port, program, process: None, options, clock, folder };
        server.restart().await;
        server
    }

    /// Starts it again at the same port, empty unless its options say otherwise.
    pub async fn restart(&mut self) {
        self.restart_until("Ready to accept connections").await;
    }

    /// The same, but waits for these words of its log.
    pub async fn restart_until(&mut self, words: &str) {
        self.process = None;
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.options);
        if let Some(clock) = &self.clock {
            command.env("LD_PRELOAD", shim()).env("CLOCK_FILE", &clock.path);
        }
        let mut process = Process::spawn(&mut command);
        process.wait_for(LIMIT, |output| output.contains(words).then_some(())).await;
        self.process = Some(process);
    }

    /// With these options from the next start on.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|&option| option.to_owned()).collect();
    }

    /// Waits until a failover to a replica that has everything is possible: this sentinel knows one,
    /// and `replica` holds as many keys as `primary`.
    pub async fn until_safe(&self, primary: &Self, replica: &Self) {
        let known: [&[u8]; 3] = [b"SENTINEL", b"replicas", b"main"];
        let begun = Instant::now();
        while self.ask::<Vec<redis::Value>>(&known).await.expect("a sentinel").is_empty()
            || replica.dump().await.len() != primary.dump().await.len()
        {
            assert!(begun.elapsed() < LIMIT, "no replica");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until this replica has what its primary has.
    pub async fn until_synchronised(&self) {
        let begun = Instant::now();
        loop {
            let info: String = self.ask(&[b"INFO", b"replication"]).await.expect("a replica");
            if info.contains("master_link_status:up") {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{info}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where it keeps files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("a server that runs").id()
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Moves its clock to `milliseconds` since the epoch, and waits until it has seen that: Valkey
    /// looks at the wall clock only now and then, and counts on from there by itself.
    pub fn set_clock(&self, milliseconds: u64) {
        self.clock.as_ref().expect("a clock that can be moved").set(milliseconds);
        let begun = Instant::now();
        while self.milliseconds() != milliseconds {
            assert!(begun.elapsed() < LIMIT, "the clock stands still");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What time it is there.
    fn milliseconds(&self) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.write_all(b"TIME\r\n").expect("it reads");
        let lines = BufReader::new(stream).lines().map(|line| line.expect("it answers"));
        // `*2`, `$10`, the seconds, `$6`, the microseconds.
        let number = |line: String| line.parse::<u64>().ok();
        let numbers: Vec<u64> = lines.take(5).filter_map(number).collect();
        let [seconds, micros] = numbers[..] else { panic!("two numbers, not {numbers:?}") };
        seconds * 1_000 + micros / 1_000
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
        signal(name, &self.id().to_string());
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

/// The library that is preloaded where a clock is to be wrong; compiled once.
pub fn shim() -> PathBuf {
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
