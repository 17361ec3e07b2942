//! What came of the last fetch of the upstream's documents, counted and kept.

use std::sync::atomic::{AtomicU8, Ordering};

use super::FetchError;
use crate::telemetry::metrics::{FetchResult, meter};

/// The last fetch; none at first.
#[derive(Debug, Default)]
pub(super) struct LastFetch(AtomicU8);

const FAILED: u8 = 1;
const FETCHED: u8 = 2;

impl LastFetch {
    /// Counts a fetch that has ended.
    pub(super) fn note<T>(&self, fetched: &Result<T, FetchError>) {
        meter().metadata_fetch(match fetched {
            Ok(_) => FetchResult::Ok,
            Err(FetchError::Timeout) => FetchResult::Timeout,
            Err(FetchError::Status(_)) => FetchResult::Status,
            Err(FetchError::NotJson | FetchError::Body(_)) => FetchResult::Malformed,
            Err(FetchError::Unreachable(_) | FetchError::JustFailed | FetchError::Path(_)) => {
                FetchResult::Unavailable
            }
        });
        self.0.store(if fetched.is_ok() { FETCHED } else { FAILED }, Ordering::Relaxed);
    }

    /// Whether it succeeded; `None` before the first.
    pub(super) fn succeeded(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            FETCHED => Some(true),
            FAILED => Some(false),
            _ => None,
        }
    }

    /// Takes over what another knows.
    pub(super) fn take_over(&self, other: &Self) {
        self.0.store(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts() {
        let (last, next) = (LastFetch::default(), LastFetch::default());
        assert_eq!(last.succeeded(), None);
        last.note(&Ok(()));
        assert_eq!(last.succeeded(), Some(true));
        last.note::<()>(&Err(FetchError::Timeout));
        next.take_over(&last);
        assert_eq!(next.succeeded(), Some(false));
    }
}
