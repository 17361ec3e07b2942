//! The endpoints' view of a page as the proxy's filter.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response};

use super::application::page;
use crate::authorize::{AuthorizeError, Endpoint, FieldReader, FormPost, Mask};
use crate::proxy::application::{PageFilter, PageWatch, RequestId};

/// Filter of a page, in the order of its members: it is held until it is known what it completes, read
/// for its fields, and masked.
pub(super) struct Filter {
    held: Option<FormPost>,
    fields: Option<Fields>,
    mask: Option<Masked>,
    set_cookies: Vec<HeaderValue>,
}

/// Watch over a page that streams.
pub(super) struct Watched(pub(super) FormPost);

impl PageWatch for Watched {
    fn feed(&mut self, piece: &[u8], is_end: bool) -> Option<Bytes> {
        let mut ready = Vec::from(self.0.feed(piece).ok()?);
        if is_end {
            ready.extend_from_slice(&self.0.judged()?);
        }
        Some(ready.into())
    }
}

/// Reader of a page's fields, and the endpoint that makes a cookie of what it finds.
pub(super) struct Fields {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) reader: FieldReader,
}

/// A page on its way through the mask, and what its error page needs.
pub(super) struct Masked {
    pub(super) mask: Mask,
    pub(super) accept: Option<HeaderValue>,
    pub(super) request_id: RequestId,
}

impl Filter {
    /// `None` where there is nothing to do.
    pub(super) fn of(
        held: Option<FormPost>,
        fields: Option<Fields>,
        mask: Option<Masked>,
    ) -> Option<Box<dyn PageFilter>> {
        let filters = held.is_some() || fields.is_some() || mask.is_some();
        filters.then(|| Box::new(Self { held, fields, mask, set_cookies: Vec::new() }) as _)
    }

    /// A piece of the page behind the filters that hold it.
    async fn masked(&mut self, piece: Bytes) -> Result<Bytes, Box<Response<Bytes>>> {
        match &mut self.mask {
            Some(mask) if !piece.is_empty() => mask.feed(piece).await,
            _ => Ok(piece),
        }
    }
}

impl Fields {
    /// The rest of the page, and the cookie that says what fields it has.
    fn end(&mut self) -> (Bytes, Option<HeaderValue>) {
        let (page, fields) = self.reader.end();
        let cookie =
            (!self.reader.is_over()).then(|| self.endpoint.fields_shown(&self.reader, fields));
        (page, cookie.flatten())
    }
}

impl Masked {
    fn refusal(&self, error: AuthorizeError) -> Box<Response<Bytes>> {
        Box::new(page(error, self.accept.as_ref(), &self.request_id))
    }

    async fn feed(&mut self, piece: Bytes) -> Result<Bytes, Box<Response<Bytes>>> {
        self.mask.feed(piece).await.map_err(|error| self.refusal(error))
    }

    async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        self.mask.end().await.map_err(|error| self.refusal(error))
    }
}

#[async_trait]
impl PageFilter for Filter {
    async fn feed(&mut self, piece: Bytes) -> Result<Bytes, Box<Response<Bytes>>> {
        if let Some(held) = &mut self.held {
            let piece = held.feed(&piece)?;
            if piece.is_empty() {
                return Ok(piece);
            }
            return self.masked(piece).await;
        }
        let piece = match &mut self.fields {
            Some(fields) => fields.reader.feed(&piece),
            None => piece,
        };
        self.masked(piece).await
    }

    async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        let mut page = match &mut self.held {
            Some(held) => held.end().await?,
            None => Bytes::new(),
        };
        if let Some(fields) = &mut self.fields {
            let mut begun = fields.reader.feed(&page).to_vec();
            let (rest, cookie) = fields.end();
            begun.extend_from_slice(&rest);
            page = begun.into();
            self.set_cookies.extend(cookie);
        }
        let mut out = Vec::from(self.masked(page).await?);
        if let Some(mask) = &mut self.mask {
            out.extend_from_slice(&mask.end().await?);
        }
        Ok(out.into())
    }

    fn set_cookies(&mut self) -> Vec<HeaderValue> {
        std::mem::take(&mut self.set_cookies)
    }
}
