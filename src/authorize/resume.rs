//! Calls inside a flow that was started before: by the handle of a continuation, by the page's own
//! `POST`, or with the full parameters that the upstream's page carries. All of them are pinned.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::continuation::is_handle_of;
use super::flow::Ticket;
use super::mask::Stamp;
use super::pin::multipart::Multipart;
use super::pin::{Emitter, Pin};
use super::redeem::redirect_uri_still_stands;
use super::{AuthorizeError, Body, Decision, Endpoint, Expansion, Flow, Visit};
use crate::config::PostQuery;
use crate::oauth::names;
use crate::oauth::parameters::{self, Encoder, ParameterError, Parameters};
use crate::oauth::request_uri::{Reference, RequestUri};
use crate::oauth::target;
use crate::store::{Held, REPEAT_WINDOW};
use crate::telemetry::metrics::{RedeemResult, StoreOperation, meter};

const FORM: &str = "application/x-www-form-urlencoded";

impl Endpoint {
    /// A call on another path than the endpoint's that carries a handle of ours: the query that the
    /// upstream emitted for that path goes upstream. Anything else is none of our business.
    pub(super) async fn elsewhere(&self, visit: &Visit<'_>) -> Result<Decision, AuthorizeError> {
        let query = visit.query.unwrap_or_default();
        let Ok(parameters) = Parameters::parse(query.as_bytes()) else { return Ok(Decision::Pass) };
        let asked = parameters.value("request_uri").map(RequestUri::parse);
        let Some(RequestUri::Ours(handle)) = asked else { return Ok(Decision::Pass) };
        match ticket_for(&handle, &self.cookies.tickets(visit.headers)) {
            Some(ticket) => self.continued(visit, &parameters, (handle, ticket)).await,
            None => Ok(Decision::Pass),
        }
    }

    /// A continuation: the upstream's own query, with what its preset lets stand beside a handle.
    pub(super) async fn continued(
        &self,
        visit: &Visit<'_>,
        parameters: &Parameters<'_>,
        (handle, ticket): (Reference, Ticket),
    ) -> Result<Decision, AuthorizeError> {
        let found = self.store.continuation(&ticket.reference, ticket.flow, &handle).await;
        let found = found.map_err(|e| AuthorizeError::Store(StoreOperation::Read, e))?;
        let (held, continuation) = found.ok_or(AuthorizeError::Unknown)?;
        let client_id = parameters.value("client_id").ok_or(AuthorizeError::NoClientId)?;
        let flow = self.live(visit, &ticket, held)?;
        if *flow.request.client_id != *client_id {
            return Err(AuthorizeError::OtherClient);
        }
        if *continuation.path != *visit.path {
            return Err(AuthorizeError::Unknown);
        }
        let mut query = continuation.query.to_string();
        let beside = parameters.iter().filter(|(name, _)| self.rules.goes_beside(name));
        for (name, value) in beside {
            let mut pair = Encoder::default();
            pair.push(name, value);
            query.push('&');
            query.push_str(&pair.finish());
        }
        meter().redeem(RedeemResult::Reload);
        self.pinned(visit, flow, Some(&query))
    }

    /// A page at the authorize URL posts to its own address, `…?client_id&request_uri`: the query
    /// that this address stands for comes back.
    pub(super) async fn posted(
        &self,
        visit: &Visit<'_>,
        ticket: &Ticket,
    ) -> Result<Decision, AuthorizeError> {
        let held = self.held(ticket).await?.ok_or(AuthorizeError::Unknown)?;
        let flow = self.live(visit, ticket, held)?;
        let path = self.discovery.authorization_path();
        if let Some(path) = path.filter(|_| self.expansion.posts() && !flow.shown().page) {
            let again = self.expanded(&path, flow, Vec::new());
            return Ok(Decision::Expand(Box::new(again)));
        }
        let target = self.expansion.expand("", &self.whole_query(&flow.request)).target;
        let query = target.strip_prefix('?').map(str::to_owned);
        self.pinned(visit, flow, query.as_deref())
    }

    /// A call with a query of the browser's own, pinned to `flow`.
    pub(super) fn stepped(
        &self,
        visit: &Visit<'_>,
        flow: Flow,
        query: &Parameters<'_>,
    ) -> Result<Decision, AuthorizeError> {
        if self.rules.is_imitated_in_query(query) {
            return Err(AuthorizeError::Imitation);
        }
        let whole = self.whole_query(&flow.request);
        let pin = Pin::new(&whole, &self.rules).map_err(|_| AuthorizeError::Malformed)?;
        let pin = pin.with_pages(flow.shown());
        let (query, masked) = Stamp::of(&flow).put_back(query);
        let given = if masked {
            Some(encoded(query.iter()))
        } else {
            visit.query.filter(|query| !query.is_empty()).map(str::to_owned)
        };
        let pinned = pin.query(&query, Emitter::Browser).or(given);
        drop(whole);
        self.pinned(visit, flow, pinned.as_deref())
    }

    pub(super) async fn held(&self, ticket: &Ticket) -> Result<Option<Held>, AuthorizeError> {
        let held = self.store.read(&ticket.reference).await;
        let held = held.map_err(|e| AuthorizeError::Store(StoreOperation::Read, e))?;
        Ok(held.filter(|held| ticket.is_genuine(&held.request.flow_key)))
    }

    /// The flow of a genuine ticket, where it can still go on.
    pub(super) fn live(
        &self,
        visit: &Visit<'_>,
        ticket: &Ticket,
        held: Held,
    ) -> Result<Flow, AuthorizeError> {
        if held.is_tombstone() {
            return Err(AuthorizeError::Spent);
        }
        if !ticket.is_genuine(&held.request.flow_key) {
            return Err(AuthorizeError::Unknown);
        }
        if let Some(spent) = held.spent {
            // A consent button that is clicked twice completes twice.
            let again = visit.method == Method::POST
                && spent.flow == ticket.flow
                && held.now.since(spent.at) < REPEAT_WINDOW;
            if !again {
                return Err(AuthorizeError::Spent);
            }
        }
        if held.now >= ticket.started_at + self.settings.login_lifetime {
            return Err(AuthorizeError::Expired);
        }
        if !held.has(ticket.flow) {
            return Err(AuthorizeError::OtherBrowser);
        }
        let client = self.registry.find(&held.request.client_id).filter(|client| client.enabled);
        let client = client.ok_or(AuthorizeError::ClientDisabled)?;
        if !redirect_uri_still_stands(&held.request, client) {
            return Err(AuthorizeError::ClientDisabled);
        }
        Ok(Flow {
            reference: ticket.reference,
            id: ticket.flow,
            request: held.request,
            ticket: Some(*ticket),
            started_by: None,
            emitter: by_what(visit.method),
        })
    }

    /// `GET` with `query`, or `POST` with it and the pinned body. Where the endpoint has shown no page
    /// in this login, no page of the server sends it a form: the call goes on without its body.
    fn pinned(
        &self,
        visit: &Visit<'_>,
        flow: Flow,
        query: Option<&str>,
    ) -> Result<Decision, AuthorizeError> {
        let is_form = visit.method == Method::POST
            && (flow.shown().page || !self.is_authorize_path(visit.path));
        let query = if is_form {
            self.query_of_step(visit, &flow, query)
        } else {
            query.map(Cow::Borrowed)
        };
        let target = match query.as_deref() {
            Some(query) => [visit.path, "?", &one_separator(query)].concat(),
            None => visit.path.to_owned(),
        };
        let body = if is_form { self.body(visit, &flow)? } else { None };
        let method = if is_form { Method::POST } else { Method::GET };
        let set_cookies = Vec::new();
        Ok(Decision::Expand(Box::new(Expansion { method, target, body, set_cookies, flow })))
    }

    /// The query of a call: as it came to be, unless `post_query` knows better what the server's
    /// own pages need.
    fn query_of_step<'a>(
        &self,
        visit: &Visit<'_>,
        flow: &'a Flow,
        query: Option<&'a str>,
    ) -> Option<Cow<'a, str>> {
        let is_step = self.is_authorize_path(visit.path);
        match self.settings.post_query {
            PostQuery::Stored if is_step => Some(self.whole_query(&flow.request)),
            PostQuery::None if is_step => {
                let path = self.discovery.authorization_path()?;
                Some(path.query().to_owned()).filter(|own| !own.is_empty()).map(Cow::Owned)
            }
            PostQuery::AsEmitted | PostQuery::Stored | PostQuery::None => query.map(Cow::Borrowed),
        }
    }

    fn body(
        &self,
        visit: &Visit<'_>,
        flow: &Flow,
    ) -> Result<Option<(HeaderValue, Bytes)>, AuthorizeError> {
        let pin =
            Pin::new(&flow.request.query, &self.rules).map_err(|_| AuthorizeError::Malformed)?;
        let pin = pin.with_pages(flow.shown());
        let given = fields(visit)?;
        if self.rules.is_imitated_in_form(&given) {
            return Err(AuthorizeError::Imitation);
        }
        let (given, masked) = Stamp::of(flow).put_back(&given);
        if !self.settings.authorize_forms && self.is_authorize_path(visit.path) {
            let pairs = pin.form_as_query(&given);
            let form = encoded(pairs.iter().map(|(name, value)| (&**name, &**value)));
            return Ok(Some((HeaderValue::from_static(FORM), form.into())));
        }
        let pinned = pin.form(&given).or_else(|| {
            let pairs = given.iter().map(|(name, value)| (name.into(), value.into()));
            masked.then(|| pairs.collect())
        });
        match visit.body {
            Body::None => Ok(None),
            Body::Unread => Err(AuthorizeError::Unreadable),
            Body::Form(bytes) => {
                let bytes = match pinned {
                    None => match std::str::from_utf8(bytes) {
                        Ok(text) => one_separator(text).into_owned().into(),
                        Err(_) => Bytes::copy_from_slice(bytes),
                    },
                    Some(pairs) => encoded(pairs.iter().map(|(n, v)| (&**n, &**v))).into(),
                };
                Ok(Some((HeaderValue::from_static(FORM), bytes)))
            }
            Body::Multipart(content_type, bytes) => {
                let form = multipart(content_type, bytes)?;
                let written = pinned.map_or_else(|| form.anew(), |pairs| form.with_fields(&pairs));
                let written = written.map_err(|_| AuthorizeError::Unreadable)?;
                let media_type = HeaderValue::from_str(&written.media_type);
                let media_type = media_type.map_err(|_| AuthorizeError::Unreadable)?;
                Ok(Some((media_type, written.body.into())))
            }
        }
    }
}

fn encoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut encoder = Encoder::default();
    pairs.for_each(|(name, value)| encoder.push(name, value));
    encoder.finish()
}

/// Whose word an authorize URL in the answer is: a `GET` within a flow is all ours, the body of a
/// `POST` is the browser's, and some pages send on to an address that stands in it.
fn by_what(method: &Method) -> Emitter {
    if method == Method::POST { Emitter::Browser } else { Emitter::Upstream }
}

/// `text` for servers that take `;` for a separator too: they would read other pairs out of it than
/// were pinned. Browsers never send one in a form.
fn one_separator(text: &str) -> Cow<'_, str> {
    if text.contains(';') { Cow::Owned(text.replace(';', "%3B")) } else { Cow::Borrowed(text) }
}

/// The ticket that a handle works with.
pub(super) fn ticket_for(handle: &Reference, tickets: &[Ticket]) -> Option<Ticket> {
    tickets.iter().find(|ticket| is_handle_of(handle, &ticket.reference)).copied()
}

/// What tells one request of a client from another, best first.
const TELLING: [&str; 4] = ["state", "nonce", "code_challenge", "redirect_uri"];

/// Whether `given` names the client of the request with this stored query and contradicts nothing
/// that tells it from others: in the upstream's answer to that very request, something may be
/// missing.
pub(super) fn contradicts_nothing(given: &Parameters<'_>, query: &str) -> bool {
    let pushed = |name| super::expansion::value(query, name);
    given.value("client_id") == pushed("client_id").as_deref()
        && TELLING.into_iter().all(|name| {
            given.value(name).is_none_or(|value| Some(value) == pushed(name).as_deref())
        })
}

/// Whether `given` belongs to the request with this stored query: same client, same `state` (if
/// none was pushed `nonce`, then `code_challenge`, then `redirect_uri`).
pub(super) fn speaks_of(given: &Parameters<'_>, query: &str) -> bool {
    let pushed = |name| super::expansion::value(query, name);
    if given.value("client_id") != pushed("client_id").as_deref() {
        return false;
    }
    let mut told = TELLING.into_iter().filter_map(|name| Some((name, pushed(name)?)));
    told.next().is_none_or(|(name, value)| given.value(name) == Some(&value))
}

fn multipart<'a>(content_type: &str, bytes: &'a [u8]) -> Result<Multipart<'a>, AuthorizeError> {
    Multipart::parse(content_type, bytes).map_err(|_| AuthorizeError::Unreadable)
}

/// Whether a form that cannot be read is a page's own all the same: its values need not be UTF-8, its
/// names are clear, and none of them could be taken for a registered parameter's.
fn is_of_another_charset(form: &[u8]) -> bool {
    let mut pieces = form.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty());
    let names_are_clear = pieces.by_ref().take(parameters::MOST).all(|piece| {
        let mut halves = piece.splitn(2, |&byte| byte == b'=');
        let name = parameters::decode(halves.next().unwrap_or_default());
        let value = parameters::decode(halves.next().unwrap_or_default());
        name.is_ok_and(|name| names::is_legal(&name))
            && value != Err(ParameterError::BrokenEncoding)
    });
    names_are_clear && pieces.next().is_none() && !target::names_a_registered_parameter(form)
}

/// The plain fields of a body.
pub(super) fn fields<'a>(visit: &Visit<'a>) -> Result<Parameters<'a>, AuthorizeError> {
    match visit.body {
        Body::None | Body::Unread => Ok(Parameters::default()),
        Body::Form(bytes) => match Parameters::parse(bytes) {
            Ok(form) => Ok(form),
            // A login page in another character set; it passes as it is.
            Err(_) if is_of_another_charset(bytes) => Ok(Parameters::default()),
            Err(_) => Err(AuthorizeError::Malformed),
        },
        Body::Multipart(content_type, bytes) => {
            let form = multipart(content_type, bytes)?;
            // Some servers fold letters beyond ASCII.
            if !form.parts().iter().all(|part| names::is_legal(part.name)) {
                return Err(AuthorizeError::Malformed);
            }
            Ok(Parameters::from_pairs(form.into_fields()))
        }
    }
}
