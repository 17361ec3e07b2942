//! The upstream's metadata documents (RFC 8414, `OpenID` Connect Discovery): found, kept fresh, and
//! read for what the other rooms need to know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, watch};

use super::key_document::{KeyDocument, KeyDocuments};
use super::last_fetch::LastFetch;
use super::{AuthorizationPath, Capabilities, FetchError, HttpClient, places};
use crate::config;

/// A metadata document: a JSON object.
pub type Document = Map<String, Value>;

/// How long a document is believed.
const FRESH: Duration = Duration::from_secs(60);

/// How long until the next try while the upstream has never answered.
const RETRY: Duration = Duration::from_secs(2);

/// The documents of one upstream.
#[derive(Debug)]
pub struct Discovery {
    client: HttpClient,
    places: Vec<String>,
    own_place: Option<String>,
    public_origin: String,
    internal_origin: String,
    authorization_path: Option<String>,
    current: ArcSwapOption<Snapshot>,
    fetching: Mutex<()>,
    failures: AtomicU64,
    issuer: String,
    other_issuer_told: AtomicBool,
    last_fetch: LastFetch,
    keys: KeyDocuments,
}

/// The documents as they were at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// By public path, those that the upstream serves there.
    pub documents: BTreeMap<String, Document>,
    /// The document for the paths where the upstream has none.
    pub primary: Document,
    /// What the documents say that the gateway acts on.
    pub capabilities: Capabilities,
}

impl Discovery {
    /// Nothing is fetched yet.
    #[must_use]
    pub fn new(client: HttpClient, config: &config::Config) -> Self {
        Self {
            client,
            places: places(config.server.issuer.path()),
            own_place: config.upstream.discovery_path.clone(),
            public_origin: config.server.issuer.origin().to_owned(),
            internal_origin: config.upstream.url.origin(),
            authorization_path: config.upstream.authorization_path.clone(),
            current: ArcSwapOption::empty(),
            fetching: Mutex::new(()),
            failures: AtomicU64::new(0),
            issuer: config.server.issuer.as_str().to_owned(),
            other_issuer_told: AtomicBool::new(false),
            last_fetch: LastFetch::default(),
            keys: KeyDocuments::new(config.published_keys()),
        }
    }

    /// The same for another configuration. What is known of the upstream is taken over where it is the
    /// same upstream, whose documents lie in the same places.
    #[must_use]
    pub fn succeeded_by(&self, client: HttpClient, config: &config::Config) -> Self {
        let new = Self::new(client, config);
        let of = |one: &Self| {
            let (places, own) = (one.places.clone(), one.own_place.clone());
            (one.internal_origin.clone(), places, own, one.authorization_path.clone())
        };
        if of(self) == of(&new) {
            new.current.store(self.current());
            new.keys.take_over(&self.keys);
            let told = self.other_issuer_told.load(Ordering::Relaxed);
            new.other_issuer_told.store(told, Ordering::Relaxed);
            new.last_fetch.take_over(&self.last_fetch);
        }
        new
    }

    /// The public paths under which metadata is served.
    #[must_use]
    pub fn places(&self) -> &[String] {
        &self.places
    }

    /// The last good documents.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    /// The last good documents, fetched now if there are none yet. Callers that come together
    /// share one fetch and its failure, so that none waits for more than one of them.
    ///
    /// # Errors
    /// [`FetchError`] of the fetch.
    pub async fn available(&self) -> Result<Arc<Snapshot>, FetchError> {
        if let Some(snapshot) = self.current() {
            return Ok(snapshot);
        }
        let failures = self.failures.load(Ordering::Relaxed);
        let _one_at_a_time = self.fetching.lock().await;
        if let Some(snapshot) = self.current() {
            return Ok(snapshot);
        }
        if self.failures.load(Ordering::Relaxed) != failures {
            return Err(FetchError::JustFailed);
        }
        self.refresh().await
    }

    /// Whether the documents could be fetched at the last try; `None` before the first.
    #[must_use]
    pub fn last_fetch_succeeded(&self) -> Option<bool> {
        self.last_fetch.succeeded()
    }

    /// The path of the authorization endpoint, once it is known.
    #[must_use]
    pub fn authorization_path(&self) -> Option<AuthorizationPath> {
        match &self.authorization_path {
            Some(path) => Some(AuthorizationPath::Configured(path.clone())),
            None => self.current().map(AuthorizationPath::Discovered),
        }
    }

    /// Whether `path` is that of the authorization endpoint, or could be, while it is not known.
    #[must_use]
    pub fn could_be_authorization_path(&self, path: &str) -> bool {
        match &self.authorization_path {
            Some(known) => path == known,
            None => match &*self.current.load() {
                Some(snapshot) => path == snapshot.capabilities.authorization_path,
                None => true,
            },
        }
    }

    /// The upstream's keys at `target`, as it answers them now, or did when it last could.
    ///
    /// # Errors
    /// [`FetchError`] where it never could.
    pub async fn key_document(&self, target: &str) -> Result<Arc<KeyDocument>, FetchError> {
        self.keys.fetch(&self.client, target).await
    }

    /// Whether no key of the upstream has the name of one that the gateway publishes.
    #[must_use]
    pub fn key_names_differ(&self) -> bool {
        !self.keys.clash()
    }

    /// Fetches now and then until `stop` changes. To be run in the background.
    pub async fn keep_fresh(&self, mut stop: watch::Receiver<bool>) {
        let mut reachable = self.current.load().as_ref().map(|_| true);
        loop {
            let result = self.refresh().await;
            if reachable != Some(result.is_ok()) {
                reachable = Some(result.is_ok());
                match &result {
                    Ok(_) => tracing::info!("metadata of the upstream fetched"),
                    Err(error) => tracing::warn!(%error, "metadata of the upstream not available"),
                }
            }
            if let Ok(snapshot) = &result {
                self.keys.look(&self.client, &snapshot.capabilities.keys).await;
            }
            let pause = if result.is_ok() { FRESH } else { RETRY };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn refresh(&self) -> Result<Arc<Snapshot>, FetchError> {
        let fetched = self.fetch().await;
        self.last_fetch.note(&fetched);
        if fetched.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        let snapshot = Arc::new(fetched?);
        self.judge(&snapshot);
        self.current.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// Says once where the upstream goes by another name: its tokens do then too, and clients
    /// refuse them (`OpenID` Connect Core §3.1.3.7).
    fn judge(&self, snapshot: &Snapshot) {
        let issuer = snapshot.primary.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if issuer != self.issuer && !self.other_issuer_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                upstream = issuer,
                gateway = self.issuer,
                "the upstream names another issuer than [server] issuer: clients will refuse its \
                 tokens and answers"
            );
        }
    }

    async fn fetch(&self) -> Result<Snapshot, FetchError> {
        let mut documents = BTreeMap::new();
        let mut failure = FetchError::Status(StatusCode::NOT_FOUND);
        let mut broken = Vec::new();
        for place in &self.places {
            match self.document(place).await {
                Ok(document) => drop(documents.insert(place.clone(), document)),
                Err(error @ (FetchError::Unreachable(_) | FetchError::Timeout)) => {
                    return Err(error);
                }
                Err(error) => {
                    if !error.is_absence() {
                        broken.push(place);
                    }
                    failure = error;
                }
            }
        }
        if !documents.is_empty() {
            documents.extend(self.kept(&broken));
        }
        let primary = if let Some(place) = &self.own_place {
            self.document(place).await?
        } else {
            let first = self.places.iter().find_map(|place| documents.get(place));
            first.cloned().ok_or(failure)?
        };
        let origins = [self.public_origin.as_str(), self.internal_origin.as_str()];
        let configured = self.authorization_path.as_deref();
        let capabilities = Capabilities::of(&primary, origins, configured);
        Ok(Snapshot { documents, primary, capabilities })
    }

    /// The last good documents of places that fail at the moment, where others do not.
    fn kept(&self, broken: &[&String]) -> Vec<(String, Document)> {
        let Some(last) = self.current() else {
            return Vec::new();
        };
        let kept = |place: &&String| last.documents.get_key_value(*place);
        broken
            .iter()
            .filter_map(kept)
            .map(|(place, document)| (place.clone(), document.clone()))
            .collect()
    }

    async fn document(&self, path: &str) -> Result<Document, FetchError> {
        let answer = self.client.get(path).await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        match serde_json::from_slice(answer.body()) {
            Ok(Value::Object(document)) if document.contains_key("issuer") => Ok(document),
            _ => Err(FetchError::NotJson),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{self, Environment};

    /// Answers one request per status, each on a connection of its own.
    async fn answers(listener: &TcpListener, statuses: &[&str]) {
        for status in statuses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let place = head.split(|byte| *byte == b' ').nth(1).unwrap();
            let body = serde_json::json!({"issuer": "x", "place": String::from_utf8_lossy(place)});
            let body = body.to_string();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn b236_a_place_that_fails_for_a_moment_keeps_its_document() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        let url = format!("http://{}", listener.local_addr().unwrap());
        let toml =
            format!("[server]\nissuer = \"https://login.example\"\n[upstream]\nurl = \"{url}\"");
        std::fs::write(&file, toml).unwrap();
        let config = config::load(&file, &Environment::default()).unwrap().config;
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = HttpClient::new(&config.upstream, &config.server.issuer).unwrap();
        let discovery = Discovery::new(client, &config);
        for (statuses, is_known, kept) in [
            (["500", "404"], false, 0),
            (["200", "200"], true, 2),
            (["503", "200"], true, 2),
            (["200", "500"], true, 2),
            (["500", "404"], false, 2),
            (["200", "404"], true, 1),
        ] {
            let (result, ()) = tokio::join!(discovery.refresh(), answers(&listener, &statuses));
            assert_eq!(result.is_ok(), is_known, "{statuses:?}");
            let documents = discovery.current().map_or(0, |known| known.documents.len());
            assert_eq!(documents, kept, "{statuses:?}");
            if let Some(known) = discovery.current() {
                assert_eq!(known.primary["place"], "/.well-known/openid-configuration");
            }
        }
    }
}
