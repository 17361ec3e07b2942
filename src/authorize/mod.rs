//! The authorization endpoint in front of the server (RFC 9126 §4): a live `request_uri` becomes
//! the full request, on our side of the browser; everything else passes or is refused.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap};
use http::{HeaderValue, Method, Response};

use crate::answer;
use crate::client::{Peer, Registry};
use crate::config;
use crate::oauth::error::ErrorCode;
use crate::oauth::parameters::Parameters;
use crate::oauth::request_uri::{Reference, RequestUri};
use crate::store::{CallerToken, FlowId, PushedRequest, Store};
use crate::telemetry::audit::{self, Circumstances};
use crate::telemetry::metrics::{PlainDecision, RedeemResult, StoreOperation, meter};
use crate::upstream::Discovery;

pub use departure::{Departure, Onward};
pub use error::AuthorizeError;
pub use flow::{AnswerBy, Cookies};
pub use form_post::{FormPost, PageHead};
pub use guard::{BodyScan, Guard};
pub use mask::Mask;
pub use shown::FieldReader;

mod completion;
pub mod continuation;
pub mod departure;
mod disclosure;
pub mod error;
pub mod expansion;
pub mod flow;
pub mod form_post;
pub mod guard;
pub mod mask;
pub mod outgoing;
pub mod pin;
mod redeem;
mod resume;
pub mod rule;
pub mod shown;
pub mod steps;
mod unaccompanied;
mod unreferenced;

/// The endpoint and what it works with.
#[derive(Debug)]
pub struct Endpoint {
    registry: Arc<Registry>,
    store: Arc<dyn Store>,
    discovery: Arc<Discovery>,
    random: Arc<dyn SecureRandom + Send + Sync>,
    expansion: expansion::Rules,
    rules: pin::Rules,
    rule: rule::PushRule,
    extra_paths: Vec<String>,
    cookies: Cookies,
    settings: Settings,
}

/// What the endpoint works with.
#[derive(Debug, Clone)]
pub struct Collaborators {
    /// Whose requests.
    pub registry: Arc<Registry>,
    /// Where they wait.
    pub store: Arc<dyn Store>,
    /// Where the upstream's endpoint is.
    pub discovery: Arc<Discovery>,
    /// Where flow names come from.
    pub random: Arc<dyn SecureRandom + Send + Sync>,
}

#[derive(Debug)]
struct Settings {
    issuer: String,
    origin: String,
    enabled: bool,
    required: bool,
    single_use: config::SingleUse,
    login_lifetime: Duration,
    max_target_bytes: usize,
    continuation: bool,
    post_query: config::PostQuery,
    authorize_forms: bool,
    foreign_request_uri: config::ForeignRequestUri,
    add_iss: bool,
    mask_html: bool,
    mask_failure: config::MaskFailure,
}

/// One call of the endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path, as it stands in the target.
    pub path: &'a str,
    /// Its query, without `?`.
    pub query: Option<&'a str>,
    /// Its body, as far as it was read.
    pub body: Body<'a>,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Who calls.
    pub peer: &'a Peer,
}

/// The body of a call.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// `application/x-www-form-urlencoded`
    Form(&'a [u8]),
    /// `multipart/form-data`, with its whole `Content-Type`.
    Multipart(&'a str, &'a [u8]),
    /// Of another type, or too large.
    Unread,
}

impl<'a> Body<'a> {
    /// An urlencoded form; empty for any other body.
    #[must_use]
    pub const fn form(self) -> &'a [u8] {
        match self {
            Self::Form(form) => form,
            Self::None | Self::Multipart(..) | Self::Unread => &[],
        }
    }
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Decision {
    /// To the upstream, byte for byte.
    Pass,
    /// To the upstream, as the pushed request.
    Expand(Box<Expansion>),
    /// Answered here.
    Answer(Response<Bytes>),
}

/// The request that goes upstream in place of the browser's.
#[derive(Debug)]
pub struct Expansion {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Media type and body, for `POST`.
    pub body: Option<(HeaderValue, Bytes)>,
    /// `Set-Cookie` fields for the answer.
    pub set_cookies: Vec<HeaderValue>,
    /// The flow that this call began or goes on with.
    pub flow: Flow,
}

/// A browser's run through a pushed request.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Which request.
    pub reference: Reference,
    /// Which run.
    pub id: FlowId,
    /// What was pushed.
    pub request: Arc<PushedRequest>,
    /// What the browser shows of it; `None` where the flow was found without.
    pub ticket: Option<flow::Ticket>,
    /// Set where this very call started the request: it takes the start back.
    pub started_by: Option<CallerToken>,
    /// Whose word an authorize URL in the upstream's answer to this call is.
    pub emitter: pin::Emitter,
}

impl Flow {
    /// The flow of a ticket, found beside a call that is none of its own.
    fn found(ticket: flow::Ticket, request: Arc<PushedRequest>) -> Self {
        let (reference, id) = (ticket.reference, ticket.flow);
        let emitter = pin::Emitter::Browser;
        Self { reference, id, request, ticket: Some(ticket), started_by: None, emitter }
    }

    /// The pages that the server's endpoint showed in this login.
    #[must_use]
    pub fn shown(&self) -> shown::Shown {
        self.ticket.map(|ticket| ticket.shown).unwrap_or_default()
    }

    /// Where the answer to the request will stand.
    #[must_use]
    pub fn answer_by(&self) -> AnswerBy {
        AnswerBy::of(&self.request.query)
    }
}

impl Endpoint {
    /// The endpoint as configured.
    #[must_use]
    pub fn new(config: &config::Config, with: Collaborators) -> Self {
        let issuer = &config.server.issuer;
        Self {
            rule: rule::PushRule::new(config, Arc::clone(&with.registry)),
            registry: with.registry,
            store: with.store,
            discovery: with.discovery,
            random: with.random,
            expansion: expansion::Rules::new(&config.upstream),
            rules: pin::Rules::new(config),
            extra_paths: config.upstream.authorize_paths.clone(),
            cookies: if issuer.is_https() { Cookies::Secure } else { Cookies::Loopback },
            settings: Settings {
                issuer: issuer.as_str().to_owned(),
                origin: issuer.origin().to_owned(),
                enabled: config.par.enabled,
                required: config.par.required,
                single_use: config.authorize.single_use,
                login_lifetime: config.authorize.login_lifetime,
                max_target_bytes: config.upstream.max_target_bytes,
                continuation: config.authorize.continuation,
                post_query: config.upstream.post_query,
                authorize_forms: config.upstream.authorize_forms,
                foreign_request_uri: config.authorize.foreign_request_uri,
                add_iss: config.authorize.add_iss,
                mask_html: config.authorize.mask_html,
                mask_failure: config.authorize.mask_failure,
            },
        }
    }

    /// Decides on one call. Only a visit that redeems changes anything: a wrong one burns nothing.
    pub async fn decide(&self, visit: Visit<'_>) -> Decision {
        match self.attempt(&visit).await {
            Ok(decision) => decision,
            Err(refusal) => Decision::Answer(self.refuse(&visit, &refusal)),
        }
    }

    /// Decides on a call of another path that carries a handle of ours.
    pub async fn decide_elsewhere(&self, visit: Visit<'_>) -> Decision {
        match self.elsewhere(&visit).await {
            Ok(decision) => decision,
            Err(error) => Decision::Answer(self.refuse(&visit, &error.into())),
        }
    }

    /// Whether a query that would pass through carries a reference of ours to another spelling of
    /// the endpoint's path: nothing there could redeem it, and the upstream's log would show it.
    #[must_use]
    pub fn would_leak(&self, path: &str, query: Option<&str>) -> bool {
        let Some(query) = query.filter(|query| query.contains("request_uri")) else {
            return false;
        };
        let Ok(parameters) = Parameters::parse(query.as_bytes()) else { return false };
        let ours = parameters.iter().any(|(name, value)| {
            name == "request_uri" && !matches!(RequestUri::parse(value), RequestUri::Foreign)
        });
        ours && parameters.count("client_id") > 0 && self.is_authorize_path(path)
    }

    /// What was pushed, as the upstream gets it at its endpoint.
    fn whole_query<'a>(&self, request: &'a PushedRequest) -> Cow<'a, str> {
        let path = self.discovery.authorization_path();
        expansion::with_own(path.as_ref().map_or("", |path| path.query()), &request.query)
    }

    /// Takes the start of `flow` back, where this very call made it: no answer reached the browser.
    pub async fn undo(&self, flow: &Flow) {
        let Some(caller) = flow.started_by else {
            return;
        };
        if let Err(error) = self.store.undo_start(&flow.reference, caller).await {
            meter().store_error(StoreOperation::UndoStart, error.cause());
        }
    }

    /// The page for a refusal, logged and counted.
    fn refuse(&self, visit: &Visit<'_>, refusal: &redeem::Refusal) -> Response<Bytes> {
        let error = refusal.error;
        if error == AuthorizeError::PushRequired {
            meter().plain_authorize(PlainDecision::Refused);
        } else {
            meter().redeem(error.redeem_result());
        }
        if let AuthorizeError::Store(operation, store_error) = error {
            meter().store_error(operation, store_error.cause());
        }
        let known = refusal.client_id.as_deref().filter(|id| self.registry.find(id).is_some());
        let at = Circumstances {
            client_id: known,
            request_id: &visit.peer.request_id,
            reference: refusal.reference.as_ref(),
            client_address: visit.peer.address,
        };
        if !error.is_preview() {
            audit::redeem_refused(at, error.code(), error.reason().as_str());
        }
        page(error, visit.headers, visit.peer)
    }
}

/// The page, or JSON, for an error at this endpoint.
#[must_use]
pub fn page(error: AuthorizeError, headers: &HeaderMap, peer: &Peer) -> Response<Bytes> {
    let accept = headers.get(ACCEPT);
    let page = answer::page(error.code(), error.reason(), &peer.request_id, accept);
    if error == AuthorizeError::Method {
        answer::with_allow(page, "GET, HEAD, POST")
    } else if error.code() == ErrorCode::TemporarilyUnavailable {
        answer::with_retry_after(page, Duration::from_secs(1))
    } else {
        page
    }
}

fn redeemed(visit: &Visit<'_>, flow: &Flow, result: RedeemResult) {
    meter().redeem(result);
    let at = circumstances(flow, visit.peer);
    audit::redeem_accepted(at, result.as_str());
}

fn circumstances<'a>(flow: &'a Flow, peer: &'a Peer) -> Circumstances<'a> {
    Circumstances {
        client_id: Some(&flow.request.client_id),
        request_id: &peer.request_id,
        reference: Some(&flow.reference),
        client_address: peer.address,
    }
}
