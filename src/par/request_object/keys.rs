//! The public keys that clients sign their request objects with.

use std::collections::HashMap;
use std::sync::Arc;

use crate::client::Client;
use crate::config::{self, ClientKeys};
use crate::jose::KeySet;

/// By `client_id`.
#[derive(Debug)]
pub(super) struct Keys(HashMap<String, Arc<KeySet>>);

impl Keys {
    /// The keys that the configuration holds.
    pub(super) fn new(clients: &[config::Client]) -> Self {
        let known = clients.iter().filter_map(|client| match &client.keys {
            Some(ClientKeys::Inline(set)) => {
                let set = KeySet::parse(set.to_string().as_bytes()).ok()?;
                Some((client.client_id.clone(), Arc::new(set)))
            }
            Some(ClientKeys::File(_) | ClientKeys::Uri(_)) | None => None,
        });
        Self(known.collect())
    }

    /// Those of `client`.
    #[expect(clippy::unused_async, reason = "keys may have to be fetched")]
    pub(super) async fn of(&self, client: &Client) -> Option<Arc<KeySet>> {
        self.0.get(&*client.client_id).cloned()
    }
}
