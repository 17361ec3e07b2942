//! `[store]`, checked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;
use super::snapshot::SnapshotFile;

/// `[store]`
#[derive(Debug, Clone)]
pub struct Store {
    /// For the memory store: a push that would take it above this is refused.
    pub max_bytes: u64,
    /// `backend = "redis"`; `None` for memory.
    pub redis: Option<Redis>,
    /// Where the memory store is kept over a restart.
    pub snapshot: Option<SnapshotFile>,
}

/// `[store.redis]`
#[derive(Debug, Clone)]
pub struct Redis {
    /// Where it is found.
    pub servers: RedisServers,
    /// The numbered database; 0 in a cluster.
    pub database: u32,
    /// `None` without TLS.
    pub tls: Option<RedisTls>,
    /// The user of Redis's access control list; `None` for the default user.
    pub username: Option<String>,
    /// How it is known.
    pub password: RedisPassword,
    /// Longest wait for a connection, and longest silence of one that is waited on.
    pub timeout: Duration,
    /// Replicas of Redis that must have what is acknowledged; `None` where none is waited for.
    pub wait: Option<Wait>,
}

/// How a write comes to Redis's replicas before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// How many must have it; at least one.
    pub replicas: u32,
    /// Longest wait for them.
    pub timeout: Duration,
}

/// Which servers make the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisServers {
    /// One server.
    Single(RedisHost),
    /// A socket of this machine.
    Unix(PathBuf),
    /// The primary of this name, as these sentinels know it.
    Sentinel {
        /// The sentinels, asked in turn.
        sentinels: Vec<RedisHost>,
        /// The name that they know the primary by.
        primary: String,
    },
    /// A cluster, found by these of its nodes.
    Cluster(Vec<RedisHost>),
}

/// `HOST:PORT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisHost {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What TLS to Redis goes by. The files are read at each connection.
#[derive(Debug, Clone)]
pub struct RedisTls {
    /// Certificates that are trusted; `None` for those of the system.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain that the gateway shows, and its private key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How the password is known.
#[derive(Debug, Clone)]
pub enum RedisPassword {
    /// There is none.
    None,
    /// By an environment variable.
    Fixed(Secret),
    /// By a file, read at each connection.
    File(PathBuf),
}

impl RedisServers {
    /// Reads `redis://HOST[:PORT][/DB]`, `unix:///PATH`, `redis-sentinel://HOST[:PORT],…/NAME[/DB]`
    /// or `redis-cluster://HOST[:PORT],…`; `valkey` may stand for `redis`, and `rediss` or
    /// `valkeys` is with TLS. Gives the servers, the database, and whether TLS is spoken.
    ///
    /// # Errors
    /// What is wrong with it, without what was written.
    pub fn parse(url: &str) -> Result<(Self, u32, bool), &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(EXPECTED)?;
        if scheme == "unix" {
            let path = rest.starts_with('/').then(|| PathBuf::from(rest)).ok_or(EXPECTED)?;
            return Ok((Self::Unix(path), 0, false));
        }
        if rest.contains('@') {
            return Err("a user or password in the URL is not supported; use `username`, and \
                        `password_file` or `password_env`");
        }
        if rest.contains(['?', '#']) {
            return Err(EXPECTED);
        }
        let (family, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
        let tls = match family {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(EXPECTED),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if kind == "sentinel" { 26379 } else { 6379 };
        let mut hosts: Vec<RedisHost> = hosts
            .split(',')
            .map(|host| RedisHost::parse(host, port))
            .collect::<Option<_>>()
            .ok_or(EXPECTED)?;
        match kind {
            "" => {
                let database = database(path)?;
                let host = hosts.pop().filter(|_| hosts.is_empty());
                host.map(|host| (Self::Single(host), database, tls))
                    .ok_or("several servers are a `redis-sentinel://` or a `redis-cluster://`")
            }
            "sentinel" => {
                let (primary, path) = path.split_once('/').unwrap_or((path, ""));
                if primary.is_empty() {
                    return Err("the name of the primary is missing, as in \
                                \"redis-sentinel://a:26379,b:26379/NAME\"");
                }
                let primary = primary.to_owned();
                Ok((Self::Sentinel { sentinels: hosts, primary }, database(path)?, tls))
            }
            "cluster" if path.is_empty() => Ok((Self::Cluster(hosts), 0, tls)),
            "cluster" => Err("a cluster has no numbered databases"),
            _ => Err(EXPECTED),
        }
    }
}

const EXPECTED: &str = "expected a URL such as \"redis://127.0.0.1:6379\", \
                        \"rediss://cache.example\" for TLS, \"unix:///run/redis.sock\", \
                        \"redis-sentinel://a:26379,b:26379/NAME\" or \
                        \"redis-cluster://a:6379,b:6379\"";

fn database(path: &str) -> Result<u32, &'static str> {
    if path.is_empty() { Ok(0) } else { path.parse().map_err(|_| EXPECTED) }
}

impl RedisHost {
    fn parse(text: &str, default_port: u16) -> Option<Self> {
        let bracketed = text.strip_prefix('[').and_then(|text| text.split_once(']'));
        let (host, rest) = match bracketed {
            Some(parts) => parts,
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if rest.is_empty() => default_port,
            None => return None,
        };
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let sound = if bracketed.is_some() {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !host.is_empty() && host.bytes().all(fits)
        };
        sound.then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |hosts: &[RedisHost]| {
            hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        match self {
            Self::Single(host) => host.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Sentinel { sentinels, primary } => {
                write!(f, "{primary} by the sentinels {}", list(sentinels))
            }
            Self::Cluster(hosts) => write!(f, "the cluster of {}", list(hosts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> RedisHost {
        RedisHost { host: host.to_owned(), port }
    }

    #[test]
    fn each_kind_of_url_is_read() {
        let read = |url: &str| RedisServers::parse(url).unwrap();
        let single = |name: &str, port| RedisServers::Single(host(name, port));
        assert_eq!(read("redis://127.0.0.1"), (single("127.0.0.1", 6379), 0, false));
        assert_eq!(
            read("valkeys://cache.example:7000/3"),
            (single("cache.example", 7000), 3, true)
        );
        assert_eq!(read("rediss://[::1]:1"), (single("::1", 1), 0, true));
        let socket = RedisServers::Unix("/run/redis.sock".into());
        assert_eq!(read("unix:///run/redis.sock"), (socket, 0, false));
        let sentinels = vec![host("a", 26379), host("b", 1)];
        let sentinel = RedisServers::Sentinel { sentinels, primary: "main".to_owned() };
        assert_eq!(read("redis-sentinel://a,b:1/main/2"), (sentinel, 2, false));
        let cluster = RedisServers::Cluster(vec![host("a", 6379), host("b", 6379)]);
        assert_eq!(read("rediss-cluster://a,b"), (cluster, 0, true));
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for url in [
            "",
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://a,b",
            "redis://a:65536",
            "redis://a/x",
            "redis://user:hunter2@cache",
            "redis://a?x=hunter2",
            "redis-sentinel://a",
            "redis-cluster://a/1",
            "redis-other://a",
            "unix://here",
            "redis://[hunter2]",
        ] {
            let problem = RedisServers::parse(url).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
