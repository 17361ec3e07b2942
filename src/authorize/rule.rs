//! The rule that requests must be pushed: of which clients, and on which paths.

use std::sync::Arc;

use crate::client::Registry;
use crate::config;
use crate::oauth::target::fold_path;

/// The rule of `[par] required` and of the clients' own tables.
#[derive(Debug, Clone)]
pub struct PushRule {
    registry: Arc<Registry>,
    required: bool,
    exempt: Arc<[String]>,
    /// Folded path of the issuer; empty for one at the root.
    issuer_path: String,
}

impl PushRule {
    /// The rule as configured.
    #[must_use]
    pub fn new(config: &config::Config, registry: Arc<Registry>) -> Self {
        let issuer = &config.server.issuer;
        let path = issuer.as_str().strip_prefix(issuer.origin()).unwrap_or_default();
        Self {
            registry,
            required: config.par.required,
            exempt: config.par.exempt.clone().into(),
            issuer_path: fold_path(path).unwrap_or_default(),
        }
    }

    /// Whether it holds for anybody.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.required || self.registry.any_must_push()
    }

    /// Whether it holds for all clients but the exempt ones.
    #[must_use]
    pub const fn is_general(&self) -> bool {
        self.required
    }

    /// Whether this client must push.
    #[must_use]
    pub fn binds(&self, client_id: &str) -> bool {
        let is_exempt = self.exempt.iter().any(|exempt| exempt == client_id);
        self.registry.must_push(client_id) || (self.required && !is_exempt)
    }

    /// Whether a request that names these clients must be pushed. One that names none is nobody's, and
    /// only the general rule is for it.
    #[must_use]
    pub fn concerns(&self, client_ids: &[String]) -> bool {
        if client_ids.is_empty() {
            self.required
        } else {
            client_ids.iter().any(|id| self.binds(id))
        }
    }

    /// Whether a path is one of the issuer's own, in any spelling. Those of another issuer on the same
    /// host are not.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        fold_path(path).is_none_or(|folded| {
            let below = folded.strip_prefix(&self.issuer_path);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}
