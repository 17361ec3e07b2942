//! The endpoints' view of a page as the proxy's filter.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response};

use super::application::page;
use crate::authorize::{AuthorizeError, FormPost, Mask};
use crate::proxy::application::{PageFilter, RequestId};

/// A page that is held until it is known what it completes, or masked, or first one and then the
/// other.
pub(super) struct Filter {
    held: Option<FormPost>,
    mask: Option<Masked>,
}

/// A page on its way through the mask, and what its error page needs.
pub(super) struct Masked {
    pub(super) mask: Mask,
    pub(super) accept: Option<HeaderValue>,
    pub(super) request_id: RequestId,
}

impl Filter {
    /// `None` where there is nothing to do.
    pub(super) fn of(held: Option<FormPost>, mask: Option<Masked>) -> Option<Box<dyn PageFilter>> {
        (held.is_some() || mask.is_some()).then(|| Box::new(Self { held, mask }) as _)
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
        match (&mut self.held, &mut self.mask) {
            (Some(held), _) => held.feed(&piece).map(|()| Bytes::new()),
            (None, Some(mask)) => mask.feed(piece).await,
            (None, None) => Ok(piece),
        }
    }

    async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        let page = match &mut self.held {
            Some(held) => held.end().await?,
            None => Bytes::new(),
        };
        let Some(mask) = &mut self.mask else { return Ok(page) };
        let mut out = Vec::from(mask.feed(page).await?);
        out.extend_from_slice(&mask.end().await?);
        Ok(out.into())
    }
}
