//! Where audit lines go: among the others, or apart, as JSON whatever the log's form is.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::Serialize;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use super::super::log_file::LogFile;
use super::super::metrics::meter;
use super::super::writer::{self, LineWriter, LogGuard, WAITING};

/// `[log] audit`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Among the other lines of the log.
    Log,
    /// Standard output.
    Stdout,
    /// A file, opened to be added to.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// Why the audit trail cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file, or standard output.
    #[error("[log] audit: cannot write to {path}: {source}")]
    Destination {
        /// Where the lines should go.
        path: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// No thread for it.
    #[error("the audit trail's thread cannot be started: {0}")]
    Thread(io::Error),
}

/// The trail of the process; among the other lines until it is set.
pub(super) enum Stream {
    Apart(LineWriter),
    Off,
}

static STREAM: OnceLock<Stream> = OnceLock::new();

/// Where lines go, if not among the others.
pub(super) fn stream() -> Option<&'static Stream> {
    STREAM.get()
}

/// Sends the trail to `destination` from now on; the first call counts. The guard, where there is
/// one, is to be kept until the last line.
///
/// # Errors
/// [`AuditError`]
pub fn open(destination: &Destination) -> Result<Option<LogGuard>, AuditError> {
    let (stream, guard) = match destination {
        Destination::Log => return Ok(None),
        Destination::Off => (Stream::Off, None),
        Destination::Stdout => {
            let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
            apart(stdout.map_err(|source| failed("standard output", source))?)?
        }
        Destination::File(path) => {
            let file = LogFile::open(path);
            apart(file.map_err(|source| failed(&path.display().to_string(), source))?)?
        }
    };
    let _ = STREAM.set(stream);
    Ok(guard)
}

fn failed(path: &str, source: io::Error) -> AuditError {
    AuditError::Destination { path: path.to_owned(), source }
}

fn apart(sink: impl Write + Send + 'static) -> Result<(Stream, Option<LogGuard>), AuditError> {
    let lost = |number| meter().audit_lines_dropped(number);
    let (lines, guard) = writer::start("audit", sink, WAITING, lost).map_err(AuditError::Thread)?;
    Ok((Stream::Apart(lines), Some(guard)))
}

/// A line as JSON: the fields of a line among the others, in their order.
#[derive(Serialize)]
struct Stamped<'a, L> {
    timestamp: &'a str,
    level: &'static str,
    #[serde(flatten)]
    line: L,
    target: &'static str,
}

/// One line, its newline included.
pub(super) fn json(level: &'static str, target: &'static str, line: impl Serialize) -> Vec<u8> {
    let mut timestamp = String::new();
    // Writing to a String cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let stamped = Stamped { timestamp: &timestamp, level, line, target };
    let mut json = serde_json::to_vec(&stamped).unwrap_or_default();
    json.push(b'\n');
    json
}
