//! What a full memory store costs: resident bytes per entry, and the longest that anybody has to
//! wait for it while a thread tidies, as the gateway's does. `cargo bench --bench store`.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use parapet::clock::{Clock as _, SystemClock};
use parapet::oauth::request_uri::Reference;
use parapet::store::{
    CallerToken, FlowId, IndexKey, Lifetimes, MemoryStore, PushedRequest, ReplayKey, Start, Starts,
    Store, Visit,
};

const ENTRIES: u64 = 1_000_000;
const QUERY_BYTES: usize = 1_536;
const REDEEM: Duration = Duration::from_secs(30);
/// As the chores of the gateway have it.
const BEAT: Duration = Duration::from_millis(250);

/// Each part in a process of its own, so that none finds the memory that another left.
fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    match std::env::args().nth(1).as_deref() {
        Some("requests") => return runtime.block_on(requests()),
        Some("replays") => return runtime.block_on(replays()),
        _ => {}
    }
    for part in ["requests", "replays"] {
        let status = Command::new(std::env::current_exe()?).arg(part).status()?;
        ensure!(status.success(), "{part}: {status}");
    }
    Ok(())
}

/// Single-use tokens.
async fn replays() -> anyhow::Result<()> {
    let clock = Arc::new(SystemClock::start());
    let store = Arc::new(MemoryStore::new(u64::MAX, Arc::<SystemClock>::clone(&clock)));
    let janitor = Janitor::start(&store)?;
    let until = clock.wall() + Duration::from_secs(3600);
    let before = resident_bytes()?;
    for number in 0..ENTRIES {
        ensure!(store.first_use(ReplayKey(key(number)), until, &"a".into()).await?, "seen twice");
    }
    store.tidy();
    let (real, counted) = (resident_bytes()? - before, store.usage().bytes);
    println!("replay keys:    {} bytes each, counted as {}", real / ENTRIES, counted / ENTRIES);
    janitor.stop();
    Ok(())
}

async fn requests() -> anyhow::Result<()> {
    let clock = Arc::new(SystemClock::start());
    let store = Arc::new(MemoryStore::new(u64::MAX, Arc::<SystemClock>::clone(&clock)));
    let janitor = Janitor::start(&store)?;
    let before = resident_bytes()?;
    let began = clock.now();
    let mut puts = Waits::default();
    for number in 0..ENTRIES {
        puts.time(put(&store, number)).await?;
    }
    let took = clock.now().since(began);
    store.tidy();
    let (whole, usage) = (resident_bytes()?, store.usage());
    println!("filled:         {ENTRIES} requests of {QUERY_BYTES} bytes in {took:.1?}");
    println!("resident:       {} MiB, the whole process", whole >> 20);
    println!(
        "a request:      {} bytes, counted as {}",
        (whole - before) / ENTRIES,
        usage.bytes / ENTRIES
    );
    println!("put, filling:   {puts}");
    let mut starts = Waits::default();
    for number in 0..ENTRIES / 10 {
        let number = number * 7 % ENTRIES;
        starts.time(start(&store, number)).await?;
    }
    println!("start, full:    {starts}");
    // On and on, until the first million has expired and been collected.
    let (mut puts, mut starts) = (Waits::default(), Waits::default());
    let mut number = ENTRIES;
    while clock.now().since(began) < took + REDEEM + Duration::from_secs(5) {
        for _ in 0..20 {
            puts.time(put(&store, number)).await?;
            starts.time(start(&store, number)).await?;
            number += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    println!("put, expiring:  {puts}");
    println!("start, expiring: {starts}");
    println!(
        "left:           {} requests, {} MiB",
        store.usage().requests,
        resident_bytes()? >> 20
    );
    janitor.stop();
    Ok(())
}

async fn put(store: &MemoryStore, number: u64) -> anyhow::Result<()> {
    let mut query = format!("response_type=code&state={number}&claims=");
    query.extend(std::iter::repeat_n('x', QUERY_BYTES - query.len()));
    let request = PushedRequest {
        client_id: client_id(),
        query: query.into_boxed_str(),
        flow_key: key(number),
        index: Some(IndexKey::new("https://i", "a", &number.to_string(), "https://c/cb")),
    };
    let lifetimes = Lifetimes { redeem: REDEEM, login: REDEEM };
    Ok(store.put(&Reference::from_bytes(key(number)), request, lifetimes).await?)
}

async fn start(store: &MemoryStore, number: u64) -> anyhow::Result<()> {
    let (flow, caller) = (FlowId([1; 12]), CallerToken([1; 12]));
    let visit = Visit { client_id: &client_id(), flow, caller, starts: Starts::Many };
    let met = store.start(&Reference::from_bytes(key(number)), visit).await?;
    ensure!(matches!(met, Start::Started { .. }), "{met:?}");
    Ok(())
}

fn client_id() -> Arc<str> {
    thread_local! {
        static CLIENT_ID: Arc<str> = Arc::from("s6BhdRkqt3");
    }
    CLIENT_ID.with(Arc::clone)
}

fn key(number: u64) -> [u8; 32] {
    let mut key = [7; 32];
    let (head, _) = key.split_at_mut(8);
    head.copy_from_slice(&number.to_le_bytes());
    key
}

/// Calls `tidy` as the gateway does.
struct Janitor {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Janitor {
    fn start(store: &Arc<MemoryStore>) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, store) = (Arc::clone(&stop), Arc::clone(store));
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(BEAT);
                store.tidy();
            }
        };
        Ok(Self { stop, thread: thread::Builder::new().spawn(work)? })
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.join());
    }
}

/// How long calls took, in microseconds.
#[derive(Default)]
struct Waits(Vec<u32>);

impl Waits {
    #[expect(clippy::disallowed_methods, reason = "a stopwatch, finer than the gateway's clock")]
    async fn time(&mut self, call: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
        let began = Instant::now();
        call.await?;
        self.0.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        Ok(())
    }
}

impl std::fmt::Display for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |per_mille: usize| {
            let index = sorted.len().saturating_sub(1) * per_mille / 1_000;
            sorted.get(index).copied().unwrap_or_default()
        };
        let (calls, worst) = (sorted.len(), f64::from(at(1_000)) / 1_000.0);
        write!(f, "{calls} calls, p50 {} µs, p99.9 {} µs, worst {worst:.1} ms", at(500), at(999))
    }
}

fn resident_bytes() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kibibytes.parse::<u64>()? * 1_024)
}
