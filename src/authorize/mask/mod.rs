//! The mask: pages that the upstream shows in answer to an expanded request carry that request in
//! hidden fields and links. On the way to the browser fields get tokens that the pin turns back
//! into values, and authorize URLs get handles, as those in `Location` do. Pages stream through.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use lol_html::send::{HtmlRewriter, Settings};
use lol_html::{AsciiCompatibleEncoding, MemorySettings, OutputSink, element};
use parking_lot::Mutex;

use self::view::{Scene, View};
use super::departure::Proof;
use super::{AuthorizeError, Endpoint, Flow};
use crate::config::MaskFailure;
use crate::oauth::request_uri::Reference;
use crate::store::{Continuation, MAX_CONTINUATIONS};
use crate::telemetry::metrics::{MaskResult, StoreOperation, meter};

mod entity;
pub(super) mod token;
mod view;

pub(super) use entity::decode;
pub(super) use token::Stamp;

/// Most bytes that the parser may keep of a page: a tag that is not over yet, and elements that are
/// not closed yet.
const MOST: usize = 1 << 20;

/// A page on its way to the browser. Whoever drops it halfway has sent nothing raw.
pub struct Mask {
    endpoint: Arc<Endpoint>,
    flow: Flow,
    reader: Reader,
    shared: Arc<Mutex<Shared>>,
    stored: HashSet<Reference>,
}

/// How a page is read.
enum Reader {
    /// Its first bytes, until they tell the encoding.
    Begun(Vec<u8>, Box<Rewriter>),
    Streaming(Box<Rewriter>),
    /// It passes as it is.
    Raw,
    /// It cannot be read, and nobody was told yet.
    Unreadable(Fault),
}

type Rewriter = HtmlRewriter<'static, Sink>;

/// What the elements of a page and its reader share.
#[derive(Default)]
struct Shared {
    out: Vec<u8>,
    kept: Vec<(Reference, Continuation)>,
    /// Whether what the form that is open sends comes back to be pinned.
    form: Option<bool>,
}

struct Sink(Arc<Mutex<Shared>>);

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.lock().out.extend_from_slice(chunk);
    }
}

/// Why a page cannot be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("it is compressed")]
    Compressed,
    #[error("its encoding is not built on ASCII")]
    Encoding,
    #[error("a tag or the nesting of elements is too large")]
    TooLarge,
}

impl Endpoint {
    /// The mask for a page with these header fields in answer to a call of `flow`, whose address has
    /// this path; `None` where pages are not masked.
    #[must_use]
    pub fn mask(self: &Arc<Self>, flow: &Flow, path: &str, headers: &HeaderMap) -> Option<Mask> {
        self.settings.mask_html.then(|| {
            let shared = Arc::new(Mutex::new(Shared::default()));
            let reader = match encoding(headers) {
                Ok(encoding) => {
                    let view = View::new(self.scene(flow, path), Arc::clone(&shared));
                    Reader::Begun(Vec::new(), Box::new(rewriter(view, encoding, &shared)))
                }
                Err(fault) => Reader::Unreadable(fault),
            };
            let (endpoint, flow) = (Arc::clone(self), flow.clone());
            Mask { endpoint, flow, reader, shared, stored: HashSet::new() }
        })
    }

    /// Whether pages are masked.
    #[must_use]
    pub const fn masks(&self) -> bool {
        self.settings.mask_html
    }

    fn scene(self: &Arc<Self>, flow: &Flow, path: &str) -> Scene {
        let (asked, emitting, flow) = (Arc::clone(self), Arc::clone(self), flow.clone());
        Scene {
            origin: self.settings.origin.clone(),
            path: path.to_owned(),
            secrets: Stamp::of(&flow).secrets(),
            is_endpoint: Box::new(move |path| asked.is_authorize_path(path)),
            emission: Box::new(move |path, query| {
                emitting.emission((&flow, Proof::Answer), (path, query))
            }),
        }
    }
}

impl Mask {
    /// The next piece of the page; gives what may be shown. Every handle in it is kept already.
    ///
    /// # Errors
    /// [`AuthorizeError::Unmaskable`] where such pages are refused, [`AuthorizeError::Store`] where a
    /// handle cannot be kept. Nothing more of the page may be shown then.
    pub async fn feed(&mut self, piece: Bytes) -> Result<Bytes, AuthorizeError> {
        let fault = match std::mem::replace(&mut self.reader, Reader::Raw) {
            Reader::Raw => return Ok(piece),
            Reader::Unreadable(fault) => {
                self.shared.lock().out.extend_from_slice(&piece);
                Some(fault)
            }
            Reader::Begun(mut begin, rewriter) => {
                begin.extend_from_slice(&piece);
                if begin.len() < 2 {
                    self.reader = Reader::Begun(begin, rewriter);
                    return Ok(Bytes::new());
                }
                if is_utf16(&begin) {
                    self.shared.lock().out = begin;
                    Some(Fault::Encoding)
                } else {
                    self.write(rewriter, &begin)
                }
            }
            Reader::Streaming(rewriter) => self.write(rewriter, &piece),
        };
        self.settled(fault).await
    }

    /// The page is over; gives the rest.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn end(&mut self) -> Result<Bytes, AuthorizeError> {
        let fault = match std::mem::replace(&mut self.reader, Reader::Raw) {
            Reader::Raw => return Ok(Bytes::new()),
            Reader::Unreadable(fault) => Some(fault),
            Reader::Begun(begin, mut rewriter) => {
                rewriter.write(&begin).and_then(|()| rewriter.end()).err().map(|_| Fault::TooLarge)
            }
            Reader::Streaming(rewriter) => rewriter.end().err().map(|_| Fault::TooLarge),
        };
        let rest = self.settled(fault).await?;
        if fault.is_none() {
            meter().html_masked(MaskResult::Masked);
        }
        Ok(rest)
    }

    fn write(&mut self, mut rewriter: Box<Rewriter>, piece: &[u8]) -> Option<Fault> {
        self.shared.lock().out.reserve(piece.len());
        match rewriter.write(piece) {
            Ok(()) => {
                self.reader = Reader::Streaming(rewriter);
                None
            }
            // What it had not written yet it has written as it was.
            Err(_) => Some(Fault::TooLarge),
        }
    }

    /// What was written, once all handles in it are kept and nothing speaks against showing it.
    async fn settled(&mut self, fault: Option<Fault>) -> Result<Bytes, AuthorizeError> {
        let (out, kept) = {
            let mut shared = self.shared.lock();
            (std::mem::take(&mut shared.out), std::mem::take(&mut shared.kept))
        };
        if let Some(fault) = fault {
            self.unmasked(fault)?;
        }
        for (handle, continuation) in kept {
            if !self.stored.insert(handle) {
                continue;
            }
            // Later ones would take the place of those that this page shows already.
            if self.stored.len() > MAX_CONTINUATIONS {
                return Err(AuthorizeError::Unmaskable);
            }
            let Flow { reference, id, .. } = &self.flow;
            let put = self.endpoint.store.put_continuation(reference, *id, &handle, continuation);
            put.await.map_err(|error| {
                meter().store_error(StoreOperation::Put, error.cause());
                AuthorizeError::Store(StoreOperation::Put, error)
            })?;
        }
        Ok(out.into())
    }

    fn unmasked(&self, fault: Fault) -> Result<(), AuthorizeError> {
        let passes = matches!(self.endpoint.settings.mask_failure, MaskFailure::Pass);
        let result = if passes { MaskResult::Unmasked } else { MaskResult::Refused };
        meter().html_masked(result);
        tracing::warn!(
            client_id = &*self.flow.request.client_id,
            reason = %fault,
            result = result.as_str(),
            "a page of the upstream cannot be masked"
        );
        if passes { Ok(()) } else { Err(AuthorizeError::Unmaskable) }
    }
}

fn rewriter(
    mut view: View,
    encoding: AsciiCompatibleEncoding,
    shared: &Arc<Mutex<Shared>>,
) -> Rewriter {
    let memory = MemorySettings::new()
        .with_max_allowed_memory_usage(MOST)
        .with_graceful_bail_out_on_memory_limit_exceeded(true);
    let every = element!("*", move |element| {
        view.see(element);
        Ok(())
    });
    // Not strict: markup that can be read in two ways would lose the rest of the page.
    let settings = Settings::new_send()
        .append_element_content_handler(every)
        .with_memory_settings(memory)
        .with_encoding(encoding)
        .with_adjust_charset_on_meta_tag(true)
        .with_strict(false);
    HtmlRewriter::new(settings, Sink(Arc::clone(shared)))
}

/// The encoding of a page by its header fields.
fn encoding(headers: &HeaderMap) -> Result<AsciiCompatibleEncoding, Fault> {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Fault::Compressed);
    }
    let Some(label) = headers.get(CONTENT_TYPE).and_then(charset) else {
        return Ok(AsciiCompatibleEncoding::utf_8());
    };
    // A label that browsers do not know counts for nothing.
    let known = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8);
    AsciiCompatibleEncoding::new(known).ok_or(Fault::Encoding)
}

fn charset(content_type: &http::HeaderValue) -> Option<String> {
    let text = content_type.to_str().ok()?.to_ascii_lowercase();
    let (_, label) = text.split_once("charset=")?;
    Some(label.split(';').next()?.trim().trim_matches(['"', '\'']).to_owned())
}

fn is_utf16(begin: &[u8]) -> bool {
    begin.starts_with(&[0xff, 0xfe]) || begin.starts_with(&[0xfe, 0xff])
}

#[cfg(test)]
mod tests;
