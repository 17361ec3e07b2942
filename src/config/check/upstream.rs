//! `[upstream]`, its secret header and its TLS files.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::pem::{self, Pem};
use super::{Checker, Refused, cannot_read, is_path};
use crate::config::address::UpstreamUrl;
use crate::config::{SecretHeader, Upstream, UpstreamTls, file};
use crate::oauth::names;

impl Checker<'_> {
    pub(super) fn upstream(&mut self, file: &file::Upstream) -> Option<Upstream> {
        let url = self.required(
            "upstream.url",
            file.url.as_deref(),
            UpstreamUrl::parse,
            "scheme, host and port such as \"http://127.0.0.1:9000\", without a path",
        );
        let discovery_path = self.optional_path("upstream.discovery_path", &file.discovery_path);
        let authorization_path =
            self.optional_path("upstream.authorization_path", &file.authorization_path);
        let post_parameters = self.each(
            "upstream.post_parameters",
            &file.post_parameters,
            |name| is_printable(name).then(|| name.to_owned()),
            "the name of a parameter",
        );
        let ways = self.ways(file);
        let secret_header = self.secret_header(file);
        let tls_is_set = self.root.find("upstream.tls.ca").is_some()
            || self.root.find("upstream.tls.client_certificate").is_some();
        if tls_is_set && url.as_ref().is_some_and(|url| !url.https) {
            self.refuse("upstream.tls", "needs an https `url`");
        }
        let tls = self.upstream_tls(&file.tls);
        let (ways, known) = (ways?, file.preset.ways());
        Some(Upstream {
            url: url?,
            preset: file.preset,
            preserve_host: file.preserve_host,
            discovery_path: discovery_path.ok()?,
            authorization_path: authorization_path.ok()?,
            connect_timeout: file.connect_timeout.0,
            read_timeout: file.read_timeout.0,
            authorize_paths: ways.authorize_paths,
            beside_handle: ways.beside_handle,
            never_echoed: ways.never_echoed,
            parameters: ways.parameters,
            authorize_forms: file.authorize_forms.unwrap_or(known.authorize_forms),
            post_query: file.post_query.unwrap_or(known.post_query),
            keeps_request: file.keeps_request.unwrap_or(known.keeps_request),
            max_target_bytes: file.max_target_bytes.unwrap_or(known.max_target_bytes),
            authorize_method: file.authorize_method,
            post_parameters: post_parameters?,
            secret_header: secret_header.ok()?,
            tls: tls?,
        })
    }

    /// The lists in which the file may say otherwise than the preset.
    fn ways(&mut self, file: &file::Upstream) -> Option<Lists> {
        let known = file.preset.ways();
        let authorize_paths = self.list(
            ("upstream.authorize_paths", file.authorize_paths.as_deref(), known.authorize_paths),
            is_path,
            "a path such as \"/connect/authorize/callback\"",
        );
        let beside_handle = self.list(
            ("upstream.beside_handle", file.beside_handle.as_deref(), known.beside_handle),
            is_free_name,
            "the name of a parameter that is no registered one, nor like one",
        );
        let never_echoed = self.list(
            ("upstream.never_echoed", file.never_echoed.as_deref(), known.never_echoed),
            may_stay_out,
            "the name of a registered parameter that is not `client_id`, `redirect_uri`, \
             `response_type`, `nonce`, `state` or PKCE's",
        );
        let parameters = self.list(
            ("upstream.parameters", file.parameters.as_deref(), known.parameters),
            is_free_name,
            "the name of a parameter that is no registered one, nor like one",
        );
        Some(Lists {
            authorize_paths: authorize_paths?,
            beside_handle: beside_handle?,
            never_echoed: never_echoed?,
            parameters: parameters?,
        })
    }

    fn list(
        &mut self,
        (path, written, known): (&str, Option<&[String]>, &[&str]),
        fits: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Option<Vec<String>> {
        match written {
            None => Some(known.iter().map(|&text| text.to_owned()).collect()),
            Some(texts) => {
                self.each(path, texts, |text| fits(text).then(|| text.to_owned()), expected)
            }
        }
    }

    /// Where requests must be pushed, a further path takes handles alone; without continuations
    /// there are none, and no login could go on there.
    pub(super) fn continuation(&mut self, file: &file::File) {
        let known = file.upstream.preset.ways();
        let paths = file.upstream.authorize_paths.as_ref().map(Vec::len);
        let goes_on_elsewhere = paths.unwrap_or(known.authorize_paths.len()) > 0
            && !file.upstream.keeps_request.unwrap_or(known.keeps_request);
        let must_push = file.par.required
            || file.clients.iter().any(|client| client.require_pushed_authorization_requests);
        if !file.authorize.continuation && goes_on_elsewhere && must_push {
            self.refuse(
                "authorize.continuation",
                "must be true where pushed requests are required and logins go on at \
                 `authorize_paths` of [upstream]",
            );
        }
    }

    fn optional_path(&mut self, path: &str, text: &str) -> Result<Option<String>, Refused> {
        if text.is_empty() {
            return Ok(None);
        }
        let right = is_path(text).then(|| text.to_owned());
        self.expect(path, right, "a path such as \"/authorize\", or \"\"").map(Some).ok_or(Refused)
    }

    fn secret_header(&mut self, file: &file::Upstream) -> Result<Option<SecretHeader>, Refused> {
        let name = file.secret_header.as_deref().map(|name| {
            let name = name.parse().ok().filter(is_free_header);
            self.expect(
                "upstream.secret_header",
                name,
                "the name of a header that nobody else uses, such as \"X-Parapet\"",
            )
        });
        let value = self.secret_header_value(file)?;
        match (name, value) {
            (None, None) => Ok(None),
            (Some(name), Some(value)) => {
                Ok(Some(SecretHeader { name: name.ok_or(Refused)?, value }))
            }
            (Some(_), None) => {
                self.refuse(
                    "upstream.secret_header",
                    "needs exactly one of `secret_header_value`, `secret_header_value_file`, \
                     `secret_header_value_env`",
                );
                Err(Refused)
            }
            (None, Some(_)) => {
                // A name of the wrong kind has been refused already.
                if self.root.find("upstream.secret_header").is_none() {
                    self.refuse("upstream.secret_header", "missing, but its value is set");
                }
                Err(Refused)
            }
        }
    }

    /// `None` where no key holds a value.
    fn secret_header_value(
        &mut self,
        file: &file::Upstream,
    ) -> Result<Option<HeaderValue>, Refused> {
        let keys = [
            ("upstream.secret_header_value", file.secret_header_value.is_some()),
            ("upstream.secret_header_value_file", file.secret_header_value_file.is_some()),
            ("upstream.secret_header_value_env", file.secret_header_value_env.is_some()),
        ];
        let Some(path) = self.only_one(&keys)? else {
            return Ok(None);
        };
        let secret = if let Some(secret) = &file.secret_header_value {
            self.printable(path, secret.clone())
        } else if let Some(text) = &file.secret_header_value_file {
            self.secret_from_file(path, text)
        } else {
            let name = file.secret_header_value_env.as_deref().unwrap_or_default();
            self.secret_from_variable(path, name)
        };
        let secret = secret.ok_or(Refused)?;
        match HeaderValue::from_str(secret.expose()) {
            Ok(mut value) if !value.is_empty() => {
                value.set_sensitive(true);
                Ok(Some(value))
            }
            _ => {
                self.refuse(path, "the value is empty or cannot stand in a header");
                Err(Refused)
            }
        }
    }

    fn upstream_tls(&mut self, file: &file::UpstreamTls) -> Option<UpstreamTls> {
        let ca = self.pem("upstream.tls.ca", file.ca.as_deref(), Pem::Certificates);
        let certificate = self.pem(
            "upstream.tls.client_certificate",
            file.client_certificate.as_deref(),
            Pem::Certificates,
        );
        let key = self.pem("upstream.tls.client_key", file.client_key.as_deref(), Pem::PrivateKey);
        let client_identity = match (certificate.ok()?, key.ok()?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                self.refuse("upstream.tls.client_certificate", "needs `client_key` too");
                return None;
            }
            (None, Some(_)) => {
                self.refuse("upstream.tls.client_key", "needs `client_certificate` too");
                return None;
            }
        };
        Some(UpstreamTls { ca: ca.ok()?, client_identity })
    }

    /// The path of a file that holds what `kind` says.
    pub(super) fn pem(
        &mut self,
        path: &str,
        text: Option<&str>,
        kind: Pem,
    ) -> Result<Option<PathBuf>, Refused> {
        let Some(text) = text else {
            return Ok(None);
        };
        let file = self.file_path(path, text);
        let content = match self.sources.read_for(path, &file) {
            Ok(content) => content,
            Err(error) => {
                self.refuse(path, &cannot_read(&file, &error));
                return Err(Refused);
            }
        };
        match pem::read_by(&file, &content, kind) {
            Ok(()) => Ok(Some(file)),
            Err(problem) => {
                self.refuse(path, &problem.to_string());
                Err(Refused)
            }
        }
    }
}

/// What [`Checker::ways`] gives.
struct Lists {
    authorize_paths: Vec<String>,
    beside_handle: Vec<String>,
    never_echoed: Vec<String>,
    parameters: Vec<String>,
}

/// A name that no server takes for a registered one.
fn is_free_name(name: &str) -> bool {
    is_printable(name)
        && !names::is_authorization(name)
        && !names::imitates_registered(name)
        && !names::is_credential(name)
}

/// A parameter whose absence from a form gives nothing away. Without the others a login could be
/// taken over.
fn may_stay_out(name: &str) -> bool {
    const BINDING: [&str; 7] = [
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "response_type",
        "state",
    ];
    names::is_authorization(name) && !BINDING.contains(&name)
}

/// Headers that carry the request itself or the gateway's own word cannot carry the secret.
fn is_free_header(name: &HeaderName) -> bool {
    const TAKEN: [&str; 13] = [
        "host",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "content-type",
        "cookie",
        "authorization",
        "forwarded",
        "expect",
    ];
    let name = name.as_str();
    !TAKEN.contains(&name) && !name.starts_with("x-forwarded-") && !name.starts_with("proxy-")
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
