//! Logins over two replicas and one Redis for ten minutes, while something fails every 20 seconds.
//! `make soak`, or `cargo bench --bench soak`; `SOAK_SECONDS` (600) and `SOAK_RATE` (200 logins a
//! second) change it. Fails where a request is lost that the store has kept, where one is completed
//! twice, and where memory or open files of a replica grow. So that nobody passes by refusing: fails
//! too where calls are refused, or the rate is missed, while nothing is made to fail.
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
use tokio::time::{sleep, sleep_until};

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

/// After a fault, until nothing excuses a refusal any more.
const RECOVERY: Duration = Duration::from_secs(5);

/// Of the calls that no fault excuses, one in so many may be refused.
const REFUSED: u64 = 1_000;

/// Of all requests, one in so many may be completed too late for its browser to repeat it.
const LATE: u64 = 1_000;

/// How much of a backlog is made up for; what a fault has held up for longer is left out.
const BACKLOG: Duration = Duration::from_secs(1);

/// Between two looks at what a replica uses.
const LOOK: Duration = Duration::from_secs(2);

/// Most logins at once; where they take too long for the rate, the rate is missed.
const AT_ONCE: usize = 64;

/// Every so many logins two browsers race.
const RACE: u64 = 10;

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
    let build = if cfg!(debug_assertions) { "development" } else { "release" };
    println!("{rate} logins a second for {length:?}, by a {build} build");
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
    let (mut uses, mut faults) = (Uses::default(), Fault::ALL.iter().cycle());
    let (mut calm, mut calm_since) = (Duration::ZERO, Duration::ZERO);
    while begun.elapsed() < length {
        sleep(LOOK).await;
        uses.look(&front);
        if begun.elapsed() > calm_since + PAUSE
            && let Some(fault) = faults.next()
        {
            calm += begun.elapsed().min(length).saturating_sub(calm_since);
            println!("{:>4.0} s: {fault:?}; so far {tally}", begun.elapsed().as_secs_f64());
            tally.calm.turn();
            fault.happen(&mut front, &middle, &tally).await?;
            sleep(RECOVERY).await;
            tally.calm.turn();
            calm_since = begun.elapsed().min(length);
        }
    }
    calm += length.saturating_sub(calm_since);
    let logins = load.await?.context("a login got no answer")?;
    println!("{logins} logins in {:.0?}", begun.elapsed());
    let flat = uses.are_flat();
    println!("{uses}");
    ensure!(flat, "memory or open files grow");
    judge(&tally, logins)?;
    judge_calm(&tally, calm, rate)
}

/// Whether every login has come to the end that it should.
fn judge(tally: &Tally, logins: u64) -> anyhow::Result<()> {
    println!("{tally}");
    let of = Tally::of;
    ensure!(of(&tally.lost) == 0, "requests were lost that the store has kept");
    ensure!(of(&tally.twice) == 0, "requests were completed twice");
    let late = of(&tally.late);
    ensure!(late <= of(&tally.acknowledged) / LATE, "too many completions were too late");
    let ended = of(&tally.completed) + of(&tally.forgotten) + late;
    ensure!(ended == logins, "{ended} logins ended of {logins}");
    Ok(())
}

/// Whether what no fault excuses went well.
fn judge_calm(tally: &Tally, calm: Duration, rate: u64) -> anyhow::Result<()> {
    let of = |count| Tally::of(count);
    let (calls, refused) = (of(&tally.calm.calls), of(&tally.calm.refused));
    let millis = u64::try_from(calm.as_millis())?.max(1);
    let reached = of(&tally.calm.logins) * 1_000 / millis;
    println!(
        "outside of faults, in {calm:.0?}: {reached} logins a second of {rate}; {refused} of {calls} \
         calls refused"
    );
    println!("while something failed: {} calls refused", in_faults(tally));
    ensure!(refused <= calls / REFUSED, "calls were refused that no fault excuses");
    ensure!(reached * 10 >= rate * 9, "less than nine tenths of the rate were reached");
    Ok(())
}

fn in_faults(tally: &Tally) -> u64 {
    let all = Tally::of(&tally.refused) + Tally::of(&tally.broken);
    all.saturating_sub(Tally::of(&tally.calm.refused))
}

/// Begins logins until the time is over, and waits for their ends. `None` where one had none.
async fn load(tally: Arc<Tally>, url: String, length: Duration, rate: u64) -> Option<u64> {
    let begun = Instant::now();
    let period = Duration::from_secs(1) / u32::try_from(rate).ok()?;
    let mut due = begun;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut logins = JoinSet::new();
    let mut number = 0;
    while begun.elapsed() < length {
        sleep_until(due.into()).await;
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        due = (due + period).max(Instant::now().checked_sub(BACKLOG)?);
        let ending = if number % RACE == 0 { Ending::Race } else { Ending::Alone };
        let login = Arc::clone(&tally).login(url.clone(), usize::try_from(number).ok()?, ending);
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
