//! What the logs and metrics say of a push, gathered on the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::ParError;
use crate::client::certificate::Shown;
use crate::client::{AuthenticationError, Peer};
use crate::oauth::error::ErrorCode;
use crate::oauth::request_uri::Reference;
use crate::telemetry::audit::{self, Circumstances};
use crate::telemetry::metrics::{AuthMethod, PushForm, RateScope, StoreOperation, meter};

/// What is known of a push so far.
pub(super) struct Trail {
    pub(super) peer: Peer,
    pub(super) insecure: bool,
    pub(super) certificate: Shown,
    pub(super) method: AuthMethod,
    pub(super) form: PushForm,
    pub(super) client_id: Option<Arc<str>>,
}

impl Trail {
    pub(super) fn new(request: &Request<Bytes>) -> Self {
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(|| Peer {
            address: None,
            insecure: false,
            request_id: "".into(),
        });
        Self {
            insecure: peer.insecure,
            peer,
            certificate: request.extensions().get::<Shown>().cloned().unwrap_or_default(),
            method: AuthMethod::Unknown,
            form: PushForm::Plain,
            client_id: None,
        }
    }

    pub(super) fn circumstances<'a>(
        &'a self,
        reference: Option<&'a Reference>,
    ) -> Circumstances<'a> {
        Circumstances {
            client_id: self.client_id.as_deref(),
            request_id: &self.peer.request_id,
            reference,
            client_address: self.peer.address,
        }
    }

    pub(super) fn refused(&self, error: &ParError) {
        match error {
            ParError::Authentication(AuthenticationError::Store(error)) => {
                meter().store_error(StoreOperation::FirstUse, error.cause());
            }
            ParError::Authentication(error) => {
                let at = self.circumstances(None);
                audit::client_authentication_failed(at, self.method, error.reason());
            }
            ParError::TooManyFailures(_) => meter().rate_limited(RateScope::Address),
            ParError::TooManyPushes(_) => meter().rate_limited(RateScope::Client),
            ParError::Store(error) => meter().store_error(StoreOperation::Put, error.cause()),
            ParError::Method
            | ParError::Insecure
            | ParError::MediaType
            | ParError::Parameters(_)
            | ParError::Query
            | ParError::Dpop(_)
            | ParError::RequestObject(_)
            | ParError::Request(_)
            | ParError::NoAuthorizationEndpoint
            | ParError::Randomness(_) => {}
        }
        let at = self.circumstances(None);
        audit::push_refused(at, self.method, error.code(), error.reason());
    }
}

/// Logs and counts a push that was refused before it could be read.
pub fn refused_unread(code: ErrorCode, peer: &Peer) {
    meter().push(Some(code), AuthMethod::Unknown, PushForm::Plain, Duration::ZERO);
    let at = Circumstances {
        client_id: None,
        request_id: &peer.request_id,
        reference: None,
        client_address: peer.address,
    };
    audit::push_refused(at, AuthMethod::Unknown, code, "unreadable");
}
