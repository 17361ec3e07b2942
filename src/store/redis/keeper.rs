//! Keeps the line up: connects, looks whether the server is fit, replaces what was lost, and closes
//! the breaker again by itself. It runs on one runtime, on which the connections live.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::connect::{ConnectError, Credentials};
use super::line::{Line, Link, PATIENCE, State, is_full};
use super::pace::Pace;
use super::replication::{Reach, Replication};
use super::reply::Reply;
use super::script::{Scripts, Step, Version};
use crate::config::store::Redis;
use crate::store::Usage;

/// Between looks at a server that works.
const LOOK: Duration = Duration::from_secs(2);

/// Between attempts to connect: at first, and at most.
const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(1);

/// How many answers a new connection has to wait for, one after the other.
const STEPS_TO_CONNECT: u32 = 6;

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct Health {
    fit: AtomicBool,
    keys: AtomicU64,
    bytes: AtomicU64,
    /// What was last said of it in the log.
    said: Mutex<String>,
    /// Too few replicas had the last write that was waited for.
    thin: AtomicBool,
}

impl Health {
    /// Whether nothing is thrown out for a newcomer.
    pub(super) fn is_fit(&self) -> bool {
        self.fit.load(Ordering::Relaxed)
    }

    /// How far the last write came.
    pub(super) fn reached(&self, reach: Reach) {
        let thin = match reach {
            Reach::Enough => false,
            Reach::TooFew(_) => true,
            Reach::Unknown => return,
        };
        if self.thin.swap(thin, Ordering::Relaxed) == thin {
            return;
        }
        if let Reach::TooFew(count) = reach {
            tracing::error!(count, "too few replicas of Redis have a write; pushes are refused");
        } else {
            tracing::info!("enough replicas of Redis have the writes again");
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage {
            requests: self.keys.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Judges by what `INFO` says of each primary.
    fn judge(&self, infos: &[String]) {
        let numbers = |name: &str| -> u64 {
            infos.iter().filter_map(|info| line_of(info, name)?.parse::<u64>().ok()).sum()
        };
        self.bytes.store(numbers("used_memory"), Ordering::Relaxed);
        self.keys.store(infos.iter().map(|info| keys(info)).sum(), Ordering::Relaxed);
        let policies = infos.iter().map(|info| line_of(info, "maxmemory_policy"));
        let unfit = policies.clone().flatten().find(|policy| *policy != "noeviction");
        let unknown = infos.is_empty() || policies.into_iter().any(|policy| policy.is_none());
        self.fit.store(unfit.is_none(), Ordering::Relaxed);
        let verdict = match unfit {
            Some(policy) => format!("maxmemory-policy is {policy}"),
            None if unknown => "maxmemory-policy is not known".to_owned(),
            None => String::new(),
        };
        let mut said = self.said.lock();
        if *said == verdict {
            return;
        }
        if unfit.is_some() {
            tracing::error!("not ready: {verdict} in Redis, and must be noeviction");
        } else if unknown {
            tracing::warn!("{verdict}, as Redis does not say; it must be noeviction");
        } else {
            tracing::info!("maxmemory-policy of Redis is noeviction");
        }
        *said = verdict;
    }
}

pub(super) fn line_of<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Of all databases: `db0:keys=2,expires=2,avg_ttl=0`.
fn keys(info: &str) -> u64 {
    let counts = info.lines().filter(|line| line.starts_with("db")).filter_map(|line| {
        line.split_once(":keys=")?.1.split(',').next()?.trim().parse::<u64>().ok()
    });
    counts.sum()
}

/// The one who keeps the line up.
#[derive(Debug)]
pub struct Keeper {
    pub(super) config: Redis,
    pub(super) line: Arc<Line>,
    pub(super) health: Arc<Health>,
    pub(super) pace: Arc<Pace>,
}

impl Keeper {
    /// Runs until `stop` says so.
    pub async fn keep(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.work() => {}
        }
    }

    async fn work(&self) {
        let mut pause = SOON;
        let mut was_up = None;
        let mut lost = None;
        loop {
            let begun = self.pace.begin();
            match self.renew(lost.take()).await {
                Ok(link) => {
                    self.line.set(State::Up(Arc::clone(&link)));
                    if was_up != Some(true) {
                        tracing::info!(server = %self.config.servers, "the store is available");
                    }
                    was_up = Some(true);
                    pause = SOON;
                    self.watch(&link).await;
                    lost = Some(link);
                    if self.pace.begin().since(begun) < LATE {
                        sleep(SOON).await;
                    }
                }
                Err(error) => {
                    self.line.set(State::Down);
                    if was_up != Some(false) {
                        let server = &self.config.servers;
                        tracing::error!(%server, "the store is unavailable: {error}");
                    }
                    was_up = Some(false);
                    sleep(pause).await;
                    pause = LATE.min(pause * 2);
                }
            }
        }
    }

    /// A new connection, or the lost one where that works again first: then it was only slow.
    async fn renew(&self, lost: Option<Arc<Link>>) -> Result<Arc<Link>, ConnectError> {
        let again = async {
            match lost.filter(|link| link.is_judged_by_a_probe()) {
                Some(link) if self.probe(&link).await.is_ok() => link,
                _ => pending().await,
            }
        };
        tokio::select! {
            link = again => Ok(link),
            link = self.connect() => link.map(Arc::new),
        }
    }

    async fn connect(&self) -> Result<Link, ConnectError> {
        // Requests are served on this runtime, and files may lie on a volume that hangs. Without a limit:
        // a read that is given up keeps its thread, and each further one would take another.
        let config = self.config.clone();
        let credentials = tokio::task::spawn_blocking(move || Credentials::read(&config));
        let credentials = credentials.await.map_err(|_| ConnectError::Slow)??;
        let limit = self.config.timeout * STEPS_TO_CONNECT;
        timeout(limit, self.connected(credentials)).await.unwrap_or(Err(ConnectError::Slow))
    }

    async fn connected(&self, credentials: Credentials) -> Result<Link, ConnectError> {
        let (connection, waiting) = credentials.open(&self.config).await?;
        // Where `INFO` is forbidden, a write must tell.
        let infos = connection.info().await.unwrap_or_default();
        if infos.iter().any(|info| line_of(info, "role") == Some("slave")) {
            return Err(ConnectError::Replica);
        }
        let old = infos.iter().any(|info| {
            line_of(info, "redis_version").is_some_and(|version| version.starts_with("6."))
        });
        let scripts = Scripts::new(if old { Version::Six } else { Version::Seven });
        let replication = match waiting.zip(self.config.wait) {
            Some((waiting, wait)) => {
                Some(Replication::over(waiting, &self.config, wait, infos.first()).await?)
            }
            None => None,
        };
        let password = credentials.password;
        let link = Link { connection, scripts, replication, password, heard: AtomicU64::new(0) };
        self.probe(&link).await?;
        self.health.judge(&infos);
        let connection = link.connection.waiting(self.config.timeout * PATIENCE);
        Ok(Link { connection, ..link })
    }

    /// A server whose memory is used up still does what was promised.
    async fn probe(&self, link: &Link) -> Result<(), ConnectError> {
        let sent = self.pace.begin();
        match link.step(Step::Probe, &[b"parapet:probe".to_vec()], &[]).await {
            Ok(value) => {
                let reply = Reply::read(value).ok_or(ConnectError::Unreadable)?;
                self.pace.learn(sent, reply.now);
                Ok(())
            }
            Err(error) if is_full(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends when `link` is lost.
    async fn watch(&self, link: &Arc<Link>) {
        let mut changes = self.line.changes();
        let lost = async {
            let _ = changes.wait_for(|state| !matches!(state, State::Up(_))).await;
        };
        let looking = async {
            loop {
                sleep(LOOK).await;
                let answer = tokio::select! {
                    answer = self.probe(link) => answer,
                    _ = self.line.replacement(link) => return,
                };
                if answer.is_err() {
                    self.line.lose(link);
                    return;
                }
                // Where it does not come, the next probe tells why.
                if let Ok(infos) = link.connection.info().await {
                    self.health.judge(&infos);
                }
            }
        };
        tokio::select! {
            () = lost => {}
            () = looking => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_info_says_is_understood() {
        let info = "# Memory\r\nused_memory:1000\r\nused_memory_rss:7\r\n\
                    maxmemory_policy:noeviction\r\n# Keyspace\r\ndb0:keys=3,expires=3\r\n\
                    db1:keys=4,expires=0\r\n";
        let health = Health::default();
        health.judge(&[info.to_owned(), info.to_owned()]);
        assert!(health.is_fit());
        assert_eq!(health.usage(), Usage { requests: 14, bytes: 2000 });
        health.judge(&[info.to_owned(), info.replace("noeviction", "allkeys-lru")]);
        assert!(!health.is_fit());
        health.judge(&[]);
        assert!(health.is_fit(), "it is warned about");
    }
}
