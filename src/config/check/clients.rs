//! `[[clients]]`: identifiers, secrets, redirect URIs, scopes.

use std::collections::BTreeSet;

use super::{Checker, Refused};
use crate::config::address::is_redirect_uri;
use crate::config::diagnostic::Problem;
use crate::config::file::{self, AuthenticationMethod};
use crate::config::secret::{Secret, SecretDigest};
use crate::config::{Authentication, Client};

impl Checker<'_> {
    pub(super) fn clients(&mut self, file: &[file::Client]) -> Option<Vec<Client>> {
        let mut seen = BTreeSet::new();
        let mut clients = Vec::with_capacity(file.len());
        for (index, client) in file.iter().enumerate() {
            let path = format!("clients.{index}");
            if let Some(client_id) = &client.client_id
                && !seen.insert(client_id.as_str())
            {
                self.refuse(
                    &format!("{path}.client_id"),
                    &format!("{client_id:?} is the client_id of an earlier client"),
                );
            }
            clients.push(self.client(client, &path));
        }
        clients.into_iter().collect()
    }

    fn client(&mut self, file: &file::Client, path: &str) -> Option<Client> {
        let client_id = self.required(
            &format!("{path}.client_id"),
            file.client_id.as_deref(),
            |text| is_client_id(text).then(|| text.to_owned()),
            "a string of printable ASCII characters",
        );
        let authentication = self.authentication(file, path);
        let redirect_uris = self.each(
            &format!("{path}.redirect_uris"),
            &file.redirect_uris,
            |text| is_redirect_uri(text).then(|| text.to_owned()),
            "an absolute URI without a fragment, and not javascript:, data: or vbscript:",
        );
        let scopes = file.scopes.as_ref().map(|scopes| {
            self.each(
                &format!("{path}.scopes"),
                scopes,
                |text| is_scope_token(text).then(|| text.to_owned()),
                "one scope value (RFC 6749 §3.3)",
            )
        });
        Some(Client {
            client_id: client_id?,
            authentication: authentication?,
            redirect_uris: redirect_uris?,
            scopes: match scopes {
                Some(scopes) => Some(scopes?),
                None => None,
            },
            lifetime: file.lifetime.map(|time| time.0),
            require_pkce: file.require_pkce,
            require_pushed_authorization_requests: file.require_pushed_authorization_requests,
            enabled: file.enabled,
        })
    }

    fn authentication(&mut self, file: &file::Client, path: &str) -> Option<Authentication> {
        let keys = [
            (format!("{path}.secret"), file.secret.is_some()),
            (format!("{path}.secret_file"), file.secret_file.is_some()),
            (format!("{path}.secret_env"), file.secret_env.is_some()),
            (format!("{path}.secret_sha256"), file.secret_sha256.is_some()),
        ];
        let keys = keys.each_ref().map(|(key, set)| (key.as_str(), *set));
        let chosen = self.only_one(&keys);
        let method = match file.authentication {
            AuthenticationMethod::None => {
                if let Some(key) = chosen.ok()? {
                    self.refuse(key, "a client of authentication \"none\" has no secret");
                    return None;
                }
                return Some(Authentication::None);
            }
            AuthenticationMethod::ClientSecretBasic => Authentication::ClientSecretBasic,
            AuthenticationMethod::ClientSecretPost => Authentication::ClientSecretPost,
            // Refused as not yet supported; what they need is not known here.
            AuthenticationMethod::ClientSecretJwt
            | AuthenticationMethod::PrivateKeyJwt
            | AuthenticationMethod::TlsClientAuth
            | AuthenticationMethod::SelfSignedTlsClientAuth => return None,
        };
        if let Some(key) = chosen.ok()? {
            return self.secret(file, key).map(method);
        }
        // A value of the wrong kind has been refused already.
        if keys.iter().all(|(key, _)| self.root.find(key).is_none()) {
            let message = "a client with a secret needs exactly one of `secret`, `secret_file`, \
                           `secret_env`, `secret_sha256`";
            let problem = Problem::new(self.root.place(path), message);
            self.problems.add(problem);
        }
        None
    }

    /// The digest of the secret in the only key that is set.
    fn secret(&mut self, file: &file::Client, key: &str) -> Option<SecretDigest> {
        if let Some(digest) = &file.secret_sha256 {
            return self.expect(
                key,
                SecretDigest::parse(digest.expose()),
                "64 hexadecimal digits or 43 characters of base64url",
            );
        }
        let secret = if let Some(secret) = &file.secret {
            secret.clone()
        } else if let Some(text) = &file.secret_file {
            self.secret_from_file(key, text)?
        } else {
            self.secret_from_variable(key, file.secret_env.as_deref().unwrap_or_default())?
        };
        self.digest(key, &secret)
    }

    fn digest(&mut self, key: &str, secret: &Secret) -> Option<SecretDigest> {
        let secret = secret.expose();
        let digest = (!secret.is_empty()).then(|| SecretDigest::of(secret));
        if digest.is_none() {
            self.refuse(key, "the secret is empty");
        }
        digest
    }

    /// The one key that is set; several are a problem.
    pub(super) fn only_one<'k>(
        &mut self,
        keys: &[(&'k str, bool)],
    ) -> Result<Option<&'k str>, Refused> {
        let mut set = keys.iter().filter(|(_, set)| *set).map(|(key, _)| *key);
        let first = set.next();
        if let (Some(first), Some(second)) = (first, set.next()) {
            let other = first.rsplit('.').next().unwrap_or_default();
            self.refuse(second, &format!("`{other}` is set too; only one may be"));
            return Err(Refused);
        }
        Ok(first)
    }
}

/// `client_id = *VSCHAR` (RFC 6749 appendix A.1), not empty.
fn is_client_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// `scope-token` (RFC 6749 §3.3).
fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
