//! What the issuer's metadata say of pushing (RFC 8414, RFC 9126 §5).

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use serde_json::{Map, Value};

use super::PushError;
use crate::config::Issuer;
use crate::upstream::{Caller, places};

/// The member that names the endpoint (RFC 9126 §5).
const NAME: &str = "pushed_authorization_request_endpoint";

/// Where to push and where to send the browser.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) push: String,
    pub(super) authorize: String,
}

impl Metadata {
    /// Fetches the document of `issuer`. With a certificate the alias for certificates counts
    /// (RFC 8705 §5).
    pub(super) async fn fetch(
        caller: &Caller,
        issuer: &Issuer,
        by_certificate: bool,
    ) -> Result<Self, PushError> {
        let mut found = Err(PushError::Metadata(format!("{} has no metadata", issuer.as_str())));
        for place in places(issuer.path()) {
            let url = format!("{}{place}", issuer.origin());
            let request = Request::get(&url).header(ACCEPT, "application/json").body(Bytes::new());
            let request = request.map_err(|_| PushError::Usage("--issuer is no URL"))?;
            let answer = caller.send(request).await;
            let answer = answer.map_err(|error| PushError::Call { url: url.clone(), error })?;
            if answer.status() != StatusCode::OK {
                let said = format!("{url} answers {}", answer.status());
                found = Err(PushError::Metadata(said));
                continue;
            }
            let document = serde_json::from_slice(answer.body());
            let document: Map<String, Value> =
                document.map_err(|_| PushError::Metadata(format!("{url} is no JSON object")))?;
            found = Self::of(&document, issuer, by_certificate);
            break;
        }
        found
    }

    fn of(
        document: &Map<String, Value>,
        issuer: &Issuer,
        by_certificate: bool,
    ) -> Result<Self, PushError> {
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let named = text("issuer").unwrap_or_default();
        if named != issuer.as_str() {
            return Err(PushError::Metadata(format!(
                "the metadata are those of {named:?}, not of {:?} (RFC 8414 §3.3); say --issuer as \
                 the server does",
                issuer.as_str()
            )));
        }
        let alias = document.get("mtls_endpoint_aliases").and_then(|aliases| aliases.get(NAME));
        let alias = alias.and_then(Value::as_str).filter(|_| by_certificate);
        let push = alias.map(str::to_owned).or_else(|| text(NAME));
        let missing = |name: &str| PushError::Metadata(format!("the metadata name no {name}"));
        let push = push.ok_or_else(|| missing(NAME))?;
        // A secret goes there: an issuer is https, or http on loopback, and so must this be.
        if Issuer::parse(push.split(['?', '#']).next().unwrap_or_default()).is_none() {
            return Err(PushError::Metadata(format!("{NAME} is not https: {push}")));
        }
        let authorize = text("authorization_endpoint");
        let authorize = authorize.ok_or_else(|| missing("authorization_endpoint"))?;
        Ok(Self { issuer: named, push, authorize })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value, by_certificate: bool) -> Result<Metadata, String> {
        let issuer = Issuer::parse("https://a.example").unwrap();
        let document = document.as_object().unwrap();
        Metadata::of(document, &issuer, by_certificate).map_err(|error| error.to_string())
    }

    #[test]
    fn the_endpoint_is_that_of_the_issuer_and_encrypted() {
        let mut document = json!({
            "issuer": "https://a.example",
            "pushed_authorization_request_endpoint": "https://a.example/par",
            "authorization_endpoint": "https://a.example/authorize",
            "mtls_endpoint_aliases":
                {"pushed_authorization_request_endpoint": "https://mtls.a.example/par"},
        });
        assert_eq!(read(&document, false).unwrap().push, "https://a.example/par");
        assert_eq!(read(&document, true).unwrap().push, "https://mtls.a.example/par");
        document["pushed_authorization_request_endpoint"] = json!("http://a.example/par");
        assert!(read(&document, false).unwrap_err().contains("not https"));
        document["issuer"] = json!("https://b.example");
        assert!(read(&document, true).unwrap_err().contains("https://b.example"));
        let bare = json!({"issuer": "https://a.example"});
        assert!(read(&bare, false).unwrap_err().contains("name no pushed_"));
    }
}
