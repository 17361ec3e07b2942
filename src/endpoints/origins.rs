//! Browsers that push: the configured origins, and what they may send and read (CORS).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CONTENT_TYPE,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::ParService;
use super::interaction_id::X_FAPI_INTERACTION_ID;
use crate::config;

/// `plain`, also for the configured origins. The layer answers any `OPTIONS` and marks every answer,
/// so only those meet it.
pub(super) fn with_origins(par: &config::Par, plain: ParService) -> ParService {
    if par.cors_origins.is_empty() {
        return plain;
    }
    let origins: Arc<[HeaderValue]> = par.cors_origins.as_slice().into();
    let marked = ParService::new(ServiceBuilder::new().layer(layer(par)).service(plain.clone()));
    ParService::new(service_fn(move |request: Request<Bytes>| {
        let known = request.headers().get(ORIGIN).is_some_and(|origin| origins.contains(origin));
        if known { marked.clone().oneshot(request) } else { plain.clone().oneshot(request) }
    }))
}

/// Lets a page of these origins read an answer that did not come from the service.
pub(super) fn mark(origins: &[HeaderValue], answer: &mut Response<Bytes>, request: &HeaderMap) {
    let Some(origin) = request.get(ORIGIN).filter(|origin| origins.contains(origin)) else {
        return;
    };
    let has_id = answer.headers().contains_key(X_FAPI_INTERACTION_ID);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(VARY, HeaderValue::from_static("origin"));
    if has_id {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, X_FAPI_INTERACTION_ID.into());
    }
}

/// Preflights and headers.
fn layer(par: &config::Par) -> CorsLayer {
    let id = par.interaction_id.then_some(X_FAPI_INTERACTION_ID);
    let sent = [AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("dpop")];
    let read = [HeaderName::from_static("dpop-nonce")];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(par.cors_origins.iter().cloned()))
        .allow_methods([Method::POST])
        .allow_headers(sent.into_iter().chain(id.clone()).collect::<Vec<_>>())
        .expose_headers(read.into_iter().chain(id).collect::<Vec<_>>())
        .max_age(Duration::from_secs(3600))
}
