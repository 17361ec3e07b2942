//! The keys that cannot change while the gateway runs: sockets are bound at start, and what waits in
//! the store belongs to the issuer and the store of the start.

use serde_json::Value;

use super::file::File;
use super::shape::describe;

/// Why a place of the file is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restart {
    /// The key needs a restart.
    Key,
    /// Whether the table is there needs one.
    Presence,
}

/// How the key or table at `path` is marked, if it is.
pub(super) fn restart(path: &[String]) -> Option<Restart> {
    let path = path.join(".");
    let is_within = |fixed: &str| {
        path.strip_prefix(fixed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    FIXED.iter().find_map(|fixed| match fixed {
        Key(fixed) => is_within(fixed).then_some(Restart::Key),
        Presence(fixed) => (path == *fixed).then_some(Restart::Presence),
    })
}

/// A key or table that needs a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fixed {
    /// This key, or every key of this table.
    Key(&'static str),
    /// Whether this table is there; what is in it may change.
    Presence(&'static str),
}

use Fixed::{Key, Presence};

/// All of them; whatever is not listed may change.
pub(super) const FIXED: [Fixed; 12] = [
    Key("server.listen"),
    Key("server.issuer"),
    Key("server.drain_delay"),
    Key("server.drain_timeout"),
    Key("server.upgrade_socket"),
    Presence("server.tls"),
    Presence("server.mtls"),
    Key("server.mtls.listen"),
    Key("admin"),
    Key("store"),
    Key("log.format"),
    Key("log.audit"),
];

impl Fixed {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Key(path) | Presence(path) => path,
        }
    }

    fn differs(self, old: &Value, new: &Value) -> bool {
        let (old, new) = (find(old, self.path()), find(new, self.path()));
        match self {
            Key(_) => old != new,
            Presence(_) => old.is_some() != new.is_some(),
        }
    }
}

impl File {
    /// What differs from `new` and needs a restart, as messages name keys; empty where nothing does.
    #[must_use]
    pub fn fixed_keys_that_differ(&self, new: &Self) -> Vec<String> {
        let json = |file: &Self| serde_json::to_value(file).unwrap_or_default();
        let (old, new) = (json(self), json(new));
        let mut differing: Vec<String> = Vec::new();
        for fixed in FIXED.iter().filter(|fixed| fixed.differs(&old, &new)) {
            match (fixed, find(&old, fixed.path()), find(&new, fixed.path())) {
                // The keys of a table by themselves.
                (Key(path), Some(Value::Object(one)), Some(Value::Object(other))) => {
                    let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
                    keys.sort();
                    keys.dedup();
                    let keys = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
                    differing.extend(keys.map(|key| described(&format!("{path}.{key}"))));
                }
                _ => differing.push(described(fixed.path())),
            }
        }
        // A listener that is not there has no address either.
        let mtls = described("server.mtls");
        if differing.contains(&mtls) {
            differing.retain(|key| *key != described("server.mtls.listen"));
        }
        differing
    }
}

fn described(path: &str) -> String {
    match path {
        "server.tls" | "server.mtls" => format!("[{path}]"),
        _ => describe(path),
    }
}

fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, step| value.get(step))
}

#[cfg(test)]
mod tests {
    use super::super::schema::{properties, schema};
    use super::*;

    fn file(text: &str) -> File {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_needs_a_restart_is_named_and_nothing_else() {
        let mtls = "[server.mtls]\nlisten = [\"127.0.0.1:1\"]\n";
        for (old, new, expected) in [
            ("", "[par]\nlifetime = \"20s\"", &[][..]),
            ("", "[log]\nlevel = \"debug\"", &[]),
            ("[server.tls]\nkey = \"a\"", "[server.tls]\nkey = \"b\"", &[]),
            ("", "[server]\nlisten = [\"127.0.0.1:1\"]", &["`listen` in [server]"]),
            ("", "[admin]\nlisten = \"\"", &["`listen` in [admin]"]),
            ("", "[store]\nmax_bytes = 70000", &["`max_bytes` in [store]"]),
            ("", mtls, &["[server.mtls]"]),
            (mtls, "[server.mtls]\nlisten = [\"127.0.0.1:2\"]\n", &["`listen` in [server.mtls]"]),
            (
                "[store.redis]\n",
                "[server]\nissuer = \"https://b.example\"\n[server.tls]\n[store.redis]\n\
                 url = \"redis://b\"\n[log]\nformat = \"text\"",
                &[
                    "`issuer` in [server]",
                    "[server.tls]",
                    "`redis` in [store]",
                    "`format` in [log]",
                ],
            ),
        ] {
            assert_eq!(file(old).fixed_keys_that_differ(&file(new)), expected, "{new}");
            assert_eq!(file(new).fixed_keys_that_differ(&file(new)), [""; 0], "{new}");
        }
    }

    #[test]
    fn every_path_is_that_of_a_key() {
        for fixed in FIXED {
            let mut at = schema();
            for step in fixed.path().split('.') {
                let found = properties(at).find(|(key, _)| *key == step);
                at = found.unwrap_or_else(|| panic!("{fixed:?}")).1;
            }
        }
    }
}
