//! Client authentication as at the token endpoint (RFC 6749 §2.3, RFC 9126 §2): what was presented
//! is read into one legal combination, and that is compared with the registered method.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};

use super::certificate::{Certificate, CertificateFault, Shown, is_among, is_named};
use super::{Client, Registry};
use crate::clock::Timestamp;
use crate::config::{Authentication, SecretDigest};
use crate::oauth::error::ErrorCode;
use crate::oauth::names;
use crate::oauth::parameters::{Parameters, decode};
use crate::telemetry::metrics::{AuthMethod, AuthVerdict};

/// A client that has proved itself. Nothing else makes one.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who it is.
    pub client: Arc<Client>,
    /// How it proved itself.
    pub method: AuthMethod,
}

/// Why a client is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// A credential stands twice.
    #[error("a client credential is repeated")]
    RepeatedCredential,
    /// Two ways at once (RFC 6749 §2.3).
    #[error("more than one client authentication method is used")]
    SeveralMethods,
    /// `client_id` in the form is not the authenticated one (RFC 9126 §2.1).
    #[error("client_id is not that of the authenticated client")]
    OtherClientId,
    /// No credentials, or none where the client needs them.
    #[error("client authentication failed")]
    Missing,
    /// Credentials that cannot be read.
    #[error("client authentication failed")]
    Malformed,
    /// No such client, or a disabled one.
    #[error("client authentication failed")]
    UnknownClient,
    /// The wrong secret.
    #[error("client authentication failed")]
    WrongSecret,
    /// Another method than the registered one.
    #[error("client authentication failed")]
    WrongMethod,
    /// A certificate that does not prove this client.
    #[error("client authentication failed")]
    WrongCertificate(CertificateFault),
}

impl AuthenticationError {
    /// The wire code. Whatever is wrong with a credential has one and the same.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::RepeatedCredential | Self::SeveralMethods | Self::OtherClientId => {
                ErrorCode::InvalidRequest
            }
            Self::Missing
            | Self::Malformed
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::WrongMethod
            | Self::WrongCertificate(_) => ErrorCode::InvalidClient,
        }
    }

    /// What the caller is told; it does not tell a wrong secret from an unknown client.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::RepeatedCredential => "a client credential is repeated",
            Self::SeveralMethods => "more than one client authentication method is used",
            Self::OtherClientId => "client_id is not that of the authenticated client",
            Self::Missing
            | Self::Malformed
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::WrongMethod
            | Self::WrongCertificate(_) => "client authentication failed",
        }
    }

    /// The label in metrics.
    #[must_use]
    pub const fn verdict(self) -> AuthVerdict {
        match self {
            Self::RepeatedCredential
            | Self::SeveralMethods
            | Self::OtherClientId
            | Self::Malformed => AuthVerdict::Malformed,
            Self::Missing => AuthVerdict::Missing,
            Self::UnknownClient => AuthVerdict::UnknownClient,
            Self::WrongSecret | Self::WrongCertificate(_) => AuthVerdict::Mismatch,
            Self::WrongMethod => AuthVerdict::WrongMethod,
        }
    }

    /// The label in the audit log, which may know more than the caller.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::RepeatedCredential => "repeated_credential",
            Self::SeveralMethods => "several_methods",
            Self::OtherClientId => "other_client_id",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownClient => "unknown_client",
            Self::WrongSecret => "wrong_secret",
            Self::WrongMethod => "wrong_method",
            Self::WrongCertificate(fault) => fault.reason(),
        }
    }
}

/// What a request shows of its sender. `Debug` is left out on purpose: it holds secrets.
pub struct Presented {
    client_id: String,
    proof: Proof,
    /// The form names another client; told only to who has proved itself.
    names_another: bool,
    certificate: Shown,
}

enum Proof {
    None,
    Basic(String),
    Post(String),
    Assertion,
}

impl Presented {
    /// Reads header and form together; whatever is not one legal combination is refused.
    ///
    /// # Errors
    /// [`AuthenticationError`]
    pub fn read(headers: &HeaderMap, form: &Parameters<'_>) -> Result<Self, AuthenticationError> {
        let credentials = names::CREDENTIALS.iter().chain(&["client_id"]);
        if credentials.into_iter().any(|name| form.count(name) > 1) {
            return Err(AuthenticationError::RepeatedCredential);
        }
        let mut authorization = headers.get_all(AUTHORIZATION).iter();
        let header = authorization.next();
        if authorization.next().is_some() {
            return Err(AuthenticationError::RepeatedCredential);
        }
        let client_id = form.value("client_id");
        let secret = form.value("client_secret");
        let assertion = form.count("client_assertion") + form.count("client_assertion_type") > 0;
        match (header, secret, assertion) {
            (Some(_), Some(_), _) | (Some(_), _, true) | (_, Some(_), true) => {
                Err(AuthenticationError::SeveralMethods)
            }
            (Some(header), None, false) => {
                let (id, secret) =
                    basic(header.as_bytes()).ok_or(AuthenticationError::Malformed)?;
                let names_another = client_id.is_some_and(|client_id| client_id != id);
                Ok(Self {
                    client_id: id,
                    proof: Proof::Basic(secret),
                    names_another,
                    certificate: Shown::Nothing,
                })
            }
            (None, Some(secret), false) => Self::named(client_id, Proof::Post(secret.to_owned())),
            (None, None, true) => Ok(Self {
                client_id: client_id.unwrap_or_default().into(),
                proof: Proof::Assertion,
                names_another: false,
                certificate: Shown::Nothing,
            }),
            (None, None, false) => Self::named(client_id, Proof::None),
        }
    }

    /// The same with the certificate that came with the request. It counts only for clients that
    /// prove themselves by one: others need theirs at the token endpoint.
    #[must_use]
    pub fn with_certificate(self, certificate: Shown) -> Self {
        Self { certificate, ..self }
    }

    /// Who it says it is; not believed yet.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The method it uses. A certificate is shown in silence, so that only the registration tells
    /// one method from the other.
    #[must_use]
    pub fn method(&self, registry: &Registry) -> AuthMethod {
        let client = registry.find(&self.client_id);
        match (&self.proof, client.map(|client| &client.authentication)) {
            (Proof::None, Some(Authentication::TlsClientAuth(_))) => AuthMethod::TlsClientAuth,
            (Proof::None, Some(Authentication::SelfSignedTlsClientAuth)) => {
                AuthMethod::SelfSignedTlsClientAuth
            }
            (Proof::None, _) => AuthMethod::None,
            (Proof::Basic(_), _) => AuthMethod::ClientSecretBasic,
            (Proof::Post(_), _) => AuthMethod::ClientSecretPost,
            (Proof::Assertion, _) => AuthMethod::PrivateKeyJwt,
        }
    }

    /// Judges the certificate, if one can be judged.
    fn certified(
        &self,
        judge: impl FnOnce(&Certificate) -> Result<(), CertificateFault>,
    ) -> Result<(), AuthenticationError> {
        match &self.certificate {
            Shown::Certificate(certificate) => {
                judge(certificate).map_err(AuthenticationError::WrongCertificate)
            }
            Shown::Unusable => {
                Err(AuthenticationError::WrongCertificate(CertificateFault::Unreadable))
            }
            Shown::Nothing => Err(AuthenticationError::Missing),
        }
    }

    fn named(client_id: Option<&str>, proof: Proof) -> Result<Self, AuthenticationError> {
        let client_id = client_id.ok_or(AuthenticationError::Missing)?.to_owned();
        Ok(Self { client_id, proof, names_another: false, certificate: Shown::Nothing })
    }
}

/// Judges what was presented. An unknown client costs the same comparison as a known one.
///
/// # Errors
/// [`AuthenticationError`]
pub fn authenticate(
    registry: &Registry,
    presented: &Presented,
    now: Timestamp,
) -> Result<Authenticated, AuthenticationError> {
    let client = registry.find(&presented.client_id).filter(|client| client.enabled);
    let verdict = match (client.map(|client| &client.authentication), &presented.proof) {
        (Some(Authentication::None), Proof::None) => Ok(()),
        (Some(Authentication::TlsClientAuth(name)), Proof::None) => {
            presented.certified(|certificate| is_named(certificate, name, now))
        }
        (Some(Authentication::SelfSignedTlsClientAuth), Proof::None) => {
            let keys = client.and_then(|client| client.key_set.as_deref());
            presented.certified(|certificate| match keys {
                Some(keys) => is_among(certificate, keys, now),
                None => Err(CertificateFault::OtherHolder),
            })
        }
        (Some(Authentication::ClientSecretBasic(digest)), Proof::Basic(secret))
        | (Some(Authentication::ClientSecretPost(digest)), Proof::Post(secret)) => {
            if digest.matches(secret) { Ok(()) } else { Err(AuthenticationError::WrongSecret) }
        }
        (Some(_), Proof::None) => Err(AuthenticationError::Missing),
        (Some(_), Proof::Basic(secret) | Proof::Post(secret)) => {
            compare_for_nothing(secret);
            Err(AuthenticationError::WrongMethod)
        }
        (None, Proof::Basic(secret) | Proof::Post(secret)) => {
            compare_for_nothing(secret);
            Err(AuthenticationError::UnknownClient)
        }
        (Some(_), Proof::Assertion) => Err(AuthenticationError::WrongMethod),
        (None, Proof::None | Proof::Assertion) => Err(AuthenticationError::UnknownClient),
    };
    verdict?;
    if presented.names_another {
        return Err(AuthenticationError::OtherClientId);
    }
    let client = Arc::clone(client.ok_or(AuthenticationError::UnknownClient)?);
    Ok(Authenticated { client, method: presented.method(registry) })
}

fn compare_for_nothing(secret: &str) {
    let _ = std::hint::black_box(SecretDigest::from_bytes([0; 32]).matches(secret));
}

/// `client_id` and secret of `Basic` credentials, both form-encoded inside (RFC 6749 §2.3.1).
fn basic(header: &[u8]) -> Option<(String, String)> {
    let header = std::str::from_utf8(header).ok()?;
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(credentials.trim()).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    let (id, secret) = pair.split_at(colon);
    let id = decode(id).ok()?.into_owned();
    let secret = decode(secret.get(1..)?).ok()?.into_owned();
    (!id.is_empty()).then_some((id, secret))
}

#[cfg(test)]
mod tests;
