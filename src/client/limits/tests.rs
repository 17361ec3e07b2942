//! The two budgets, alone and shared.

use super::*;
use crate::clock::ManualClock;

fn limits() -> (Limits, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    (Limits::new(&settings(), Arc::<ManualClock>::clone(&clock)), clock)
}

fn settings() -> config::Limits {
    let rate = |count, per| config::Rate { count: NonZeroU32::new(count).unwrap(), per };
    config::Limits {
        pushes_per_client: rate(2, Duration::from_secs(1)),
        failures_per_address: rate(3, Duration::from_secs(60)),
        failures_per_client: rate(4, Duration::from_secs(60)),
        connections: 1,
        header_timeout: Duration::from_secs(1),
        keepalive_timeout: Duration::from_secs(1),
        body_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
    }
}

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[test]
fn b009_pushes_come_back_with_time() {
    let (limits, clock) = limits();
    let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
    assert!(limits.push(&one).is_ok() && limits.push(&one).is_ok());
    let RetryAfter(wait) = limits.push(&one).unwrap_err();
    assert!(wait <= Duration::from_millis(500) && !wait.is_zero(), "{wait:?}");
    assert!(limits.push(&other).is_ok());
    clock.advance(Duration::from_millis(500));
    assert!(limits.push(&one).is_ok());
}

#[test]
fn an_address_that_fails_too_often_waits() {
    let (limits, clock) = limits();
    for _ in 0..3 {
        limits.failed(HOME, "one");
        assert!(limits.may_try(HOME, "one").is_ok());
    }
    limits.failed(HOME, "one");
    assert!(limits.may_try(HOME, "one").is_err());
    assert!(limits.may_try("192.0.2.2".parse().unwrap(), "one").is_ok());
    clock.advance(Duration::from_secs(20));
    assert!(limits.may_try(HOME, "one").is_ok());
}

#[test]
fn a_client_that_authenticated_lately_is_not_held_up() {
    let (limits, _clock) = limits();
    limits.failed(HOME, "one");
    limits.succeeded(HOME, &"good".into());
    for _ in 0..9 {
        limits.failed(HOME, "one");
    }
    assert!(limits.may_try(HOME, "good").is_ok());
    assert!(limits.may_try(HOME, "bad").is_err());
}

#[test]
fn trust_lasts_for_as_long_as_the_client_comes_back() {
    let (limits, _clock) = limits();
    let policy = limits.trusted.policy();
    assert_eq!((policy.time_to_idle(), policy.time_to_live()), (Some(TRUST), None));
}

#[test]
fn budgets_of_another_size_are_as_used_up() {
    let (limits, clock) = limits();
    let client: Arc<str> = "one".into();
    let rate = |count| config::Rate {
        count: NonZeroU32::new(count).unwrap(),
        per: Duration::from_secs(60),
    };
    clock.advance(Duration::from_secs(5));
    assert!(limits.push(&client).is_ok() && limits.push(&client).is_ok());
    assert!(limits.push(&client).is_err());
    let same = limits.resized(&settings());
    assert!(same.push(&client).is_err());
    let wider =
        config::Limits { pushes_per_client: rate(6), failures_per_address: rate(1), ..settings() };
    let wider = same.resized(&wider);
    // A second of the minute in which six come back was used.
    let more = (0..9).filter(|_| wider.push(&client).is_ok()).count();
    assert_eq!(more, 5);
    limits.failed(HOME, "one");
    wider.failed(HOME, "one");
    assert!(wider.may_try(HOME, "one").is_err() && limits.may_try(HOME, "one").is_err());
    // The whole budget of `same` comes back in a second.
    assert!(same.push(&client).is_err());
    clock.advance(Duration::from_millis(500));
    assert!(same.push(&client).is_ok() && same.push(&client).is_err());
    clock.advance(Duration::from_secs(60));
    assert!(wider.push(&client).is_ok() && wider.may_try(HOME, "one").is_ok());
}

#[test]
fn a_million_addresses_take_bounded_room() {
    let (limits, _clock) = limits();
    for number in 0..1_000_000_u32 {
        limits.failed(IpAddr::V4((0x0a00_0000 + number).into()), "one");
        if number.is_multiple_of(50_000) {
            limits.tidy();
        }
    }
    limits.tidy();
    let kept = limits.spent.failures.entry_count();
    assert!((1..=MOST_ADDRESSES).contains(&kept), "{kept}");
    // The last to fail are still counted.
    let last = IpAddr::V4((0x0a00_0000 + 999_999).into());
    for _ in 0..3 {
        limits.failed(last, "one");
    }
    assert!(limits.may_try(last, "one").is_err());
    for number in 0..200_000_u32 {
        limits.succeeded(IpAddr::V4(number.into()), &"one".into());
    }
    limits.tidy();
    assert!(limits.trusted.entry_count() <= MOST_ADDRESSES);
}

#[test]
fn a_whole_ipv6_network_is_one_address() {
    let (limits, _clock) = limits();
    for last in 0..9_u16 {
        limits.failed(format!("2001:db8::{last:x}").parse().unwrap(), "one");
    }
    assert!(limits.may_try("2001:db8::ffff".parse().unwrap(), "one").is_err());
    assert!(limits.may_try("2001:db8:0:1::1".parse().unwrap(), "one").is_ok());
}

#[test]
fn b009_budgets_that_other_replicas_use_are_used_up_for_this_one() {
    let (limits, clock) = limits();
    let ledger = Arc::new(Ledger::new(Arc::<ManualClock>::clone(&clock)));
    let limits = limits.shared_by(Some(Arc::clone(&ledger)));
    let one: Arc<str> = "one".into();
    ledger.add(Debtor::Client(Arc::clone(&one)), Duration::from_millis(500), TRUST);
    assert!(limits.push(&one).is_ok());
    let RetryAfter(wait) = limits.push(&one).unwrap_err();
    assert_eq!(wait, Duration::from_millis(500));
    for _ in 0..3 {
        assert!(limits.may_try(HOME, "one").is_ok());
        ledger.add(Debtor::Address(HOME), Duration::from_secs(20), TRUST);
    }
    assert!(limits.may_try(HOME, "one").is_ok(), "as many as are allowed");
    limits.failed(HOME, "one");
    let RetryAfter(wait) = limits.may_try(HOME, "one").unwrap_err();
    assert_eq!(wait, Duration::from_secs(20));
    clock.advance(wait);
    assert!(limits.may_try(HOME, "one").is_ok());
}

#[test]
fn b265_a_client_that_works_at_an_address_may_fail_there_longer_and_not_for_ever() {
    let (limits, clock) = limits();
    limits.succeeded(HOME, &"works".into());
    for _ in 0..4 {
        limits.failed(HOME, "stranger");
    }
    assert!(limits.may_try(HOME, "stranger").is_err());
    let mut failures = 0;
    while limits.may_try(HOME, "works").is_ok() && failures < 100 {
        limits.failed(HOME, "works");
        failures += 1;
    }
    assert_eq!(failures, 5, "the budget of the two, and the one that finds it used up");
    // Nobody who fails in its name elsewhere holds it up at home.
    let away = IpAddr::V4([198, 51, 100, 7].into());
    clock.advance(Duration::from_secs(120));
    for _ in 0..50 {
        limits.failed(away, "works");
    }
    assert!(limits.may_try(HOME, "works").is_ok() && limits.may_try(away, "works").is_err());
}
