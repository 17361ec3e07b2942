//! The public keys of one client: read once, and read again when their source changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::config;
use crate::jose::keys::KeySetError;
use crate::jose::{Algorithm, KeySet};
use crate::upstream::key_set::{KeyFetcher, RemoteKeys};

/// Where a client's keys are.
#[derive(Debug)]
pub enum ClientKeys {
    /// In the configuration.
    Inline(Arc<KeySet>),
    /// In a file that may change.
    File(KeyFile),
    /// At the client's `jwks_uri` (RFC 7591 §2).
    Remote(Arc<RemoteKeys>),
}

/// Keys in a file. A version that cannot be read leaves those of the last one.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    keys: ArcSwap<KeySet>,
    seen: Mutex<Seen>,
}

/// What was last seen of a file.
#[derive(Debug, Default)]
struct Seen {
    stamp: Option<(SystemTime, u64)>,
    content: Vec<u8>,
    failing: bool,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{0}")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

impl ClientKeys {
    /// The keys of a client as configured. Nothing is fetched yet: what `last`, the same client's keys
    /// until now, had from the same address goes on.
    #[must_use]
    pub fn new(keys: &config::ClientKeys, fetcher: &Arc<KeyFetcher>, last: Option<&Self>) -> Self {
        match keys {
            config::ClientKeys::Inline(set) => {
                // The configuration was refused where it held no set.
                let set = KeySet::parse(set.to_string().as_bytes()).unwrap_or_default();
                Self::Inline(Arc::new(set))
            }
            config::ClientKeys::File(path) => Self::File(KeyFile::open(path)),
            config::ClientKeys::Uri(uri) => match last {
                Some(Self::Remote(last)) if last.are_at(uri, fetcher) => {
                    Self::Remote(Arc::clone(last))
                }
                _ => Self::Remote(Arc::new(RemoteKeys::new(uri.clone(), Arc::clone(fetcher)))),
            },
        }
    }

    /// The keys to try for a token with this `kid` and `alg`, fetched anew where none fits or they
    /// are too old. `None` where they could never be had.
    pub async fn for_token(&self, kid: Option<&str>, alg: Algorithm) -> Option<Arc<KeySet>> {
        self.matching(|keys| keys.candidates(kid, alg).next().is_some()).await
    }

    /// The keys, fetched anew where they do not `fit` or are too old. `None` where they could never
    /// be had.
    pub async fn matching(
        &self,
        fit: impl Fn(&KeySet) -> bool + Send + Sync,
    ) -> Option<Arc<KeySet>> {
        match self {
            Self::Inline(keys) => Some(Arc::clone(keys)),
            Self::File(file) => Some(file.keys.load_full()),
            Self::Remote(remote) => Box::pin(remote.keys(fit)).await,
        }
    }

    /// Looks whether the file has changed. To be called now and then, off the requests' threads.
    pub fn reload(&self) {
        if let Self::File(file) = self {
            file.reload();
        }
    }
}

impl KeyFile {
    fn open(path: &Path) -> Self {
        let file = Self {
            path: path.to_owned(),
            keys: ArcSwap::default(),
            seen: Mutex::new(Seen::default()),
        };
        file.reload();
        file
    }

    fn reload(&self) {
        let mut seen = self.seen.lock();
        match self.read(&mut seen) {
            Ok(None) => {}
            Ok(Some(keys)) => {
                if !self.keys.load().keys().is_empty() || seen.failing {
                    tracing::info!(file = %self.path.display(), "keys of a client are read again");
                }
                seen.failing = false;
                self.keys.store(Arc::new(keys));
            }
            Err(error) => {
                if !std::mem::replace(&mut seen.failing, true) {
                    let file = self.path.display();
                    tracing::warn!(%file, %error, "keys of a client cannot be read; the old ones stay");
                }
            }
        }
    }

    /// The keys, where the file is another than `seen`.
    fn read(&self, seen: &mut Seen) -> Result<Option<KeySet>, FileError> {
        let metadata = std::fs::metadata(&self.path)?;
        let stamp = (metadata.modified()?, metadata.len());
        if seen.stamp == Some(stamp) && !seen.failing {
            return Ok(None);
        }
        let content = std::fs::read(&self.path)?;
        if seen.stamp.is_some() && seen.content == content && !seen.failing {
            seen.stamp = Some(stamp);
            return Ok(None);
        }
        let keys = KeySet::parse(&content)?;
        seen.stamp = Some(stamp);
        seen.content = content;
        Ok(Some(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"one","x":"rFoB1BHj4_WS8auDpozxW29n4KmI_EEMR1e7jPyasyo"}"#;

    fn names(file: &KeyFile) -> Vec<String> {
        let keys = file.keys.load();
        keys.keys().iter().filter_map(|key| key.kid().map(str::to_owned)).collect()
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_kept_when_it_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        std::fs::write(&path, format!(r#"{{"keys":[{ONE}]}}"#)).unwrap();
        let file = KeyFile::open(&path);
        assert_eq!(names(&file), ["one"]);
        for broken in ["{\"keys\":", "", "[]"] {
            std::fs::write(&path, broken).unwrap();
            file.reload();
            assert_eq!(names(&file), ["one"], "{broken}");
        }
        std::fs::remove_file(&path).unwrap();
        file.reload();
        assert_eq!(names(&file), ["one"]);
        let two = ONE.replace("one", "two");
        std::fs::write(&path, format!(r#"{{"keys":[{two}]}}"#)).unwrap();
        file.reload();
        assert_eq!(names(&file), ["two"]);
    }
}
