//! The public keys of clients: `jwks`, `jwks_file`, `jwks_uri`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;
use url::Url;

use super::{Checker, Refused, cannot_read};
use crate::config::ClientKeys;
use crate::config::address::is_https_or_loopback;
use crate::config::diagnostic::Problem;
use crate::config::file::{self, AuthenticationMethod};
use crate::config::profile::Rules;
use crate::config::sources::text;
use crate::jose::KeySet;

/// Members of a JWK that only its owner may know (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

impl Checker<'_> {
    /// Where the keys of a client come from; those that are known at start keep `rules`.
    pub(super) fn client_keys_of(
        &mut self,
        file: &file::Client,
        rules: &Rules,
        path: &str,
    ) -> Result<Option<ClientKeys>, Refused> {
        let keys = [
            (format!("{path}.jwks"), file.jwks.is_some()),
            (format!("{path}.jwks_uri"), file.jwks_uri.is_some()),
            (format!("{path}.jwks_file"), file.jwks_file.is_some()),
        ];
        let keys = keys.each_ref().map(|(key, set)| (key.as_str(), *set));
        let Some(key) = self.only_one(&keys)? else {
            if let Some(why) = needs_keys(file)
                && keys.iter().all(|(key, _)| self.root.find(key).is_none())
            {
                let message = format!("{why} needs exactly one of `jwks`, `jwks_uri`, `jwks_file`");
                self.problems.add(Problem::new(self.root.place(path), message));
                return Err(Refused);
            }
            return Ok(None);
        };
        if let Some(set) = &file.jwks {
            self.key_set(key, set, rules)?;
            return Ok(Some(ClientKeys::Inline(set.clone())));
        }
        if let Some(text) = &file.jwks_uri {
            let uri = Url::parse(text).ok().filter(|url| {
                is_https_or_loopback(url) && url.fragment().is_none() && !text.contains('@')
            });
            let expected =
                "an https URL, or http on a loopback host, without userinfo and fragment";
            return self.expect(key, uri, expected).map(ClientKeys::Uri).map(Some).ok_or(Refused);
        }
        let file = self.file_path(key, file.jwks_file.as_deref().unwrap_or_default());
        match self.read_json(key, &file) {
            Ok(set) => {
                self.key_set(key, &set, rules)?;
                Ok(Some(ClientKeys::File(file)))
            }
            Err(message) => {
                self.refuse(key, &message);
                Err(Refused)
            }
        }
    }

    /// The JSON in the file that `key` names, or what is wrong with it. The text of the error shows
    /// nothing of the file.
    pub(super) fn read_json(&mut self, key: &str, file: &Path) -> Result<Json, String> {
        let content = self.sources.read_for(key, file).and_then(text);
        let content = content.map_err(|error| cannot_read(file, &error))?;
        serde_json::from_str(&content).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("{} is not JSON: line {line}, column {column}", file.display())
        })
    }

    fn key_set(&mut self, path: &str, set: &Json, rules: &Rules) -> Result<(), Refused> {
        let keys = set.get("keys").and_then(Json::as_array).filter(|keys| !keys.is_empty());
        let problem = match keys {
            None => Some("expected a JWK Set with at least one key: { keys = [ … ] }".to_owned()),
            Some(keys) => keys.iter().enumerate().find_map(|(index, key)| {
                key_problem(key, rules).map(|problem| format!("key {}: {problem}", index + 1))
            }),
        };
        let problem = problem.or_else(|| nothing_usable(set));
        match problem {
            Some(problem) => {
                self.refuse(path, &problem);
                Err(Refused)
            }
            None => Ok(()),
        }
    }
}

/// Why a client needs keys, if it does.
fn needs_keys(file: &file::Client) -> Option<String> {
    let method = file.authentication;
    let by_key = matches!(
        method,
        AuthenticationMethod::PrivateKeyJwt | AuthenticationMethod::SelfSignedTlsClientAuth
    );
    if by_key {
        Some(format!("a client of authentication {:?}", method.as_str()))
    } else if file.require_signed_request_object {
        Some("a client with `require_signed_request_object`".to_owned())
    } else if file.request_object_signing_alg.is_some() {
        Some("a client with `request_object_signing_alg`".to_owned())
    } else {
        None
    }
}

fn key_problem(key: &Json, rules: &Rules) -> Option<String> {
    let text = |name| key.get(name).and_then(Json::as_str);
    let Some(kind) = text("kty") else {
        return Some("`kty` is missing".to_owned());
    };
    if PRIVATE_MEMBERS.iter().any(|member| key.get(member).is_some()) {
        return Some("is private; only its owner may have it".to_owned());
    }
    if kind != "RSA" {
        return None;
    }
    let bits = modulus_bits(text("n").unwrap_or_default());
    let least = rules.least_rsa_bits;
    (bits < least).then(|| format!("RSA needs at least {least} bits, found {bits}"))
}

/// A set in which no key can verify a signature is of no use to anybody.
fn nothing_usable(set: &Json) -> Option<String> {
    match KeySet::parse(set.to_string().as_bytes()) {
        Ok(set) if !set.keys().is_empty() => None,
        Ok(set) => set.findings().first().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    }
}

fn modulus_bits(modulus: &str) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
    let mut significant = bytes.iter().skip_while(|byte| **byte == 0);
    match significant.next() {
        Some(first) => (8 - first.leading_zeros() as usize) + 8 * significant.count(),
        None => 0,
    }
}
