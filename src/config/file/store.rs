//! `[store]` as it is written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Time;

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Where pushed requests are kept. Only `memory` is supported yet.
    pub backend: Backend,
    /// Bytes that the memory store may use. A push that does not fit is refused; a live entry is
    /// never thrown out.
    #[schemars(range(min = 65536))]
    pub max_bytes: u64,
    /// How many gateways run side by side. More than one cannot share a memory store.
    #[schemars(range(min = 1))]
    pub replicas: u32,
    /// File that keeps the memory store over a restart. Not yet supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// For `backend = "redis"`. Not yet supported.
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
    /// `redis://`, `rediss://` for TLS, `redis-sentinel://` or `redis-cluster://`.
    pub url: String,
    /// File that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Longest wait for an answer.
    #[schemars(extend("x-shortest" = "1ms"))]
    pub timeout: Time,
}

impl Default for StoreRedis {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".to_owned(),
            password_file: None,
            timeout: Time(Duration::from_millis(250)),
        }
    }
}
