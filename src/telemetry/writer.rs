//! Log lines go to a thread of their own, so that a slow standard error never holds a request up.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::metrics::meter;

/// How many lines may wait; more are dropped and counted.
const WAITING: usize = 8_192;

enum Message {
    Line(Vec<u8>),
    Stop,
}

/// Hands each line to the thread. A line that finds no room is dropped and counted.
#[derive(Debug, Clone)]
pub(super) struct LineWriter(SyncSender<Message>);

/// Writes out what waits, when dropped. To be kept until the last line was logged.
#[derive(Debug)]
#[must_use]
pub struct LogGuard {
    lines: SyncSender<Message>,
    thread: JoinHandle<()>,
}

/// Starts the thread that writes to `sink`.
pub(super) fn start(
    sink: impl Write + Send + 'static,
    waiting: usize,
) -> io::Result<(LineWriter, LogGuard)> {
    let (sender, receiver) = sync_channel(waiting);
    let thread =
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&receiver, sink))?;
    let guard = LogGuard { lines: sender.clone(), thread };
    Ok((LineWriter(sender), guard))
}

/// Starts the thread that writes to standard error.
pub(super) fn to_stderr() -> io::Result<(LineWriter, LogGuard)> {
    start(io::stderr(), WAITING)
}

/// How long lines are gathered before they are written. A thread that woke up for each of them
/// would cost as much as making them.
const GATHER: Duration = Duration::from_millis(5);

/// Lines in the order in which they came; written whenever none waits. A sink that fails, such as a
/// full disk, loses lines, which are counted: there is no better place to report that.
fn write(lines: &Receiver<Message>, mut sink: impl Write) {
    let mut batch = Batch::default();
    while let Ok(mut message) = lines.recv() {
        if matches!(message, Message::Line(_)) {
            thread::sleep(GATHER);
        }
        loop {
            match message {
                Message::Line(line) => batch.add(&line, &mut sink),
                Message::Stop => return batch.write(&mut sink),
            }
            match lines.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        batch.write(&mut sink);
    }
}

/// Bytes that are written at once.
const BATCH: usize = 64 * 1024;

/// Lines that go out together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Batch {
    fn add(&mut self, line: &[u8], sink: &mut impl Write) {
        if !self.bytes.is_empty() && self.bytes.len() + line.len() > BATCH {
            self.write(sink);
        }
        self.bytes.extend_from_slice(line);
        self.lines += 1;
    }

    fn write(&mut self, sink: &mut impl Write) {
        if sink.write_all(&self.bytes).and_then(|()| sink.flush()).is_err() {
            meter().log_lines_dropped(self.lines);
        }
        self.bytes.clear();
        self.lines = 0;
    }
}

impl Drop for LogGuard {
    /// Gives a standard error that nobody reads two seconds, then leaves the rest unwritten.
    fn drop(&mut self) {
        let mut stop = Some(Message::Stop);
        for _ in 0..400 {
            if let Some(message) = stop.take()
                && let Err(TrySendError::Full(message)) = self.lines.try_send(message)
            {
                stop = Some(message);
            }
            if self.thread.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Write for LineWriter {
    /// The formatter writes a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                meter().log_lines_dropped(1);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LineWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::MutexGuard;

    use super::super::testing::Sink;
    use super::*;

    #[test]
    fn the_guard_writes_out_what_waits() {
        let sink = Sink::default();
        let (mut lines, guard) = start(sink.clone(), 100).unwrap();
        for number in 0..100 {
            lines.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        drop(guard);
        let written = String::from_utf8(sink.0.lock().clone()).unwrap();
        assert!(written.ends_with("line 99\n"));
        assert!(written.starts_with("line 0\nline 1\n"));
    }

    #[test]
    fn lines_that_a_full_disk_takes_away_are_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let name = "parapet_log_lines_dropped_total ";
        let dropped = || -> u64 {
            let text = meter().render();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |number| number.parse().unwrap())
        };
        let before = dropped();
        let (mut lines, guard) = start(Full, 100).unwrap();
        for _ in 0..50 {
            lines.write_all(b"lost\n").unwrap();
        }
        drop(guard);
        assert!(dropped() >= before + 50, "{before} {}", dropped());
    }

    #[test]
    fn a_sink_that_hangs_blocks_nobody() {
        let sink = Sink::default();
        let stuck: MutexGuard<'_, _> = sink.0.lock();
        let (mut lines, guard) = start(sink.clone(), 4).unwrap();
        for _ in 0..50 {
            assert_eq!(lines.write(b"x\n").unwrap(), 2);
        }
        drop(stuck);
        drop(guard);
        let written = sink.0.lock().len() / 2;
        assert!((1..50).contains(&written), "{written} lines");
    }
}
