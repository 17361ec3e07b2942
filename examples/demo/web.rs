//! As much of a web server as the demonstration needs: requests with their body in memory,
//! answers made of text, one task per connection.

use std::future::Future;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::page;

/// What a site answers.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Why a site has no answer of its own; the browser sees a plain 500 or 502.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The system gave no random bytes.
    #[error("no random bytes")]
    Random,
    /// A value that no header may have.
    #[error("not a header value: {0}")]
    Header(#[from] http::header::InvalidHeaderValue),
    /// A token could not be made or believed.
    #[error("token: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// Another server did not do what it was asked.
    #[error("{0}")]
    Peer(String),
}

/// One of the two web sites of the demonstration.
pub(crate) trait Site: Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, call: Call) -> impl Future<Output = Result<Answer, Fault>> + Send;
}

/// One request, body included.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// As it came, still percent-encoded.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A header field as text; empty where there is none.
    pub(crate) fn header(&self, name: http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A cookie's value; empty where there is none.
    pub(crate) fn cookie(&self, name: &str) -> &str {
        self.headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(found, _)| *found == name)
            .map_or("", |(_, value)| value)
    }

    /// The parameters of the query.
    pub(crate) fn parameters(&self) -> Parameters {
        Parameters::parse(self.query.as_bytes())
    }

    /// The fields of a form body.
    pub(crate) fn form(&self) -> Parameters {
        Parameters::parse(&self.body)
    }
}

/// Ordered name-value pairs of a query or form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(pub(crate) Vec<(String, String)>);

impl Parameters {
    /// Decodes `application/x-www-form-urlencoded`.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The first value of that name; empty where there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The first name that stands here twice.
    pub(crate) fn repeated(&self) -> Option<&str> {
        self.0
            .iter()
            .enumerate()
            .find(|(at, (name, _))| self.0.iter().take(*at).any(|(earlier, _)| earlier == name))
            .map(|(_, (name, _))| name.as_str())
    }

    /// The pairs whose names are not among `names`.
    pub(crate) fn without(self, names: &[&str]) -> Self {
        let kept = self.0.into_iter();
        Self(kept.filter(|(name, _)| !names.contains(&name.as_str())).collect())
    }

    /// Encodes for a query or a form body.
    pub(crate) fn encode(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Serves `site` until the task is dropped.
pub(crate) async fn serve<S: Site>(listener: TcpListener, site: S) {
    let site = Arc::new(site);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let site = Arc::clone(&site);
        connections.spawn(async move {
            let service = service_fn(|request| handle(&*site, request));
            // A browser that breaks off is nobody's fault.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// An HTML page with the headers that keep it to itself.
pub(crate) fn html(status: StatusCode, page: String) -> Answer {
    let mut answer = Response::new(Full::from(page));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The record of a journey is made from the Referer of the forms on these pages.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    answer
}

/// A JSON answer that no cache keeps.
pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A redirect that the browser follows with `GET`.
pub(crate) fn redirect(location: &str) -> Result<Answer, Fault> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FOUND;
    let headers = answer.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(location)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Adds a session cookie. Cookies do not know ports, so each site needs names of its own.
pub(crate) fn with_cookie(mut answer: Answer, name: &str, value: &str) -> Result<Answer, Fault> {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    let cookie = HeaderValue::try_from(cookie)?;
    answer.headers_mut().append(SET_COOKIE, cookie);
    Ok(answer)
}

/// 256 random bits for a URL, a cookie or a form.
pub(crate) fn random_token() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The code challenge of a verifier by method S256 (RFC 7636 §4.2).
pub(crate) fn s256(code_verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, code_verifier.as_bytes()))
}

async fn handle<S: Site>(site: &S, request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        let page = page::message("Too much", "<p>The body is unreadable or too large.</p>");
        return Ok(html(StatusCode::PAYLOAD_TOO_LARGE, page));
    };
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    Ok(site.answer(call).await.unwrap_or_else(|fault| {
        let status = match fault {
            Fault::Peer(_) => StatusCode::BAD_GATEWAY,
            Fault::Random | Fault::Header(_) | Fault::Token(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = page::escape(&fault.to_string());
        let body = format!("<p>{text}</p><p><a href=\"/\">Back to the start</a></p>");
        html(status, page::message("That did not work", &body))
    }))
}

const MAX_BODY_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s256_is_the_example_of_rfc_7636_appendix_b() {
        assert_eq!(
            s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn repeated_names_are_found() {
        assert_eq!(Parameters::parse(b"a=1&b=2&a=3").repeated(), Some("a"));
        assert_eq!(Parameters::parse(b"a=1&b=2").repeated(), None);
    }

    #[test]
    fn one_cookie_of_several_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=1; demo=two; c=3"));
        let call = Call {
            method: Method::GET,
            path: "/".into(),
            query: String::new(),
            headers,
            body: Bytes::new(),
        };
        assert_eq!(call.cookie("demo"), "two");
        assert_eq!(call.cookie("dem"), "");
    }
}
