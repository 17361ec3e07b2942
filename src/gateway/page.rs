//! The endpoints' view of a page as the proxy's filter.

use async_trait::async_trait;
use bytes::Bytes;
use http::Response;

use crate::authorize::FormPost;
use crate::proxy::application::PageFilter;

/// A page that is held until it is known what it completes.
pub(super) struct Held(pub(super) FormPost);

#[async_trait]
impl PageFilter for Held {
    async fn feed(&mut self, piece: Bytes) -> Result<Bytes, Box<Response<Bytes>>> {
        self.0.feed(&piece)?;
        Ok(Bytes::new())
    }

    async fn end(&mut self) -> Result<Bytes, Box<Response<Bytes>>> {
        self.0.end().await
    }
}
