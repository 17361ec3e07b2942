//! One HTTP request, one whole answer. No redirects, no proxies, no cookies.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::Connect;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use url::form_urlencoded;

const LIMIT: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. Panics, showing the answer, where it is something else.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}) in {} {}", self.status, self.text()))
    }

    /// The first header field of that name, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// `GET url`. Panics where no answer comes.
pub async fn get(url: &str) -> Answer {
    send(Request::get(url).body(Bytes::new()).expect("a request")).await
}

/// `POST url` with a form and, where given, client id and secret by HTTP Basic (RFC 6749 §2.3.1).
/// Panics where no answer comes.
pub async fn post_form(
    url: &str,
    form: &[(&str, &str)],
    credentials: Option<(&str, &str)>,
) -> Answer {
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some((id, secret)) = credentials {
        let pair = STANDARD.encode(format!("{}:{}", form_encoded(id), form_encoded(secret)));
        request = request.header(AUTHORIZATION, format!("Basic {pair}"));
    }
    send(request.body(encode(form).into()).expect("a request")).await
}

/// Sends any request. Panics where no answer comes.
pub async fn send(request: Request<Bytes>) -> Answer {
    let target = format!("{} {}", request.method(), request.uri());
    try_send(request).await.unwrap_or_else(|error| panic!("{target}: {error:?}"))
}

/// Sends any request; the error says that nobody listens or that the connection broke. Panics where
/// the answer takes longer than a minute.
pub async fn try_send(request: Request<Bytes>) -> Result<Answer, Error> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    try_send_by(client, request).await
}

/// The same by a client of one's own, over TLS for example.
pub async fn try_send_by<C>(
    client: Client<C, Full<Bytes>>,
    request: Request<Bytes>,
) -> Result<Answer, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let whole = async {
        let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        Ok(Answer { status: head.status, headers: head.headers, body: body.expect("a whole body") })
    };
    tokio::time::timeout(LIMIT, whole).await.expect("an answer within a minute")
}

/// Names and values as `application/x-www-form-urlencoded`.
pub fn encode<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
