//! The steps of a visit, in order: read, name the request, find or start the flow, expand.

use std::sync::Arc;

use http::{HeaderValue, Method, Response};

use super::expansion;
use super::flow::{Cookies, Ticket};
use super::pin::Emitter;
use super::resume::{fields, ticket_for};
use super::{AuthorizeError, Body, Decision, Endpoint, Expansion, Flow, Visit, redeemed};
use crate::client::Client;
use crate::config::{ForeignRequestUri, SingleUse};
use crate::oauth::names;
use crate::oauth::parameters::{MOST, Parameters, count_in};
use crate::oauth::request_uri::{Reference, RequestUri};
use crate::oauth::target::Traits;
use crate::store::{self, CallerToken, FlowId, PushedRequest, Start, Starts};
use crate::telemetry::metrics::{PlainDecision, RedeemResult, StoreOperation, meter};
use crate::upstream::AuthorizationPath;

/// A refusal, with what the log may say of it.
pub(super) struct Refusal {
    pub(super) error: AuthorizeError,
    pub(super) reference: Option<Reference>,
    pub(super) client_id: Option<String>,
}

impl From<AuthorizeError> for Refusal {
    fn from(error: AuthorizeError) -> Self {
        Self { error, reference: None, client_id: None }
    }
}

/// What a visit asks for, once its two parameters are read.
struct Named<'a> {
    reference: Reference,
    client_id: &'a str,
    client: &'a Arc<Client>,
}

impl Endpoint {
    pub(super) async fn attempt(&self, visit: &Visit<'_>) -> Result<Decision, Refusal> {
        if ![Method::GET, Method::HEAD, Method::POST].contains(visit.method) {
            return Err(AuthorizeError::Method.into());
        }
        let text = asked(visit);
        if !names_a_request_uri(text) {
            return match self.unnamed(visit).await? {
                Some(decision) => Ok(decision),
                None => self.plain(visit),
            };
        }
        let parameters = Parameters::parse(text).map_err(|_| AuthorizeError::Malformed)?;
        let Some(reference) = self.reference(&parameters)? else {
            return self.plain(visit);
        };
        let refused = |error| Refusal {
            error,
            reference: Some(reference),
            client_id: parameters.value("client_id").map(str::to_owned),
        };
        let named = self.named(&parameters, reference).map_err(refused)?;
        if let Some(preview) = preview(visit).map_err(refused)? {
            return Ok(preview);
        }
        meter().ignored_parameters(parameters.iter().count().saturating_sub(2));
        let tickets = self.cookies.tickets(visit.headers);
        let by_form = visit.method == Method::POST && !names_a_request_uri(query_of(visit));
        if let Some(ticket) = ticket_for(&reference, &tickets) {
            // A form that names the request is a call of its own, as by GET (B-135).
            let call = Visit { method: &Method::GET, body: Body::None, ..*visit };
            let visit = if by_form { &call } else { visit };
            let continued = self.continued(visit, &parameters, (reference, ticket));
            return continued.await.map_err(refused);
        }
        if visit.method == Method::POST && !by_form {
            let ticket = tickets.iter().find(|ticket| ticket.reference == reference);
            let ticket = ticket.ok_or(AuthorizeError::OtherBrowser).map_err(refused)?;
            return self.posted(visit, ticket).await.map_err(refused);
        }
        self.loaded(visit, &named, &tickets).await.map_err(refused)
    }

    /// The full request, in the first load of a `request_uri` and in every reload.
    async fn loaded(
        &self,
        visit: &Visit<'_>,
        named: &Named<'_>,
        tickets: &[Ticket],
    ) -> Result<Decision, AuthorizeError> {
        let path = self.discovery.authorization_path();
        let path = path.as_ref().ok_or(AuthorizeError::UpstreamUnknown)?;
        let (flow, new) = self.flow(named, tickets).await?;
        let result = if new.is_some() { RedeemResult::Ok } else { RedeemResult::Reload };
        let set_cookies = new.map(|ticket| self.new_cookies(&ticket, tickets));
        let expansion = self.expanded(path, flow, set_cookies.unwrap_or_default());
        // Neither may have been known at the push.
        let pairs = count_in(path.query()) + count_in(&expansion.flow.request.query);
        if expansion.target.len() > self.settings.max_target_bytes || pairs > MOST {
            self.undo(&expansion.flow).await;
            return Err(AuthorizeError::TooLong);
        }
        redeemed(visit, &expansion.flow, result);
        Ok(Decision::Expand(Box::new(expansion)))
    }

    /// A request without a `request_uri`, or with one that is passed on.
    fn plain(&self, visit: &Visit<'_>) -> Result<Decision, Refusal> {
        let must_push = self.rule.holds() && self.names_a_client_that_must_push(visit);
        if must_push {
            return Err(AuthorizeError::PushRequired.into());
        }
        meter().plain_authorize(PlainDecision::Allowed);
        Ok(Decision::Pass)
    }

    fn names_a_client_that_must_push(&self, visit: &Visit<'_>) -> bool {
        let mut traits = Traits::of(visit.query.unwrap_or_default());
        match fields(visit) {
            Ok(form) => form.iter().for_each(|(name, value)| traits.note(name, value)),
            // A form that we cannot read could name any client.
            Err(_) => return true,
        }
        let unread = matches!(visit.body, Body::Unread);
        unread || self.rule.concerns(&traits.client_ids)
    }

    /// The reference that is asked for; `None` where the request is the upstream's to judge.
    fn reference(&self, parameters: &Parameters<'_>) -> Result<Option<Reference>, Refusal> {
        if parameters.count("request_uri") > 1 || parameters.count("client_id") > 1 {
            return Err(AuthorizeError::Malformed.into());
        }
        let request_uri = parameters.value("request_uri").ok_or(AuthorizeError::NotIssued)?;
        if parameters.value("request").is_some() {
            return Err(AuthorizeError::BothRequestForms.into());
        }
        match RequestUri::parse(request_uri) {
            RequestUri::Ours(_) if !self.settings.enabled => Err(AuthorizeError::Unknown.into()),
            RequestUri::Ours(reference) => Ok(Some(reference)),
            RequestUri::Malformed => Err(AuthorizeError::NotIssued.into()),
            RequestUri::Foreign => match self.settings.foreign_request_uri {
                ForeignRequestUri::Pass => Ok(None),
                ForeignRequestUri::Refuse => Err(AuthorizeError::Foreign.into()),
            },
        }
    }

    fn named<'a>(
        &'a self,
        parameters: &'a Parameters<'_>,
        reference: Reference,
    ) -> Result<Named<'a>, AuthorizeError> {
        let client_id = parameters.value("client_id").ok_or(AuthorizeError::NoClientId)?;
        let client = self.registry.find(client_id).filter(|client| client.enabled);
        let client = client.ok_or(AuthorizeError::ClientDisabled)?;
        Ok(Named { reference, client_id, client })
    }

    /// The flow this browser is in, or a new one; a new one comes with its ticket.
    async fn flow(
        &self,
        named: &Named<'_>,
        tickets: &[Ticket],
    ) -> Result<(Flow, Option<Ticket>), AuthorizeError> {
        let own = tickets.iter().find(|ticket| ticket.reference == named.reference);
        if let Some(ticket) = own.filter(|_| self.settings.single_use != SingleUse::FirstLoad)
            && let Some(flow) = self.going_on(ticket, named).await?
        {
            return Ok((flow, None));
        }
        let (flow, ticket) = self.begun(named).await?;
        if let Err(error) = self.still_stands(&flow.request, named.client) {
            self.undo(&flow).await;
            return Err(error);
        }
        Ok((flow, Some(ticket)))
    }

    /// The flow of a ticket: a reload, however long after the redeem-by time.
    async fn going_on(
        &self,
        ticket: &Ticket,
        named: &Named<'_>,
    ) -> Result<Option<Flow>, AuthorizeError> {
        let held = self.store.read(&named.reference).await;
        let held = held.map_err(|e| AuthorizeError::Store(StoreOperation::Read, e))?;
        let Some(held) = held.filter(|held| ticket.is_genuine(&held.request.flow_key)) else {
            return Ok(None);
        };
        if *held.request.client_id != *named.client_id {
            return Err(AuthorizeError::OtherClient);
        }
        if held.spent.is_some() {
            return Err(AuthorizeError::Spent);
        }
        // A login that gave way begins anew, in time.
        if !held.has(ticket.flow) {
            return Ok(None);
        }
        if held.now >= ticket.started_at + self.settings.login_lifetime {
            return Err(AuthorizeError::Expired);
        }
        self.still_stands(&held.request, named.client)?;
        Ok(Some(Flow {
            reference: named.reference,
            id: ticket.flow,
            request: held.request,
            ticket: Some(*ticket),
            started_by: None,
            emitter: Emitter::Upstream,
        }))
    }

    /// B-146 and B-147: what may have changed since the push, or was not known there, is judged
    /// before anything is forwarded.
    fn still_stands(&self, request: &PushedRequest, client: &Client) -> Result<(), AuthorizeError> {
        if !redirect_uri_still_stands(request, client) {
            return Err(AuthorizeError::ClientDisabled);
        }
        let Some(snapshot) = self.discovery.current() else {
            return Ok(());
        };
        let upstream = &snapshot.capabilities;
        let pushed = |name| expansion::value(&request.query, name);
        if pushed("response_type").is_some_and(|pushed| !upstream.may_take_response_type(&pushed)) {
            return Err(AuthorizeError::ResponseType);
        }
        if pushed("response_mode").is_some_and(|pushed| !upstream.may_take_response_mode(&pushed)) {
            return Err(AuthorizeError::ResponseMode);
        }
        Ok(())
    }

    async fn begun(&self, named: &Named<'_>) -> Result<(Flow, Ticket), AuthorizeError> {
        let mut bytes = [0; 24];
        self.random.fill(&mut bytes).map_err(|_| AuthorizeError::Randomness)?;
        let (flow, caller) = halves(bytes);
        let starts = match self.settings.single_use {
            SingleUse::Completion => Starts::Many,
            SingleUse::Browser | SingleUse::FirstLoad => Starts::Once,
        };
        let visit = store::Visit { client_id: named.client_id, flow, caller, starts };
        let start = self.store.start(&named.reference, visit).await;
        match start.map_err(|e| AuthorizeError::Store(StoreOperation::Start, e))? {
            Start::Started { request, at, age } => {
                meter().redeem_age(age);
                let ticket = Ticket::issue(named.reference, flow, at, &request);
                let reference = named.reference;
                let (started_by, emitter) = (Some(caller), Emitter::Upstream);
                let begun = Flow {
                    reference,
                    id: flow,
                    request,
                    ticket: Some(ticket),
                    started_by,
                    emitter,
                };
                Ok((begun, ticket))
            }
            Start::Unknown => Err(AuthorizeError::Unknown),
            Start::Expired => Err(AuthorizeError::Expired),
            Start::Spent => Err(AuthorizeError::Spent),
            Start::OtherClient => Err(AuthorizeError::OtherClient),
            Start::Taken if self.settings.single_use == SingleUse::FirstLoad => {
                Err(AuthorizeError::Spent)
            }
            Start::Taken => Err(AuthorizeError::OtherBrowser),
        }
    }

    pub(super) fn expanded(
        &self,
        path: &AuthorizationPath,
        flow: Flow,
        set_cookies: Vec<HeaderValue>,
    ) -> Expansion {
        let query = expansion::with_own(path.query(), &flow.request.query);
        let full = self.expansion.expand(path.as_str(), &query);
        let expansion::Full { method, target, form } = full;
        let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let body = form.map(|form| (media_type, form));
        Expansion { method, target, body, set_cookies, flow }
    }

    fn new_cookies(&self, ticket: &Ticket, tickets: &[Ticket]) -> Vec<HeaderValue> {
        let others: Vec<_> =
            tickets.iter().filter(|other| other.reference != ticket.reference).copied().collect();
        let set = self.cookies.set(ticket, self.settings.login_lifetime);
        let surplus = Cookies::surplus(&others);
        let cleared = surplus.iter().filter_map(|reference| self.cookies.clear(reference));
        set.into_iter().chain(cleared).collect()
    }
}

/// The text that names the request: the query, or the form of a `POST` without one there.
fn asked<'a>(visit: &Visit<'a>) -> &'a [u8] {
    let query = query_of(visit);
    if visit.method == Method::POST && !names_a_request_uri(query) {
        return visit.body.form();
    }
    query
}

fn query_of<'a>(visit: &Visit<'a>) -> &'a [u8] {
    visit.query.unwrap_or_default().as_bytes()
}

/// Whether any pair's name could be read as `request_uri`, by whatever separator.
fn names_a_request_uri(text: &[u8]) -> bool {
    text.split(|byte| b"&;".contains(byte)).any(|piece| {
        let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        names::reads_as(&crate::oauth::target::loose(&name), "request_uri")
    })
}

/// B-166: a look ahead redeems nothing and asks the upstream nothing.
fn preview(visit: &Visit<'_>) -> Result<Option<Decision>, AuthorizeError> {
    if visit.method == Method::HEAD {
        let mut empty = Response::default();
        empty
            .headers_mut()
            .insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        meter().redeem(RedeemResult::Preview);
        return Ok(Some(Decision::Answer(empty)));
    }
    let purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    let ahead = purposes.iter().filter_map(|name| visit.headers.get(*name)).any(|purpose| {
        let purpose = purpose.as_bytes().to_ascii_lowercase();
        [&b"prefetch"[..], b"prerender", b"preview"]
            .iter()
            .any(|word| purpose.windows(word.len()).any(|window| window == *word))
    });
    if ahead { Err(AuthorizeError::Prefetch) } else { Ok(None) }
}

/// B-146: the client may have lost the address since the push.
pub(super) fn redirect_uri_still_stands(request: &PushedRequest, client: &Client) -> bool {
    expansion::value(&request.query, "redirect_uri")
        .is_none_or(|redirect_uri| client.may_redirect_to(&redirect_uri))
}

fn halves(bytes: [u8; 24]) -> (FlowId, CallerToken) {
    let (mut flow, mut caller) = ([0; 12], [0; 12]);
    for (index, byte) in bytes.into_iter().enumerate() {
        let half = if index < 12 { &mut flow } else { &mut caller };
        if let Some(place) = half.get_mut(index % 12) {
            *place = byte;
        }
    }
    (FlowId(flow), CallerToken(caller))
}
