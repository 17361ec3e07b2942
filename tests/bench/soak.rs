//! Logins over two replicas and one Redis for ten minutes, while something fails every 20 seconds.
//! `make soak`, or `cargo bench --bench soak`; `SOAK_SECONDS` (600) and `SOAK_RATE` (200 logins a
//! second) change it. Fails where a request is lost that the store has kept, where one is completed
//! twice, and where memory or open files of a replica grow.
#![expect(
    clippy::disallowed_methods,
    reason = "it runs by the real clock and starts its own tasks"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use support::balancer::Balancer;
use support::flows::{Ending, Tally};
use support::front::{Front, Setup};
use support::middle::Middle;
use support::redis::Redis;

#[path = "../it/support/mod.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with the integration tests, which use all of it and may fail"
)]
mod support;

/// Between two faults.
const PAUSE: Duration = Duration::from_secs(20);

/// Between two looks at what a replica uses.
const LOOK: Duration = Duration::from_secs(2);

/// Most logins at once; where the machine is too slow for the rate, the rate is lower.
const AT_ONCE: usize = 64;

/// Every so many logins two browsers race.
const RACE: usize = 10;

/// What Redis has acknowledged the system has, so a Redis that is killed has lost nothing.
const OPTIONS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];

fn main() -> anyhow::Result<()> {
    let seconds = setting("SOAK_SECONDS", 600)?;
    let rate = setting("SOAK_RATE", 200)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(soak(Duration::from_secs(seconds), rate))
}

fn setting(name: &str, usual: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is a number")),
        Err(_) => Ok(usual),
    }
}

async fn soak(length: Duration, rate: u64) -> anyhow::Result<()> {
    let redis = Redis::start(&OPTIONS).await;
    let middle = Middle::before(redis.port, Duration::ZERO).await;
    let url = format!("redis://127.0.0.1:{}", middle.port);
    let tables = "[log]\nlevel = \"error\"\n[par]\nlifetime = \"60s\"\n\
                  [authorize]\nlogin_lifetime = \"60s\"\n";
    let setup = Setup { url: Some(&url), tables, ..Setup::default() };
    let mut front = Front::on(redis, 2, setup).await;
    let balancer = Balancer::before(front.gateways.iter().map(|gateway| &*gateway.url)).await;
    let tally = Arc::new(Tally::default());
    let begun = Instant::now();
    let load = tokio::spawn(load(Arc::clone(&tally), balancer.url.clone(), length, rate));
    let mut uses = Uses::default();
    let mut faults = Fault::ALL.iter().cycle();
    let mut next = begun + PAUSE;
    while begun.elapsed() < length {
        sleep(LOOK).await;
        uses.look(&front);
        if Instant::now() > next
            && let Some(fault) = faults.next()
        {
            println!("{:>4.0} s: {fault:?}; so far {tally}", begun.elapsed().as_secs_f64());
            fault.happen(&mut front, &middle, &tally).await?;
            next = Instant::now() + PAUSE;
        }
    }
    let logins = load.await?.context("a login got no answer")?;
    let took = begun.elapsed();
    let each_second = u64::try_from(logins)? * 1_000 / u64::try_from(took.as_millis())?.max(1);
    println!("{logins} logins in {took:.0?}, {each_second} a second");
    println!("{tally}");
    let flat = uses.are_flat();
    println!("{uses}");
    ensure!(Tally::of(&tally.lost) == 0, "requests were lost that the store has kept");
    ensure!(Tally::of(&tally.twice) == 0, "requests were completed twice");
    ensure!(flat, "memory or open files grow");
    Ok(())
}

/// Begins logins until the time is over, and waits for their ends. `None` where one had none.
async fn load(tally: Arc<Tally>, url: String, length: Duration, rate: u64) -> Option<usize> {
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_secs(1) / u32::try_from(rate).ok()?);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut logins = JoinSet::new();
    let mut number = 0;
    while begun.elapsed() < length {
        ticks.tick().await;
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        let ending = if number % RACE == 0 { Ending::Race } else { Ending::Alone };
        let login = Arc::clone(&tally).login(url.clone(), number, ending);
        logins.spawn(async move {
            login.await;
            drop(place);
        });
        number += 1;
        while let Some(ended) = logins.try_join_next() {
            ended.ok()?;
        }
    }
    while let Some(ended) = logins.join_next().await {
        ended.ok()?;
    }
    Some(number)
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    ReplicaIsKilled,
    RedisIsFrozen,
    RedisIsKilledAndKeepsItsData,
    ConnectionsAreReset,
    RedisIsSlow,
    RedisIsKilledAndLosesItsData,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::ReplicaIsKilled,
        Self::RedisIsFrozen,
        Self::RedisIsKilledAndKeepsItsData,
        Self::ConnectionsAreReset,
        Self::RedisIsSlow,
        Self::RedisIsKilledAndLosesItsData,
    ];

    async fn happen(self, front: &mut Front, middle: &Middle, tally: &Tally) -> anyhow::Result<()> {
        match self {
            Self::ReplicaIsKilled => {
                front.gateways.remove(1).kill();
                let again = front.started(1).await;
                front.gateways.push(again);
            }
            Self::RedisIsFrozen => {
                front.redis.freeze();
                sleep(Duration::from_secs(2)).await;
                front.redis.thaw();
            }
            Self::RedisIsKilledAndKeepsItsData => {
                front.redis.kill();
                front.redis.restart().await;
            }
            Self::ConnectionsAreReset => {
                for _ in 0..10 {
                    middle.cut();
                    sleep(Duration::from_millis(200)).await;
                }
            }
            Self::RedisIsSlow => {
                middle.delay(Duration::from_millis(100));
                sleep(Duration::from_secs(5)).await;
                middle.delay(Duration::ZERO);
            }
            Self::RedisIsKilledAndLosesItsData => {
                // Both what began before and what begins until then may be lost.
                tally.epoch.fetch_add(1, Ordering::SeqCst);
                front.redis.kill();
                std::fs::remove_dir_all(kept(front.redis.folder()))?;
                front.redis.restart().await;
                tally.epoch.fetch_add(1, Ordering::SeqCst);
            }
        }
        Ok(())
    }
}

fn kept(folder: &Path) -> std::path::PathBuf {
    folder.join("appendonlydir")
}

/// What the replica that is never killed has used, look by look.
#[derive(Debug, Default)]
struct Uses {
    memory: Vec<u64>,
    files: Vec<u64>,
}

impl Uses {
    fn look(&mut self, front: &Front) {
        let Some(gateway) = front.gateways.first() else { return };
        self.memory.push(gateway.memory());
        self.files.push(u64::try_from(gateway.open_files()).unwrap_or(u64::MAX));
    }

    /// Whether in the last quarter it was no more than in the second, but for noise.
    fn are_flat(&self) -> bool {
        let ([_, before, .., after], [_, files_before, .., files_after]) =
            (quarters(&self.memory), quarters(&self.files));
        after < before + before / 5 + (8 << 20) && files_after < files_before * 3 / 2 + 20
    }
}

impl std::fmt::Display for Uses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = quarters(&self.memory).map(|bytes| bytes >> 20);
        let files = quarters(&self.files);
        write!(f, "in each quarter of the time (medians): {memory:?} MiB, {files:?} open files")
    }
}

fn quarters(looks: &[u64]) -> [u64; 4] {
    std::array::from_fn(|quarter| {
        let share = looks.len() / 4;
        let mut own: Vec<u64> = looks.iter().skip(quarter * share).take(share).copied().collect();
        own.sort_unstable();
        own.get(own.len() / 2).copied().unwrap_or_default()
    })
}
