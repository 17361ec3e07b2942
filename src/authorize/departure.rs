//! Where the upstream sends the browser: to the client, which ends a flow, or on through its own
//! pages, which must not show the request.

use http::header::HeaderMap;
use http::{HeaderValue, Method, Response};

use bytes::Bytes;

use super::continuation::{self, Place};
use super::guard::is_endpoint_path;
use super::pin::Pin;
use super::resume::{contradicts_nothing, speaks_of};
use super::{AuthorizeError, Endpoint, Flow, disclosure, page};
use crate::client::Peer;
use crate::oauth::parameters::{Encoder, Parameters};
use crate::oauth::request_uri::Reference;
use crate::oauth::target::{Traits, fold_path};
use crate::store::Continuation;
use crate::telemetry::metrics::{ResealResult, StoreOperation, meter};

/// An answer of the upstream that sends the browser elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Departure<'a> {
    /// Where to.
    pub location: &'a str,
    /// Path of the browser's request.
    pub path: &'a str,
    /// Method of the browser's request.
    pub method: &'a Method,
    /// Header fields of the browser's request, for its tickets.
    pub headers: &'a HeaderMap,
    /// The flow of the very request that this answers, if it was expanded.
    pub flow: Option<&'a Flow>,
    /// Who is sent.
    pub peer: &'a Peer,
}

/// What becomes of such an answer.
#[derive(Debug)]
pub enum Onward {
    /// As the upstream says.
    Unchanged,
    /// To this address; the rest of the answer stays.
    Amended(HeaderValue),
    /// To this address; the answer's body repeats the old one and must go.
    Concealed(HeaderValue),
    /// The answer must not reach the browser; this one does.
    Refused(Response<Bytes>),
}

/// A continuation that waits to be kept.
struct Kept {
    flow: usize,
    handle: Reference,
    continuation: Continuation,
}

/// How a URL stands to a flow.
pub(super) enum Emission {
    /// It is none of the flow's.
    Foreign,
    /// It carries the flow's request: the handle for it, what that stands for, and the query that
    /// the browser gets to see.
    Of(Reference, Continuation, String),
    /// It names the flow's client, and cannot be read well enough to be hidden.
    Unreadable,
}

/// How sure it must be that a URL belongs to a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It stands in the answer to this flow's own call: nothing speaks against it.
    Answer,
    /// It stands in any other answer: what tells the request from others is there.
    Telling,
}

impl Endpoint {
    /// Ends a flow that ends here, and hides the request from a browser that is sent on with it.
    pub async fn depart(&self, departure: Departure<'_>) -> Onward {
        disclosure::note(&departure);
        let ended = self.complete(&departure).await;
        let onward =
            if matches!(ended, Onward::Unchanged) { self.conceal(&departure).await } else { ended };
        if let (Onward::Refused(_), Some(flow)) = (&onward, departure.flow) {
            // The browser gets no ticket with a page of ours, so it has started nothing.
            self.undo(flow).await;
        }
        onward
    }

    async fn conceal(&self, departure: &Departure<'_>) -> Onward {
        // No server encodes letters or underscores, however deep.
        if !self.settings.continuation || !departure.location.contains("client_id") {
            return Onward::Unchanged;
        }
        match self.concealed(departure).await {
            Ok(None) => Onward::Unchanged,
            Ok(Some(location)) => {
                let refused = |_| {
                    let error = AuthorizeError::Unconcealed;
                    Onward::Refused(page(error, departure.headers, departure.peer))
                };
                meter().reseal(ResealResult::Hidden);
                HeaderValue::from_str(&location).map_or_else(refused, Onward::Concealed)
            }
            Err(error) => {
                meter().reseal(ResealResult::Refused);
                if let AuthorizeError::Store(operation, store_error) = error {
                    meter().store_error(operation, store_error.cause());
                }
                Onward::Refused(page(error, departure.headers, departure.peer))
            }
        }
    }

    async fn concealed(&self, departure: &Departure<'_>) -> Result<Option<String>, AuthorizeError> {
        let flows = self.flows(departure).await?;
        let (mut kept, mut unreadable) = (Vec::new(), false);
        let place = Place { origin: &self.settings.origin, path: departure.path };
        let location = continuation::rewrite(departure.location, place, &mut |path, query| {
            flows.iter().enumerate().find_map(|(index, flow)| {
                let answered = index == 0 && departure.flow.is_some();
                let proof = if answered { Proof::Answer } else { Proof::Telling };
                match self.emission((flow, proof), (path, query)) {
                    Emission::Foreign => None,
                    Emission::Unreadable => {
                        unreadable = true;
                        Some(String::new())
                    }
                    Emission::Of(handle, continuation, replacement) => {
                        kept.push(Kept { flow: index, handle, continuation });
                        Some(replacement)
                    }
                }
            })
        });
        if unreadable {
            return Err(AuthorizeError::Unconcealed);
        }
        for Kept { flow, handle, continuation } in kept {
            let Some(flow) = flows.get(flow) else { continue };
            let put = self.store.put_continuation(&flow.reference, flow.id, &handle, continuation);
            put.await.map_err(|e| AuthorizeError::Store(StoreOperation::Put, e))?;
        }
        Ok(location)
    }

    /// The flows that a URL could belong to: that of the answered request, then those of the
    /// browser's tickets.
    async fn flows(&self, departure: &Departure<'_>) -> Result<Vec<Flow>, AuthorizeError> {
        let mut flows: Vec<_> = departure.flow.cloned().into_iter().collect();
        for ticket in self.cookies.tickets(departure.headers) {
            if flows.iter().any(|flow: &Flow| flow.reference == ticket.reference) {
                continue;
            }
            let held = self.store.read(&ticket.reference).await;
            let held = held.map_err(|e| AuthorizeError::Store(StoreOperation::Read, e))?;
            if let Some(held) = held
                && ticket.is_genuine(&held.request.flow_key)
            {
                flows.push(Flow::found(ticket, held.request));
            }
        }
        if flows.is_empty() && self.is_unaccompanied(departure) {
            flows = self.flows_by_index(departure).await?;
        }
        Ok(flows)
    }

    /// What a URL on this origin is to a flow.
    pub(super) fn emission(
        &self,
        (flow, proof): (&Flow, Proof),
        (path, query): (&str, &str),
    ) -> Emission {
        let client_id = &*flow.request.client_id;
        let given = Parameters::parse(query.as_bytes()).ok();
        let Some(given) = given.filter(|given| given.value("client_id") == Some(client_id)) else {
            let traits = Traits::of(query);
            let named = traits.client_ids.iter().any(|named| named == client_id);
            let asks = traits.is_authorization_request() || self.is_authorize_path(path);
            return if named && asks { Emission::Unreadable } else { Emission::Foreign };
        };
        let whole = given.value("response_type").is_some();
        let is_handle = given.value("request_uri").is_some() && !whole;
        let pushed = &*flow.request.query;
        let belongs = speaks_of(&given, pushed)
            || (proof == Proof::Answer && contradicts_nothing(&given, pushed));
        if is_handle || !(whole || self.is_authorize_path(path)) || !belongs {
            return Emission::Foreign;
        }
        let whole = self.whole_query(&flow.request);
        let Ok(pin) = Pin::new(&whole, &self.rules) else { return Emission::Unreadable };
        let query = pin.query(&given, flow.emitter).unwrap_or_else(|| query.to_owned());
        let key = &flow.request.flow_key;
        let handle = continuation::handle(&flow.reference, key, flow.id, (path, &query));
        let mut replacement = Encoder::default();
        replacement.push("client_id", &flow.request.client_id);
        replacement.push("request_uri", &handle.to_request_uri());
        let continuation = Continuation { path: path.into(), query: query.into() };
        Emission::Of(handle, continuation, replacement.finish())
    }

    /// Whether a path is the authorization endpoint's, in any spelling.
    pub(super) fn is_authorize_path(&self, path: &str) -> bool {
        fold_path(path)
            .is_some_and(|folded| is_endpoint_path(&self.discovery, &self.extra_paths, &folded))
    }
}
