//! A browser as far as a login needs one: it keeps cookies, follows redirects one by one, fills in
//! login and consent forms, and writes down every hop.

use std::fmt;

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, REFERER, SET_COOKIE, USER_AGENT,
};
use http::{HeaderMap, Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use url::Url;

use super::cookies::{Cookie, Jar};
use super::forms::{self, Form, unescape};
use super::http::{encode, send};

/// Who signs in, at every server of the tests.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "wonderland";

/// More hops than any login here takes; a loop ends here.
const MOST_HOPS: usize = 25;

/// One person's browser.
#[derive(Debug, Default)]
pub struct Browser {
    jar: Jar,
    /// Where the page in front of the person came from.
    page: Option<Url>,
    tamper: Option<Tampering>,
}

struct Tampering(Box<Change>);

/// Changes address and fields of a request that is about to go.
type Change = dyn Fn(&mut Url, &mut Vec<(String, String)>) + Send + Sync;

/// Changes where the browser goes and what it posts, as somebody at the keyboard can.
pub type Tamper = fn(&mut Url, &mut Vec<(String, String)>);

/// One request and its answer.
#[derive(Debug)]
pub struct Hop {
    pub method: Method,
    pub url: Url,
    /// The form fields of a `POST`, decoded.
    pub posted: Vec<(String, String)>,
    pub status: StatusCode,
    /// Where a redirect leads, resolved against `url`.
    pub location: Option<Url>,
    pub set_cookies: Vec<Cookie>,
    pub headers: HeaderMap,
    pub body: String,
}

/// A login from the first address to the client's redirect URI.
#[derive(Debug)]
pub struct Journey {
    pub hops: Vec<Hop>,
    /// The address at the client, which is not visited; what a form would post there stands in its
    /// query.
    pub callback: Url,
}

/// A login that did not come to the client.
pub struct Stray {
    pub reason: String,
    pub hops: Vec<Hop>,
}

impl Browser {
    /// A browser whose owner changes every request after the first.
    pub fn tampering(
        tamper: impl Fn(&mut Url, &mut Vec<(String, String)>) + Send + Sync + 'static,
    ) -> Self {
        Self { tamper: Some(Tampering(Box::new(tamper))), ..Self::default() }
    }

    /// Sends a form of the page in front of the person; redirects are not followed.
    pub async fn submit(&mut self, url: &Url, fields: Vec<(String, String)>) -> Hop {
        self.visit(Method::POST, url, fields).await
    }

    /// Sends a body of this media type from the page in front of the person.
    pub async fn submit_body(&mut self, url: &Url, body: (&'static str, String)) -> Hop {
        self.exchange(Method::POST, url, Vec::new(), body).await
    }

    /// Opens an address as if it was typed in; redirects are not followed.
    pub async fn open(&mut self, url: &Url) -> Hop {
        self.page = None;
        self.visit(Method::GET, url, Vec::new()).await
    }

    /// Opens `authorize_url`, signs alice in, agrees, and stops before the first address that starts
    /// with `redirect_uri`.
    pub async fn sign_in(
        &mut self,
        authorize_url: &Url,
        redirect_uri: &str,
    ) -> Result<Journey, Stray> {
        let mut hops = vec![self.open(authorize_url).await];
        while let Some(hop) = hops.last() {
            let (method, mut url, mut fields) = match next_step(hop) {
                Ok(step) if hops.len() < MOST_HOPS => step,
                Ok(_) => return Err(Stray::new("it goes round in circles", hops)),
                Err(reason) => return Err(Stray::new(reason, hops)),
            };
            if url.as_str().starts_with(redirect_uri) {
                if !fields.is_empty() {
                    url.query_pairs_mut().extend_pairs(&fields);
                }
                return Ok(Journey { hops, callback: url });
            }
            if let Some(Tampering(tamper)) = &self.tamper {
                tamper(&mut url, &mut fields);
            }
            let hop = self.visit(method, &url, fields).await;
            hops.push(hop);
        }
        Err(Stray::new("nothing was opened", hops))
    }

    async fn visit(&mut self, method: Method, url: &Url, posted: Vec<(String, String)>) -> Hop {
        let body = ("application/x-www-form-urlencoded", encode(&posted));
        self.exchange(method, url, posted, body).await
    }

    async fn exchange(
        &mut self,
        method: Method,
        url: &Url,
        posted: Vec<(String, String)>,
        (media_type, form): (&'static str, String),
    ) -> Hop {
        let mut request = Request::builder()
            .method(&method)
            .uri(url.as_str().split('#').next().unwrap_or_default())
            .header(USER_AGENT, "Mozilla/5.0 (test browser)")
            .header(ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        if let Some(cookies) = self.jar.header(url) {
            request = request.header(COOKIE, cookies);
        }
        if let Some(page) = &self.page {
            request = request.header(REFERER, referrer(page, url));
        }
        let mut body = Bytes::new();
        if method == Method::POST {
            let origin = self.page.as_ref().unwrap_or(url).origin();
            request = request
                .header(ORIGIN, origin.ascii_serialization())
                .header(CONTENT_TYPE, media_type);
            body = form.into();
        }
        let answer = send(request.body(body).expect("a request")).await;
        let text = |name| answer.headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
        let set_cookies = text(SET_COOKIE).filter_map(|field| Cookie::parse(field, url)).collect();
        let location = text(LOCATION).next().and_then(|location| url.join(location).ok());
        let hop = Hop {
            method,
            url: url.clone(),
            posted,
            status: answer.status,
            location: location.filter(|_| answer.status.is_redirection()),
            set_cookies,
            body: answer.text(),
            headers: answer.headers,
        };
        for cookie in &hop.set_cookies {
            self.jar.take(cookie, url);
        }
        if hop.location.is_none() {
            self.page = Some(url.clone());
        }
        hop
    }
}

impl fmt::Debug for Tampering {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tampering")
    }
}

type Step = (Method, Url, Vec<(String, String)>);

/// What a person, or the browser by itself, does with an answer.
fn next_step(hop: &Hop) -> Result<Step, &'static str> {
    if let Some(location) = &hop.location {
        let repeats = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
        return Ok(if repeats.contains(&hop.status) {
            (hop.method.clone(), location.clone(), hop.posted.clone())
        } else {
            (Method::GET, location.clone(), Vec::new())
        });
    }
    if hop.status != StatusCode::OK {
        return Err("the last answer is neither a page nor a redirect");
    }
    let forms: Vec<Form> =
        forms::forms(&hop.body).into_iter().filter(|form| form.is_post).collect();
    let form = forms.iter().find(|form| form.is_login()).or(forms.first());
    let form = form.ok_or("the last page has no form to send")?;
    let target = match form.action.as_str() {
        "" | "#" => hop.url.clone(),
        action => hop.url.join(action).map_err(|_| "the form leads nowhere")?,
    };
    Ok((Method::POST, target, form.filled(USER, PASSWORD)))
}

/// `strict-origin-when-cross-origin`, the policy of browsers where a page names none.
fn referrer(page: &Url, target: &Url) -> String {
    if page.origin() == target.origin() {
        let mut page = page.clone();
        page.set_fragment(None);
        page.into()
    } else {
        format!("{}/", page.origin().ascii_serialization())
    }
}

impl Hop {
    /// Whether `value` can be read in its address, under up to three layers of percent-encoding.
    pub fn address_shows(&self, value: &str) -> bool {
        shows(self.url.as_str(), value)
    }

    /// Whether `value` can be read in where it redirects to, in the same way.
    pub fn location_shows(&self, value: &str) -> bool {
        self.location.as_ref().is_some_and(|url| shows(url.as_str(), value))
    }

    /// Whether `value` can be read in the page, escaped for HTML or not.
    pub fn page_shows(&self, value: &str) -> bool {
        self.body.contains(value) || shows(&unescape(&self.body), value)
    }

    /// Whether `value` is, or is part of, a field that was posted.
    pub fn posted_shows(&self, value: &str) -> bool {
        self.posted.iter().any(|(_, field)| shows(field, value))
    }
}

/// Whether `value` is in `text` as it is or after up to three decodings, each with `+` as a blank or
/// as itself.
fn shows(text: &str, value: &str) -> bool {
    let mut readings = vec![text.to_owned()];
    for _ in 0..3 {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let blank = |text: &String| decode(&text.replace('+', " "));
        let next: Vec<String> = readings.iter().flat_map(|it| [decode(it), blank(it)]).collect();
        if readings.iter().any(|reading| reading.contains(value)) {
            return true;
        }
        readings = next;
    }
    readings.iter().any(|reading| reading.contains(value))
}

impl Journey {
    /// A parameter of the callback's query.
    pub fn callback_parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.callback.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl Stray {
    fn new(reason: &str, hops: Vec<Hop>) -> Self {
        let reason = reason.to_owned();
        Self { reason, hops }
    }
}

impl fmt::Debug for Stray {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.reason)?;
        for hop in &self.hops {
            let location = hop.location.as_ref().map_or("", Url::as_str);
            writeln!(out, "  {} {} -> {} {location}", hop.method, hop.url, hop.status)?;
        }
        match self.hops.last() {
            Some(last) => write!(out, "{:?}\n{}", last.headers, last.body),
            None => Ok(()),
        }
    }
}

#[test]
fn a_value_is_found_under_three_layers_of_encoding() {
    let value = "mark er+1%41&x=y#z/é@example.org";
    let mut text = value.to_owned();
    for layer in 0..3 {
        text = encode(&[("next", format!("/x?{text}"))]);
        assert!(shows(&text, value), "{layer}: {text}");
    }
    assert!(!shows(&text, "mark er+2"));
}
