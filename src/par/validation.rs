//! What a push is judged by, and the request that comes out of it: from the form, or from the
//! request object in it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::HeaderMap;

use super::terms::{Room, Terms};
use super::{Endpoint, ObjectError, ParError, RequestError, Settings, request};
use crate::client::dpop::{DpopError, Proof};
use crate::client::{Authenticated, Client};
use crate::oauth::parameters::{Parameters, count_in};
use crate::store::IndexKey;
use crate::upstream::{AuthorizationPath, Capabilities, Snapshot};

/// The header of a proof (RFC 9449 §4.1).
const DPOP: &str = "dpop";

/// What is left free for the authorization endpoint's path while it is not known.
const UNKNOWN_ENDPOINT_BYTES: usize = 256;

/// A request that holds, as it travels, how it is found where its answer comes without the browser's
/// cookie, and how long its `request_uri` may be redeemed.
pub(super) struct Valid {
    pub(super) query: String,
    pub(super) index: Option<IndexKey>,
    pub(super) lifetime: Duration,
}

impl Endpoint {
    /// The upstream's documents; waited for where the answer depends on them.
    pub(super) async fn documents(
        &self,
        headers: &HeaderMap,
        form: &Parameters<'_>,
    ) -> Option<Arc<Snapshot>> {
        let depend = ["authorization_details", "dpop_jkt", "request"];
        if headers.contains_key(DPOP) || depend.into_iter().any(|name| form.value(name).is_some()) {
            Box::pin(self.discovery.available()).await.ok()
        } else {
            self.discovery.current()
        }
    }

    /// The `DPoP` proof of a push, if it has one.
    pub(super) fn proof(
        &self,
        request: &Request<Bytes>,
        authenticated: &Authenticated,
        capabilities: Option<&Capabilities>,
    ) -> Result<Option<Proof>, DpopError> {
        if !request.headers().contains_key(DPOP) {
            return Ok(None);
        }
        let client = &authenticated.client;
        self.dpop.verify(request, client, capabilities, &*self.clock).map(Some)
    }

    /// What holds for this push.
    pub(super) fn terms<'a>(
        &'a self,
        capabilities: Option<&'a Capabilities>,
        proof: Option<&'a Proof>,
    ) -> Result<Terms<'a>, ParError> {
        let path = self.discovery.authorization_path();
        if path.as_ref().is_some_and(|path| path.as_str().is_empty()) {
            return Err(ParError::NoAuthorizationEndpoint);
        }
        let room = Room {
            max_target_bytes: self.settings.max_target_bytes,
            endpoint_bytes: endpoint_bytes(path.as_ref()),
            endpoint_pairs: path.as_ref().map_or(0, |path| count_in(path.query())),
            body_names: self.settings.body_names.as_ref(),
        };
        let proven_key = proof.map(|proof| proof.thumbprint.as_str());
        let Settings { vocabulary, details, .. } = &self.settings;
        Ok(Terms { capabilities, vocabulary, room, details, proven_key })
    }

    /// The request in the form, or in the request object that it brings.
    pub(super) async fn validated(
        &self,
        form: &Parameters<'_>,
        authenticated: &Authenticated,
        terms: &Terms<'_>,
    ) -> Result<Valid, ParError> {
        let client = &*authenticated.client;
        let Some(object) = request::request_object(form)? else {
            let query = request::validate(form, client, terms)?;
            let index = self.index_key(client, form);
            return Ok(Valid { query, index, lifetime: client.lifetime });
        };
        let objects = self.request_objects.as_ref().ok_or(RequestError::RequestObject)?;
        let now = self.clock.wall();
        let opened = Box::pin(objects.open(object, client, now)).await?;
        let query = request::validate_signed(&opened.parameters, client, terms);
        let query = query.map_err(|error| {
            if error == RequestError::NoRedirectUri {
                ParError::RequestObject(ObjectError::NoRedirectUri)
            } else {
                ParError::Request(error)
            }
        })?;
        let lifetime = opened.remaining.map_or(client.lifetime, |left| left.min(client.lifetime));
        let index = self.index_key(client, &opened.parameters);
        Ok(Valid { query, index, lifetime })
    }

    fn index_key(&self, client: &Client, parameters: &Parameters<'_>) -> Option<IndexKey> {
        let state = parameters.value("state")?;
        let redirect_uri = client.redirect_uri_of(parameters.value("redirect_uri"))?;
        Some(IndexKey::new(&self.settings.issuer, &client.client_id, state, redirect_uri))
    }
}

/// What the authorization endpoint's own path and query take of a target.
fn endpoint_bytes(path: Option<&AuthorizationPath>) -> usize {
    path.map_or(UNKNOWN_ENDPOINT_BYTES, |path| match path.query().len() {
        0 => path.as_str().len(),
        query => path.as_str().len() + 1 + query,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_left_for_an_endpoint_that_is_not_known_yet() {
        assert_eq!(endpoint_bytes(None), 256);
        let configured = AuthorizationPath::Configured("/authorize".into());
        assert_eq!(endpoint_bytes(Some(&configured)), 10);
        let capabilities = Capabilities {
            authorization_path: "/authorize".into(),
            authorization_query: Some("p=x".into()),
            ..Capabilities::default()
        };
        let (documents, primary) = (std::collections::BTreeMap::new(), serde_json::Map::new());
        let snapshot = Snapshot { documents, primary, capabilities };
        let discovered = AuthorizationPath::Discovered(Arc::new(snapshot));
        assert_eq!(endpoint_bytes(Some(&discovered)), "/authorize?p=x".len());
    }
}
