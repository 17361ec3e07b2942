//! The secret of a client, and the one before it, in one of their spellings each.

use super::{Checker, Refused};
use crate::config::RollOver;
use crate::config::diagnostic::Problem;
use crate::config::file::{self, AuthenticationMethod, WrittenSecret};
use crate::config::secret::{Secret, SecretDigest};
use crate::jose::Algorithm;

/// What is known of a secret.
#[derive(Clone)]
pub(super) enum ClientSecret {
    Plain(Secret),
    Digest(SecretDigest),
}

/// The secrets that a client may use.
pub(super) struct ClientSecrets {
    current: ClientSecret,
    previous: Option<ClientSecret>,
}

impl Checker<'_> {
    /// The secrets of a method that has one; a problem where another method has one.
    pub(super) fn client_secrets(
        &mut self,
        file: &file::Client,
        path: &str,
    ) -> Result<Option<ClientSecrets>, Refused> {
        let current = self.client_secret(file, &file.written_secret(), path);
        let previous = self.client_secret(file, &file.written_previous_secret(), path)?;
        let Some(current) = current? else { return Ok(None) };
        Ok(Some(ClientSecrets { current, previous }))
    }

    fn client_secret(
        &mut self,
        file: &file::Client,
        written: &WrittenSecret<'_>,
        path: &str,
    ) -> Result<Option<ClientSecret>, Refused> {
        let name = written.key;
        let keys = [
            (format!("{path}.{name}"), written.plain.is_some()),
            (format!("{path}.{name}_file"), written.file.is_some()),
            (format!("{path}.{name}_env"), written.variable.is_some()),
            (format!("{path}.{name}_sha256"), written.sha256.is_some()),
        ];
        let keys = keys.each_ref().map(|(key, set)| (key.as_str(), *set));
        let chosen = self.only_one(&keys)?;
        let has_secret = matches!(
            file.authentication,
            AuthenticationMethod::ClientSecretBasic
                | AuthenticationMethod::ClientSecretPost
                | AuthenticationMethod::ClientSecretJwt
        );
        let is_needed = has_secret && name == "secret";
        match chosen {
            Some(key) if has_secret => self.secret(written, key).map(Some).ok_or(Refused),
            Some(key) => {
                let method = file.authentication.as_str();
                self.refuse(key, &format!("a client of authentication {method:?} has no secret"));
                Err(Refused)
            }
            // A value of the wrong kind has been refused already.
            None if is_needed && keys.iter().all(|(key, _)| self.root.find(key).is_none()) => {
                let message = "a client with a secret needs exactly one of `secret`, \
                               `secret_file`, `secret_env`, `secret_sha256`";
                self.problems.add(Problem::new(self.root.place(path), message));
                Err(Refused)
            }
            None => Ok(None),
        }
    }

    /// The secret in the only key that is set.
    fn secret(&mut self, written: &WrittenSecret<'_>, key: &str) -> Option<ClientSecret> {
        if let Some(digest) = written.sha256 {
            let digest = self.expect(
                key,
                SecretDigest::parse(digest.expose()),
                "64 hexadecimal digits or 43 characters of base64url",
            );
            return digest.map(ClientSecret::Digest);
        }
        let secret = if let Some(secret) = written.plain {
            self.printable(key, secret.clone())?
        } else if let Some(text) = written.file {
            self.secret_from_file(key, text)?
        } else {
            self.secret_from_variable(key, written.variable.unwrap_or_default())?
        };
        if secret.expose().is_empty() {
            self.refuse(key, "the secret is empty");
            return None;
        }
        Some(ClientSecret::Plain(secret))
    }

    /// Secrets that assertions are keyed with: a digest cannot key anything.
    pub(super) fn keys_of_hmac(
        &mut self,
        secrets: ClientSecrets,
        algorithm: Option<Algorithm>,
        path: &str,
    ) -> Option<RollOver<Secret>> {
        let current = self.key_of_hmac(secrets.current, algorithm, (path, "secret"));
        let previous = match secrets.previous {
            None => None,
            Some(secret) => Some(self.key_of_hmac(secret, algorithm, (path, "previous_secret"))?),
        };
        Some(RollOver::new(current?, previous))
    }

    fn key_of_hmac(
        &mut self,
        secret: ClientSecret,
        algorithm: Option<Algorithm>,
        (path, key): (&str, &str),
    ) -> Option<Secret> {
        match secret {
            ClientSecret::Plain(secret) => {
                self.is_long_enough(&secret, algorithm, path)?;
                Some(secret)
            }
            ClientSecret::Digest(_) => {
                let message = format!(
                    "client_secret_jwt needs the secret itself in `{key}`, `{key}_file` or \
                     `{key}_env`: a digest cannot check an assertion"
                );
                self.refuse(&format!("{path}.{key}_sha256"), &message);
                None
            }
        }
    }

    /// A secret that keys an HMAC has as many bytes as the hash (RFC 7518 §3.2).
    fn is_long_enough(
        &mut self,
        secret: &Secret,
        algorithm: Option<Algorithm>,
        path: &str,
    ) -> Option<()> {
        let algorithm = algorithm.unwrap_or(Algorithm::Hs256);
        let (least, found) = (algorithm.shortest_secret(), secret.expose().len());
        if found >= least {
            return Some(());
        }
        let message = format!(
            "client_secret_jwt with {} needs a secret of at least {least} bytes, found {found}",
            algorithm.name()
        );
        self.refuse(&format!("{path}.authentication"), &message);
        None
    }
}

impl ClientSecrets {
    /// What presented secrets are compared with.
    pub(super) fn digests(&self) -> RollOver<SecretDigest> {
        let previous = self.previous.as_ref().map(ClientSecret::digest);
        RollOver::new(self.current.digest(), previous)
    }
}

impl ClientSecret {
    fn digest(&self) -> SecretDigest {
        match self {
            Self::Plain(secret) => SecretDigest::of(secret.expose()),
            Self::Digest(digest) => *digest,
        }
    }
}
