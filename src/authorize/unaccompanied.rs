//! Answers to a cross-site `POST`, such as a brokered SAML login that comes back: browsers send it
//! without the gateway's cookies. What the answer itself says then finds the flow, by the store's
//! index of `client_id`, `state` and `redirect_uri`.
//!
//! What is found so is not this browser's by any proof. So a handle needs the cookie as ever, and
//! only an answer that carries what the client waits for ends a flow: an error can be brought about
//! by anybody who knows the three.

use http::Method;

use super::completion::{Answered, Ending};
use super::continuation::{self, Place};
use super::departure::Departure;
use super::pin::Emitter;
use super::{AuthorizeError, Endpoint, Flow};
use crate::oauth::parameters::Parameters;
use crate::store::{FlowId, Found, IndexKey};
use crate::telemetry::metrics::{CompletionOutcome, StoreOperation, meter};

/// Most requests that are sought for the authorize URLs in one address.
const MOST_SOUGHT: usize = 4;

impl Endpoint {
    /// Whether a browser in a flow could have come like this without its cookie. Everything but a
    /// cross-site `POST` brings it (`SameSite=Lax`), and with one cookie of ours come all.
    pub(super) fn is_unaccompanied(&self, departure: &Departure<'_>) -> bool {
        *departure.method == Method::POST
            && departure.flow.is_none()
            && self.cookies.tickets(departure.headers).is_empty()
    }

    /// The flow that ends by what the answer says and where it leads.
    pub(super) async fn ending_by_index(
        &self,
        departure: &Departure<'_>,
        answered: &Answered<'_>,
    ) -> Result<Ending, AuthorizeError> {
        let Some(state) = answered.state.as_deref() else { return Ok(Ending::None) };
        let mut latest: Option<Found> = None;
        for (client_id, redirect_uri) in self.registry.addressees(departure.location) {
            let key = IndexKey::new(&self.settings.issuer, client_id, state, &redirect_uri);
            // Where clients share an address, the one that still waits is meant.
            let order = |found: &Found| (found.held.spent.is_none(), found.started_at);
            let found = self.found(&key).await?;
            latest = latest.into_iter().chain(found).max_by_key(order);
        }
        let Some(found) = latest else { return Ok(Ending::None) };
        if answered.outcome == CompletionOutcome::Error {
            return Ok(Ending::Unspent(flow(found)));
        }
        if found.held.now >= found.started_at + self.settings.login_lifetime {
            return Ok(Ending::Late(flow(found)));
        }
        meter().login_duration(found.held.now.since(found.started_at));
        let several = found.starts > 1;
        let mut ended = flow(found);
        if several {
            // Nobody can say whose run it was: it ends in the name of none, so that the answer to
            // another one is no repetition.
            ended.id = self.nobodys()?;
        }
        Ok(Ending::Of(ended))
    }

    /// The flows of the authorize URLs in the address, each by its own parameters.
    pub(super) async fn flows_by_index(
        &self,
        departure: &Departure<'_>,
    ) -> Result<Vec<Flow>, AuthorizeError> {
        let mut keys = Vec::new();
        let place = Place { origin: &self.settings.origin, path: departure.path };
        let looked = continuation::rewrite(departure.location, place, &mut |_, query| {
            let key = self.key_of(query).filter(|key| !keys.contains(key));
            keys.extend(key.filter(|_| keys.len() < MOST_SOUGHT));
            None
        });
        debug_assert!(looked.is_none(), "nothing is replaced here");
        let mut flows = Vec::new();
        for key in keys {
            flows.extend(self.found(&key).await?.map(flow));
        }
        Ok(flows)
    }

    /// The index key of a query that carries a whole request.
    fn key_of(&self, query: &str) -> Option<IndexKey> {
        let given = Parameters::parse(query.as_bytes()).ok()?;
        let (client_id, state) = (given.value("client_id")?, given.value("state")?);
        let client = self.registry.find(client_id)?;
        let redirect_uri = client.redirect_uri_of(given.value("redirect_uri"))?;
        Some(IndexKey::new(&self.settings.issuer, client_id, state, redirect_uri))
    }

    async fn found(&self, key: &IndexKey) -> Result<Option<Found>, AuthorizeError> {
        let found = self.store.find(key).await;
        found.map_err(|e| AuthorizeError::Store(StoreOperation::Read, e))
    }

    fn nobodys(&self) -> Result<FlowId, AuthorizeError> {
        let mut bytes = [0; 12];
        self.random.fill(&mut bytes).map_err(|_| AuthorizeError::Randomness)?;
        Ok(FlowId(bytes))
    }
}

fn flow(found: Found) -> Flow {
    Flow {
        reference: found.reference,
        id: found.flow,
        request: found.held.request,
        ticket: None,
        started_by: None,
        emitter: Emitter::Browser,
    }
}
