//! What became of the configuration's reloads: counted, and kept for whoever asks.

use std::sync::Arc;

use parking_lot::Mutex;

use super::metrics::{ReloadOutcome, meter};
use crate::clock::Timestamp;

/// What is known of the configuration in use and of the attempts to change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadStatus {
    /// The first twelve hex digits of the SHA-256 of what `parapet config show` prints: the same on
    /// every replica with the same configuration. Secrets are hidden there, so it tells nothing of
    /// them.
    pub hash: Arc<str>,
    /// When the configuration in use was taken into use: at start, or at the last good reload.
    pub loaded_at: Timestamp,
    /// How many reloads were applied.
    pub applied: u64,
    /// The last attempt, where it was refused; the configuration before it is still in use.
    pub refused: Option<RefusedReload>,
}

/// A reload that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedReload {
    /// When it was tried.
    pub at: Timestamp,
    /// In a word; never [`ReloadOutcome::Applied`].
    pub outcome: ReloadOutcome,
    /// For the operator: what `parapet check` prints of a bad file, or the keys that need a restart.
    /// Without secrets; several lines.
    pub why: Arc<str>,
}

/// The status, shared. Clones see the same.
#[derive(Debug, Clone)]
pub struct Reloads(Arc<Mutex<ReloadStatus>>);

impl Reloads {
    /// The configuration of the start is in use.
    #[must_use]
    pub fn new(hash: &str, at: Timestamp) -> Self {
        meter().config_loaded(hash, at.as_millis() / 1_000);
        let status = ReloadStatus { hash: hash.into(), loaded_at: at, applied: 0, refused: None };
        Self(Arc::new(Mutex::new(status)))
    }

    /// The present status.
    #[must_use]
    pub fn status(&self) -> ReloadStatus {
        self.0.lock().clone()
    }

    /// Whether the last attempt was good, or none was made.
    #[must_use]
    pub fn is_last_good(&self) -> bool {
        self.0.lock().refused.is_none()
    }

    /// A reload was applied.
    pub fn applied(&self, hash: &str, at: Timestamp) {
        meter().config_reload(ReloadOutcome::Applied);
        meter().config_loaded(hash, at.as_millis() / 1_000);
        let mut status = self.0.lock();
        status.hash = hash.into();
        status.loaded_at = at;
        status.applied += 1;
        status.refused = None;
    }

    /// A reload was refused.
    pub fn refused(&self, refused: RefusedReload) {
        meter().config_reload(refused.outcome);
        self.0.lock().refused = Some(refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_until_a_reload_is_applied() {
        let at = Timestamp::from_millis;
        let reloads = Reloads::new("aa", at(1_000));
        assert!(reloads.is_last_good());
        let refused = RefusedReload {
            at: at(2_000),
            outcome: ReloadOutcome::Invalid,
            why: "gateway.toml:1:1: not TOML".into(),
        };
        reloads.clone().refused(refused.clone());
        let status = reloads.status();
        assert_eq!((&*status.hash, status.loaded_at), ("aa", at(1_000)));
        assert_eq!(status.refused, Some(refused));
        reloads.applied("bb", at(3_000));
        let status = reloads.status();
        assert_eq!((&*status.hash, status.loaded_at, status.applied), ("bb", at(3_000), 1));
        assert!(reloads.is_last_good());
    }
}
