//! `parapet push`: pushes one authorization request as a client would, by any authentication method,
//! and says where to send the browser. For support: it talks to the public side alone and needs
//! nothing of the gateway's configuration.

use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::clock::Clock;
use crate::config::{AuthenticationMethod, Issuer, Secret, UpstreamTls};
use crate::upstream::tls::TlsError;
use crate::upstream::{CallError, Caller};

pub use hint::Hint;
pub use listen::{Answer, Return, ReturnError};
pub use outcome::{Pushed, Refusal, Verifier};
pub use request::Request;
pub use signer::{SignError, Signer};

use metadata::Metadata;

mod call;
pub mod hint;
mod listen;
mod metadata;
mod outcome;
mod proof;
mod request;
mod signer;

/// Who pushes what to whom.
#[derive(Debug)]
pub struct Order {
    /// The issuer that clients know.
    pub issuer: String,
    /// Who pushes.
    pub client_id: String,
    /// How it proves itself.
    pub method: AuthenticationMethod,
    /// Its secret, for the methods that have one.
    pub secret: Option<Secret>,
    /// Its key, for `private_key_jwt` and request objects.
    pub signer: Option<Signer>,
    /// PEM files of its certificate and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// What it asks for.
    pub request: Request,
    /// Send it as a signed request object (RFC 9101).
    pub as_request_object: bool,
    /// Bind the code to a new key (RFC 9449 §10.1).
    pub dpop: bool,
    /// PEM file of authorities instead of the system's.
    pub ca: Option<PathBuf>,
    /// Longest wait for each answer.
    pub timeout: Duration,
}

/// What time it is, and random bytes.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The present moment.
    pub clock: &'a dyn Clock,
    /// Of the system.
    pub random: &'a dyn SecureRandom,
}

/// Why nothing was pushed. No text shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// What was asked for cannot be done.
    #[error("{0}")]
    Usage(&'static str),
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The metadata do not serve.
    #[error("{0}")]
    Metadata(String),
    /// No answer.
    #[error("{url} {error}{}", about_authorities(error))]
    Call {
        /// Whom was called.
        url: String,
        /// Why nothing came.
        error: CallError,
    },
    /// A certificate that does not serve.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A key that does not serve.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Finds the endpoint in the issuer's metadata and pushes.
///
/// # Errors
/// [`PushError`]
pub async fn push(order: &Order, world: World<'_>) -> Result<Pushed, PushError> {
    order.check()?;
    let issuer = Issuer::parse(&order.issuer);
    let issuer = issuer.ok_or(PushError::Usage("--issuer must be https, or http on loopback"))?;
    let tls = UpstreamTls { ca: order.ca.clone(), client_identity: order.certificate.clone() };
    let caller = Caller::new(&tls, order.timeout)?;
    let metadata = Metadata::fetch(&caller, &issuer, order.certificate.is_some()).await?;
    let asked = order.request.complete(&order.client_id, world.random)?;
    let call = call::Call { order, metadata: &metadata, asked: &asked, world };
    let dpop_key = order.dpop.then(Signer::fresh).transpose()?;
    let mut answer = call.send(&caller, dpop_key.as_ref(), None).await?;
    if dpop_key.is_some()
        && let Some(nonce) = nonce_asked_for(&answer)
    {
        answer = call.send(&caller, dpop_key.as_ref(), Some(&nonce)).await?;
    }
    if answer.status() != StatusCode::CREATED {
        return Err(PushError::Refused(Refusal::of(&answer)));
    }
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let (Some(request_uri), Some(expires_in)) =
        (body.get("request_uri").and_then(Value::as_str), body.get("expires_in"))
    else {
        return Err(PushError::Metadata("the answer to the push has no request_uri".to_owned()));
    };
    Ok(Pushed {
        issuer: metadata.issuer.clone(),
        request_uri: request_uri.to_owned(),
        expires_in: expires_in.as_u64().unwrap_or_default(),
        authorize_url: authorize_url(&metadata.authorize, &order.client_id, request_uri)?,
        state: asked.value("state").map(str::to_owned),
        nonce: asked.value("nonce").map(str::to_owned),
        code_verifier: asked.code_verifier,
    })
}

impl Order {
    /// Whether everything is there that the method needs.
    fn check(&self) -> Result<(), PushError> {
        use AuthenticationMethod as Method;
        let needs = match self.method {
            Method::None => None,
            Method::ClientSecretBasic | Method::ClientSecretPost | Method::ClientSecretJwt => self
                .secret
                .is_none()
                .then_some("this method needs the secret: --secret-file or --secret-env"),
            Method::PrivateKeyJwt => {
                self.signer.is_none().then_some("private_key_jwt needs --key, a private key in PEM")
            }
            Method::TlsClientAuth | Method::SelfSignedTlsClientAuth => self
                .certificate
                .is_none()
                .then_some("this method needs --certificate and its --key"),
        };
        let unsigned = self.as_request_object && self.signer.is_none();
        match needs.or(unsigned.then_some("--request-object needs --key, a private key in PEM")) {
            Some(text) => Err(PushError::Usage(text)),
            None => Ok(()),
        }
    }
}

/// What helps where the server's certificate is the matter.
fn about_authorities(error: &CallError) -> &'static str {
    let is_certificate = error.to_string().contains("peer certificate");
    if is_certificate { "; --ca FILE says which authority to believe instead" } else { "" }
}

/// The nonce that the server wants in the proof (RFC 9449 §8).
fn nonce_asked_for(answer: &Response<Bytes>) -> Option<String> {
    let body: Value = serde_json::from_slice(answer.body()).ok()?;
    (body.get("error")? == "use_dpop_nonce")
        .then(|| Some(answer.headers().get("dpop-nonce")?.to_str().ok()?.to_owned()))
        .flatten()
}

/// Where the browser goes (RFC 9126 §4).
fn authorize_url(endpoint: &str, client_id: &str, request_uri: &str) -> Result<String, PushError> {
    let mut url = Url::parse(endpoint).map_err(|_| {
        PushError::Metadata("authorization_endpoint in the metadata is no URL".to_owned())
    })?;
    let pairs = [("client_id", client_id), ("request_uri", request_uri)];
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(url.into())
}

/// Base64url of so many random bytes.
fn random_text<const N: usize>(random: &dyn SecureRandom) -> Result<String, SignError> {
    let mut bytes = zeroize::Zeroizing::new([0; N]);
    random.fill(bytes.as_mut()).map_err(|_| SignError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_is_sent_to_the_endpoint_with_its_own_query() {
        let url = authorize_url("https://a.example/auth?p=1", "a b", "urn:x:1").unwrap();
        assert_eq!(url, "https://a.example/auth?p=1&client_id=a+b&request_uri=urn%3Ax%3A1");
        assert!(authorize_url("/auth", "a", "b").is_err());
    }

    #[test]
    fn a_nonce_is_taken_only_where_one_is_asked_for() {
        let answer = |error: &str| {
            let body = format!("{{\"error\":\"{error}\"}}");
            Response::builder().header("dpop-nonce", "n").body(Bytes::from(body)).unwrap()
        };
        assert_eq!(nonce_asked_for(&answer("use_dpop_nonce")).as_deref(), Some("n"));
        assert_eq!(nonce_asked_for(&answer("invalid_dpop_proof")), None);
    }
}
