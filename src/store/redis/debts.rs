//! Debts that the replicas of one issuer share: what the budgets of clients and addresses have used
//! up. A debt shrinks by a second in each second and is gone by itself.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::reply::Reply;
use super::{RedisStore, decimal, name};
use crate::store::StoreError;
use crate::store::redis::script::Step;

/// What is to be added to a debt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// Who owes it. It is not told to Redis.
    pub who: Vec<u8>,
    /// By how much it grows.
    pub cost: Duration,
    /// The most that it may come to.
    pub most: Duration,
}

impl RedisStore {
    /// Adds to debts and gives what they are then, in the same order. One round trip, and one try: a
    /// second could add twice.
    ///
    /// # Errors
    /// [`StoreError`]; whether anything was added is then not known.
    pub async fn owe(&self, debts: &[Debt]) -> Result<Vec<Duration>, StoreError> {
        let link = self.line.link().await?;
        let place = URL_SAFE_NO_PAD.encode(self.sealer.debts()?);
        let password = link.password.as_ref().map_or("", |password| password.expose());
        let (mut keys, mut arguments) = (Vec::new(), Vec::new());
        for debt in debts {
            let address = name(self.sealer.debt(password.as_bytes(), &debt.who)?);
            keys.push([b"parapet:{", place.as_bytes(), b"}:d:", &address].concat());
            arguments.extend([decimal(micros(debt.cost)), decimal(micros(debt.most))]);
        }
        let answer = link.step(Step::Owe, &keys, &arguments).await;
        let mut reply = answer
            .ok()
            .and_then(Reply::read)
            .filter(|reply| reply.word == b"owed")
            .ok_or(StoreError::Unavailable)?;
        debts.iter().map(|_| reply.number().map(Duration::from_micros)).collect()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
