//! Lines go to a thread of their own, so that a slow pipe or a full disk never holds a request up.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::metrics::meter;

/// How many lines may wait; more are dropped and counted.
pub(super) const WAITING: usize = 8_192;

enum Message {
    Line(Vec<u8>),
    Stop,
}

/// Told how many lines were lost.
pub(super) type Lost = fn(u64);

/// Hands each line to the thread. A line that finds no room is dropped and counted.
#[derive(Debug, Clone)]
pub(super) struct LineWriter {
    lines: SyncSender<Message>,
    lost: Lost,
}

/// Writes out what waits, when dropped. To be kept until the last line was logged.
#[derive(Debug)]
#[must_use]
pub struct LogGuard {
    lines: SyncSender<Message>,
    thread: JoinHandle<()>,
}

/// Starts the thread `name` that writes to `sink`.
pub(super) fn start(
    name: &str,
    sink: impl Write + Send + 'static,
    waiting: usize,
    lost: Lost,
) -> io::Result<(LineWriter, LogGuard)> {
    let (sender, receiver) = sync_channel(waiting);
    let work = move || write(&receiver, Batch::to(sink, lost));
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work)?;
    let guard = LogGuard { lines: sender.clone(), thread };
    Ok((LineWriter { lines: sender, lost }, guard))
}

/// Starts the thread that writes to standard error.
pub(super) fn to_stderr() -> io::Result<(LineWriter, LogGuard)> {
    start("log", io::stderr(), WAITING, |number| meter().log_lines_dropped(number))
}

/// How long lines are gathered before they are written. A thread that woke up for each of them
/// would cost as much as making them.
const GATHER: Duration = Duration::from_millis(5);

/// Lines in the order in which they came; one flush whenever none waits.
fn write(lines: &Receiver<Message>, mut batch: Batch<impl Write>) {
    while let Ok(mut message) = lines.recv() {
        if matches!(message, Message::Line(_)) {
            thread::sleep(GATHER);
        }
        loop {
            match message {
                Message::Line(line) => batch.add(&line),
                Message::Stop => return batch.flush(),
            }
            match lines.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        batch.flush();
    }
}

/// Whole lines that are written together.
struct Batch<W> {
    sink: W,
    lost: Lost,
    bytes: Vec<u8>,
    /// The last thing written was the beginning of a line.
    torn: bool,
}

/// Lines are gathered up to here.
const LARGEST: usize = 64 * 1024;

impl<W: Write> Batch<W> {
    fn to(sink: W, lost: Lost) -> Self {
        Self { sink, lost, bytes: Vec::with_capacity(LARGEST), torn: false }
    }

    fn add(&mut self, line: &[u8]) {
        if !self.bytes.is_empty() && self.bytes.len() + line.len() > LARGEST {
            self.flush();
        }
        self.bytes.extend_from_slice(line);
    }

    /// What a sink does not take is lost and counted: there is no better place for it.
    fn flush(&mut self) {
        if self.torn && self.sink.write_all(b"\n").is_ok() {
            self.torn = false;
        }
        let mut rest = self.bytes.as_slice();
        while !rest.is_empty() && !self.torn {
            match self.sink.write(rest) {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        if !rest.is_empty() {
            (self.lost)(lines_in(rest));
            let written = self.bytes.len() - rest.len();
            let last = self.bytes.get(..written).and_then(<[u8]>::last);
            self.torn |= last.is_some_and(|byte| *byte != b'\n');
        }
        self.bytes.clear();
        let _ = self.sink.flush();
    }
}

fn lines_in(bytes: &[u8]) -> u64 {
    let lines = bytes.split(|byte| *byte == b'\n').count().saturating_sub(1);
    u64::try_from(lines).unwrap_or(u64::MAX)
}

impl Drop for LogGuard {
    /// Gives a pipe that nobody reads two seconds, then leaves the rest unwritten.
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
        self.line(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LineWriter {
    /// Hands over a whole line, its newline included.
    pub(super) fn line(&self, line: Vec<u8>) {
        if self.lines.try_send(Message::Line(line)).is_err() {
            (self.lost)(1);
        }
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use parking_lot::MutexGuard;

    use super::super::testing::Sink;
    use super::*;

    #[test]
    fn the_guard_writes_out_what_waits() {
        let sink = Sink::default();
        let (mut lines, guard) = start("log", sink.clone(), 100, |_| {}).unwrap();
        for number in 0..100 {
            lines.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        drop(guard);
        let written = String::from_utf8(sink.0.lock().clone()).unwrap();
        assert!(written.ends_with("line 99\n"));
        assert!(written.starts_with("line 0\nline 1\n"));
    }

    #[test]
    fn a_sink_that_hangs_blocks_nobody() {
        let sink = Sink::default();
        let stuck: MutexGuard<'_, _> = sink.0.lock();
        let (mut lines, guard) = start("log", sink.clone(), 4, |_| {}).unwrap();
        for _ in 0..50 {
            assert_eq!(lines.write(b"x\n").unwrap(), 2);
        }
        drop(stuck);
        drop(guard);
        let written = sink.0.lock().len() / 2;
        assert!((1..50).contains(&written), "{written} lines");
    }

    /// Takes so many bytes, then fails until more room is made.
    #[derive(Clone, Default)]
    struct Full(Sink, Arc<AtomicUsize>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1.load(Ordering::Relaxed).min(bytes.len());
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.fetch_sub(room, Ordering::Relaxed);
            self.0.write(&bytes[..room])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_counted_lines_and_joins_none() {
        static LOST: AtomicU64 = AtomicU64::new(0);
        let disk = Full::default();
        let mut batch = Batch::to(disk.clone(), |number| {
            LOST.fetch_add(number, Ordering::Relaxed);
        });
        let mut write = |room: usize, lines: &[&[u8]]| {
            disk.1.store(room, Ordering::Relaxed);
            for line in lines {
                batch.add(line);
            }
            batch.flush();
            (String::from_utf8(disk.0.0.lock().clone()).unwrap(), LOST.load(Ordering::Relaxed))
        };
        assert_eq!(write(0, &[b"a\n", b"b\n"]), (String::new(), 2));
        assert_eq!(write(7, &[b"first\n", b"second\n"]), ("first\ns".to_owned(), 3));
        assert_eq!(write(0, &[b"third\n"]), ("first\ns".to_owned(), 4));
        assert_eq!(write(99, &[b"fourth\n"]), ("first\ns\nfourth\n".to_owned(), 4));
    }
}
