//! `[store]` as it is written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::secret::Secret;
use crate::config::units::Time;

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Where pushed requests are kept.
    pub backend: Backend,
    /// Bytes that the memory store may use. A push that does not fit is refused; a live entry is
    /// never thrown out. Of no meaning for `redis`, whose own `maxmemory` bounds it.
    #[schemars(range(min = 65536))]
    pub max_bytes: u64,
    /// How many gateways run side by side. More than one cannot share a memory store.
    #[schemars(range(min = 1))]
    pub replicas: u32,
    /// File in which a gateway that stops keeps the memory store for the next start, sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The key of `snapshot`: 32 random bytes in base64, as `parapet secret key` prints them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_key: Option<Secret>,
    /// File that holds the key: in base64, or the 32 bytes as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_key_file: Option<String>,
    /// Environment variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_key_env: Option<String>,
    /// For `backend = "redis"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<StoreRedis>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            backend: Backend::Memory,
            max_bytes: 268_435_456,
            replicas: 1,
            snapshot: None,
            snapshot_key: None,
            snapshot_key_file: None,
            snapshot_key_env: None,
            redis: None,
        }
    }
}

/// `[store] backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In this process; one replica.
    Memory,
    /// Redis or Valkey; several replicas.
    Redis,
}

/// `[store.redis]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreRedis {
    /// `redis://HOST:PORT/DB`, `unix:///PATH`, `redis-sentinel://HOST:PORT,…/NAME` with the name of
    /// the primary, or `redis-cluster://HOST:PORT,…`. `rediss` in the place of `redis` is with TLS;
    /// `valkey` and `valkeys` mean the same.
    pub url: String,
    /// User of Redis's access control list. Absent: the default user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File that holds the password, read again at each connection; a newline at its end is not
    /// part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Environment variable that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// Certificates in PEM that are trusted. Absent: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Certificate chain in PEM that the gateway shows to Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// Private key in PEM of `client_certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    /// Longest wait for a connection, and longest silence of one that is waited on; no call takes longer
    /// than three times that.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub timeout: Time,
    /// A push or a completion counts only when so many of Redis's own replicas have it (`WAIT`), at
    /// the cost of a second round trip. 0: none is waited for. Not with a cluster.
    pub wait_replicas: u32,
    /// Longest wait for `wait_replicas`; after it the answer is 503.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub wait_timeout: Time,
}

impl Default for StoreRedis {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            username: None,
            password_file: None,
            password_env: None,
            ca_file: None,
            client_certificate: None,
            client_key: None,
            timeout: Time(Duration::from_millis(250)),
            wait_replicas: 0,
            wait_timeout: Time(Duration::from_millis(100)),
        }
    }
}
