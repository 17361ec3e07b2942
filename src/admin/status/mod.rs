//! `/status`: what a person on duty wants to see, as a page without script and as JSON.

mod facts;
mod page;
mod plot;
mod time;
mod view;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

pub use facts::{CertificateFacts, Facts, StoreFacts, TrackedFacts, UpstreamFacts};
use view::View;

use crate::clock::Clock;
use crate::telemetry::Metrics;
use crate::telemetry::history::History;
use crate::telemetry::recent::Recent;

/// Where the page takes what it shows.
pub struct Status {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The last hour.
    pub history: Arc<History>,
    /// The last outcomes.
    pub recent: &'static Recent,
    /// What the gateway knows of its parts, asked at every visit.
    pub facts: Box<dyn Fn() -> Facts + Send + Sync>,
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status").finish_non_exhaustive()
    }
}

/// Whether the page loads itself again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    Itself,
    Paused,
}

impl Status {
    /// The page.
    pub(super) fn page(
        &self,
        checks: &[(&'static str, bool)],
        metrics: &Metrics,
        refresh: Refresh,
    ) -> Response<Bytes> {
        page::answer(&self.view(checks, metrics), refresh)
    }

    /// The same for programs.
    pub(super) fn json(
        &self,
        checks: &[(&'static str, bool)],
        metrics: &Metrics,
    ) -> Response<Bytes> {
        let view = self.view(checks, metrics);
        let body = serde_json::to_vec(&view).unwrap_or_default();
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::OK;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    fn view(&self, checks: &[(&'static str, bool)], metrics: &Metrics) -> View {
        self.history.sample(metrics);
        let happened = (self.history.hour(), self.recent.outcomes());
        View::new(&*self.clock, checks, (self.facts)(), happened)
    }
}
