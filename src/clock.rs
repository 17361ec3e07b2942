//! Time as an argument, by two clocks that tests can move apart: a [`Timestamp`] judges what the gateway
//! keeps, a [`WallTime`] what others wrote.

use std::fmt::Debug;
use std::ops::Add;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on a timeline that never goes back, by which what is kept expires: in milliseconds, near to
/// those since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// A time of day as somebody wrote it, or as the wall clock says it now: milliseconds
/// since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl Timestamp {
    /// The point that has this number of milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Its number of milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The point so many milliseconds later, or earlier where they are negative.
    #[must_use]
    pub const fn shifted(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add_signed(milliseconds))
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Its time of day, where the wall clock is so many milliseconds [ahead](WallTime::ahead_of).
    #[must_use]
    pub const fn on_the_wall(self, ahead: i64) -> WallTime {
        WallTime::from_millis(self.0.saturating_add_signed(ahead))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}

impl WallTime {
    /// The time so long after the Unix epoch, in whole milliseconds.
    #[must_use]
    pub fn since_epoch(time: Duration) -> Self {
        Self::default() + time
    }

    /// The time so many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// By how many milliseconds the wall clock that says this is ahead of the timeline that says `now`;
    /// negative where it is behind.
    #[must_use]
    pub fn ahead_of(self, now: Timestamp) -> i64 {
        let apart = i64::try_from(self.0.abs_diff(now.0)).unwrap_or(i64::MAX);
        if self.0 < now.0 { -apart } else { apart }
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + Debug {
    /// The present moment, by which what is kept is judged. Never goes back, whatever happens to the
    /// wall clock.
    fn now(&self) -> Timestamp;

    /// What the wall clock of the machine says now, by which times are judged that others wrote, and
    /// told to them. May go back.
    fn wall(&self) -> WallTime;

    /// [`now`](Self::now) in nanoseconds, as finely as the clock knows it.
    fn nanoseconds(&self) -> u64 {
        self.now().as_millis().saturating_mul(1_000_000)
    }

    /// By how many milliseconds the wall clock is [ahead](WallTime::ahead_of) now.
    fn ahead(&self) -> i64 {
        self.wall().ahead_of(self.now())
    }
}

/// The machine's clocks. The timeline begins at what the wall clock said when the process first asked,
/// and is carried on by the monotonic clock, so that a corrected wall clock neither revives nor kills a
/// pending request.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    began: Timestamp,
    monotonic: Instant,
}

impl SystemClock {
    /// The one timeline of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn start() -> Self {
        static FIRST: OnceLock<SystemClock> = OnceLock::new();
        *FIRST.get_or_init(|| Self {
            began: Timestamp(wall().as_millis()),
            monotonic: Instant::now(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the other place where time enters")]
fn wall() -> WallTime {
    WallTime::since_epoch(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.began + self.monotonic.elapsed()
    }

    fn wall(&self) -> WallTime {
        wall()
    }

    fn nanoseconds(&self) -> u64 {
        let elapsed = u64::try_from(self.monotonic.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.began.as_millis().saturating_mul(1_000_000).saturating_add(elapsed)
    }
}

/// How long something took, finer than a [`Clock`] tells: for metrics alone, nothing is decided by it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins to count.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "measures, and decides nothing")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still until it is moved, and whose wall clock can be set.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    ahead: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now`, and so does its wall clock.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now: AtomicU64::new(now.0), ahead: AtomicI64::new(0) }
    }

    /// Lets time pass, on the wall as well.
    pub fn advance(&self, duration: Duration) {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Sets the wall clock so many milliseconds ahead, or back where they are negative. No time passes.
    pub fn correct(&self, milliseconds: i64) {
        self.ahead.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn wall(&self) -> WallTime {
        self.now().on_the_wall(self.ahead.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_does_not_go_back() {
        let clock = SystemClock::start();
        let before = clock.now();
        assert!(clock.now() >= before);
    }

    #[test]
    fn manual_clock_moves_by_what_it_is_told() {
        let clock = ManualClock::at(Timestamp::from_millis(1_000));
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Timestamp::from_millis(3_000));
        assert_eq!(clock.now().since(Timestamp::from_millis(1_000)), Duration::from_secs(2));
        assert_eq!(Timestamp::from_millis(5).since(clock.now()), Duration::ZERO);
    }

    #[test]
    fn a_corrected_wall_clock_passes_no_time() {
        let clock = ManualClock::at(Timestamp::from_millis(1_000));
        for (correction, wall) in [(500, 1_500), (-1_400, 100), (-200, 0)] {
            clock.correct(correction);
            assert_eq!(clock.now(), Timestamp::from_millis(1_000));
            assert_eq!(clock.wall(), WallTime::from_millis(wall));
        }
        assert_eq!(clock.ahead(), -1_000);
        assert_eq!(Timestamp::from_millis(3_000).on_the_wall(-1_000), WallTime::from_millis(2_000));
    }

    #[test]
    fn all_system_clocks_show_one_timeline() {
        let apart = SystemClock::start().ahead().abs_diff(SystemClock::start().ahead());
        assert!(apart < 1_000, "{apart} ms");
    }
}
