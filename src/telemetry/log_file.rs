//! A file that lines are added to, and that others may move away meanwhile.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Writes to the file that stands at its path. One that was renamed or removed is left, and a new one
/// begun; one that was cut short goes on at its new end.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
}

impl LogFile {
    /// Opens or makes the file. A pipe is refused: opening one waits for a reader.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a pipe is no file"));
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Self { path: path.to_owned(), file, identity })
    }

    /// Opens the file anew where another one, or none, stands at the path. Without success the old
    /// one serves on.
    fn follow(&mut self) {
        let there = fs::metadata(&self.path).map(|found| identity(&found)).ok();
        if there != Some(self.identity)
            && let Ok(anew) = Self::open(&self.path)
        {
            *self = anew;
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.follow();
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_was_moved_cut_or_removed_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("audit.log"), folder.path().join("audit.log.1"));
        let mut file = LogFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
        file.write_all(b"one\n").unwrap();
        fs::rename(&path, &old).unwrap();
        file.write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_file(&path).unwrap();
        file.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
        drop(LogFile::open(&path).unwrap().write_all(b"five\n"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\nfive\n");
    }

    #[test]
    fn what_stands_nowhere_or_is_a_pipe_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(LogFile::open(&folder.path().join("none/audit.log")).is_err());
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(LogFile::open(&pipe).is_err());
        assert!(LogFile::open(Path::new("/dev/full")).unwrap().write(b"x\n").is_err());
    }
}
