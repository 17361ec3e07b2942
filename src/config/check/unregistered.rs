//! What stands against redirect URIs that nobody registered (RFC 9126 §2.4): only who has proved
//! itself may choose where a code goes, and only by a push.

use super::Checker;
use crate::config::MOST_ADDRESSEES;
use crate::config::file::{self, AuthenticationMethod, File};

impl Checker<'_> {
    /// Adds what must not be where the upstream takes such addresses from everybody: then nothing but a
    /// push says whose they are.
    pub(super) fn unregistered_redirect_uris_are_pushed(&mut self, whole: &File) {
        if !whole.upstream.accepts_unregistered_redirect_uris {
            return;
        }
        let key = "upstream.accepts_unregistered_redirect_uris";
        if !whole.par.required {
            self.refuse(key, "needs `required = true` in [par]: others could name any address");
        }
        let free = whole.clients.iter().filter(|one| one.allow_unregistered_redirect_uris);
        if free.count() > MOST_ADDRESSEES {
            self.refuse(key, "at most 8 clients may have `allow_unregistered_redirect_uris`");
        }
    }

    /// Adds everything that must not be as it is where the client at `path` may push such addresses.
    pub(super) fn unregistered_redirect_uris_are_possible(
        &mut self,
        file: &file::Client,
        whole: &File,
        path: &str,
    ) {
        if !file.allow_unregistered_redirect_uris {
            let taken = whole.upstream.accepts_unregistered_redirect_uris;
            if taken && file.enabled && file.redirect_uris.is_empty() {
                let key = format!("{path}.redirect_uris");
                self.refuse(&key, "missing; the upstream would take any address");
            }
            return;
        }
        let key = format!("{path}.allow_unregistered_redirect_uris");
        let profile = file.profile.unwrap_or(whole.par.profile);
        let rules = profile.rules();
        if file.authentication == AuthenticationMethod::None {
            self.refuse(&key, "anybody can push for a client with `authentication = \"none\"`");
        }
        if !rules.allows_unregistered_redirect_uris {
            let message = format!("profile {} allows registered ones only", profile.as_str());
            self.refuse(&key, &message);
        }
        if !whole.upstream.accepts_unregistered_redirect_uris {
            self.refuse(&key, "needs `accepts_unregistered_redirect_uris = true` in [upstream]");
        }
        let must_push =
            whole.par.required || rules.must_push || file.require_pushed_authorization_requests;
        if !must_push {
            self.refuse(
                &key,
                "needs `require_pushed_authorization_requests = true`: what is not pushed can be \
                 anybody's",
            );
        }
        if !whole.authorize.pin {
            self.refuse(&key, "needs `pin = true` in [authorize]: the browser could change them");
        }
    }
}
