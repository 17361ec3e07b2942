//! What the gateway answers itself: the endpoints as one configuration makes them, dressed in
//! tower layers. One value of this is one configuration from first byte to last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use crate::client::dpop::Nonces;
use crate::client::{Limits, Peer, Registry};
use crate::clock::Clock;
use crate::config::Config;
use crate::oauth::error::ErrorCode;
use crate::oauth::target::Traits;
use crate::store::Store;
use crate::upstream::Discovery;
use crate::upstream::key_set::KeyFetcher;
use crate::{answer, authorize, metadata, par};

use interaction_id::InteractionIds;

mod interaction_id;
mod origins;

/// Most pushes that are worked on at once; a further one is told to come again.
const MOST_PUSHES: usize = 4096;

/// The pushed authorization request endpoint as a service.
pub type ParService = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, Infallible>;

/// All endpoints.
#[derive(Debug)]
pub struct Endpoints {
    par: ParService,
    par_path: String,
    origins: Arc<[HeaderValue]>,
    interaction_ids: Option<InteractionIds>,
    authorize: Arc<authorize::Endpoint>,
    metadata: metadata::Endpoint,
    guard: Option<authorize::Guard>,
    registry: Arc<Registry>,
    discovery: Arc<Discovery>,
    fetcher: Arc<KeyFetcher>,
    nonces: Arc<Nonces>,
}

/// What the endpoints share with the rest of the gateway, and what outlives them.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Where requests wait.
    pub store: Arc<dyn Store>,
    /// The upstream's documents.
    pub discovery: Arc<Discovery>,
    /// Budgets.
    pub limits: Arc<Limits>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Who takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The pushed authorization request endpoint (RFC 9126 §2).
    Par,
    /// A metadata document (RFC 8414 §3), or the published keys where ours are among them.
    Metadata,
    /// The authorization endpoint (RFC 6749 §3.1), or what could be it while it is not known.
    Authorize,
    /// Everything else.
    PassThrough,
}

impl Endpoints {
    /// The endpoints of `config`.
    #[must_use]
    pub fn new(config: &Config, shared: &Shared) -> Self {
        let fetcher = Arc::new(KeyFetcher::new(&config.client_keys, Arc::clone(&shared.clock)));
        let registry = Arc::new(Registry::new(&config.clients, &config.par, &fetcher));
        Self::of(config, shared, (registry, fetcher, Arc::default()))
    }

    /// Those of another configuration in the place of `self`, with the clients' keys that were
    /// fetched, where they still come from the same address, and the nonces that were handed out.
    #[must_use]
    pub fn succeeded_by(&self, config: &Config, shared: &Shared) -> Self {
        let fetcher = KeyFetcher::succeeded_by(&self.fetcher, &config.client_keys);
        let registry = self.registry.succeeded_by(&config.clients, &config.par, &fetcher);
        Self::of(config, shared, (Arc::new(registry), fetcher, Arc::clone(&self.nonces)))
    }

    fn of(
        config: &Config,
        shared: &Shared,
        (registry, fetcher, nonces): (Arc<Registry>, Arc<KeyFetcher>, Arc<Nonces>),
    ) -> Self {
        shared.store.expect_clients(config.clients.len());
        let random: Arc<dyn SecureRandom + Send + Sync> = Arc::new(SystemRandom::new());
        let par = par::Endpoint::new(
            config,
            par::Collaborators {
                registry: Arc::clone(&registry),
                limits: Arc::clone(&shared.limits),
                store: Arc::clone(&shared.store),
                discovery: Arc::clone(&shared.discovery),
                random: Arc::clone(&random),
                clock: Arc::clone(&shared.clock),
                nonces: Arc::clone(&nonces),
            },
        );
        let interaction_ids =
            config.par.interaction_id.then(|| InteractionIds::new(Arc::clone(&random)));
        let authorize = authorize::Endpoint::new(
            config,
            authorize::Collaborators {
                registry: Arc::clone(&registry),
                store: Arc::clone(&shared.store),
                discovery: Arc::clone(&shared.discovery),
                random,
            },
        );
        let pkce = if config.par.require_pkce || registry.any_needs_pkce() {
            metadata::merge::Pkce::Enforced
        } else {
            metadata::merge::Pkce::AsUpstream
        };
        let additions = metadata::Additions::new(config, pkce);
        Self {
            par: par_service(config, par, interaction_ids.clone()),
            par_path: config.par.path.clone(),
            origins: config.par.cors_origins.as_slice().into(),
            interaction_ids,
            authorize: Arc::new(authorize),
            metadata: metadata::Endpoint::new(config, Arc::clone(&shared.discovery), additions),
            guard: authorize::Guard::new(
                config,
                Arc::clone(&registry),
                Arc::clone(&shared.discovery),
            ),
            registry,
            discovery: Arc::clone(&shared.discovery),
            fetcher,
            nonces,
        }
    }

    /// The upstream's documents.
    #[must_use]
    pub fn discovery(&self) -> &Arc<Discovery> {
        &self.discovery
    }

    /// Looks whether files with clients' keys have changed. To be called now and then, off the
    /// requests' threads.
    pub fn reload_keys(&self) {
        self.registry.reload_keys();
    }

    /// Who takes a request with this path, as it stands in the target.
    #[must_use]
    pub fn route(&self, path: &str) -> Route {
        if path == self.par_path {
            Route::Par
        } else if self.metadata.serves(path) {
            Route::Metadata
        } else if self.discovery.could_be_authorization_path(path) {
            Route::Authorize
        } else {
            Route::PassThrough
        }
    }

    /// The same, from a whole head. While the authorization endpoint is not known, a request whose
    /// query is no call, and whose body is none that can be read ahead for sure, passes through.
    #[must_use]
    pub fn route_of(&self, head: &Parts) -> Route {
        let route = self.route(head.uri.path());
        if route != Route::Authorize || self.discovery.authorization_path().is_some() {
            return route;
        }
        let is_call = Traits::of(head.uri.query().unwrap_or_default()).is_authorization_request();
        let has_length = head.headers.contains_key(CONTENT_LENGTH);
        if is_call || (head.method == Method::POST && has_length) {
            Route::Authorize
        } else {
            Route::PassThrough
        }
    }

    /// Whether `path` is known to be that of the authorization endpoint.
    #[must_use]
    pub fn is_authorization_endpoint(&self, path: &str) -> bool {
        self.discovery.authorization_path().is_some() && self.route(path) == Route::Authorize
    }

    /// Answers a push; [`Peer`] is in the request's extensions.
    pub async fn push(&self, request: Request<Bytes>) -> Response<Bytes> {
        let Ok(response) = self.par.clone().oneshot(request).await;
        response
    }

    /// Answers a push that cannot be read, logged and counted like one that was: JSON like every
    /// answer there, and readable for the configured origins.
    #[must_use]
    pub fn unreadable_push(
        &self,
        code: ErrorCode,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> Response<Bytes> {
        par::refused_unread(code, peer);
        let description = if code == ErrorCode::PayloadTooLarge {
            "the body is too large"
        } else if code == ErrorCode::MethodNotAllowed {
            "the method must be POST"
        } else if code.status().is_server_error() {
            "the request could not be handled"
        } else {
            "the request cannot be read"
        };
        let mut answer = answer::refusal(code, description);
        if code == ErrorCode::MethodNotAllowed {
            answer = answer::with_allow(answer, par::allowed_methods(&self.origins));
        }
        if let Some(ids) = &self.interaction_ids {
            ids.mark(&mut answer, headers);
        }
        origins::mark(&self.origins, &mut answer, headers);
        answer
    }

    /// Answers a call for metadata.
    pub async fn metadata(&self, method: &Method, path: &str) -> Response<Bytes> {
        self.metadata.answer(method, path).await
    }

    /// Decides on a call of the authorization endpoint. While it is not known which path that is,
    /// anything that looks like such a call waits for the upstream's documents.
    pub async fn authorize(&self, visit: authorize::Visit<'_>) -> authorize::Decision {
        let path = visit.path;
        if self.discovery.authorization_path().is_none() {
            if !looks_like_a_call(&visit) {
                return authorize::Decision::Pass;
            }
            if Box::pin(self.discovery.available()).await.is_err() {
                let unknown = authorize::AuthorizeError::UpstreamUnknown;
                let page = authorize::page(unknown, visit.headers, visit.peer);
                return authorize::Decision::Answer(page);
            }
        }
        if self.discovery.could_be_authorization_path(path) {
            return self.authorize.decide(visit).await;
        }
        let resumed = self.authorize.decide_elsewhere(visit).await;
        if !matches!(resumed, authorize::Decision::Pass) {
            return resumed;
        }
        match self.refusal(path, visit.query) {
            Some(refusal) => {
                let page = authorize::page(refusal, visit.headers, visit.peer);
                authorize::Decision::Answer(page)
            }
            None => authorize::Decision::Pass,
        }
    }

    /// Why a request that would pass through must not.
    #[must_use]
    pub fn refusal(&self, path: &str, query: Option<&str>) -> Option<authorize::AuthorizeError> {
        if self.guard.as_ref().is_some_and(|guard| guard.refuses(path, query)) {
            return Some(authorize::AuthorizeError::PushRequired);
        }
        self.authorize.would_leak(path, query).then_some(authorize::AuthorizeError::NotIssued)
    }

    /// Ends the flow that ends with this answer of the upstream, or hides the request in it.
    pub async fn depart(&self, departure: authorize::Departure<'_>) -> authorize::Onward {
        self.authorize.depart(departure).await
    }

    /// Whether pages that answer a call inside a flow are masked.
    #[must_use]
    pub fn masks(&self) -> bool {
        self.authorize.masks()
    }

    /// The mask for a page with these header fields, in answer to a call of `flow` at `path`.
    #[must_use]
    pub fn mask(
        &self,
        flow: &authorize::Flow,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<authorize::Mask> {
        self.authorize.mask(flow, path, headers)
    }

    /// The authorization endpoint.
    #[must_use]
    pub fn authorization(&self) -> &Arc<authorize::Endpoint> {
        &self.authorize
    }

    /// Whether `path` is an endpoint of the metadata whose answers are none to a browser's login.
    #[must_use]
    pub fn is_other_endpoint(&self, path: &str) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.is_other_endpoint(path))
    }

    /// Looks at a page where it may be the answer to a pushed request.
    #[must_use]
    pub fn form_post(&self, page: authorize::PageHead<'_>) -> Option<authorize::FormPost> {
        self.authorize.form_post(page)
    }

    /// Takes back the start of a flow whose answer reached nobody.
    pub async fn undo(&self, flow: &authorize::Flow) {
        self.authorize.undo(flow).await;
    }

    /// The guard over what passes through, where one is needed.
    #[must_use]
    pub fn guard(&self) -> Option<&authorize::Guard> {
        self.guard.as_ref()
    }
}

fn looks_like_a_call(visit: &authorize::Visit<'_>) -> bool {
    let form = String::from_utf8_lossy(visit.body.form());
    let texts = [Traits::of(visit.query.unwrap_or_default()), Traits::of(&form)];
    texts.iter().any(Traits::is_authorization_request)
}

fn par_service(
    config: &Config,
    endpoint: par::Endpoint,
    interaction_ids: Option<InteractionIds>,
) -> ParService {
    if !config.par.enabled {
        let off = |_| async { Ok(answer::refusal(ErrorCode::NotFound, "there is nothing here")) };
        return BoxCloneSyncService::new(service_fn(off));
    }
    let endpoint = Arc::new(endpoint);
    let push = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        // It is large, so it stays in one place, and the layers around it move a pointer.
        unharmed(Box::pin(async move { endpoint.handle(request).await }))
    });
    let bounded = ServiceBuilder::new().load_shed().concurrency_limit(MOST_PUSHES).service(push);
    let answering = service_fn(move |request| {
        let push = bounded.clone().oneshot(request);
        async move { Ok::<_, Infallible>(push.await.unwrap_or_else(|_| overloaded())) }
    });
    let service = origins::with_origins(&config.par, ParService::new(answering));
    match interaction_ids {
        Some(ids) => ids.around(service),
        None => service,
    }
}

/// A panic is a defect of ours; whoever pushed gets an answer all the same.
async fn unharmed<P>(mut push: Pin<Box<P>>) -> Result<Response<Bytes>, Infallible>
where
    P: Future<Output = Result<Response<Bytes>, Infallible>>,
{
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| push.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            let code = ErrorCode::ServerError;
            Poll::Ready(Ok(answer::refusal(code, "the request could not be handled")))
        })
    })
    .await
}

fn overloaded() -> Response<Bytes> {
    let refusal = answer::refusal(
        ErrorCode::TemporarilyUnavailable,
        "too many requests are pushed at the moment",
    );
    answer::with_retry_after(refusal, Duration::from_secs(1))
}
