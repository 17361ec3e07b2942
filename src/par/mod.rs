//! The pushed authorization request endpoint (RFC 9126 §2): authenticate, validate, mint, keep,
//! answer. Nothing is sent upstream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Request, Response};

use crate::answer;
use crate::client::authentication::Presented;
use crate::client::dpop::{self, DpopError};
use crate::client::{
    Assertions, Authenticated, AuthenticationError, Limits, Registry, authenticate,
};
use crate::clock::{Clock, Stopwatch};
use crate::config;
use crate::oauth::error::ErrorCode;
use crate::oauth::names::Vocabulary;
use crate::oauth::parameters::{ParameterError, Parameters};
use crate::oauth::request_uri::{RandomnessError, Reference};
use crate::store::{Lifetimes, PushedRequest, Store, StoreError};
use crate::telemetry::audit;
use crate::telemetry::metrics::{AuthVerdict, PushForm, meter};
use crate::upstream::Discovery;

pub use error::ParError;
pub use request::RequestError;
pub use request_object::ObjectError;
pub use terms::BodyNames;
pub use trail::refused_unread;

use request_object::RequestObjects;
use trail::Trail;
use validation::Valid;

pub mod authorization_details;
pub mod error;
pub mod key_binding;
pub mod request;
pub mod request_object;
pub mod terms;
mod trail;
mod validation;

/// The endpoint and what it works with.
#[derive(Debug)]
pub struct Endpoint {
    registry: Arc<Registry>,
    limits: Arc<Limits>,
    store: Arc<dyn Store>,
    discovery: Arc<Discovery>,
    assertions: Assertions,
    random: Arc<dyn SecureRandom + Send + Sync>,
    clock: Arc<dyn Clock>,
    dpop: dpop::Verifier,
    request_objects: Option<RequestObjects>,
    settings: Settings,
}

/// What the endpoint works with.
#[derive(Debug, Clone)]
pub struct Collaborators {
    /// Who may push.
    pub registry: Arc<Registry>,
    /// How often.
    pub limits: Arc<Limits>,
    /// Where requests are kept.
    pub store: Arc<dyn Store>,
    /// What the upstream can do.
    pub discovery: Arc<Discovery>,
    /// Where references come from.
    pub random: Arc<dyn SecureRandom + Send + Sync>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What `DPoP` proofs must carry where nonces are asked for.
    pub nonces: Arc<dpop::Nonces>,
}

#[derive(Debug)]
struct Settings {
    issuer: String,
    login_lifetime: Duration,
    max_target_bytes: usize,
    body_names: Option<BodyNames>,
    details: Vec<config::AuthorizationDetailsType>,
    vocabulary: Vocabulary,
    allowed_methods: &'static str,
}

impl Endpoint {
    /// The endpoint as configured.
    #[must_use]
    pub fn new(config: &config::Config, with: Collaborators) -> Self {
        let body_names = match config.upstream.authorize_method {
            config::AuthorizeMethod::Get => None,
            config::AuthorizeMethod::Post => Some(BodyNames::new(&config.upstream.post_parameters)),
        };
        let (discovery, store) = (Arc::clone(&with.discovery), Arc::clone(&with.store));
        Self {
            assertions: Assertions::new(config, discovery, store, Arc::clone(&with.clock)),
            registry: with.registry,
            limits: with.limits,
            store: with.store,
            discovery: with.discovery,
            random: with.random,
            clock: with.clock,
            dpop: dpop::Verifier::with(config, with.nonces),
            request_objects: RequestObjects::new(config),
            settings: Settings {
                issuer: config.server.issuer.as_str().to_owned(),
                login_lifetime: config.authorize.login_lifetime,
                max_target_bytes: config.upstream.max_target_bytes,
                body_names,
                details: config.authorization_details.clone(),
                vocabulary: Vocabulary::with(&config.upstream.parameters),
                allowed_methods: allowed_methods(&config.par.cors_origins),
            },
        }
    }

    /// Answers one request. Every answer is JSON and must not be stored.
    ///
    /// # Errors
    /// None: a refusal is an answer.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Infallible> {
        let began = Stopwatch::start();
        let mut trail = Trail::new(&request);
        let outcome = self.push(&request, &mut trail).await;
        let error = outcome.as_ref().err().map(ParError::code);
        meter().push(error, trail.method, trail.form, began.elapsed());
        Ok(match outcome {
            Ok(accepted) => {
                let at = trail.circumstances(Some(&accepted.reference));
                audit::push_accepted(at, trail.method);
                let answer =
                    answer::created(&accepted.reference.to_request_uri(), accepted.expires_in);
                match accepted.next_nonce {
                    None => answer,
                    Some(nonce) => answer::with_dpop_nonce(answer, nonce),
                }
            }
            Err(error) => {
                trail.refused(&error);
                self.refusal(&error, request.headers())
            }
        })
    }

    /// The steps, in the order of RFC 9126 §2.1; each takes the product of the one before.
    async fn push(
        &self,
        request: &Request<Bytes>,
        trail: &mut Trail,
    ) -> Result<Accepted, ParError> {
        if request.method() != Method::POST {
            return Err(ParError::Method);
        }
        if trail.insecure {
            return Err(ParError::Insecure);
        }
        media_type_is_form(request.headers())?;
        let form = Parameters::parse(request.body())?;
        if form.count("request") > 0 {
            trail.form = PushForm::RequestObject;
        }
        let client = self.authenticated(request.headers(), &form, trail).await?;
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Err(ParError::Query);
        }
        let snapshot = self.documents(request.headers(), &form).await;
        let capabilities = snapshot.as_deref().map(|snapshot| &snapshot.capabilities);
        let proof = self.proof(request, &client, capabilities)?;
        let terms = self.terms(capabilities, proof.as_ref())?;
        let valid = self.validated(&form, &client, &terms).await?;
        let mut accepted = match &proof {
            None => self.kept(&client, valid).await?,
            // Last, so that a push refused for anything else does not use the proof up.
            Some(proof) => {
                let client_id = &client.client.client_id;
                if !self.store.first_use(proof.replay, proof.until, client_id).await? {
                    return Err(DpopError::Replayed.into());
                }
                self.kept(&client, valid).await?
            }
        };
        accepted.next_nonce = proof.and_then(|proof| proof.next_nonce);
        Ok(accepted)
    }

    async fn authenticated(
        &self,
        headers: &HeaderMap,
        form: &Parameters<'_>,
        trail: &mut Trail,
    ) -> Result<Authenticated, ParError> {
        let presented = Presented::read(headers, form).map(|presented| {
            presented.with_certificate(trail.certificate.clone(), self.clock.wall())
        });
        if let Ok(presented) = &presented {
            trail.method = presented.method(&self.registry);
        }
        let claimed = presented.as_ref().map_or("", Presented::client_id);
        if let Some(address) = trail.peer.address {
            self.limits.may_try(address, claimed).map_err(|wait| {
                meter().client_auth(trail.method, AuthVerdict::Limited);
                ParError::TooManyFailures(wait)
            })?;
        }
        let outcome = match &presented {
            Ok(presented) => {
                let began = Stopwatch::start();
                let outcome = authenticate(&self.registry, presented, &self.assertions).await;
                meter().client_auth_duration(trail.method, began.elapsed());
                outcome
            }
            Err(error) => Err(error.clone()),
        };
        // Before the assertion is remembered: who is over the rate takes no more room.
        let rate = outcome.as_ref().ok().map(|known| self.limits.push(&known.client.client_id));
        let outcome = match outcome {
            Ok(known) if !matches!(rate, Some(Err(_))) => self.remembered(known).await,
            outcome => outcome,
        };
        let verdict =
            outcome.as_ref().err().map_or(AuthVerdict::Accepted, AuthenticationError::verdict);
        meter().client_auth(trail.method, verdict);
        let known = match &outcome {
            Ok(authenticated) => Some(&authenticated.client),
            Err(_) => self.registry.find(claimed),
        };
        trail.client_id = known.map(|client| Arc::clone(&client.client_id));
        match (&outcome, trail.peer.address) {
            (Ok(known), Some(address)) => self.limits.succeeded(address, &known.client.client_id),
            (Err(error), Some(address)) if error.code() == ErrorCode::InvalidClient => {
                self.limits.failed(address, claimed);
            }
            _ => {}
        }
        let authenticated = outcome?;
        rate.transpose().map_err(ParError::TooManyPushes)?;
        Ok(authenticated)
    }

    /// The same once its assertion is remembered.
    async fn remembered(&self, known: Authenticated) -> Result<Authenticated, AuthenticationError> {
        if let Some(used) = known.token_use {
            self.assertions.remember(used, &known.client.client_id).await?;
        }
        Ok(known)
    }

    async fn kept(
        &self,
        authenticated: &Authenticated,
        Valid { query, index, lifetime }: Valid,
    ) -> Result<Accepted, ParError> {
        let client = &authenticated.client;
        // One drawing for both: a drawing costs more than the bytes.
        let mut drawn = [[0; 32]; 2];
        self.random.fill(drawn.as_flattened_mut()).map_err(|_| RandomnessError)?;
        let [reference, flow_key] = drawn;
        let reference = Reference::from_bytes(reference);
        let pushed = PushedRequest {
            client_id: Arc::clone(&client.client_id),
            // Written into more room than it takes; kept in what it takes.
            query: query.as_str().into(),
            flow_key,
            index,
        };
        let lifetimes = Lifetimes { redeem: lifetime, login: self.settings.login_lifetime };
        self.store.put(&reference, pushed, lifetimes).await?;
        Ok(Accepted { reference, expires_in: lifetime, next_nonce: None })
    }

    fn refusal(&self, error: &ParError, headers: &HeaderMap) -> Response<Bytes> {
        let answer = answer::refusal(error.code(), error.description());
        match error {
            ParError::Store(_) | ParError::Authentication(AuthenticationError::Store(_)) => {
                answer::with_retry_after(answer, Duration::from_secs(1))
            }
            ParError::Authentication(_) if headers.contains_key(AUTHORIZATION) => {
                if error.code() == ErrorCode::InvalidClient {
                    answer::with_basic_challenge(answer, &self.settings.issuer)
                } else {
                    answer
                }
            }
            ParError::Method => answer::with_allow(answer, self.settings.allowed_methods),
            ParError::TooManyFailures(wait) | ParError::TooManyPushes(wait) => {
                answer::with_retry_after(answer, wait.0)
            }
            ParError::Dpop(DpopError::Nonce(nonce)) => {
                answer::with_dpop_nonce(answer, nonce.clone())
            }
            ParError::Authentication(_)
            | ParError::Insecure
            | ParError::MediaType
            | ParError::Parameters(_)
            | ParError::Query
            | ParError::Dpop(_)
            | ParError::RequestObject(_)
            | ParError::Request(_)
            | ParError::NoAuthorizationEndpoint
            | ParError::Randomness(_) => answer,
        }
    }
}

struct Accepted {
    reference: Reference,
    expires_in: Duration,
    next_nonce: Option<HeaderValue>,
}

/// The `Allow` field of the endpoint: preflights are answered where browsers may push.
#[must_use]
pub const fn allowed_methods(cors_origins: &[HeaderValue]) -> &'static str {
    if cors_origins.is_empty() { "POST" } else { "POST, OPTIONS" }
}

/// RFC 9126 §2: the form encoding is the only one. Parameters of the media type do not matter.
fn media_type_is_form(headers: &HeaderMap) -> Result<(), ParError> {
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let essence = types.next().and_then(|value| value.split(|&byte| byte == b';').next());
    let form = essence.is_some_and(|essence| {
        essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    });
    if form && types.next().is_none() { Ok(()) } else { Err(ParError::MediaType) }
}
