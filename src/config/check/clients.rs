//! `[[clients]]`: identifiers, redirect URIs, scopes, and what the other files here say of a client.

use std::collections::BTreeSet;

use super::{Checker, Refused};
use crate::config::address::is_redirect_uri;
use crate::config::file::{self, File};
use crate::config::{Client, ClientRequestObject};
use crate::jose::jwe::ContentEncryption;

impl Checker<'_> {
    pub(super) fn clients(&mut self, whole: &File) -> Option<Vec<Client>> {
        let mut seen = BTreeSet::new();
        let mut clients = Vec::with_capacity(whole.clients.len());
        for (index, client) in whole.clients.iter().enumerate() {
            let path = format!("clients.{index}");
            if let Some(client_id) = &client.client_id
                && !seen.insert(client_id.as_str())
            {
                self.refuse(
                    &format!("{path}.client_id"),
                    &format!("{client_id:?} is the client_id of an earlier client"),
                );
            }
            clients.push(self.client(client, whole, &path));
        }
        clients.into_iter().collect()
    }

    fn client(&mut self, file: &file::Client, whole: &File, path: &str) -> Option<Client> {
        let client_id = self.required(
            &format!("{path}.client_id"),
            file.client_id.as_deref(),
            |text| is_client_id(text).then(|| text.to_owned()),
            "a string of printable ASCII characters",
        );
        let profile = file.profile.unwrap_or(whole.par.profile);
        self.keeps_profile(file, profile, path);
        let authentication = self.authentication(file, whole, path);
        let keys = self.client_keys_of(file, profile.rules(), path);
        self.request_objects_are_possible(file, whole, path);
        self.unregistered_redirect_uris_are_possible(file, whole, path);
        let redirect_uris = self.each(
            &format!("{path}.redirect_uris"),
            &file.redirect_uris,
            |text| is_redirect_uri(text).then(|| text.to_owned()),
            "an absolute URI without a fragment, and not javascript:, data: or vbscript:",
        );
        let scopes = self.each_of(
            &format!("{path}.scopes"),
            file.scopes.as_deref(),
            is_scope_token,
            "one scope value (RFC 6749 §3.3)",
        );
        let details_types = self.each_of(
            &format!("{path}.authorization_details_types"),
            file.authorization_details_types.as_deref(),
            |text| !text.is_empty(),
            "the name of a type (RFC 9396 §2)",
        );
        Some(Client {
            client_id: client_id?,
            profile,
            authentication: authentication?,
            keys: keys.ok()?,
            request_object: request_object(file, whole),
            authorization_details_types: details_types.ok()?,
            dpop_bound_access_tokens: file.dpop_bound_access_tokens,
            redirect_uris: redirect_uris?,
            allow_unregistered_redirect_uris: file.allow_unregistered_redirect_uris,
            scopes: scopes.ok()?,
            lifetime: file.lifetime.map(|time| time.0),
            require_pkce: file.require_pkce,
            require_pushed_authorization_requests: file.require_pushed_authorization_requests,
            enabled: file.enabled,
        })
    }

    /// Every text of a list that need not be there.
    fn each_of(
        &mut self,
        path: &str,
        texts: Option<&[String]>,
        is_right: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Result<Option<Vec<String>>, Refused> {
        let Some(texts) = texts else {
            return Ok(None);
        };
        let read = |text: &str| is_right(text).then(|| text.to_owned());
        self.each(path, texts, read, expected).map(Some).ok_or(Refused)
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

fn request_object(file: &file::Client, whole: &File) -> ClientRequestObject {
    let rules = file.profile.unwrap_or(whole.par.profile).rules();
    let content = file.request_object_encryption_enc.unwrap_or(ContentEncryption::A128CbcHs256);
    ClientRequestObject {
        required: file.require_signed_request_object
            || whole.request_object.required
            || rules.needs_signed_request,
        signing: file.request_object_signing_alg,
        encryption: file.request_object_encryption_alg.map(|key| (key, content)),
    }
}

/// `client_id = *VSCHAR` (RFC 6749 appendix A.1), not empty.
pub(super) fn is_client_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// `scope-token` (RFC 6749 §3.3).
fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
