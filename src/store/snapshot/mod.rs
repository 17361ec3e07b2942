//! The file in which the memory store outlasts a restart: sealed records, written by a process that
//! stops and taken by the next one before it accepts.
//!
//! It appears under its name only when it is whole, and whoever takes it removes it first, so that no
//! state is ever told twice. What cannot be read is set aside under another name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::snapshot::SnapshotFile;

use stream::{Opener, Sealer};

mod stream;

/// A record is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Why a snapshot was not written or not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not begin like one.
    #[error("it is not a snapshot")]
    NotOurs,
    /// Its format is of a later version.
    #[error("it has format {0}, which only a later version reads")]
    TooNew(u16),
    /// No key fits: that of the file, of the issuer, or of what was written.
    #[error("it was sealed with another key or for another issuer, or was changed")]
    Foreign,
    /// It has no end.
    #[error("it ends too early")]
    Torn,
    /// It opens, but what is in it makes no sense.
    #[error("a record in it cannot be read")]
    Malformed,
    /// The system gives no random bytes.
    #[error("it cannot be sealed")]
    Unsealed,
}

impl SnapshotError {
    /// Whether it was the file's fault.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Unsealed)
    }
}

impl From<Malformed> for SnapshotError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Gives the error that names what was tried with which file.
fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> SnapshotError + 'a {
    move |source| SnapshotError::Io { doing, path: path.to_owned(), source }
}

/// Writes `records` into the file of `to`, whole or not at all; readable by this user alone.
///
/// # Errors
/// [`SnapshotError::Io`] or [`SnapshotError::Unsealed`]; then there is no file.
pub(super) fn write(
    to: &SnapshotFile,
    issuer: &str,
    records: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(), SnapshotError> {
    let unfinished = beside(&to.path, "new");
    remove_if_there(&unfinished)?;
    let written = write_whole(to, issuer, records, &unfinished);
    if written.is_err() {
        // What is half written is of no use, and there is nobody else to tell.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn write_whole(
    to: &SnapshotFile,
    issuer: &str,
    records: impl IntoIterator<Item = Vec<u8>>,
    unfinished: &Path,
) -> Result<(), SnapshotError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished);
    let file = file.map_err(failed("write", unfinished))?;
    let mut sealer = Sealer::begin(file, &to.key, issuer)?.at(unfinished);
    for record in records {
        sealer.add(&record)?;
    }
    let mut file = sealer.end()?;
    let synced = file.flush().and_then(|()| file.sync_all());
    synced.map_err(failed("write", unfinished))?;
    fs::rename(unfinished, &to.path).map_err(failed("write", &to.path))?;
    sync_folder(&to.path)
}

/// Every record in the file, which is then removed; `None` where there is no file. The records are
/// kept in memory until the end of the file has proved that it is whole.
///
/// # Errors
/// [`SnapshotError`]; a file that is refused lies beside it under the name that ends in `.refused`
/// then, in place of the one that was refused before.
pub(super) fn take<T>(
    from: &SnapshotFile,
    issuer: &str,
    read: impl FnMut(&[u8]) -> Result<T, Malformed>,
) -> Result<Option<Vec<T>>, SnapshotError> {
    let file = match File::open(&from.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed("read", &from.path))?,
    };
    match read_whole(file, from, issuer, read) {
        Ok(records) => {
            // A file that stayed would bring back what was spent since.
            fs::remove_file(&from.path).map_err(failed("remove", &from.path))?;
            sync_folder(&from.path)?;
            Ok(Some(records))
        }
        Err(error) => {
            if error.is_refusal() {
                let aside = refused(&from.path);
                fs::rename(&from.path, &aside).map_err(failed("set aside", &from.path))?;
            }
            Err(error)
        }
    }
}

fn read_whole<T>(
    file: File,
    from: &SnapshotFile,
    issuer: &str,
    mut read: impl FnMut(&[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, SnapshotError> {
    let mut opener = Opener::begin(BufReader::new(file), &from.key, issuer)?.at(&from.path);
    let mut records = Vec::new();
    while let Some(record) = opener.next()? {
        records.push(read(record)?);
    }
    Ok(records)
}

/// Removes a file that nobody may take any more.
///
/// # Errors
/// [`SnapshotError::Io`]
pub(super) fn withdraw(file: &SnapshotFile) -> Result<(), SnapshotError> {
    remove_if_there(&file.path)?;
    sync_folder(&file.path)
}

/// Where a file lies that was refused.
#[must_use]
pub fn refused(path: &Path) -> PathBuf {
    beside(path, "refused")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn remove_if_there(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A name that comes or goes lasts once the folder is written.
fn sync_folder(path: &Path) -> Result<(), SnapshotError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write", folder))
}

#[cfg(test)]
mod tests;
