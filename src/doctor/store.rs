//! The store: is it there, does it keep what it is given, and how long does it take?

use crate::clock::Clock;
use crate::config::Config;
use crate::store::redis::look::{Facts, look as look_at};

use super::Finding;

pub(super) async fn look(config: &Config, clock: &dyn Clock, mark: &str) -> Vec<Finding> {
    const CHECK: &str = "store";
    let Some(redis) = &config.store.redis else {
        let says = match &config.store.snapshot {
            Some(_) => "in memory: for one gateway; a snapshot keeps it over a restart",
            None => "in memory: for one gateway, and emptied by a restart",
        };
        return vec![Finding::good(CHECK, says)];
    };
    let facts = match look_at(redis, clock, mark).await {
        Ok(facts) => facts,
        Err(error) => {
            let says = format!("{}: {error}", redis.servers);
            return vec![
                Finding::problem(CHECK, says)
                    .advice("until it works every push is refused with 503"),
            ];
        }
    };
    let limit = u64::try_from(redis.timeout.as_millis()).unwrap_or(u64::MAX);
    let mut findings = vec![server(&facts, &redis.servers.to_string()), policy(&facts)];
    findings.push(latency(&facts, limit));
    findings.extend(facts.replicas.map(replicas));
    findings
}

fn server(facts: &Facts, servers: &str) -> Finding {
    const CHECK: &str = "store.server";
    let version = facts.version.as_deref().unwrap_or("an unknown version");
    let says = format!("{servers} is {version}; a key was written, read and deleted");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(0..6) => Finding::problem(CHECK, format!("{servers} is {version}, which is too old"))
            .advice("Redis 6.2 or newer, or Valkey"),
        _ => Finding::good(CHECK, says),
    }
}

/// A live request must never be thrown out for a new one.
fn policy(facts: &Facts) -> Finding {
    const CHECK: &str = "store.maxmemory_policy";
    match facts.policy.as_deref() {
        Some("noeviction") => Finding::good(CHECK, "noeviction"),
        Some(policy) => Finding::problem(CHECK, format!("{policy}: it throws out live requests"))
            .advice("redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its file"),
        None => Finding::warning(CHECK, "the server does not tell; it must be noeviction"),
    }
}

/// `limit` is `[store.redis] timeout`, in milliseconds.
fn latency(facts: &Facts, limit: u64) -> Finding {
    const CHECK: &str = "store.latency";
    let slowest = u64::try_from(facts.slowest.as_millis()).unwrap_or(u64::MAX);
    let says = format!("answers within {slowest} ms; timeout is {limit} ms");
    if slowest.saturating_mul(2) < limit {
        return Finding::good(CHECK, says);
    }
    let enough = slowest.saturating_mul(4).clamp(250, 5_000);
    Finding::warning(CHECK, says)
        .advice("answers that come later count as lost; a server nearby is better than patience")
        .line("store.redis", "timeout", format!("{enough}ms"))
}

fn replicas(replicas: u64) -> Finding {
    const CHECK: &str = "store.replicas";
    match replicas {
        0 => Finding::good(CHECK, "none: what is pending is lost with the server"),
        1 => Finding::good(CHECK, "one replica follows"),
        more => Finding::good(CHECK, format!("{more} replicas follow")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_a_server_says_is_judged() {
        let facts = |version: &str, policy: Option<&str>, slowest| Facts {
            version: Some(version.to_owned()),
            policy: policy.map(str::to_owned),
            slowest: Duration::from_millis(slowest),
            replicas: None,
        };
        assert_eq!(server(&facts("7.2.4", None, 0), "s").verdict(), Verdict::Good);
        assert_eq!(server(&facts("5.0.1", None, 0), "s").verdict(), Verdict::Problem);
        assert_eq!(policy(&facts("7", Some("noeviction"), 0)).verdict(), Verdict::Good);
        assert_eq!(policy(&facts("7", Some("allkeys-lru"), 0)).verdict(), Verdict::Problem);
        assert_eq!(policy(&facts("7", None, 0)).verdict(), Verdict::Warning);
        assert_eq!(latency(&facts("7", None, 5), 250).verdict(), Verdict::Good);
        assert_eq!(latency(&facts("7", None, 200), 250).verdict(), Verdict::Warning);
    }
}
