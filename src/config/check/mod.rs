//! From the file as written to a [`Config`] that cannot hold a wrong value. Every problem is
//! gathered, none stops the search for the next.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::address::web_origin;
use super::diagnostic::{Origin, Problem, Problems};
use super::environment::Environment;
use super::file::{self, File, LogFormat};
use super::secret::Secret;
use super::shape::{describe, found};
use super::sources::{Sources, text};
use super::tree::Node;
use super::{AuditTrail, Authorize, Config, Limits, Log, Par};

mod authentication;
mod clients;
mod keys;
mod pem;
mod profile;
mod request_object;
mod secrets;
mod server;
mod store;
#[cfg(test)]
mod tests;
mod unregistered;
mod upstream;

/// The checked configuration; `None` only where `problems` says why.
pub(super) fn check(
    file: &File,
    Material { root, environment }: Material<'_>,
    (problems, sources): (&mut Problems, &mut Sources),
) -> Option<Config> {
    let mut checker = Checker { root, environment, problems, sources };
    checker.config(file)
}

/// What a file is checked against.
pub(super) struct Material<'a> {
    pub(super) root: &'a Node,
    pub(super) environment: &'a Environment,
}

/// The problem has been added. Beside it, `None` says that nothing is set.
struct Refused;

struct Checker<'a> {
    root: &'a Node,
    environment: &'a Environment,
    problems: &'a mut Problems,
    sources: &'a mut Sources,
}

impl Checker<'_> {
    /// All that the keys say.
    fn config(&mut self, file: &File) -> Option<Config> {
        let checker = self;
        let server = checker.server(&file.server);
        checker.upgrade(file);
        let admin = checker.admin(&file.admin);
        let upstream = checker.upstream(&file.upstream);
        let par = checker.par(&file.par);
        let log = checker.log(&file.log);
        let clients = checker.clients(file);
        checker.continuation(file);
        checker.unregistered_redirect_uris_are_pushed(file);
        let request_object = checker.request_object(file);
        let client_keys = checker.client_keys(&file.client_keys);
        let store = checker.store(&file.store);
        let authorization_details = checker.authorization_details(&file.authorization_details);
        Some(Config {
            server: server?,
            admin: admin.ok()?,
            upstream: upstream?,
            par: par?,
            authorize: Authorize {
                single_use: file.authorize.single_use,
                login_lifetime: file.authorize.login_lifetime.0,
                continuation: file.authorize.continuation,
                pin: file.authorize.pin,
                mask_html: file
                    .authorize
                    .mask_html
                    .unwrap_or(file.upstream.preset.ways().mask_html),
                mask_failure: file.authorize.mask_failure,
                foreign_request_uri: file.authorize.foreign_request_uri,
                add_iss: file.authorize.add_iss,
            },
            request_object: request_object?,
            client_keys: client_keys?,
            authorization_details: authorization_details?,
            store: store?,
            limits: limits(&file.limits),
            log: log?,
            clients: clients?,
            fingerprint: String::new(),
        })
    }

    fn admin(&mut self, file: &file::Admin) -> Result<Option<SocketAddr>, Refused> {
        if file.listen.is_empty() {
            return Ok(None);
        }
        let address = file.listen.parse().ok();
        self.expect(
            "admin.listen",
            address,
            "an address such as \"127.0.0.1:9901\", or \"\" for no listener",
        )
        .map(Some)
        .ok_or(Refused)
    }

    fn par(&mut self, file: &file::Par) -> Option<Par> {
        let path = self.expect(
            "par.path",
            is_own_path(&file.path).then(|| file.path.clone()),
            "a path such as \"/par\", without `?`, `#` and `%`, and not under /.well-known/",
        );
        let cors_origins = self.each(
            "par.cors_origins",
            &file.cors_origins,
            web_origin,
            "an origin as browsers send it, such as \"https://app.example\"",
        );
        let exempt = self.each(
            "par.exempt",
            &file.exempt,
            |name| clients::is_client_id(name).then(|| name.to_owned()),
            "a client_id of printable ASCII characters",
        );
        Some(Par {
            enabled: file.enabled,
            path: path?,
            lifetime: file.lifetime.0,
            required: file.required,
            exempt: exempt?,
            max_body_bytes: file.max_body_bytes,
            cors_origins: cors_origins?,
            profile: file.profile,
            require_pkce: file.require_pkce || file.profile.rules().needs_pkce,
            dpop_nonce: file.dpop_nonce,
            interaction_id: file.interaction_id,
            advertise: file.advertise,
        })
    }

    fn log(&mut self, file: &file::Log) -> Option<Log> {
        let level = self.expect(
            "log.level",
            is_log_filter(&file.level).then(|| file.level.clone()),
            "a level such as \"info\", or levels by part such as \"info,parapet::proxy=debug\"",
        );
        let audit = self.expect(
            "log.audit",
            self.audit_trail(&file.audit),
            "\"stderr\", \"stdout\", \"off\" or the path of a file, with a `/` in it",
        );
        Some(Log { json: file.format == LogFormat::Json, level: level?, audit: audit? })
    }

    /// A word that is none of the three is rather a slip than a file.
    fn audit_trail(&self, text: &str) -> Option<AuditTrail> {
        match text {
            "stderr" => Some(AuditTrail::Stderr),
            "stdout" => Some(AuditTrail::Stdout),
            "off" => Some(AuditTrail::Off),
            path if path.contains('/') && !path.ends_with('/') => {
                Some(AuditTrail::File(self.file_path("log.audit", path)))
            }
            _ => None,
        }
    }

    /// Adds the problem `message` of the key at `path`.
    fn refuse(&mut self, path: &str, message: &str) {
        let message = format!("{}: {message}", describe(path));
        self.problems.add(Problem::new(self.root.place(path), message));
    }

    /// Passes `value` on; where there is none, adds the problem that the key at `path` is not
    /// `expected`.
    fn expect<T>(&mut self, path: &str, value: Option<T>, expected: &str) -> Option<T> {
        if value.is_none() {
            let found = self
                .root
                .find(path)
                .map(|node| format!(", found {}", found(node, path)))
                .unwrap_or_default();
            self.refuse(path, &format!("expected {expected}{found}"));
        }
        value
    }

    /// Reads every text of a list.
    fn each<T>(
        &mut self,
        path: &str,
        texts: &[String],
        read: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<Vec<T>> {
        let read: Vec<Option<T>> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| self.expect(&format!("{path}.{index}"), read(text), expected))
            .collect();
        read.into_iter().collect()
    }

    /// Reads a text that has no default.
    fn required<T>(
        &mut self,
        path: &str,
        text: Option<&str>,
        read: impl Fn(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        if let Some(text) = text {
            return self.expect(path, read(text), expected);
        }
        // A value of the wrong kind has been refused already.
        if self.root.find(path).is_none() {
            let problem =
                Problem::new(self.root.place(path), format!("missing key {}", describe(path)));
            self.problems.add(problem.with_note(Some(format!("expected {expected}"))));
        }
        None
    }

    /// A path of the file system, counted from the folder of the file that names it; from the main
    /// file's folder where an environment variable does.
    fn file_path(&self, path: &str, text: &str) -> PathBuf {
        let folder =
            [self.root.place(path), self.root.origin.clone()].iter().find_map(
                |origin| match origin {
                    Origin::File(source, _) => Some(source.folder().to_owned()),
                    Origin::Variable(_) => None,
                },
            );
        folder.unwrap_or_default().join(text)
    }

    /// The secret in the file that the key at `path` names, without the newline at its end.
    fn secret_from_file(&mut self, path: &str, name: &str) -> Option<Secret> {
        let file = self.file_path(path, name);
        match self.sources.read_for(path, &file).and_then(text) {
            Ok(content) => {
                let secret = content.strip_suffix('\n').unwrap_or(&content);
                let secret = secret.strip_suffix('\r').unwrap_or(secret);
                self.printable(path, Secret::new(secret.to_owned()))
            }
            Err(error) => {
                self.refuse(path, &cannot_read(&file, &error));
                None
            }
        }
    }

    /// The secret in the variable that the key at `path` names.
    fn secret_from_variable(&mut self, path: &str, name: &str) -> Option<Secret> {
        let Some(value) = self.environment.value(name) else {
            self.refuse(path, &format!("the environment variable {name} is not set"));
            return None;
        };
        let value = Secret::new(value.to_owned());
        self.printable(path, value)
    }

    /// A secret without control characters. They come from an editor or a pipe, no client sends them, and
    /// nobody sees them.
    fn printable(&mut self, path: &str, secret: Secret) -> Option<Secret> {
        if secret.expose().chars().any(char::is_control) {
            self.refuse(path, "the secret holds a line break or another control character");
            return None;
        }
        Some(secret)
    }
}

fn limits(file: &file::Limits) -> Limits {
    Limits {
        pushes_per_client: file.pushes_per_client,
        failures_per_address: file.failures_per_address,
        failures_per_client: file.failures_per_client,
        connections: file.connections,
        header_timeout: file.header_timeout.0,
        keepalive_timeout: file.keepalive_timeout.0,
        body_timeout: file.body_timeout.0,
        write_timeout: file.write_timeout.0,
    }
}

fn cannot_read(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// A level, or levels by part. A bare word that is no level would be taken for the name of a part.
fn is_log_filter(text: &str) -> bool {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    parts.iter().all(|part| part.contains(['=', '[']) || is_level(part))
        && EnvFilter::try_new(parts.join(",")).is_ok()
}

/// A path that is the same before and after any server has made it normal.
fn is_path(text: &str) -> bool {
    text.len() > 1
        && text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['?', '#', '%', '\\', ';'])
        && !text.contains("//")
        && !text.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// A path that the gateway can answer itself.
fn is_own_path(text: &str) -> bool {
    is_path(text) && text != "/.well-known" && !text.starts_with("/.well-known/")
}
