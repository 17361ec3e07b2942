//! Where the authorization endpoint is: as configured, or as the upstream's documents say.

use std::sync::Arc;

use super::Snapshot;

/// Where the authorization endpoint is, borrowed from whoever knows it.
#[derive(Debug, Clone)]
pub enum AuthorizationPath {
    /// `[upstream] authorization_path`
    Configured(String),
    /// As the documents say.
    Discovered(Arc<Snapshot>),
}

impl AuthorizationPath {
    /// The path itself; empty where the documents name none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Configured(path) => path,
            Self::Discovered(snapshot) => &snapshot.capabilities.authorization_path,
        }
    }

    /// The query that the endpoint's URL has of its own (RFC 6749 §3.1); empty without one.
    #[must_use]
    pub fn query(&self) -> &str {
        match self {
            Self::Configured(_) => "",
            Self::Discovered(snapshot) => {
                snapshot.capabilities.authorization_query.as_deref().unwrap_or_default()
            }
        }
    }
}
