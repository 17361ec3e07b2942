//! Parts of a gateway, made as the program makes them. Nobody listens anywhere.

use std::sync::Arc;

use parapet::client::Registry;
use parapet::clock::{Clock, ManualClock, Timestamp};
use parapet::config::{self, Config, Environment};
use parapet::upstream::key_set::KeyFetcher;
use parapet::upstream::{Discovery, HttpClient};

/// What time it is, in seconds.
pub const NOW: u64 = 1_700_000_000;

const SERVER: &str = r#"
[server]
issuer = "https://login.example"
listen = ["127.0.0.1:0"]
[upstream]
url = "http://127.0.0.1:2"
authorization_path = "/authorize"
"#;

/// What the targets call.
pub struct Parts {
    /// The checked configuration.
    pub config: Config,
    /// Its clients.
    pub registry: Arc<Registry>,
    /// What is known of the upstream: nothing.
    pub discovery: Arc<Discovery>,
    /// Stands at [`NOW`].
    pub clock: Arc<dyn Clock>,
}

impl Parts {
    /// A gateway with further tables.
    #[must_use]
    pub fn with(tables: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let file = std::env::temp_dir().join(format!("parapet-fuzz-{}.toml", std::process::id()));
        std::fs::write(&file, format!("{SERVER}{tables}")).expect("a temporary file");
        let loaded = config::load(&file, &Environment::default());
        std::fs::remove_file(&file).expect("the temporary file");
        let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_millis(NOW * 1_000)));
        let client = HttpClient::new(&config.upstream, &config.server.issuer).expect("a client");
        let discovery = Arc::new(Discovery::new(client, &config));
        let fetcher = Arc::new(KeyFetcher::new(&config.client_keys, Arc::clone(&clock)));
        let registry = Arc::new(Registry::new(&config.clients, &config.par, &fetcher));
        Self { config, registry, discovery, clock }
    }
}
