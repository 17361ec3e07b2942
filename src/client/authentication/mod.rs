//! Client authentication as at the token endpoint (RFC 6749 §2.3, RFC 9126 §2): what was presented
//! is read into one legal combination, and that is compared with the registered method.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap};

use super::assertion::{
    ASSERTION_TYPE, AssertionError, Assertions, LONGEST_ASSERTION, TokenUse, claimed_client,
};
use super::certificate::{Certificate, CertificateFault, Shown, is_among, is_named};
use super::{Client, Registry};
use crate::clock::WallTime;
use crate::config::{Authentication, RollOver, SecretDigest};
use crate::jose::Unverified;
use crate::oauth::error::ErrorCode;
use crate::oauth::names;
use crate::oauth::parameters::{Parameters, decode};
use crate::store::StoreError;
use crate::telemetry::metrics::{AuthMethod, AuthVerdict};

/// A client that has proved itself. Nothing else makes one.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who it is.
    pub client: Arc<Client>,
    /// How it proved itself.
    pub method: AuthMethod,
    /// The single use of its assertion, to be remembered once the client's rate allows it.
    pub token_use: Option<TokenUse>,
}

/// Why a client is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// An assertion that proves nothing. Only who signed it well is told of a wrong `aud`.
    #[error("client authentication failed")]
    Assertion(#[from] AssertionError),
    /// Whether an assertion was used before cannot be found out.
    #[error("client assertions cannot be checked at the moment")]
    Store(StoreError),
}

impl AuthenticationError {
    /// The wire code. Whatever is wrong with a credential has one and the same.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::RepeatedCredential | Self::SeveralMethods | Self::OtherClientId => {
                ErrorCode::InvalidRequest
            }
            Self::Missing
            | Self::Malformed
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::WrongMethod
            | Self::Assertion(_)
            | Self::WrongCertificate(_) => ErrorCode::InvalidClient,
            Self::Store(_) => ErrorCode::TemporarilyUnavailable,
        }
    }

    /// What the caller is told; it does not tell a wrong secret or signature from an unknown client.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        match self {
            Self::Assertion(AssertionError::Audience(text)) => Cow::Owned(text.to_string()),
            Self::RepeatedCredential => "a client credential is repeated".into(),
            Self::SeveralMethods => "more than one client authentication method is used".into(),
            Self::OtherClientId => "client_id is not that of the authenticated client".into(),
            Self::Store(_) => "client assertions cannot be checked at the moment".into(),
            Self::Missing
            | Self::Malformed
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::WrongMethod
            | Self::Assertion(_)
            | Self::WrongCertificate(_) => "client authentication failed".into(),
        }
    }

    /// The label in metrics.
    #[must_use]
    pub const fn verdict(&self) -> AuthVerdict {
        match self {
            Self::RepeatedCredential
            | Self::SeveralMethods
            | Self::OtherClientId
            | Self::Malformed => AuthVerdict::Malformed,
            Self::Missing => AuthVerdict::Missing,
            Self::UnknownClient => AuthVerdict::UnknownClient,
            Self::WrongSecret | Self::Assertion(_) | Self::WrongCertificate(_) => {
                AuthVerdict::Mismatch
            }
            Self::WrongMethod => AuthVerdict::WrongMethod,
            Self::Store(_) => AuthVerdict::Unavailable,
        }
    }

    /// The label in the audit log, which may know more than the caller.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
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
            Self::Assertion(error) => error.reason(),
            Self::Store(error) => error.as_str(),
        }
    }
}

/// What a request shows of its sender. `Debug` is left out on purpose: it holds secrets.
pub struct Presented<'f> {
    client_id: String,
    proof: Proof<'f>,
    /// `client_id` of the form.
    named: Option<&'f str>,
    /// Shown along with the rest, and when.
    certificate: (Shown, WallTime),
}

enum Proof<'f> {
    None,
    Basic(String),
    Post(String),
    Assertion(Box<Unverified<'f>>),
}

impl<'f> Presented<'f> {
    /// Reads header and form together; whatever is not one legal combination is refused.
    ///
    /// # Errors
    /// [`AuthenticationError`]
    pub fn read(
        headers: &HeaderMap,
        form: &'f Parameters<'_>,
    ) -> Result<Self, AuthenticationError> {
        let credentials = names::CREDENTIALS.iter().chain(&["client_id"]);
        if credentials.into_iter().any(|name| form.count(name) > 1) {
            return Err(AuthenticationError::RepeatedCredential);
        }
        let mut authorization = headers.get_all(AUTHORIZATION).iter();
        let header = authorization.next();
        if authorization.next().is_some() {
            return Err(AuthenticationError::RepeatedCredential);
        }
        let named = form.value("client_id");
        let secret = form.value("client_secret");
        let assertion = form.count("client_assertion") + form.count("client_assertion_type") > 0;
        match (header, secret, assertion) {
            (Some(_), Some(_), _) | (Some(_), _, true) | (_, Some(_), true) => {
                Err(AuthenticationError::SeveralMethods)
            }
            (Some(header), None, false) => {
                let (id, secret) =
                    basic(header.as_bytes()).ok_or(AuthenticationError::Malformed)?;
                Ok(Self::new(id, Proof::Basic(secret), named))
            }
            (None, Some(secret), false) => Self::named(named, Proof::Post(secret.to_owned())),
            (None, None, true) => Self::asserted(form, named),
            (None, None, false) => Self::named(named, Proof::None),
        }
    }

    /// The same with the certificate that came with the request. It counts only for clients that
    /// prove themselves by one: others need theirs at the token endpoint.
    #[must_use]
    pub fn with_certificate(self, certificate: Shown, now: WallTime) -> Self {
        Self { certificate: (certificate, now), ..self }
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
            (Proof::Assertion(token), _) if token.header().algorithm.is_symmetric() => {
                AuthMethod::ClientSecretJwt
            }
            (Proof::Assertion(_), _) => AuthMethod::PrivateKeyJwt,
        }
    }

    fn new(client_id: String, proof: Proof<'f>, named: Option<&'f str>) -> Self {
        let certificate = (Shown::Nothing, WallTime::default());
        Self { client_id, proof, named, certificate }
    }

    fn named(named: Option<&'f str>, proof: Proof<'f>) -> Result<Self, AuthenticationError> {
        let client_id = named.ok_or(AuthenticationError::Missing)?.to_owned();
        Ok(Self::new(client_id, proof, named))
    }

    /// The assertion and its type belong together (RFC 7521 §4.2), and it names its client.
    fn asserted(
        form: &'f Parameters<'_>,
        named: Option<&'f str>,
    ) -> Result<Self, AuthenticationError> {
        let assertion = form
            .value("client_assertion")
            .filter(|_| form.value("client_assertion_type") == Some(ASSERTION_TYPE));
        let assertion = assertion.ok_or(AuthenticationError::Malformed)?;
        let token = Unverified::parse(assertion, LONGEST_ASSERTION)
            .map_err(|_| AuthenticationError::Malformed)?;
        let client_id = claimed_client(&token).ok_or(AuthenticationError::Malformed)?.to_owned();
        Ok(Self::new(client_id, Proof::Assertion(Box::new(token)), named))
    }
}

/// Judges the certificate of a client that proves itself by one; `None` for other clients and other
/// proofs.
async fn certified(
    client: Option<&Client>,
    presented: &Presented<'_>,
) -> Option<Result<(), AuthenticationError>> {
    let client = client.filter(|_| matches!(presented.proof, Proof::None))?;
    let (shown, now) = &presented.certificate;
    let judged = match &client.authentication {
        Authentication::TlsClientAuth(name) => {
            readable(shown).map(|certificate| is_named(certificate, name, *now))
        }
        Authentication::SelfSignedTlsClientAuth => match (readable(shown), &client.keys) {
            (Ok(certificate), Some(keys)) => {
                let keys = keys.matching(|keys| is_among(certificate, keys, *now).is_ok()).await;
                let keys = keys.ok_or(CertificateFault::OtherHolder);
                Ok(keys.and_then(|keys| is_among(certificate, &keys, *now)))
            }
            (Ok(_), None) => Ok(Err(CertificateFault::OtherHolder)),
            (Err(error), _) => Err(error),
        },
        Authentication::None
        | Authentication::ClientSecretBasic(_)
        | Authentication::ClientSecretPost(_)
        | Authentication::ClientSecretJwt { .. }
        | Authentication::PrivateKeyJwt { .. } => return None,
    };
    Some(judged.and_then(|verdict| verdict.map_err(AuthenticationError::WrongCertificate)))
}

/// The certificate, if there is one that can be judged.
fn readable(shown: &Shown) -> Result<&Certificate, AuthenticationError> {
    match shown {
        Shown::Certificate(certificate) => Ok(certificate),
        Shown::Unusable => Err(AuthenticationError::WrongCertificate(CertificateFault::Unreadable)),
        Shown::Nothing => Err(AuthenticationError::Missing),
    }
}

/// Judges what was presented. An unknown client costs the same work as a known one.
///
/// # Errors
/// [`AuthenticationError`]
pub async fn authenticate(
    registry: &Registry,
    presented: &Presented<'_>,
    assertions: &Assertions,
) -> Result<Authenticated, AuthenticationError> {
    let client = registry.find(&presented.client_id).filter(|client| client.enabled);
    let mut token_use = None;
    match &presented.proof {
        Proof::Assertion(token) => {
            let judged = assertions.judge(client.map(|client| &**client), token, presented.named);
            token_use = judged.await?;
        }
        Proof::None | Proof::Basic(_) | Proof::Post(_) => {
            match certified(client.map(|client| &**client), presented).await {
                Some(verdict) => verdict?,
                None => compare(client.map(|client| &client.authentication), &presented.proof)?,
            }
            if presented.named.is_some_and(|named| named != presented.client_id) {
                return Err(AuthenticationError::OtherClientId);
            }
        }
    }
    let client = Arc::clone(client.ok_or(AuthenticationError::UnknownClient)?);
    Ok(Authenticated { client, method: presented.method(registry), token_use })
}

/// Compares a secret, or its absence, with what is registered.
fn compare(
    registered: Option<&Authentication>,
    proof: &Proof<'_>,
) -> Result<(), AuthenticationError> {
    match (registered, proof) {
        (Some(Authentication::None), Proof::None) => Ok(()),
        (Some(Authentication::ClientSecretBasic(digests)), Proof::Basic(secret))
        | (Some(Authentication::ClientSecretPost(digests)), Proof::Post(secret)) => {
            if digests.matches(secret) { Ok(()) } else { Err(AuthenticationError::WrongSecret) }
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
        (Some(_), Proof::Assertion(_)) => Err(AuthenticationError::WrongMethod),
        (None, Proof::None | Proof::Assertion(_)) => Err(AuthenticationError::UnknownClient),
    }
}

fn compare_for_nothing(secret: &str) {
    let nobody = RollOver::new(SecretDigest::from_bytes([0; 32]), None);
    let _ = std::hint::black_box(nobody.matches(secret));
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
