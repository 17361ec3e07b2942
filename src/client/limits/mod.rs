//! How often a client may push and an address may fail.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::{Quota, RateLimiter};
use moka::sync::Cache;

use super::budgets::{Budgets, Cells, LONGEST_PER, MOST_ADDRESSES, OurClock, cells};
use super::ledger::{Debtor, Ledger};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::telemetry::metrics::LimitKind;

/// A client that authenticated from an address lately is never held up by others' failures there.
const TRUST: Duration = Duration::from_secs(3600);

/// A shared budget is overdrawn at most to so many times itself, so that what several replicas have
/// allowed at once is paid back, and no client waits for ever.
const OVERDRAFT: u32 = 2;

/// The two budgets of `[limits]`.
#[derive(Debug)]
pub struct Limits {
    pushes: Keyed<Arc<str>>,
    failures: Keyed<IpAddr>,
    blocked: Cache<IpAddr, Timestamp>,
    /// When the last of them is free again, in milliseconds of the clock.
    all_free: Arc<AtomicU64>,
    trusted: Cache<(Arc<str>, IpAddr), ()>,
    /// Failures of a client at an address where it works, once the address has failed too often.
    own_failures: Keyed<Pair>,
    own_blocked: Cache<Pair, Timestamp>,
    spent: Spent,
    clock: Arc<dyn Clock>,
    /// Budgets that other replicas use too.
    shared: Option<Arc<Ledger>>,
    shared_pushes: Shared,
    shared_failures: Shared,
}

/// A client and an address from which it authenticated lately.
type Pair = (Arc<str>, IpAddr);

/// What is used up of each budget.
#[derive(Debug, Clone)]
struct Spent {
    pushes: Cells<Arc<str>>,
    failures: Cells<IpAddr>,
    own_failures: Cells<Pair>,
}

impl Spent {
    fn none() -> Self {
        Self { pushes: cells(), failures: cells(), own_failures: cells() }
    }
}

/// The budget is used up for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryAfter(pub Duration);

/// What one use of a shared budget costs, and what the whole budget is.
#[derive(Debug, Clone, Copy)]
struct Shared {
    each: Duration,
    per: Duration,
}

impl Shared {
    fn of(rate: config::Rate) -> Self {
        Self { each: each(rate), per: each(rate) * rate.count.get() }
    }
}

type Keyed<K> = RateLimiter<K, Budgets<K>, OurClock, NoOpMiddleware<Nanos>>;

impl Limits {
    /// Full budgets.
    #[must_use]
    pub fn new(limits: &config::Limits, clock: Arc<dyn Clock>) -> Self {
        let spent = Spent::none();
        let own_blocked = Cache::builder().max_capacity(MOST_ADDRESSES).time_to_live(LONGEST_PER);
        let blocked = Cache::builder().max_capacity(MOST_ADDRESSES).time_to_live(LONGEST_PER);
        Self {
            pushes: keyed(limits.pushes_per_client, &spent.pushes, &clock),
            failures: keyed(limits.failures_per_address, &spent.failures, &clock),
            own_failures: keyed(limits.failures_per_client, &spent.own_failures, &clock),
            own_blocked: own_blocked.build(),
            blocked: blocked.build(),
            all_free: Arc::default(),
            trusted: Cache::builder().max_capacity(MOST_ADDRESSES).time_to_idle(TRUST).build(),
            spent,
            clock,
            shared: None,
            shared_pushes: Shared::of(limits.pushes_per_client),
            shared_failures: Shared::of(limits.failures_per_address),
        }
    }

    /// Budgets of another size. What is used up is full again when it would have been, or sooner where
    /// the whole new budget comes back sooner.
    #[must_use]
    pub fn resized(&self, limits: &config::Limits) -> Self {
        let (spent, clock) = (&self.spent, &self.clock);
        Self {
            pushes: keyed(limits.pushes_per_client, &spent.pushes, clock),
            failures: keyed(limits.failures_per_address, &spent.failures, clock),
            own_failures: keyed(limits.failures_per_client, &spent.own_failures, clock),
            own_blocked: self.own_blocked.clone(),
            blocked: self.blocked.clone(),
            all_free: Arc::clone(&self.all_free),
            trusted: self.trusted.clone(),
            spent: self.spent.clone(),
            clock: Arc::clone(&self.clock),
            shared: self.shared.clone(),
            shared_pushes: Shared::of(limits.pushes_per_client),
            shared_failures: Shared::of(limits.failures_per_address),
        }
    }

    /// With budgets that are this replica's and, through `ledger`, those of all replicas together. A
    /// budget is used up where either is.
    #[must_use]
    pub fn shared_by(self, ledger: Option<Arc<Ledger>>) -> Self {
        Self { shared: ledger, ..self }
    }

    /// Whether credentials from `address` are looked at.
    ///
    /// # Errors
    /// [`RetryAfter`] where the address has failed too often and `client_id` has not authenticated
    /// from there lately, or has failed too often there itself since.
    pub fn may_try(&self, address: IpAddr, client_id: &str) -> Result<(), RetryAfter> {
        let address = network(address);
        let wait = self.failures_of(address);
        if wait.is_zero() {
            return Ok(());
        }
        let pair = (Arc::from(client_id), address);
        if !self.trusted.contains_key(&pair) {
            return Err(RetryAfter(wait));
        }
        let own = self.own_blocked.get(&pair).map(|until| until.since(self.clock.now()));
        match own.unwrap_or_default() {
            Duration::ZERO => Ok(()),
            wait => Err(RetryAfter(wait)),
        }
    }

    /// Counts a failed authentication in the name of a client. Where the address may try for this client
    /// alone any more, it comes out of a budget of the two.
    pub fn failed(&self, address: IpAddr, client_id: &str) {
        let address = network(address);
        if !self.failures_of(address).is_zero() {
            let pair = (Arc::from(client_id), address);
            if self.trusted.contains_key(&pair)
                && let Err(not_until) = self.own_failures.check_key(&pair)
            {
                let wait = not_until.wait_time_from(OurClock(Arc::clone(&self.clock)).now());
                self.own_blocked.insert(pair, self.clock.now() + wait);
            }
        }
        if let Err(not_until) = self.failures.check_key(&address) {
            let wait = not_until.wait_time_from(OurClock(Arc::clone(&self.clock)).now());
            let until = self.clock.now() + wait;
            self.blocked.insert(address, until);
            self.all_free.fetch_max(until.as_millis(), Ordering::Relaxed);
        }
        if let Some(ledger) = &self.shared
            && self.failures_elsewhere(address).is_zero()
        {
            let Shared { each, per } = self.shared_failures;
            ledger.add(Debtor::Address(address), each, per * OVERDRAFT);
        }
    }

    /// How long failures keep `address` waiting.
    fn failures_of(&self, address: IpAddr) -> Duration {
        self.failures_here(address).max(self.failures_elsewhere(address))
    }

    /// How long the failures at this replica keep `address` waiting.
    fn failures_here(&self, address: IpAddr) -> Duration {
        let all_free = Timestamp::from_millis(self.all_free.load(Ordering::Relaxed));
        let now = self.clock.now();
        // Nearly always nobody is blocked, and then nothing is looked up.
        if all_free <= now {
            return Duration::ZERO;
        }
        self.blocked.get(&address).map(|until| until.since(now)).unwrap_or_default()
    }

    /// How long the failures at all replicas together keep `address` waiting.
    fn failures_elsewhere(&self, address: IpAddr) -> Duration {
        let debt = self.shared.as_ref().map(|ledger| ledger.debt(&Debtor::Address(address)));
        debt.unwrap_or_default().saturating_sub(self.shared_failures.per)
    }

    /// Remembers that `client_id` authenticated from `address`.
    pub fn succeeded(&self, address: IpAddr, client_id: &Arc<str>) {
        let key = (Arc::clone(client_id), network(address));
        // Looking an entry up keeps it for another hour; asking whether it is there does not.
        if self.trusted.get(&key).is_none() {
            self.trusted.insert(key, ());
        }
    }

    /// Counts a push.
    ///
    /// # Errors
    /// [`RetryAfter`] where the client's budget is used up.
    pub fn push(&self, client_id: &Arc<str>) -> Result<(), RetryAfter> {
        let Shared { each, per } = self.shared_pushes;
        let debtor = self.shared.as_ref().map(|_| Debtor::Client(Arc::clone(client_id)));
        if let Some((ledger, debtor)) = self.shared.as_ref().zip(debtor.as_ref()) {
            let wait = (ledger.debt(debtor) + each).saturating_sub(per);
            if !wait.is_zero() {
                return Err(RetryAfter(wait));
            }
        }
        self.pushes.check_key(client_id).map_err(|not_until| {
            RetryAfter(not_until.wait_time_from(OurClock(Arc::clone(&self.clock)).now()))
        })?;
        if let Some((ledger, debtor)) = self.shared.as_ref().zip(debtor) {
            ledger.add(debtor, each, per * OVERDRAFT);
        }
        Ok(())
    }

    /// How much is remembered now.
    #[must_use]
    pub fn tracked(&self) -> [(LimitKind, u64); 4] {
        // What was noted a moment ago counts once it is settled.
        self.tidy();
        [
            (LimitKind::Clients, self.spent.pushes.entry_count()),
            (LimitKind::Addresses, self.spent.failures.entry_count()),
            (LimitKind::Blocked, self.blocked.entry_count()),
            (LimitKind::Trusted, self.trusted.entry_count()),
        ]
    }

    /// Forgets budgets that are full again. To be called now and then.
    pub fn tidy(&self) {
        self.spent.pushes.run_pending_tasks();
        self.spent.failures.run_pending_tasks();
        self.spent.own_failures.run_pending_tasks();
        self.blocked.run_pending_tasks();
        self.own_blocked.run_pending_tasks();
        self.trusted.run_pending_tasks();
        if let Some(ledger) = &self.shared {
            ledger.tidy();
        }
    }
}

fn keyed<K: Clone + Hash + Eq + Debug + Send + Sync + 'static>(
    rate: config::Rate,
    spent: &Cells<K>,
    clock: &Arc<dyn Clock>,
) -> Keyed<K> {
    let ours = OurClock(Arc::clone(clock));
    RateLimiter::new(quota(rate), Budgets::over(spent, &ours, rate), ours)
}

/// In which one use comes back.
fn each(rate: config::Rate) -> Duration {
    (rate.per / rate.count.get()).max(Duration::from_nanos(1))
}

fn quota(rate: config::Rate) -> Quota {
    Quota::with_period(each(rate))
        .unwrap_or(Quota::per_second(NonZeroU32::MIN))
        .allow_burst(rate.count)
}

/// IPv6 users own a /64: that is what is counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests;
