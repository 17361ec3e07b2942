//! `[store]`

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::pem::Pem;
use super::{Checker, Refused, cannot_read};
use crate::config::file::{self, Backend};
use crate::config::snapshot::{SnapshotFile, SnapshotKey};
use crate::config::store::{Redis, RedisPassword, RedisServers, RedisTls, Store, Wait};

impl Checker<'_> {
    pub(super) fn store(&mut self, file: &file::Store) -> Option<Store> {
        let max_bytes = file.max_bytes;
        match file.backend {
            Backend::Memory => {
                if file.replicas > 1 {
                    self.refuse(
                        "store.replicas",
                        "several replicas cannot share a memory store; use `backend = \"redis\"`",
                    );
                }
                if file.redis.is_some() {
                    self.refuse("store.redis", "needs `backend = \"redis\"`");
                }
                let snapshot = self.snapshot(file).ok()?;
                Some(Store { max_bytes, redis: None, snapshot })
            }
            Backend::Redis => {
                if file.snapshot.is_some() {
                    self.refuse(
                        "store.snapshot",
                        "is for `backend = \"memory\"`; Redis keeps its own",
                    );
                }
                let redis = self.redis(file.redis.as_ref().unwrap_or(&file::StoreRedis::default()));
                Some(Store { max_bytes, redis: Some(redis?), snapshot: None })
            }
        }
    }

    fn snapshot(&mut self, file: &file::Store) -> Result<Option<SnapshotFile>, Refused> {
        let keys = [
            ("store.snapshot_key", file.snapshot_key.is_some()),
            ("store.snapshot_key_file", file.snapshot_key_file.is_some()),
            ("store.snapshot_key_env", file.snapshot_key_env.is_some()),
        ];
        let chosen = self.only_one(&keys)?;
        match (&file.snapshot, chosen) {
            (Some(name), Some(chosen)) => {
                let path = self.file_path("store.snapshot", name);
                // A bare name lies in the working folder, whose path is empty.
                let is_bare = path.parent() == Some(Path::new(""));
                if !(is_bare || path.parent().is_some_and(Path::is_dir)) || path.is_dir() {
                    self.refuse("store.snapshot", "expected a file in a folder that exists");
                    return Err(Refused);
                }
                Ok(Some(SnapshotFile { path, key: self.snapshot_key(file, chosen)? }))
            }
            (Some(_), None) => {
                self.refuse(
                    "store.snapshot",
                    "needs exactly one of `snapshot_key`, `snapshot_key_file`, `snapshot_key_env`",
                );
                Err(Refused)
            }
            (None, Some(key)) => {
                self.refuse(key, "needs `snapshot` beside it");
                Err(Refused)
            }
            (None, None) => Ok(None),
        }
    }

    fn snapshot_key(&mut self, file: &file::Store, chosen: &str) -> Result<SnapshotKey, Refused> {
        let key = if let Some(text) = &file.snapshot_key {
            SnapshotKey::parse(text.expose().as_bytes())
        } else if let Some(name) = &file.snapshot_key_file {
            let path = self.file_path(chosen, name);
            match self.sources.read_for(chosen, &path).map(Zeroizing::new) {
                Ok(bytes) => SnapshotKey::parse(&bytes),
                Err(error) => {
                    self.refuse(chosen, &cannot_read(&path, &error));
                    return Err(Refused);
                }
            }
        } else {
            let name = file.snapshot_key_env.as_deref().unwrap_or_default();
            let text = self.secret_from_variable(chosen, name).ok_or(Refused)?;
            SnapshotKey::parse(text.expose().as_bytes())
        };
        key.ok_or_else(|| {
            self.refuse(chosen, "expected 32 bytes in base64, as `parapet secret key` prints them");
            Refused
        })
    }

    fn redis(&mut self, file: &file::StoreRedis) -> Option<Redis> {
        let parsed = RedisServers::parse(&file.url);
        if let Err(problem) = parsed {
            self.refuse("store.redis.url", problem);
        }
        let password = self.redis_password(file);
        let spoken = parsed.as_ref().map_or(true, |(_, _, tls)| *tls);
        let tls = self.redis_tls(file, spoken);
        let (servers, database, _) = parsed.ok()?;
        let (replicas, timeout) = (file.wait_replicas, file.wait_timeout.0);
        if replicas > 0 && matches!(servers, RedisServers::Cluster(_)) {
            self.refuse(
                "store.redis.wait_replicas",
                "a cluster is not waited for; set `min-replicas-to-write` in Redis",
            );
            return None;
        }
        Some(Redis {
            servers,
            database,
            tls: tls.ok()?,
            username: file.username.clone(),
            password: password?,
            timeout: file.timeout.0,
            wait: (replicas > 0).then_some(Wait { replicas, timeout }),
        })
    }

    fn redis_password(&mut self, file: &file::StoreRedis) -> Option<RedisPassword> {
        match (&file.password_file, &file.password_env) {
            (Some(_), Some(_)) => {
                self.refuse("store.redis.password_env", "only one of the two passwords may be set");
                None
            }
            (Some(name), None) => {
                self.secret_from_file("store.redis.password_file", name)?;
                let path = self.file_path("store.redis.password_file", name);
                Some(RedisPassword::File(path))
            }
            (None, Some(name)) => self
                .secret_from_variable("store.redis.password_env", name)
                .map(RedisPassword::Fixed),
            (None, None) if file.username.is_some() => {
                self.refuse(
                    "store.redis.username",
                    "needs `password_file` or `password_env` beside it",
                );
                None
            }
            (None, None) => Some(RedisPassword::None),
        }
    }

    /// `spoken`: the URL asks for TLS.
    fn redis_tls(
        &mut self,
        file: &file::StoreRedis,
        spoken: bool,
    ) -> Result<Option<RedisTls>, Refused> {
        let ca_file = self.tls_file(
            "store.redis.ca_file",
            file.ca_file.as_deref(),
            Pem::Certificates,
            spoken,
        )?;
        let certificate = self.tls_file(
            "store.redis.client_certificate",
            file.client_certificate.as_deref(),
            Pem::Certificates,
            spoken,
        )?;
        let key = self.tls_file(
            "store.redis.client_key",
            file.client_key.as_deref(),
            Pem::PrivateKey,
            spoken,
        )?;
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                self.refuse("store.redis.client_certificate", "needs `client_key` beside it");
                return Err(Refused);
            }
            (None, Some(_)) => {
                self.refuse("store.redis.client_key", "needs `client_certificate` beside it");
                return Err(Refused);
            }
        };
        Ok(spoken.then_some(RedisTls { ca_file, client }))
    }

    fn tls_file(
        &mut self,
        key: &str,
        name: Option<&str>,
        kind: Pem,
        spoken: bool,
    ) -> Result<Option<PathBuf>, Refused> {
        let Some(name) = name else {
            return Ok(None);
        };
        if !spoken {
            self.refuse(key, "needs TLS, which a URL that begins with `rediss` is for");
            return Err(Refused);
        }
        self.pem(key, Some(name), kind)
    }
}
