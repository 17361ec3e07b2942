//! What one request carries from phase to phase.

use std::cell::RefCell;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::application::{BodyScan, Forward, Inspection, PageWatch, Peer, RequestId, Route};
use super::failure::Failure;
use super::headers::X_REQUEST_ID;
use super::phase::Decided;
use crate::clock::Timestamp;
use crate::telemetry::trace::Trace;

/// The state of one exchange.
pub(super) struct Context {
    pub(super) started: Timestamp,
    pub(super) request_id: RequestId,
    pub(super) peer: Peer,
    pub(super) route: Route,
    /// Its place in a trace.
    pub(super) trace: Trace,
    /// What goes upstream in the request's place.
    pub(super) forward: Option<Forward>,
    /// Whether the body was read ahead and is replayed.
    pub(super) replayed: bool,
    /// What was read ahead.
    pub(super) body: Option<Bytes>,
    /// Whether the application has seen the body that was read ahead.
    pub(super) judged: bool,
    pub(super) scan: Option<Box<dyn BodyScan>>,
    /// The answer that `fail_to_proxy` writes in place of an error page.
    pub(super) answer: Option<Response<Bytes>>,
    /// Addresses of the upstream that refused this request a connection.
    pub(super) refused: usize,
    pub(super) upstream_asked: Option<Timestamp>,
    pub(super) upstream_answered: Option<Timestamp>,
    pub(super) upstream_status: Option<StatusCode>,
    pub(super) failure: Option<Failure>,
    /// Whether the upstream's body is left out.
    pub(super) concealed: bool,
    /// Why the answer is looked at.
    pub(super) inspection: Inspection,
    /// Watch over a page that streams.
    pub(super) watch: Option<Box<dyn PageWatch>>,
    /// Set once the answer no longer depends on the store.
    pub(super) decided: Option<Decided>,
}

impl Context {
    pub(super) fn new(started: Timestamp) -> Self {
        Self {
            started,
            request_id: RequestId(HeaderValue::from_static("-")),
            peer: Peer { address: None, trusted: false, secure: false },
            route: Route::PassThrough,
            trace: Trace::default(),
            forward: None,
            replayed: false,
            body: None,
            judged: false,
            scan: None,
            answer: None,
            refused: 0,
            upstream_asked: None,
            upstream_answered: None,
            upstream_status: None,
            failure: None,
            concealed: false,
            inspection: Inspection::None,
            watch: None,
            decided: None,
        }
    }

    /// Whether the request that goes upstream may be sent twice: by the method that the upstream
    /// sees.
    pub(super) fn is_repeatable(&self, method: &http::Method) -> bool {
        self.forward.as_ref().map_or(method, |forward| &forward.method).is_idempotent()
    }
}

/// The id that a trusted peer gave, else a new one of 128 random bits.
pub(super) fn request_id(peer: &Peer, headers: &HeaderMap) -> RequestId {
    let given = headers.get(X_REQUEST_ID).filter(|id| peer.trusted && is_sane(id.as_bytes()));
    RequestId(given.cloned().unwrap_or_else(minted))
}

fn is_sane(id: &[u8]) -> bool {
    (8..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(byte))
}

fn minted() -> HeaderValue {
    let mut text = [0; 22];
    // Sixteen bytes always make twenty-two characters.
    let _ = URL_SAFE_NO_PAD.encode_slice(drawn(), &mut text);
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// A drawing of the generator costs the same for many bytes as for few, so each thread draws for
/// several requests at once.
fn drawn() -> [u8; 16] {
    thread_local! {
        static STOCK: RefCell<([[u8; 16]; 32], usize)> = const { RefCell::new(([[0; 16]; 32], 0)) };
    }
    STOCK.with_borrow_mut(|(ids, left)| {
        if *left == 0 {
            // Without entropy ids repeat, which hurts nobody: they are no secrets.
            let _ = rand::fill(ids.as_flattened_mut());
            *left = ids.len();
        }
        *left -= 1;
        ids.get(*left).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_comes_from_trusted_peers_only_and_only_if_sane() {
        let mut peer = Context::new(Timestamp::from_millis(0)).peer;
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("given-by-edge-1"));
        let minted = request_id(&peer, &headers);
        assert_eq!(minted.as_str().len(), 22);
        assert_ne!(minted.as_str(), request_id(&peer, &headers).as_str());
        peer.trusted = true;
        assert_eq!(request_id(&peer, &headers).as_str(), "given-by-edge-1");
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("with blank \"quote\""));
        assert_eq!(request_id(&peer, &headers).as_str().len(), 22);
    }
}
