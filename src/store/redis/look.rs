//! One look at the server that the configuration names, for `parapet doctor`.

use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use super::connect::{ConnectError, Connection, Credentials};
use super::keeper::line_of;
use crate::clock::Clock;
use crate::config::store::Redis;

/// What was seen.
#[derive(Debug)]
pub struct Facts {
    /// Of the first primary.
    pub version: Option<String>,
    /// The worst of all primaries; `None` where one does not tell.
    pub policy: Option<String>,
    /// How many follow, all primaries together; `None` where they do not tell.
    pub replicas: Option<u64>,
    /// The longest wait for one answer, in whole milliseconds.
    pub slowest: Duration,
}

/// Why it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// No connection.
    #[error("cannot be reached: {0}")]
    Connect(String),
    /// It follows another.
    #[error("is a replica, and takes no writes")]
    Replica,
    /// A command failed.
    #[error("a probe key cannot be {0}: {1}")]
    Probe(&'static str, String),
    /// What was written did not come back.
    #[error("a probe key does not come back as it was written")]
    Forgets,
}

/// Connects, reads `INFO`, and writes, reads and deletes a key that ends with `mark`.
///
/// # Errors
/// [`LookError`]
pub async fn look(config: &Redis, clock: &dyn Clock, mark: &str) -> Result<Facts, LookError> {
    let connect = |error: ConnectError| LookError::Connect(error.to_string());
    let credentials = Credentials::read(config).map_err(connect)?;
    let (connection, _) = credentials.open(config).await.map_err(connect)?;
    let infos = connection.info().await.unwrap_or_default();
    let of = |name| infos.iter().map(move |info| line_of(info, name));
    if of("role").any(|role| role == Some("slave")) {
        return Err(LookError::Replica);
    }
    let unfit = of("maxmemory_policy").find(|policy| *policy != Some("noeviction"));
    let policy = unfit.unwrap_or_else(|| of("maxmemory_policy").next().flatten());
    let replicas = of("connected_slaves").map(|number| number?.parse::<u64>().ok());
    let replicas = replicas.sum::<Option<u64>>().filter(|_| !infos.is_empty());
    let version = of("valkey_version").chain(of("redis_version")).flatten().next();
    Ok(Facts {
        version: version.map(str::to_owned),
        policy: policy.map(str::to_owned),
        replicas,
        slowest: probe(&connection, clock, mark).await?,
    })
}

/// How long the slowest of the probe's steps took.
async fn probe(
    connection: &Connection,
    clock: &dyn Clock,
    mark: &str,
) -> Result<Duration, LookError> {
    const ROUNDS: usize = 3;
    let key = format!("parapet:doctor:{mark}");
    let mut slowest = Duration::ZERO;
    for _ in 0..ROUNDS {
        let mut write = redis::cmd("SET");
        write.arg(&key).arg(mark).arg("PX").arg(10_000);
        let steps: [(&'static str, Cmd); 3] =
            [("written", write), ("read", Cmd::get(&key)), ("deleted", Cmd::del(&key))];
        for (step, command) in steps {
            let begun = clock.now();
            let failed = |error: RedisError| LookError::Probe(step, error.to_string());
            let answer = connection.ask(&command).await.map_err(failed)?;
            slowest = slowest.max(clock.now().since(begun));
            if step == "read" && answer != Value::BulkString(mark.as_bytes().to_vec()) {
                return Err(LookError::Forgets);
            }
        }
    }
    Ok(slowest)
}
