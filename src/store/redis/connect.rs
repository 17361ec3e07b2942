//! Connections: to one server, to the primary that sentinels name, or to a cluster.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClientBuilder, TlsMode};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo as _, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
};

use crate::config::Secret;
use crate::config::store::{Redis, RedisHost, RedisPassword, RedisServers, RedisTls};

/// How many commands may wait to be written; more wait for room.
const PIPELINE: usize = 1024;

/// For how many time-outs the connection on which replicas are waited for may be silent. There is one
/// call at a time on it, so that nothing else tells a stall from a connection that is lost.
pub(super) const STALL: u32 = 2;

/// Cheap to clone; clones share their sockets.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Single(…)",
            Self::Cluster(_) => "Cluster(…)",
        })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot read {0}: {1}")]
    File(String, std::io::Error),
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("no sentinel knows {0:?}")]
    NoPrimary(String),
    #[error("the server is a replica")]
    Replica,
    #[error("no answer in time")]
    Slow,
    #[error("the answer cannot be read")]
    Unreadable,
    #[error("two connections to one address are answered by two servers")]
    TwoServers,
}

impl Connection {
    /// The same connection, whose answers are waited for so long. A cluster's has its own times.
    pub(super) fn waiting(mut self, limit: Duration) -> Self {
        if let Self::Single(connection) = &mut self {
            connection.set_response_timeout(limit);
        }
        self
    }

    /// Sends a command and waits for its answer, at most the configured time or that of
    /// [`waiting`](Self::waiting).
    pub(super) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::Single(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }

    /// What `INFO` says, of each primary.
    pub(super) async fn info(&self) -> Result<Vec<String>, RedisError> {
        let command = redis::cmd("INFO");
        let value = match self.clone() {
            Self::Single(mut connection) => command.query_async(&mut connection).await?,
            Self::Cluster(mut connection) => {
                let primaries = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                connection.route_command(command, primaries).await?
            }
        };
        let mut texts = Vec::new();
        collect(value, &mut texts);
        Ok(texts)
    }
}

/// Every text in an answer; in a cluster they are in a map or in a list of pairs.
fn collect(value: Value, texts: &mut Vec<String>) {
    if let Value::BulkString(bytes) = value {
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    } else if let Value::Array(values) = value {
        for value in values {
            collect(value, texts);
        }
    } else if let Value::Map(pairs) = value {
        for (_, value) in pairs {
            collect(value, texts);
        }
    }
}

/// What a connection is opened with.
pub(super) struct Credentials {
    pub(super) password: Option<Secret>,
    tls: Option<TlsCertificates>,
}

impl Credentials {
    /// Reads password and certificates anew.
    pub(super) fn read(config: &Redis) -> Result<Self, ConnectError> {
        let password = match &config.password {
            RedisPassword::None => None,
            RedisPassword::Fixed(secret) => Some(secret.clone()),
            RedisPassword::File(path) => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                let secret = text.strip_suffix('\n').unwrap_or(&text);
                Some(Secret::new(secret.strip_suffix('\r').unwrap_or(secret).to_owned()))
            }
        };
        Ok(Self { password, tls: config.tls.as_ref().map(certificates).transpose()? })
    }

    /// Opens a connection, and where replicas are waited for a second one to the same server. Asks the
    /// sentinels anew.
    pub(super) async fn open(
        &self,
        config: &Redis,
    ) -> Result<(Connection, Option<MultiplexedConnection>), ConnectError> {
        let address = match &config.servers {
            RedisServers::Single(host) => self.address(host)?,
            RedisServers::Unix(path) => ConnectionAddr::Unix(path.clone()),
            RedisServers::Sentinel { sentinels, primary } => {
                self.address(&self.primary(sentinels, primary, config).await?)?
            }
            RedisServers::Cluster(hosts) => {
                return Ok((Connection::Cluster(self.cluster(hosts, config).await?), None));
            }
        };
        let connection = self.connect(address.clone(), self.login(config), config).await?;
        let waiting = match &config.wait {
            Some(wait) => {
                let mut waiting = self.connect(address, self.login(config), config).await?;
                waiting.set_response_timeout(config.timeout * STALL + wait.timeout);
                Some(waiting)
            }
            None => None,
        };
        Ok((Connection::Single(connection), waiting))
    }

    fn login(&self, config: &Redis) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(config.database.into());
        if let Some(username) = &config.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password.expose());
        }
        login
    }

    fn address(&self, host: &RedisHost) -> Result<ConnectionAddr, ConnectError> {
        let (host, port) = (host.host.clone(), host.port);
        let Some(tls) = &self.tls else {
            return Ok(ConnectionAddr::Tcp(host, port));
        };
        let bare = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        let client = Client::build_with_tls(bare, tls.clone())?;
        Ok(client.get_connection_info().addr().clone())
    }

    async fn connect(
        &self,
        address: ConnectionAddr,
        login: RedisConnectionInfo,
        config: &Redis,
    ) -> Result<MultiplexedConnection, ConnectError> {
        let client = Client::open(info(address, login)?)?;
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout))
            .set_pipeline_buffer_size(PIPELINE);
        Ok(client.get_multiplexed_async_connection_with_config(&options).await?)
    }

    async fn primary(
        &self,
        sentinels: &[RedisHost],
        name: &str,
        config: &Redis,
    ) -> Result<RedisHost, ConnectError> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(name);
        for sentinel in sentinels {
            let login = RedisConnectionInfo::default();
            let Ok(mut connection) = self.connect(self.address(sentinel)?, login, config).await
            else {
                continue;
            };
            let answer: RedisResult<Option<(String, u16)>> =
                question.query_async(&mut connection).await;
            if let Ok(Some((host, port))) = answer {
                return Ok(RedisHost { host, port });
            }
        }
        Err(ConnectError::NoPrimary(name.to_owned()))
    }

    async fn cluster(
        &self,
        hosts: &[RedisHost],
        config: &Redis,
    ) -> Result<ClusterConnection, ConnectError> {
        let nodes: Vec<ConnectionInfo> = hosts
            .iter()
            .map(|host| info(self.address(host)?, RedisConnectionInfo::default()))
            .collect::<Result<_, _>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .retries(1)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .connection_timeout(config.timeout)
            .response_timeout(config.timeout)
            .overall_response_timeout(Some(config.timeout + Duration::from_millis(100)));
        if let Some(username) = &config.username {
            builder = builder.username(username);
        }
        if let Some(password) = &self.password {
            builder = builder.password(password.expose());
        }
        if let Some(tls) = &self.tls {
            builder = builder.tls(TlsMode::Secure).certs(tls.clone());
        }
        Ok(builder.build()?.get_async_connection().await?)
    }
}

fn info(
    address: ConnectionAddr,
    login: RedisConnectionInfo,
) -> Result<ConnectionInfo, ConnectError> {
    Ok(address.into_connection_info()?.set_redis_settings(login))
}

fn certificates(tls: &RedisTls) -> Result<TlsCertificates, ConnectError> {
    let client_tls = match &tls.client {
        Some((certificate, key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        None => None,
    };
    let root_cert = tls.ca_file.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read(path: &Path) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(path).map_err(|error| ConnectError::File(path.display().to_string(), error))
}
