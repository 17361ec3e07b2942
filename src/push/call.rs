//! The push on the wire (RFC 9126 §2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::metadata::Metadata;
use super::request::Complete;
use super::{Order, PushError, SignError, Signer, World, proof};
use crate::config::{AuthenticationMethod, Secret};
use crate::jose::Algorithm;
use crate::upstream::Caller;

/// What is sent, as far as it does not change from one try to the next.
pub(super) struct Call<'a> {
    pub(super) order: &'a Order,
    pub(super) metadata: &'a Metadata,
    pub(super) asked: &'a Complete,
    pub(super) world: World<'a>,
}

impl Call<'_> {
    /// Sends it, with a new assertion and a new proof.
    pub(super) async fn send(
        &self,
        caller: &Caller,
        dpop_key: Option<&Signer>,
        nonce: Option<&str>,
    ) -> Result<Response<Bytes>, PushError> {
        let url = &self.metadata.push;
        let form = self.form()?;
        let mut request = Request::post(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::copy_from_slice(form.as_bytes()))
            .map_err(|_| PushError::Metadata(format!("{url} is no URL")))?;
        if let Some(basic) = self.basic() {
            request.headers_mut().insert(AUTHORIZATION, basic);
        }
        if let Some(key) = dpop_key {
            let proof = proof::dpop(key, url, nonce, self.world)?;
            let proof = HeaderValue::from_str(&proof).map_err(|_| SignError::Failed)?;
            request.headers_mut().insert("dpop", proof);
        }
        let answer = caller.send(request).await;
        answer.map_err(|error| PushError::Call { url: url.clone(), error })
    }

    fn form(&self) -> Result<Zeroizing<String>, PushError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let client_id = self.order.client_id.as_str();
        if let (true, Some(signer)) = (self.order.as_request_object, &self.order.signer) {
            let parties = (client_id, self.metadata.issuer.as_str());
            let object =
                proof::request_object(signer, &self.asked.parameters, parties, self.world)?;
            form.append_pair("client_id", client_id).append_pair("request", &object);
        } else {
            form.extend_pairs(&self.asked.parameters);
        }
        if let (AuthenticationMethod::ClientSecretPost, Some(secret)) = self.proof() {
            form.append_pair("client_secret", secret.expose());
        }
        if let Some(assertion) = self.assertion()? {
            const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            form.append_pair("client_assertion_type", KIND);
            form.append_pair("client_assertion", &assertion);
        }
        Ok(Zeroizing::new(form.finish()))
    }

    fn proof(&self) -> (AuthenticationMethod, Option<&Secret>) {
        (self.order.method, self.order.secret.as_ref())
    }

    fn assertion(&self) -> Result<Option<String>, SignError> {
        let own;
        let signer = match self.proof() {
            (AuthenticationMethod::PrivateKeyJwt, _) => self.order.signer.as_ref(),
            (AuthenticationMethod::ClientSecretJwt, Some(secret)) => {
                own = Signer::with_secret(secret, Algorithm::Hs256)?;
                Some(&own)
            }
            _ => None,
        };
        let audience = &self.metadata.issuer;
        let assert_by =
            |signer| proof::assertion(signer, &self.order.client_id, audience, self.world);
        signer.map(assert_by).transpose()
    }

    /// Form-encoded, then Basic (RFC 6749 §2.3.1).
    fn basic(&self) -> Option<HeaderValue> {
        let (AuthenticationMethod::ClientSecretBasic, Some(secret)) = self.proof() else {
            return None;
        };
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let [id, secret] = [&*self.order.client_id, secret.expose()].map(encoded);
        let pair = Zeroizing::new(STANDARD.encode(Zeroizing::new(format!("{id}:{secret}"))));
        let mut value = HeaderValue::from_str(&format!("Basic {}", pair.as_str())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
