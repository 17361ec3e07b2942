//! Exchanges whose page is looked at. pingora's body filters cannot wait for anything, so such a
//! request is sent over pingora's connector from here, and its answer is written from here too.
//! Addresses, TLS, timeouts, header fields, failures and log lines are those of any other request.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, LAST_MODIFIED, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use super::application::{Application, Inspection, Means, PageFilter, PageHead};
use super::context::Context;
use super::failure::Failure;
use super::inspection::ask_for_readable;
use super::steps::{MAX_VISIT_BYTES, is_readable_form, respond};
use super::{Gateway, downstream, forward, headers, tracing};

/// Most attempts at one request, as pingora has it.
const MOST_ATTEMPTS: usize = 16;

/// A request as the upstream gets it.
struct Asked {
    head: RequestHeader,
    body: Bytes,
}

/// A connection on which the head of an answer was read.
struct Answering {
    connection: HttpSession,
    peer: Box<HttpPeer>,
}

impl<A: Application> Gateway<A> {
    /// Whether this request goes to the upstream from here. Without a decision and without a
    /// cookie of ours it costs one look at the cookies.
    pub(super) fn is_inspected(&self, session: &mut Session, context: &mut Context) -> bool {
        if let Some(forward) = &context.forward {
            return forward.means == Means::Inspected
                && [Method::GET, Method::POST].contains(&forward.method);
        }
        let fields = &session.req_header().headers;
        let may_be = headers::has_own_cookie(fields) || self.application.judges_answers();
        if may_be && !fields.contains_key(UPGRADE) && can_be_read(session, context) {
            context.inspection = self.application.inspects(session.req_header());
        }
        context.inspection != Inspection::None
    }

    /// Asks the upstream and answers the browser, the page filtered where somebody wants to.
    pub(super) async fn exchange(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> pingora::Result<bool> {
        // Also where it is dropped: the connection is watched for its end meanwhile.
        if !session.is_body_done() {
            match self.read(session, MAX_VISIT_BYTES).await {
                Ok(body) => context.body = Some(body),
                Err(fault) => return self.unread(session, context, fault).await,
            }
            context.replayed = true;
        }
        if let Some(refusal) = self.refused_body(session, context) {
            return respond(session, context, refusal).await;
        }
        context.trace.upstream_begins();
        let asked = self.asked(session, context)?;
        let reached = Box::pin(self.reached(context, &asked));
        let mut answering = attended(session, reached).await?;
        let mut head = answered_head(&answering)?;
        self.heard(session, &mut head, context).await?;
        let filter = self.filter(session, &head, context);
        frame(session, &mut head, filter.is_some())?;
        match filter {
            Some(filter) => self.filtered((session, context), (head, answering), filter).await,
            None if context.concealed || is_bodyless(&head) => {
                write_head(session, head, true).await?;
                Ok(true)
            }
            None => {
                write_head(session, head, false).await?;
                while let Some(piece) = next_piece(session, &mut answering).await? {
                    write_piece(session, piece).await?;
                }
                self.finish(session, answering).await
            }
        }
    }

    /// The guard over form bodies that pass through, which may not be bypassed by this way.
    fn refused_body(&self, session: &Session, context: &Context) -> Option<http::Response<Bytes>> {
        let body = context.body.as_ref().filter(|body| !body.is_empty())?;
        if context.forward.is_some() || context.judged {
            return None;
        }
        let mut scan = self.application.body_scan(session.req_header(), &context.request_id)?;
        (scan.feed(body) || scan.end()).then(|| scan.refusal())
    }

    fn asked(&self, session: &Session, context: &Context) -> pingora::Result<Asked> {
        let mut head = session.req_header().clone();
        head.set_version(Version::HTTP_11);
        strip_hop_by_hop(&mut head);
        self.fields.apply(&mut head, &context.peer, &context.request_id)?;
        tracing::carry(&mut head, &context.trace)?;
        forward::rewrite_head(&mut head, context)?;
        ask_for_readable(&mut head, context)?;
        let body = match &context.forward {
            Some(forward) => forward.body.as_ref().map(|(_, body)| body.clone()),
            None => context.body.clone(),
        };
        let body = body.unwrap_or_default();
        if head.headers.contains_key(CONTENT_LENGTH) || !body.is_empty() {
            head.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
        }
        Ok(Asked { head, body })
    }

    /// Sends the request until an address answers it, by the rules of any other request.
    async fn reached(&self, context: &mut Context, asked: &Asked) -> pingora::Result<Answering> {
        context.upstream_asked = Some(self.clock.now());
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Some(peer) = self.upstream.pick() else {
                context.failure = Some(Failure::UNRESOLVED);
                return Err(Error::new_in(ErrorType::ConnectNoRoute));
            };
            let (mut connection, reused) = match self.connector.get_http_session(&*peer).await {
                Ok(connection) => connection,
                Err(_) if self.has_another(context) => continue,
                Err(error) => return Err(error.into_up()),
            };
            connection.read_timeout = peer.options.read_timeout;
            connection.write_timeout = peer.options.write_timeout;
            let Err(mut error) = converse(&mut connection, asked).await else {
                return Ok(Answering { connection, peer });
            };
            error.retry.decide_reuse(reused);
            let again = error.retry() && context.is_repeatable(&asked.head.method);
            if !again || attempts >= MOST_ATTEMPTS {
                return Err(error.into_up());
            }
        }
    }

    /// Asked for a page only: what the browser would render and run.
    fn filter(
        &self,
        session: &Session,
        head: &ResponseHeader,
        context: &Context,
    ) -> Option<Box<dyn PageFilter>> {
        if context.concealed || is_bodyless(head) || !is_page(&head.headers) {
            return None;
        }
        self.application.page_filter(PageHead {
            head: session.req_header(),
            status: head.status,
            headers: &head.headers,
            flow: context.forward.as_ref().map(|forward| &forward.flow),
            peer: &context.peer,
            request_id: &context.request_id,
        })
    }

    /// The answer as its filter has it. The head goes out with the first bytes, so that until then
    /// a page of ours can take its place.
    async fn filtered(
        &self,
        (session, context): (&mut Session, &mut Context),
        (head, mut answering): (ResponseHeader, Answering),
        mut filter: Box<dyn PageFilter>,
    ) -> pingora::Result<bool> {
        let mut waiting = Some(head);
        loop {
            let piece = next_piece(session, &mut answering).await?;
            let is_end = piece.is_none();
            let ready = match piece {
                Some(piece) => context.trace.alongside(filter.feed(piece)).await,
                None => context.trace.within("page", filter.end()).await,
            };
            let ready = match ready {
                Ok(ready) => ready,
                Err(page) if waiting.is_some() => {
                    if let Some(forward) = &context.forward {
                        let unanswered = self.application.unanswered(&forward.flow);
                        context.trace.alongside(unanswered).await;
                    }
                    return respond(session, context, *page).await;
                }
                Err(_) => {
                    context.failure = Some(Failure { code: None, reason: "page_refused" });
                    return Err(Error::new_in(ErrorType::Custom("page refused")));
                }
            };
            if ready.is_empty() && !is_end {
                continue;
            }
            if let Some(mut head) = waiting.take() {
                downstream::set_cookies(&mut head, &filter.set_cookies())?;
                if is_end {
                    head.remove_header(&TRANSFER_ENCODING);
                    head.insert_header(CONTENT_LENGTH, HeaderValue::from(ready.len()))?;
                }
                write_head(session, head, false).await?;
            }
            if !ready.is_empty() {
                write_piece(session, ready).await?;
            }
            if is_end {
                return self.finish(session, answering).await;
            }
        }
    }

    /// Ends the answer, and keeps the connection for another request.
    async fn finish(&self, session: &mut Session, answering: Answering) -> pingora::Result<bool> {
        session.write_response_body(None, true).await.map_err(Error::into_down)?;
        let Answering { connection, peer } = answering;
        let idle = peer.options.idle_timeout;
        self.connector.release_http_session(connection, &*peer, idle).await;
        Ok(true)
    }
}

/// Whether the body is none, or a form of known length that is read ahead.
fn can_be_read(session: &mut Session, context: &Context) -> bool {
    let (is_empty, head) = (session.is_body_empty(), session.req_header());
    match head.method {
        Method::GET => context.replayed || is_empty,
        Method::POST => {
            context.replayed
                || (is_readable_form(session) && downstream::content_length(head).is_some())
        }
        _ => false,
    }
}

/// Awaits the upstream for as long as the browser is there.
async fn attended<T>(
    session: &mut Session,
    work: impl Future<Output = pingora::Result<T>>,
) -> pingora::Result<T> {
    let gone = async {
        loop {
            if let Err(error) = session.as_downstream_mut().read_body_or_idle(true).await {
                return error.into_down();
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        error = gone => Err(error),
    }
}

/// Sends the request and reads the head of its final answer.
async fn converse(connection: &mut HttpSession, asked: &Asked) -> pingora::Result<()> {
    connection.write_request_header(Box::new(asked.head.clone())).await?;
    if !asked.body.is_empty() {
        connection.write_body(&asked.body).await?;
    }
    connection.finish_body().await?;
    loop {
        connection.read_response().await?;
        match connection.get_status() {
            Some(status) if !status.is_informational() => return Ok(()),
            // Nobody asked for another protocol.
            Some(http::StatusCode::SWITCHING_PROTOCOLS) | None => {
                return Err(Error::new_up(ErrorType::InvalidHTTPHeader));
            }
            Some(_) => {}
        }
    }
}

fn answered_head(answering: &Answering) -> pingora::Result<ResponseHeader> {
    let head = answering.connection.resp_header().cloned();
    head.ok_or_else(|| Error::new_up(ErrorType::InvalidHTTPHeader))
}

async fn next_piece(
    session: &mut Session,
    answering: &mut Answering,
) -> pingora::Result<Option<Bytes>> {
    let read = async { answering.connection.read_body_bytes().await.map_err(Error::into_up) };
    attended(session, read).await
}

async fn write_head(
    session: &mut Session,
    head: ResponseHeader,
    ends: bool,
) -> pingora::Result<()> {
    let written = session.write_response_header(Box::new(head), ends).await;
    written.map_err(Error::into_down)
}

async fn write_piece(session: &mut Session, piece: Bytes) -> pingora::Result<()> {
    let written = session.write_response_body(Some(piece), false).await;
    written.map_err(Error::into_down)
}

/// How the browser learns where the answer ends, and what no longer holds of a filtered page.
fn frame(session: &mut Session, head: &mut ResponseHeader, filtered: bool) -> pingora::Result<()> {
    for name in HOP_BY_HOP {
        // `Transfer-Encoding` stays for what streams through.
        if name != TRANSFER_ENCODING {
            head.remove_header(&name);
        }
    }
    if filtered {
        for name in OF_THE_BYTES {
            head.remove_header(&name);
        }
    }
    head.set_version(Version::HTTP_11);
    if is_bodyless(head) {
        return Ok(());
    }
    if session.req_header().version < Version::HTTP_11 {
        head.remove_header(&TRANSFER_ENCODING);
        session.set_keepalive(None);
    } else if !head.headers.contains_key(CONTENT_LENGTH) {
        head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    Ok(())
}

fn strip_hop_by_hop(head: &mut RequestHeader) {
    let named: Vec<HeaderName> = head
        .headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        head.remove_header(name);
    }
}

fn is_bodyless(head: &ResponseHeader) -> bool {
    matches!(head.status.as_u16(), 204 | 304)
}

/// A page, also where browsers must guess that it is one.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let media_type = media_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let media_type = media_type.trim_ascii();
    PAGES.iter().any(|page| media_type.eq_ignore_ascii_case(page.as_bytes()))
}

const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// RFC 9110 §7.6.1, and their older kin.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What is said of the upstream's bytes and not of ours.
const OF_THE_BYTES: [HeaderName; 9] = [
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ETAG,
    ACCEPT_RANGES,
    LAST_MODIFIED,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];
