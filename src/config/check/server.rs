//! `[server]`, its certificates and those of its callers.

use std::path::PathBuf;

use super::pem::Pem;
use super::{Checker, Refused};
use crate::config::address::{Issuer, UpstreamUrl, network};
use crate::config::file;
use crate::config::{
    IdentityError, Listen, Server, ServerMtls, ServerTls, read_authorities, read_identity,
};

const ADDRESS: &str = "an address such as \"127.0.0.1:8080\" or \"unix:/run/parapet.sock\"";

impl Checker<'_> {
    pub(super) fn server(&mut self, file: &file::Server) -> Option<Server> {
        let listen = self.each("server.listen", &file.listen, Listen::parse, ADDRESS);
        let issuer = self.required(
            "server.issuer",
            file.issuer.as_deref(),
            Issuer::parse,
            "an https URL, or http on a loopback host, without userinfo, query and fragment",
        );
        let trusted_proxies = self.each(
            "server.trusted_proxies",
            &file.trusted_proxies,
            network,
            "an address or a range such as \"10.0.0.0/8\"",
        );
        if file.client_certificate_header.is_some() && file.trusted_proxies.is_empty() {
            self.refuse(
                "server.client_certificate_header",
                "needs `trusted_proxies`, or anybody could send it",
            );
        }
        if file.tls.is_some() && issuer.as_ref().is_some_and(|issuer| !issuer.is_https()) {
            self.refuse("server.tls", "needs an https `issuer`");
        }
        let tls = self.server_tls(file.tls.as_ref());
        let mtls = self.server_mtls(file.mtls.as_ref());
        Some(Server {
            listen: listen?,
            issuer: issuer?,
            trusted_proxies: trusted_proxies?,
            client_certificate_header: file.client_certificate_header,
            drain_delay: file.drain_delay.0,
            drain_timeout: file.drain_timeout.0,
            upgrade_socket: file
                .upgrade_socket
                .as_deref()
                .map(|path| self.file_path("server.upgrade_socket", path)),
            tls: tls.ok()?,
            mtls: mtls.ok()?,
        })
    }

    /// A process that takes over a memory store reads it from the snapshot.
    pub(super) fn upgrade(&mut self, file: &file::File) {
        if file.server.upgrade_socket.is_some()
            && file.store.backend == file::Backend::Memory
            && file.store.snapshot.is_none()
        {
            self.refuse(
                "server.upgrade_socket",
                "needs `[store] snapshot`, in which a memory store is handed over",
            );
        }
    }

    fn server_tls(&mut self, file: Option<&file::ServerTls>) -> Result<Option<ServerTls>, Refused> {
        let Some(file) = file else {
            return Ok(None);
        };
        let certificate =
            self.pem("server.tls.certificate", file.certificate.as_deref(), Pem::Certificates);
        let key = self.pem("server.tls.key", file.key.as_deref(), Pem::PrivateKey);
        let client_ca =
            self.pem("server.tls.client_ca", file.client_ca.as_deref(), Pem::Certificates);
        self.identity("server.tls", (certificate, key), client_ca).map(Some)
    }

    fn server_mtls(
        &mut self,
        file: Option<&file::ServerMtls>,
    ) -> Result<Option<ServerMtls>, Refused> {
        let Some(file) = file else {
            return Ok(None);
        };
        let listen = self.each("server.mtls.listen", &file.listen, Listen::parse, ADDRESS);
        if file.listen.is_empty() {
            self.refuse("server.mtls.listen", "needs at least one address");
        }
        let public_url = self.required(
            "server.mtls.public_url",
            file.public_url.as_deref(),
            https_origin,
            "an https URL without a path, such as \"https://mtls.login.example.com\"",
        );
        let certificate =
            self.pem("server.mtls.certificate", file.certificate.as_deref(), Pem::Certificates);
        let key = self.pem("server.mtls.key", file.key.as_deref(), Pem::PrivateKey);
        let client_ca =
            self.pem("server.mtls.client_ca", file.client_ca.as_deref(), Pem::Certificates);
        let tls = self.identity("server.mtls", (certificate, key), client_ca);
        Ok(Some(ServerMtls {
            listen: listen.ok_or(Refused)?,
            public_url: public_url.ok_or(Refused)?,
            tls: tls?,
        }))
    }

    /// A listener's own certificate with its key, both of which it needs.
    fn identity(
        &mut self,
        table: &str,
        own: (Result<Option<PathBuf>, Refused>, Result<Option<PathBuf>, Refused>),
        client_ca: Result<Option<PathBuf>, Refused>,
    ) -> Result<ServerTls, Refused> {
        let (certificate, key) = own;
        let mut needed = |name: &str, file: Result<Option<PathBuf>, Refused>| {
            let path = format!("{table}.{name}");
            let file = file?;
            // A value of the wrong kind has been refused already.
            if file.is_none() && self.root.find(&path).is_none() {
                self.refuse(&path, "missing; a TLS listener needs `certificate` and `key`");
            }
            file.ok_or(Refused)
        };
        let certificate = needed("certificate", certificate);
        let key = needed("key", key);
        let (certificate, key, client_ca) = (certificate?, key?, client_ca?);
        if let Err(error) = read_identity(&certificate, &key) {
            let name = if matches!(error, IdentityError::Unreadable { .. }) {
                "certificate"
            } else {
                "key"
            };
            self.refuse(&format!("{table}.{name}"), &error.to_string());
            return Err(Refused);
        }
        if let Some(Err(error)) = client_ca.as_deref().map(read_authorities) {
            self.refuse(&format!("{table}.client_ca"), &error.to_string());
            return Err(Refused);
        }
        Ok(ServerTls { certificate, key, client_ca })
    }
}

/// The origin of an https URL that has no path.
fn https_origin(text: &str) -> Option<String> {
    UpstreamUrl::parse(text).filter(|url| url.https).map(|url| url.origin())
}
