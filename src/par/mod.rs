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
use crate::client::{
    Assertions, Authenticated, AuthenticationError, Client, Limits, Registry, authenticate,
};
use crate::clock::Clock;
use crate::config;
use crate::oauth::error::ErrorCode;
use crate::oauth::parameters::{ParameterError, Parameters, value_in};
use crate::oauth::request_uri::{RandomnessError, Reference};
use crate::store::{IndexKey, Lifetimes, PushedRequest, Store, StoreError};
use crate::telemetry::audit;
use crate::telemetry::metrics::{AuthVerdict, meter};
use crate::upstream::discovery::AuthorizationPath;
use crate::upstream::{Capabilities, Discovery};

pub use error::ParError;
pub use request::{BodyNames, RequestError};
pub use request_object::ObjectError;

use request_object::RequestObjects;
use trail::Trail;

pub use trail::refused_unread;

pub mod error;
pub mod request;
pub mod request_object;
mod trail;

/// What is left free for the authorization endpoint's path while it is not known.
const UNKNOWN_ENDPOINT_BYTES: usize = 256;

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
}

#[derive(Debug)]
struct Settings {
    issuer: String,
    login_lifetime: Duration,
    max_target_bytes: usize,
    body_names: Option<BodyNames>,
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
            request_objects: RequestObjects::new(config),
            settings: Settings {
                issuer: config.server.issuer.as_str().to_owned(),
                login_lifetime: config.authorize.login_lifetime,
                max_target_bytes: config.upstream.max_target_bytes,
                body_names,
                allowed_methods: allowed_methods(&config.par.cors_origins),
            },
        }
    }

    /// Answers one request. Every answer is JSON and must not be stored.
    ///
    /// # Errors
    /// None: a refusal is an answer.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Infallible> {
        let began = self.clock.now();
        let mut trail = Trail::new(&request);
        let outcome = self.push(&request, &mut trail).await;
        let took = self.clock.now().since(began);
        meter().push(outcome.as_ref().err().map(ParError::code), trail.method, took);
        Ok(match outcome {
            Ok(accepted) => {
                let fingerprint = accepted.reference.fingerprint();
                audit::push_accepted(trail.circumstances(Some(&fingerprint)), trail.method);
                answer::created(&accepted.reference.to_request_uri(), accepted.expires_in)
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
        let client = self.authenticated(request.headers(), &form, trail).await?;
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Err(ParError::Query);
        }
        if request.headers().contains_key("dpop") {
            return Err(ParError::Dpop);
        }
        let valid = self.validated(&form, &client).await?;
        self.kept(&client, valid).await
    }

    async fn authenticated(
        &self,
        headers: &HeaderMap,
        form: &Parameters<'_>,
        trail: &mut Trail,
    ) -> Result<Authenticated, ParError> {
        let presented = Presented::read(headers, form);
        if let Ok(presented) = &presented {
            trail.method = presented.method();
        }
        let claimed = presented.as_ref().map_or("", Presented::client_id);
        if let Some(address) = trail.peer.address {
            self.limits.may_try(address, claimed).map_err(|wait| {
                meter().client_auth(trail.method, AuthVerdict::Limited);
                ParError::TooManyFailures(wait)
            })?;
        }
        let outcome = match &presented {
            Ok(presented) => authenticate(&self.registry, presented, &self.assertions).await,
            Err(error) => Err(error.clone()),
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
                self.limits.failed(address);
            }
            _ => {}
        }
        let authenticated = outcome?;
        self.limits.push(&authenticated.client.client_id).map_err(ParError::TooManyPushes)?;
        Ok(authenticated)
    }

    async fn validated(
        &self,
        form: &Parameters<'_>,
        authenticated: &Authenticated,
    ) -> Result<Valid, ParError> {
        let client = &*authenticated.client;
        let Some(object) = request::request_object(form)? else {
            let query = self.judged(|capabilities, room| {
                request::validate(form, client, capabilities, room)
            })??;
            return Ok(Valid { query, lifetime: client.lifetime });
        };
        let objects = self.request_objects.as_ref().ok_or(RequestError::RequestObject)?;
        let now = Duration::from_millis(self.clock.now().as_millis());
        let opened = objects.open(object, client, now).await?;
        let query = self.judged(|capabilities, room| {
            request::validate_signed(&opened.parameters, client, capabilities, room)
        })?;
        let query = query.map_err(|error| {
            if error == RequestError::NoRedirectUri {
                ParError::RequestObject(ObjectError::NoRedirectUri)
            } else {
                ParError::Request(error)
            }
        })?;
        let lifetime = opened.remaining.map_or(client.lifetime, |left| left.min(client.lifetime));
        Ok(Valid { query, lifetime })
    }

    /// What `judge` says with what is known of the upstream.
    fn judged<T>(
        &self,
        judge: impl FnOnce(Option<&Capabilities>, request::Room<'_>) -> T,
    ) -> Result<T, ParError> {
        let snapshot = self.discovery.current();
        let path = self.discovery.authorization_path();
        if path.as_ref().is_some_and(|path| path.as_str().is_empty()) {
            return Err(ParError::NoAuthorizationEndpoint);
        }
        let room = request::Room {
            max_target_bytes: self.settings.max_target_bytes,
            endpoint_bytes: endpoint_bytes(path.as_ref()),
            endpoint_pairs: path.as_ref().map_or(0, |path| request::pairs(path.query())),
            body_names: self.settings.body_names.as_ref(),
        };
        Ok(judge(snapshot.as_deref().map(|snapshot| &snapshot.capabilities), room))
    }

    async fn kept(
        &self,
        authenticated: &Authenticated,
        Valid { query, lifetime }: Valid,
    ) -> Result<Accepted, ParError> {
        let client = &authenticated.client;
        // One drawing for both: a drawing costs more than the bytes.
        let mut drawn = [[0; 32]; 2];
        self.random.fill(drawn.as_flattened_mut()).map_err(|_| RandomnessError)?;
        let [reference, flow_key] = drawn;
        let reference = Reference::from_bytes(reference);
        let index = self.index_key(client, &query);
        let pushed = PushedRequest {
            client_id: Arc::clone(&client.client_id),
            query: query.into_boxed_str(),
            flow_key,
            index,
        };
        let lifetimes = Lifetimes { redeem: lifetime, login: self.settings.login_lifetime };
        self.store.put(&reference, pushed, lifetimes).await?;
        Ok(Accepted { reference, expires_in: lifetime })
    }

    /// What finds the request when its answer comes without the browser's cookie.
    fn index_key(&self, client: &Client, query: &str) -> Option<IndexKey> {
        let state = value_in(query, "state")?;
        let pushed = value_in(query, "redirect_uri");
        let redirect_uri = client.redirect_uri_of(pushed.as_deref())?;
        Some(IndexKey::new(&self.settings.issuer, &client.client_id, &state, redirect_uri))
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
            ParError::Authentication(_)
            | ParError::Insecure
            | ParError::MediaType
            | ParError::Parameters(_)
            | ParError::Query
            | ParError::Dpop
            | ParError::RequestObject(_)
            | ParError::Request(_)
            | ParError::NoAuthorizationEndpoint
            | ParError::Randomness(_) => answer,
        }
    }
}

/// What the authorization endpoint's own path and query take of a target.
fn endpoint_bytes(path: Option<&AuthorizationPath>) -> usize {
    path.map_or(UNKNOWN_ENDPOINT_BYTES, |path| match path.query().len() {
        0 => path.as_str().len(),
        query => path.as_str().len() + 1 + query,
    })
}

/// A request that holds, as it travels, and how long its `request_uri` may be redeemed.
struct Valid {
    query: String,
    lifetime: Duration,
}

struct Accepted {
    reference: Reference,
    expires_in: Duration,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Snapshot;

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
