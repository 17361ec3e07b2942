//! How a client proves itself: its method and what that method needs.

use super::{Checker, Refused};
use crate::config::diagnostic::Problem;
use crate::config::file::{self, AuthenticationMethod, File};
use crate::config::{Authentication, CertificateName, DistinguishedName};
use crate::jose::Algorithm;

impl Checker<'_> {
    pub(super) fn authentication(
        &mut self,
        file: &file::Client,
        whole: &File,
        path: &str,
    ) -> Option<Authentication> {
        let secret = self.client_secrets(file, path);
        let name = self.certificate_name(file, path);
        let algorithm = self.assertion_algorithm(file, path);
        match file.authentication {
            AuthenticationMethod::None => Some(Authentication::None),
            AuthenticationMethod::ClientSecretBasic => {
                Some(Authentication::ClientSecretBasic(secret.ok()??.digests()))
            }
            AuthenticationMethod::ClientSecretPost => {
                Some(Authentication::ClientSecretPost(secret.ok()??.digests()))
            }
            AuthenticationMethod::ClientSecretJwt => {
                let (secrets, algorithm) = (secret.ok()??, algorithm.ok()?);
                let secret = self.keys_of_hmac(secrets, algorithm, path)?;
                Some(Authentication::ClientSecretJwt { secret, algorithm })
            }
            AuthenticationMethod::PrivateKeyJwt => {
                Some(Authentication::PrivateKeyJwt { algorithm: algorithm.ok()? })
            }
            AuthenticationMethod::TlsClientAuth => {
                self.certificates_must_arrive(file, whole, path)?;
                Some(Authentication::TlsClientAuth(name.ok()??))
            }
            AuthenticationMethod::SelfSignedTlsClientAuth => {
                self.certificates_must_arrive(file, whole, path)?;
                Some(Authentication::SelfSignedTlsClientAuth)
            }
        }
    }

    /// The one name of a `tls_client_auth` client's certificate; a problem where another method
    /// has one.
    fn certificate_name(
        &mut self,
        file: &file::Client,
        path: &str,
    ) -> Result<Option<CertificateName>, Refused> {
        let names = [
            ("tls_client_auth_subject_dn", &file.tls_client_auth_subject_dn),
            ("tls_client_auth_san_dns", &file.tls_client_auth_san_dns),
            ("tls_client_auth_san_uri", &file.tls_client_auth_san_uri),
            ("tls_client_auth_san_ip", &file.tls_client_auth_san_ip),
            ("tls_client_auth_san_email", &file.tls_client_auth_san_email),
        ];
        let keys = names.map(|(name, text)| (format!("{path}.{name}"), text.is_some()));
        let keys = keys.each_ref().map(|(key, set)| (key.as_str(), *set));
        let by_name = file.authentication == AuthenticationMethod::TlsClientAuth;
        let Some(key) = self.only_one(&keys)? else {
            if by_name && keys.iter().all(|(key, _)| self.root.find(key).is_none()) {
                let message = "a client of authentication \"tls_client_auth\" needs exactly one \
                               of `tls_client_auth_subject_dn`, `tls_client_auth_san_dns`, \
                               `tls_client_auth_san_uri`, `tls_client_auth_san_ip`, \
                               `tls_client_auth_san_email`";
                self.problems.add(Problem::new(self.root.place(path), message));
            }
            return Ok(None);
        };
        if !by_name {
            self.refuse(key, "only a client of authentication \"tls_client_auth\" has it");
            return Err(Refused);
        }
        let (name, expected) = read_certificate_name(file);
        self.expect(key, name, expected).map(Some).ok_or(Refused)
    }

    /// `token_endpoint_auth_signing_alg`, of a kind that the method can have.
    fn assertion_algorithm(
        &mut self,
        file: &file::Client,
        path: &str,
    ) -> Result<Option<Algorithm>, Refused> {
        let Some(algorithm) = file.token_endpoint_auth_signing_alg else {
            return Ok(None);
        };
        let method = file.authentication;
        let fits = match method {
            AuthenticationMethod::ClientSecretJwt => algorithm.is_symmetric(),
            AuthenticationMethod::PrivateKeyJwt => !algorithm.is_symmetric(),
            AuthenticationMethod::None
            | AuthenticationMethod::ClientSecretBasic
            | AuthenticationMethod::ClientSecretPost
            | AuthenticationMethod::TlsClientAuth
            | AuthenticationMethod::SelfSignedTlsClientAuth => false,
        };
        if fits {
            return Ok(Some(algorithm));
        }
        let message =
            format!("{:?} does not go with authentication {:?}", algorithm.name(), method.as_str());
        self.refuse(&format!("{path}.token_endpoint_auth_signing_alg"), &message);
        Err(Refused)
    }

    /// A method by certificate is of no use where no certificate ever arrives.
    fn certificates_must_arrive(
        &mut self,
        file: &file::Client,
        whole: &File,
        path: &str,
    ) -> Option<()> {
        let server = &whole.server;
        let tls_asks = server.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let trusts = tls_asks || server.mtls.as_ref().is_some_and(|mtls| mtls.client_ca.is_some());
        let header = server.client_certificate_header.is_some();
        let by_name = file.authentication == AuthenticationMethod::TlsClientAuth;
        let verified = server
            .client_certificate_header
            .is_some_and(|header| header != file::ClientCertificateHeader::XAmznMtlsClientcert);
        let needed = if by_name && header && !(trusts || verified) {
            "needs `client_ca` in [server.tls] or [server.mtls]: nobody has verified what comes in \
             \"x-amzn-mtls-clientcert\""
        } else if by_name && !(trusts || header) {
            "needs `client_ca` in [server.tls] or [server.mtls], or \
             `client_certificate_header` in [server]"
        } else if !(by_name || tls_asks || header || server.mtls.is_some()) {
            "needs [server.mtls], `client_ca` in [server.tls], or \
             `client_certificate_header` in [server]"
        } else {
            return Some(());
        };
        let method = file.authentication.as_str();
        self.refuse(&format!("{path}.authentication"), &format!("{method:?} {needed}"));
        None
    }
}

/// The name that is set, and what it should be.
fn read_certificate_name(file: &file::Client) -> (Option<CertificateName>, &'static str) {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    if let Some(text) = &file.tls_client_auth_subject_dn {
        (
            DistinguishedName::parse(text).map(CertificateName::SubjectDn),
            "a distinguished name as RFC 4514 writes it, the most special part first, such as \
             \"CN=app,O=Example,C=DE\" (openssl x509 -noout -subject -nameopt RFC2253)",
        )
    } else if let Some(text) = &file.tls_client_auth_san_dns {
        let name = some(text).filter(|text| is_host_name(text));
        (name.map(CertificateName::SanDns), "a DNS name such as \"app.example.com\"")
    } else if let Some(text) = &file.tls_client_auth_san_uri {
        let name = some(text).filter(|text| url::Url::parse(text).is_ok());
        (name.map(CertificateName::SanUri), "an absolute URI")
    } else if let Some(text) = &file.tls_client_auth_san_ip {
        (text.parse().ok().map(CertificateName::SanIp), "an IP address")
    } else {
        let text = file.tls_client_auth_san_email.as_ref();
        let name = text.and_then(some).filter(|text| text.contains('@'));
        (name.map(CertificateName::SanEmail), "an e-mail address")
    }
}

fn is_host_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    text.bytes().all(legal)
}
