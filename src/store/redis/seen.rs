//! A record as Redis holds it, with its state, before the record is opened.

use std::sync::Arc;

use super::reply::{Reply, flow_id};
use super::script::Step;
use super::{RedisStore, keys};
use crate::clock::Timestamp;
use crate::store::sealed::{Address, Opened, Place, Times};
use crate::store::{FlowId, Held, Outcome, Spent, StoreError};

/// A record as it lies there, and its state.
pub(super) struct Seen {
    sealed: Vec<u8>,
    times: Times,
    now: Timestamp,
    spent: Option<Spent>,
    logins: Vec<FlowId>,
    /// The run that began last, when, and how many there were.
    pub(super) start: Option<(FlowId, Timestamp, u32)>,
    /// Sealed for those with the index key.
    pub(super) reference: Option<Vec<u8>>,
    pub(super) continuation: Option<Vec<u8>>,
}

impl Seen {
    pub(super) fn held(self, place: &Place) -> Result<Held, StoreError> {
        let request = Arc::new(Opened::request(place, self.sealed, self.times)?);
        Ok(Held { request, now: self.now, spent: self.spent, logins: self.logins })
    }
}

impl RedisStore {
    /// What is held at `address`, with the fields that only some callers want.
    pub(super) async fn look(
        &self,
        address: Address,
        name: &[u8],
    ) -> Result<Option<Seen>, StoreError> {
        let mut reply = self.step(Step::Read, &keys(address), &[name.to_vec()]).await?;
        let is_tomb = reply.word == b"tomb";
        if !is_tomb && reply.word != b"held" {
            return Ok(None);
        }
        let sealed = reply.bytes()?;
        let times = times(&mut reply)?;
        let times = if is_tomb { Times::NONE } else { times };
        let started_at = reply.optional();
        let spent = reply.flow_and_time();
        let flow = reply.optional();
        let starts = reply.optional();
        let number = |bytes: Option<Vec<u8>>| String::from_utf8(bytes?).ok()?.parse::<u64>().ok();
        let start = number(started_at).and_then(|at| {
            let starts = u32::try_from(number(starts)?).unwrap_or(u32::MAX);
            Some((flow_id(&flow?)?, Timestamp::from_millis(at), starts))
        });
        let (reference, continuation) = (reply.optional(), reply.optional());
        let outcome = match reply.optional().as_deref() {
            Some(b"e") => Outcome::Error,
            Some(_) | None => Outcome::Code,
        };
        let spent = spent.map(|(flow, at)| Spent { flow, at, outcome });
        let logins = match reply.optional() {
            Some(logins) => logins.chunks(12).filter_map(flow_id).collect(),
            // Started by a version that kept no list.
            None => start.iter().map(|(flow, ..)| *flow).collect(),
        };
        let now = reply.now;
        Ok(Some(Seen { sealed, times, now, spent, logins, start, reference, continuation }))
    }
}

pub(super) fn times(reply: &mut Reply) -> Result<Times, StoreError> {
    let redeem_by = Timestamp::from_millis(reply.number()?);
    Ok(Times { redeem_by, login_millis: reply.number()? })
}
