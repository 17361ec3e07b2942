//! A push: its record is sealed with a redeem-by time, which the server has to agree with.

use super::line::{PATIENCE, within};
use super::script::Step;
use super::{RedisStore, Times, decimal, keys, millis, name};
use crate::oauth::request_uri::Reference;
use crate::store::{Lifetimes, PushedRequest, StoreError};

/// How often a redeem-by time is sealed anew, as the server's clock has jumped or the last was long on
/// its way.
const CLOCK_TRIES: u32 = 3;

impl RedisStore {
    /// Keeps a request. Whatever it takes, nobody waits for longer than for one call and for replicas.
    pub(super) async fn keep(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        let limit = self.timeout * PATIENCE + self.longest_wait();
        within(limit, self.kept(reference, request, lifetimes)).await
    }

    async fn kept(
        &self,
        reference: &Reference,
        request: PushedRequest,
        lifetimes: Lifetimes,
    ) -> Result<(), StoreError> {
        let place = self.sealer.request(reference)?;
        let mark = self.sealer.client_mark(reference, &request.client_id)?;
        let (index, entry) = match &request.index {
            Some(key) => {
                let index = self.sealer.index(key)?;
                let entry = index.seal_reference(reference, place.address(), &self.rng)?;
                (name(index.address()), entry)
            }
            None => (Vec::new(), Vec::new()),
        };
        let [account, share] = self.account(&request.client_id)?;
        let mut link = None;
        let login_millis = millis(lifetimes.login);
        let redeem = lifetimes.redeem + self.wait;
        for _ in 0..CLOCK_TRIES {
            let redeem_by = self.pace.redeem_by(redeem);
            let times = Times { redeem_by, login_millis };
            let arguments = [
                place.seal_request(&request, times, &self.rng)?,
                decimal(redeem_by.as_millis()),
                decimal(millis(redeem)),
                decimal(login_millis),
                mark.to_vec(),
                index.clone(),
                entry.clone(),
                account.clone(),
                share.clone(),
            ];
            let keys = keys(place.address());
            let (reply, over) = self.linked_step(Step::Put, &keys, &arguments, link).await?;
            match reply.word.as_slice() {
                b"kept" => return self.replicated(&over).await,
                b"clock" => link = Some(over),
                b"share" => return Err(StoreError::ClientShareFull),
                _ => return Err(StoreError::Corrupt),
            }
        }
        Err(StoreError::Unavailable)
    }
}
