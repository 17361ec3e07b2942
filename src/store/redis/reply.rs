//! What a script has answered: a word, the server's time, and what goes with the word.

use redis::Value;

use crate::clock::Timestamp;
use crate::store::{FlowId, StoreError};

/// Read from the front.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) word: Vec<u8>,
    pub(super) now: Timestamp,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    /// `None` for what no script of ours answers.
    pub(super) fn read(value: Value) -> Option<Self> {
        let Value::Array(values) = value else {
            return None;
        };
        let mut rest = values.into_iter();
        let word = bytes(rest.next()?)?;
        let now = Timestamp::from_millis(number(rest.next()?)?);
        Some(Self { word, now, rest })
    }

    /// Bytes that must be there.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.optional().ok_or(StoreError::Corrupt)
    }

    /// Bytes that may be absent.
    pub(super) fn optional(&mut self) -> Option<Vec<u8>> {
        self.rest.next().and_then(bytes)
    }

    /// A number that must be there.
    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        self.rest.next().and_then(number).ok_or(StoreError::Corrupt)
    }

    /// A flow and a time that may be absent.
    pub(super) fn flow_and_time(&mut self) -> Option<(FlowId, Timestamp)> {
        let (flow, at) = (self.optional(), self.rest.next());
        Some((flow_id(&flow?)?, Timestamp::from_millis(number(at?)?)))
    }
}

pub(super) fn flow_id(bytes: &[u8]) -> Option<FlowId> {
    bytes.try_into().ok().map(FlowId)
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}

fn number(value: Value) -> Option<u64> {
    if let Value::Int(number) = value {
        return u64::try_from(number).ok();
    }
    String::from_utf8(bytes(value)?).ok()?.parse().ok()
}
