//! A child process with its whole output kept, ended with everything it started.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

const PAUSE: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_secs(10);

/// A running program. Dropping it ends its process group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` in a process group of its own, with standard input from [`Self::say`].
    pub fn spawn(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            keep(child.stdout.take().expect("piped"), &output),
            keep(child.stderr.take().expect("piped"), &output),
        ];
        Self { name, stdin: child.stdin.take(), child, output, readers }
    }

    /// Everything it wrote so far to standard output and standard error, line by line.
    pub fn output(&self) -> String {
        self.output.lock().clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its standard input.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        writeln!(stdin, "{line}").expect("the process reads its input");
        stdin.flush().expect("the process reads its input");
    }

    /// Waits until `ready` finds what it looks for in the output.
    ///
    /// Panics with the output when the process ends first or `limit` has passed.
    pub async fn wait_for<T>(&mut self, limit: Duration, ready: impl Fn(&str) -> Option<T>) -> T {
        let found = tokio::time::timeout(limit, async {
            loop {
                let ended = self.ended();
                if let Some(found) = ready(&self.output()) {
                    return Ok(found);
                }
                if let Some(status) = ended {
                    return Err(status);
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await;
        match found {
            Ok(Ok(found)) => found,
            Ok(Err(status)) => self.fail(&format!("ended too early ({status})")),
            Err(_) => self.fail(&format!("was not ready within {limit:?}")),
        }
    }

    /// Its exit status, once it has ended; by then the output is complete.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        Some(status)
    }

    /// Asks it to end with SIGTERM and waits for it.
    pub fn stop(&mut self) -> ExitStatus {
        signal("TERM", &self.child.id().to_string());
        if self.wait_at_most(GRACE).is_none() {
            self.fail("did not end after SIGTERM");
        }
        self.ended().expect("it has ended")
    }

    /// Panics with `what` happened and the output.
    pub fn fail(&self, what: &str) -> ! {
        panic!("{} {what}; its output:\n{}", self.name, self.output())
    }

    fn wait_at_most(&mut self, limit: Duration) -> Option<ExitStatus> {
        for _ in 0..limit.as_millis() / PAUSE.as_millis() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(PAUSE);
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        signal("TERM", &group);
        if self.wait_at_most(GRACE).is_none() {
            signal("KILL", &group);
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to a process, or with a leading minus to a process group; one that is gone is fine.
pub fn signal(name: &str, target: &str) {
    let _ = Command::new("sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\" 2>/dev/null", "sh", name, target])
        .status();
}

/// Appends what comes out of `pipe` to `output` until it is closed.
fn keep(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            output.lock().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}
