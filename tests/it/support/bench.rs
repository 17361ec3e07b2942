//! A Redis store by itself, with one who keeps its connection.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use parapet::clock::{Clock, SystemClock};
use parapet::config::store::{self as settings, RedisPassword, RedisServers};
use parapet::oauth::request_uri::Reference;
use parapet::store::{
    CallerToken, Completion, FlowId, IndexKey, Lifetimes, Outcome, PushedRequest, RedisStore,
    Spend, Start, Starts, Store as _, StoreError, Visit,
};
use tokio::sync::watch;

const LIFETIMES: Lifetimes =
    Lifetimes { redeem: Duration::from_secs(60), login: Duration::from_secs(1800) };

/// A store and the one who keeps its connection; dropped, that ends.
#[derive(Debug)]
pub struct Bench {
    pub store: Arc<RedisStore>,
    _stop: watch::Sender<bool>,
}

/// For the server at this URL, with a time-out of a second.
pub fn config(url: &str) -> settings::Redis {
    let (servers, database, _) = RedisServers::parse(url).unwrap();
    let timeout = Duration::from_secs(1);
    let password = RedisPassword::None;
    let (tls, username, wait) = (None, None, None);
    settings::Redis { servers, database, tls, username, password, timeout, wait }
}

pub fn open(config: settings::Redis) -> Bench {
    open_by(Arc::new(SystemClock::start()), config)
}

pub fn open_by(clock: Arc<dyn Clock>, config: settings::Redis) -> Bench {
    let (store, keeper) = RedisStore::new(config, "https://i.example", clock);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(keeper.keep(stopped));
    Bench { store: Arc::new(store), _stop: stop }
}

/// A completion by this login with a code, of the request that all these tests keep.
pub fn completion(flow: FlowId) -> Completion<'static> {
    static REQUEST: LazyLock<PushedRequest> = LazyLock::new(|| PushedRequest {
        client_id: "a".into(),
        query: "client_id=a&state=s".into(),
        flow_key: [1; 32],
        index: Some(key()),
    });
    Completion { flow, outcome: Outcome::Code, request: &REQUEST }
}

fn key() -> IndexKey {
    IndexKey::new("https://i.example", "a", "s", "https://c.example/cb")
}

impl Bench {
    /// Keeps the request of this number.
    pub async fn put(&self, number: u8) -> Result<(), StoreError> {
        let request = PushedRequest {
            client_id: "a".into(),
            query: "client_id=a&state=s".into(),
            flow_key: [1; 32],
            index: Some(key()),
        };
        self.store.put(&Reference::from_bytes([number; 32]), request, LIFETIMES).await
    }

    /// Whether its only flow begins with this.
    pub async fn start(&self, number: u8) -> Result<bool, StoreError> {
        self.start_as(number, number).await
    }

    /// The same by another browser.
    pub async fn start_as(&self, caller: u8, number: u8) -> Result<bool, StoreError> {
        let visit = Visit {
            client_id: "a",
            flow: FlowId([caller; 12]),
            caller: CallerToken([caller; 12]),
            starts: Starts::Once,
        };
        let started = self.store.start(&Reference::from_bytes([number; 32]), visit).await?;
        Ok(matches!(started, Start::Started { .. }))
    }

    /// Ends that flow.
    pub async fn spend(&self, number: u8) -> Result<Spend, StoreError> {
        self.store
            .spend(&Reference::from_bytes([number; 32]), completion(FlowId([number; 12])))
            .await
    }

    pub async fn until_ready(&self) {
        let begun = Instant::now();
        while !self.store.is_ready() {
            assert!(begun.elapsed() < Duration::from_secs(30), "not ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A whole flow.
    pub async fn flow(&self, number: u8) {
        self.put(number).await.unwrap();
        assert!(self.start(number).await.unwrap());
        let found = self.store.find(&key()).await.unwrap().expect("by the index");
        assert_eq!(found.reference, Reference::from_bytes([number; 32]));
        assert_eq!(self.spend(number).await.unwrap(), Spend::Spent);
        assert!(!self.start(number).await.unwrap());
    }
}
