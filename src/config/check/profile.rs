//! What a client's table may not say under its profile, and what `[request_object]` may not take
//! away from it.

use super::Checker;
use crate::config::address::is_redirect_uri;
use crate::config::file::{self, File};
use crate::config::profile::Profile;

impl Checker<'_> {
    /// Adds every breach of `profile` in the table at `path`.
    pub(super) fn keeps_profile(&mut self, file: &file::Client, profile: Profile, path: &str) {
        let (rules, name) = (profile.rules(), profile.as_str());
        if !rules.methods.contains(&file.authentication) {
            let allowed: Vec<String> =
                rules.methods.iter().map(|method| format!("{:?}", method.as_str())).collect();
            let message = format!(
                "profile {name} allows {} only, found {:?}",
                allowed.join(", "),
                file.authentication.as_str()
            );
            self.refuse(&format!("{path}.authentication"), &message);
        }
        let algorithms = [
            ("token_endpoint_auth_signing_alg", file.token_endpoint_auth_signing_alg),
            ("request_object_signing_alg", file.request_object_signing_alg),
        ];
        for (key, algorithm) in algorithms {
            if let Some(algorithm) = algorithm
                && !rules.signing_algorithms.contains(&algorithm)
            {
                let message = format!("profile {name} does not allow {:?}", algorithm.name());
                self.refuse(&format!("{path}.{key}"), &message);
            }
        }
        if rules.needs_pkce && file.require_pkce == Some(false) {
            let message = format!("profile {name} always requires PKCE with S256");
            self.refuse(&format!("{path}.require_pkce"), &message);
        }
        for (index, uri) in file.redirect_uris.iter().enumerate() {
            if is_redirect_uri(uri) && !rules.redirect_uris.allow(uri) {
                let message = format!(
                    "profile {name} expects {}, found {uri:?}",
                    rules.redirect_uris.describe()
                );
                self.refuse(&format!("{path}.redirect_uris.{index}"), &message);
            }
        }
    }

    /// Adds what the request objects of a client need of `[request_object]`.
    pub(super) fn request_objects_are_possible(
        &mut self,
        file: &file::Client,
        whole: &File,
        path: &str,
    ) {
        let profile = file.profile.unwrap_or(whole.par.profile);
        if !whole.request_object.enabled {
            if profile.rules().needs_signed_request {
                let message = format!(
                    "profile {} needs `enabled = true` in [request_object]",
                    profile.as_str()
                );
                self.refuse(&format!("{path}.profile"), &message);
            }
            if file.require_signed_request_object {
                self.refuse(
                    &format!("{path}.require_signed_request_object"),
                    "needs `enabled = true` in [request_object]",
                );
            }
        }
        if let Some(algorithm) = file.request_object_signing_alg
            && algorithm.is_symmetric()
        {
            let message = format!(
                "{:?} is symmetric; request objects are signed with a key of the client",
                algorithm.name()
            );
            self.refuse(&format!("{path}.request_object_signing_alg"), &message);
        } else if let Some(algorithm) = file.request_object_signing_alg
            && !whole.request_object.signing_algs.is_empty()
            && !whole.request_object.signing_algs.contains(&algorithm)
        {
            let message = format!(
                "{:?} is not among the `signing_algs` of [request_object]",
                algorithm.name()
            );
            self.refuse(&format!("{path}.request_object_signing_alg"), &message);
        }
        let encryption = format!("{path}.request_object_encryption_alg");
        if file.request_object_encryption_alg.is_some()
            && whole.request_object.decryption_keys.is_empty()
        {
            self.refuse(&encryption, "needs a key in [[request_object.decryption_keys]]");
        }
        if file.request_object_encryption_enc.is_some() && self.root.find(&encryption).is_none() {
            self.refuse(
                &format!("{path}.request_object_encryption_enc"),
                "needs `request_object_encryption_alg` too",
            );
        }
    }
}
