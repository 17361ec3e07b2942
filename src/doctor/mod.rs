//! `parapet doctor`: looks at everything that the gateway stands on and stands before, says what it
//! found, and which lines of gateway.toml would put it right.
//!
//! The questions are harmless: a client that does not exist, a random state, nobody's credentials. One
//! is asked at a time, and each in bounded time, and all together too.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use tokio::time::timeout;

use crate::clock::{Clock, Timestamp};
use crate::config::Loaded;

pub use report::{Colour, Finding, Report, Verdict};

use connection::Contact;
use documents::Documents;
use prober::Prober;

mod aliases;
mod answer;
mod around;
mod authorize;
mod certificate;
mod connection;
mod documents;
mod files;
mod preset;
mod prober;
mod redirects;
mod report;
mod store;
mod target;
mod token;

/// What is looked at.
#[derive(Debug)]
pub struct Patient<'a> {
    /// Where the configuration is.
    pub path: &'a Path,
    /// The configuration itself.
    pub loaded: Loaded,
    /// An address at which people might reach the upstream.
    pub public_upstream: Option<String>,
    /// A client that the upstream knows, to see what it does for one.
    pub client_id: Option<String>,
}

/// Longest time for all of it.
const WHOLE: Duration = Duration::from_secs(55);

/// Longest time for one kind of question.
const STEP: Duration = Duration::from_secs(20);

/// Looks at all there is.
pub async fn examine(
    patient: &Patient<'_>,
    clock: &dyn Clock,
    random: &dyn SecureRandom,
) -> Report {
    let mut round = Round { report: Report::default(), clock, begun: clock.now() };
    match Prober::new(patient, random) {
        Ok(prober) => {
            round.upstream(&prober, patient.public_upstream.as_deref()).await;
            let config = prober.config;
            let store = store::look(config, clock, &prober.mark);
            let store = round.within("store", store).await;
            round.add(store.unwrap_or_default());
        }
        Err(error) => round.add([Finding::problem("upstream.tls", error.to_string())]),
    }
    let now = clock.wall().as_secs();
    round.add(certificate::look(&patient.loaded.config, now));
    round.add(files::look(patient));
    round.report
}

/// One examination under way.
struct Round<'a> {
    report: Report,
    clock: &'a dyn Clock,
    begun: Timestamp,
}

impl Round<'_> {
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.report.findings.extend(findings);
    }

    /// What comes of a step, or a finding that says that it took too long.
    async fn within<T>(&mut self, check: &'static str, step: impl Future<Output = T>) -> Option<T> {
        let left = WHOLE.saturating_sub(self.clock.now().since(self.begun));
        let limit = left.min(STEP);
        let done = timeout(limit, step).await.ok();
        if done.is_none() {
            let says = format!("gave up after {} s", limit.as_secs());
            self.add([Finding::warning(check, says).advice("the server is slow to answer")]);
        }
        done
    }

    async fn upstream(&mut self, prober: &Prober<'_>, public: Option<&str>) {
        let contact = self.within("upstream.reachable", connection::look(prober, self.clock)).await;
        let (contact, findings) = contact.unwrap_or((Contact::None, Vec::new()));
        self.add(findings);
        if contact == Contact::None {
            let says = "not looked at, as the upstream cannot be reached";
            self.add([Finding::skipped("upstream", says)]);
            return;
        }
        let documents = self.within("metadata", documents::look(prober)).await;
        let (documents, findings) = documents.unwrap_or_default();
        self.add(findings);
        self.endpoints(prober, &documents, public).await;
    }

    async fn endpoints(
        &mut self,
        prober: &Prober<'_>,
        documents: &Documents,
        public: Option<&str>,
    ) {
        let endpoint = self.within("authorize", authorize::look(prober, documents)).await;
        let (endpoint, findings) = endpoint.unwrap_or_default();
        self.add(findings);
        let mut seen = None;
        if let Some(endpoint) = &endpoint {
            let longest = self.within("authorize.target", target::look(prober, endpoint)).await;
            self.add(longest);
            let (carrier, findings) = redirects::look(prober, endpoint);
            self.add(findings);
            seen = Some((endpoint, carrier));
            let aliases = self.within("authorize.aliases", aliases::look(prober, endpoint)).await;
            self.add(aliases.unwrap_or_default());
            let around = self.within("around", around::look(prober, endpoint, public)).await;
            self.add(around.unwrap_or_default());
        }
        let token = self.within("token.errors", token::look(prober, documents)).await;
        self.add(token);
        let seen = seen.as_ref().map(|(endpoint, carrier)| (*endpoint, carrier));
        self.add([preset::look(prober, documents, seen)]);
    }
}
