//! Questions to the upstream as the gateway would ask them: public name in `Host`, secret header,
//! own certificate. Nothing in them is anybody's: the client does not exist unless one was named, and
//! state, nonce and challenge are drawn for the occasion.

use std::time::Duration;

use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap};
use http::{HeaderValue, Method, Request, Response};
use url::form_urlencoded::Serializer;

use super::Patient;
use crate::config::{Config, UpstreamTls};
use crate::upstream::tls::TlsError;
use crate::upstream::{self, CallError, Caller};

/// Longest wait for one answer.
pub(super) const CALL: Duration = Duration::from_secs(5);

/// One answer.
pub(super) type Answered = Result<Response<Bytes>, CallError>;

/// Asks the upstream of one configuration.
pub(super) struct Prober<'a> {
    pub(super) config: &'a Config,
    pub(super) caller: Caller,
    /// Drawn for this examination; every made-up value has it.
    pub(super) mark: String,
    stranger: Caller,
    origin: String,
    headers: HeaderMap,
    client: Option<(String, Option<String>)>,
}

impl<'a> Prober<'a> {
    pub(super) fn new(
        patient: &'a Patient<'_>,
        random: &dyn SecureRandom,
    ) -> Result<Self, TlsError> {
        let config = &patient.loaded.config;
        let mut bytes = [0; 12];
        // A mark that can be guessed does no harm.
        let _ = random.fill(&mut bytes);
        let client = patient.client_id.as_ref().map(|client_id| {
            let known = config.clients.iter().find(|client| client.client_id == *client_id);
            (client_id.clone(), known.and_then(|client| client.redirect_uris.first().cloned()))
        });
        Ok(Self {
            config,
            caller: Caller::new(&config.upstream.tls, CALL)?,
            stranger: Caller::new(&UpstreamTls::default(), CALL)?,
            mark: URL_SAFE_NO_PAD.encode(bytes).replace(['-', '_'], "0"),
            origin: config.upstream.url.origin(),
            headers: upstream::headers(&config.upstream, &config.server.issuer),
            client,
        })
    }

    /// `GET` of this target, byte for byte.
    pub(super) async fn get(&self, target: &str) -> Answered {
        self.send(Method::GET, target, None).await
    }

    /// `POST` of this form, as a browser sends it.
    pub(super) async fn post(&self, target: &str, form: &str) -> Answered {
        self.send(Method::POST, target, Some(form)).await
    }

    /// `POST` of this form, as a client sends it.
    pub(super) async fn post_as_client(&self, target: &str, form: &str) -> Answered {
        let mut request = self.request(&self.origin, Method::POST, target, Some(form))?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        self.caller.send(request).await
    }

    async fn send(&self, method: Method, target: &str, form: Option<&str>) -> Answered {
        self.caller.send(self.request(&self.origin, method, target, form)?).await
    }

    /// The same `GET` to another origin, as a stranger would ask, who believes the system's
    /// authorities. Where that fails, those of the configuration are believed.
    pub(super) async fn ask_as_stranger(&self, origin: &str, target: &str) -> Answered {
        let mut request = self.request(origin, Method::GET, target, None)?;
        request.headers_mut().remove(HOST);
        if let Some(secret) = &self.config.upstream.secret_header {
            request.headers_mut().remove(&secret.name);
        }
        match self.stranger.send(request.clone()).await {
            Err(CallError::Unreachable(_)) => self.caller.send(request).await,
            answered => answered,
        }
    }

    fn request(
        &self,
        origin: &str,
        method: Method,
        target: &str,
        form: Option<&str>,
    ) -> Result<Request<Bytes>, CallError> {
        let request = Request::builder().method(method).uri(format!("{origin}{target}"));
        let body = form.map(|form| Bytes::copy_from_slice(form.as_bytes())).unwrap_or_default();
        let mut request = request.body(body).map_err(|_| CallError::Address)?;
        *request.headers_mut() = self.headers.clone();
        let accept = HeaderValue::from_static("text/html,application/json;q=0.9,*/*;q=0.8");
        request.headers_mut().insert(ACCEPT, accept);
        if form.is_some() {
            let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        Ok(request)
    }

    /// Whether a client that the upstream may know was named.
    pub(super) const fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// The `client_id` of all questions.
    pub(super) fn client_id(&self) -> String {
        let named = self.client.as_ref().map(|(client_id, _)| client_id.clone());
        named.unwrap_or_else(|| format!("parapet-doctor-{}", self.mark))
    }

    /// The `redirect_uri` of all questions; `.invalid` leads nowhere (RFC 6761 §6.4).
    pub(super) fn redirect_uri(&self) -> String {
        let named = self.client.as_ref().and_then(|(_, redirect_uri)| redirect_uri.clone());
        named.unwrap_or_else(|| "https://parapet-doctor.invalid/callback".to_owned())
    }

    /// The `state` of all questions.
    pub(super) fn state(&self) -> String {
        format!("doctor{}", self.mark)
    }

    /// A whole authorization request, form-encoded.
    pub(super) fn authorization_request(&self) -> String {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let mut form = Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id())
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", "openid")
            .append_pair("state", &self.state())
            .append_pair("nonce", &self.mark)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        form.finish()
    }

    /// That request on `path`.
    pub(super) fn authorize_target(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}{}", self.authorization_request())
    }
}
