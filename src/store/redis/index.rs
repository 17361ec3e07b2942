//! The index: where a started request is found by those who have no ticket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::script::Step;
use super::{RedisStore, decimal, name};
use crate::store::StoreError;
use crate::store::sealed::Address;
use crate::telemetry::metrics::{StoreOperation, meter};

impl RedisStore {
    /// In a cluster, where the entry lies on another node than the request. The request is started
    /// all the same where this fails; a `POST` without cookies does not find it then.
    pub(super) async fn point(&self, index: &[u8], to: Vec<u8>, login_millis: u64) {
        let arguments = [to, decimal(login_millis)];
        if let Err(error) = self.step(Step::Point, &[index_key(index)], &arguments).await {
            meter().store_error(StoreOperation::Start, error.cause());
        }
    }

    pub(super) async fn pointed(&self, index: Address) -> Result<Option<Address>, StoreError> {
        let mut reply = self.step(Step::Pointed, &[index_key(&name(index))], &[]).await?;
        let Some(to) = reply.optional() else {
            return Ok(None);
        };
        let to = URL_SAFE_NO_PAD.decode(to).ok().and_then(|to| to.try_into().ok());
        to.map(Some).ok_or(StoreError::Corrupt)
    }
}

fn index_key(index: &[u8]) -> Vec<u8> {
    [b"parapet:i:".as_slice(), index].concat()
}
