//! Answers that are looked at on their way: why, what the server is asked for so that they can be read,
//! and the watch over pages that stream because their request could not be read ahead.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::Gateway;
use super::application::{Application, Inspection, PageHead};
use super::context::Context;
use super::exchange::is_page;
use super::failure::Failure;

/// Fields that would make the server leave a page out, or half of it.
const CONDITIONS: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE];

/// Endings of files that are no pages, and so may come compressed.
const ASSETS: [&str; 14] = [
    "avif", "css", "gif", "ico", "jpeg", "jpg", "js", "map", "png", "svg", "ttf", "webp", "woff",
    "woff2",
];

/// Asks for an answer that can be read: of a login's call whole and plain, of any other as little as
/// needed, so that caches and compression go on for what is no page.
pub(super) fn ask_for_readable(head: &mut RequestHeader, context: &Context) -> pingora::Result<()> {
    let is_awaited = context.forward.is_some() || context.inspection == Inspection::Awaited;
    let refused = if is_awaited { &CONDITIONS[..] } else { CONDITIONS.split_at(2).0 };
    for name in refused {
        head.remove_header(name);
    }
    // What is compressed by gzip can be judged too.
    let takes_gzip = |value: &HeaderValue| value.as_bytes().windows(4).any(|word| word == b"gzip");
    let may_compress = !is_awaited
        && is_asset(head.uri.path())
        && head.headers.get_all(ACCEPT_ENCODING).iter().any(takes_gzip);
    let coding = if may_compress { "gzip" } else { "identity" };
    head.insert_header(ACCEPT_ENCODING, HeaderValue::from_static(coding))?;
    Ok(())
}

fn is_asset(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    ASSETS.iter().any(|asset| end.eq_ignore_ascii_case(asset))
}

impl<A: Application> Gateway<A> {
    /// Watches a page that streams, where answers are judged.
    pub(super) fn watch(&self, session: &Session, head: &ResponseHeader, context: &mut Context) {
        if !self.application.judges_answers() || !is_page(&head.headers) {
            return;
        }
        context.watch = self.application.page_watch(PageHead {
            head: session.req_header(),
            status: head.status,
            headers: &head.headers,
            flow: context.forward.as_ref().map(|forward| &forward.flow),
            peer: &context.peer,
            request_id: &context.request_id,
        });
    }
}

/// Shows the next piece of a watched page to its watch, and holds it back until the page is judged.
pub(super) fn watched(
    body: &mut Option<Bytes>,
    is_end: bool,
    context: &mut Context,
) -> pingora::Result<()> {
    let Some(watch) = &mut context.watch else { return Ok(()) };
    let piece = body.take().unwrap_or_default();
    let Some(ready) = watch.feed(&piece, is_end) else {
        context.failure = Some(Failure { code: None, reason: "page_refused" });
        return Err(Error::new_in(ErrorType::Custom("page refused")));
    };
    *body = Some(ready);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_pages_are_told_by_their_ending() {
        for path in ["/a.css", "/x/y.min.JS", "/logo.svg", "/f.woff2"] {
            assert!(is_asset(path), "{path}");
        }
        for path in ["/", "/login", "/login.html", "/a.css/login", "/x.json", "/css"] {
            assert!(!is_asset(path), "{path}");
        }
    }
}
