//! The index: where a started request is found by what its answer says, without the browser's word.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

use super::{FlowId, Held};
use crate::clock::Timestamp;
use crate::oauth::request_uri::Reference;

/// A digest of issuer, `client_id`, `state` and `redirect_uri`. Who knows these four can make it.
///
/// A backend that others can read does not keep it as it is: address and sealing key of an index
/// entry are both derived from it, so that the entry says nothing to who lacks the four.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IndexKey([u8; 32]);

impl IndexKey {
    /// The key of the requests of a client with this `state` that are answered at `redirect_uri`.
    #[must_use]
    pub fn new(issuer: &str, client_id: &str, state: &str, redirect_uri: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(b"parapet/v1/index");
        for part in [issuer, client_id, state, redirect_uri] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Self(context.finish().as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// A key that a backend has kept, sealed, with its request.
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a backend to derive from.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(…)")
    }
}

/// A started request as the index finds it.
#[derive(Debug)]
pub struct Found {
    /// Under which reference it lies.
    pub reference: Reference,
    /// The run that began last.
    pub flow: FlowId,
    /// When that was, by the store's clock.
    pub started_at: Timestamp,
    /// How often the request was started.
    pub starts: u32,
    /// The request.
    pub held: Held,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_runs_into_the_next() {
        let key = IndexKey::new("https://i", "a", "s", "https://c/cb");
        assert_eq!(key, IndexKey::new("https://i", "a", "s", "https://c/cb"));
        for other in [
            IndexKey::new("https://i", "as", "", "https://c/cb"),
            IndexKey::new("https://i", "a", "shttps://c", "/cb"),
            IndexKey::new("https://ia", "", "s", "https://c/cb"),
            IndexKey::new("https://j", "a", "s", "https://c/cb"),
        ] {
            assert_ne!(key, other);
        }
        assert_eq!(format!("{key:?}"), "IndexKey(…)");
    }
}
