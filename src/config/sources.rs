//! What a configuration was read from, so that somebody can see when it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

/// Files, and the folder of client files, as they were when the configuration was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<PathBuf, Seen>);

/// What was seen of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: Kind,
    /// Of its content; `None` where it could not be read.
    digest: Option<Vec<u8>>,
}

/// How a file is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its content is part of the configuration.
    Part,
    /// Whoever uses it looks at it while running, such as a TLS listener at its certificate.
    Followed,
    /// A folder, of which the names of the files count.
    Folder,
}

impl Sources {
    /// Reads a file whose content is part of the configuration.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let content = std::fs::read(path);
        self.note(path, Kind::Part, content.as_ref().ok());
        content
    }

    /// Reads the file that the key `key` names.
    pub(super) fn read_for(&mut self, key: &str, path: &Path) -> io::Result<Vec<u8>> {
        let content = std::fs::read(path);
        let kind = if is_followed(key) { Kind::Followed } else { Kind::Part };
        self.note(path, kind, content.as_ref().ok());
        content
    }

    /// The paths of what is in a folder, in the order of the names.
    pub(super) fn list(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let paths = listed(folder);
        let names = paths.as_ref().ok().map(|paths| as_text(paths));
        self.note(folder, Kind::Folder, names.as_ref());
        paths
    }

    fn note(&mut self, path: &Path, kind: Kind, content: Option<&Vec<u8>>) {
        let digest = content.map(digest_of);
        let known = self.0.get(path).map(|seen| seen.kind);
        // A file of two uses is a part of the configuration if one of them makes it one.
        let kind = if known == Some(Kind::Part) { Kind::Part } else { kind };
        self.0.insert(path.to_owned(), Seen { kind, digest });
    }

    /// The same files as they are now. Reads them all.
    #[must_use]
    pub fn now(&self) -> Self {
        let seen = self.0.iter().map(|(path, seen)| {
            let content = match seen.kind {
                Kind::Part | Kind::Followed => std::fs::read(path).ok(),
                Kind::Folder => listed(path).ok().map(|paths| as_text(&paths)),
            };
            let digest = content.as_ref().map(digest_of);
            (path.clone(), Seen { kind: seen.kind, digest })
        });
        Self(seen.collect())
    }

    /// Without the files that somebody else follows.
    #[must_use]
    pub fn parts(self) -> Self {
        Self(self.0.into_iter().filter(|(_, seen)| seen.kind != Kind::Followed).collect())
    }

    /// The folders in which something happens when one of the files changes.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let folder = |(path, seen): (&PathBuf, &Seen)| match (seen.kind, path.parent()) {
            (Kind::Folder, _) => path.clone(),
            (_, Some(parent)) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        self.0.iter().map(folder).collect()
    }
}

/// Files that are read again by whoever uses them.
fn is_followed(key: &str) -> bool {
    ["server.tls.", "server.mtls.", "store.redis."].iter().any(|table| key.starts_with(table))
        || key.ends_with(".jwks_file")
}

/// A file's content as text.
pub(super) fn text(content: Vec<u8>) -> io::Result<String> {
    String::from_utf8(content).map_err(|_| {
        let message = "stream did not contain valid UTF-8";
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn as_text(paths: &[PathBuf]) -> Vec<u8> {
    let names = paths.iter().map(|path| path.as_os_str().as_encoded_bytes());
    names.collect::<Vec<_>>().join(&0)
}

#[expect(clippy::ptr_arg, reason = "mapped over what `read` gives")]
fn digest_of(content: &Vec<u8>) -> Vec<u8> {
    digest(&SHA256, content).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_in_whatever_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        std::fs::create_dir(path("d")).unwrap();
        write("a", "1");
        write("key", "1");
        let mut sources = Sources::default();
        assert_eq!(sources.read(&path("a")).unwrap(), b"1");
        assert!(sources.read(&path("missing")).is_err());
        sources.read_for("server.tls.key", &path("key")).unwrap();
        assert!(sources.list(&path("d")).unwrap().is_empty());
        assert_eq!(sources.now(), sources);
        for (name, text) in [("a", "2"), ("missing", "now there"), ("d/new.toml", "")] {
            write(name, text);
            let now = sources.now();
            assert_ne!(now, sources, "{name}");
            sources = now;
        }
        write("key", "2");
        let now = sources.now();
        assert_ne!(now, sources);
        assert_eq!(now.parts(), sources.clone().parts());
        let folders = sources.folders();
        assert_eq!(folders, BTreeSet::from([folder.path().to_owned(), path("d")]));
        let mut bare = Sources::default();
        assert!(bare.read(Path::new("gateway.toml.is.not.here")).is_err());
        assert_eq!(bare.folders(), BTreeSet::from([PathBuf::from(".")]));
    }
}
