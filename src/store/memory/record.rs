//! What of the memory store is written down: one record each for a request, a continuation, an entry
//! of the index and a remembered single-use token. Times in it are those of the wall clock; of a token
//! there is also the time that it names itself.

use super::Address;
use super::entry::Course;
use super::replays::Used;
use super::tombs::Tomb;
use crate::clock::{Timestamp, WallTime};
use crate::oauth::request_uri::Reference;
use crate::store::snapshot::Malformed;
use crate::store::{
    CallerToken, Continuation, FlowId, IndexKey, MAX_LOGINS, Outcome, PushedRequest, ReplayKey,
    Spent,
};

/// One thing to be kept.
pub(super) enum Record<'a> {
    Request(Address, &'a PushedRequest, Course),
    Continuation(Address, FlowId, &'a Reference, &'a Continuation),
    Index(Address, Reference),
    Tomb(Address, &'a Tomb, Option<Reference>),
    Replay(ReplayKey, Used),
}

/// The same as it is read.
pub(super) enum Restored {
    Request(Address, PushedRequest, Course),
    /// Of the request at this address, which stands before it.
    Continuation(Address, FlowId, Reference, Continuation),
    Index(Address, Reference),
    Tomb(Address, Tomb, Option<Reference>),
    /// A token, and the client on whose account it is.
    Replay(ReplayKey, Used),
}

/// Written by versions that kept neither logins nor the outcome of a completion.
const OLD_REQUEST: u8 = 1;
const CONTINUATION: u8 = 2;
const INDEX: u8 = 3;
/// Written by versions that kept tokens on nobody's account.
const OLD_REPLAY: u8 = 4;
const REQUEST: u8 = 5;
const TOMB: u8 = 6;
const REPLAY: u8 = 7;

impl Record<'_> {
    /// The record with every time moved by `shift` milliseconds.
    pub(super) fn encoded(&self, shift: i64) -> Vec<u8> {
        let mut out = Out { bytes: Vec::with_capacity(256), shift };
        match self {
            Self::Request(address, request, course) => {
                out.plain(&[REQUEST]).plain(address).plain(&request.flow_key);
                out.field(request.client_id.as_bytes()).field(request.query.as_bytes());
                out.optional(request.index.as_ref().map(|key| key.as_bytes().as_slice()));
                out.course(course);
            }
            Self::Continuation(address, flow, handle, continuation) => {
                out.plain(&[CONTINUATION]).plain(address).plain(&flow.0).plain(handle.as_bytes());
                out.field(continuation.path.as_bytes()).field(continuation.query.as_bytes());
            }
            Self::Index(place, reference) => {
                out.plain(&[INDEX]).plain(place).plain(reference.as_bytes());
            }
            Self::Tomb(address, tomb, reference) => {
                out.plain(&[TOMB]).plain(address).field(tomb.client_id.as_bytes());
                out.optional(tomb.index.as_ref().map(|key| key.as_bytes().as_slice()));
                out.time(tomb.gone_at);
                out.optional(reference.as_ref().map(|reference| reference.as_bytes().as_slice()));
            }
            Self::Replay(key, used) => {
                let until = used.until.as_millis().to_be_bytes();
                out.plain(&[REPLAY]).plain(&key.0).time(used.gone_at).plain(&until);
                out.field(used.client_id.as_bytes());
            }
        }
        out.bytes
    }
}

impl Restored {
    /// Reads a record; every time in it is moved by `shift` milliseconds.
    pub(super) fn decoded(bytes: &[u8], shift: i64) -> Result<Self, Malformed> {
        let mut rest = In { rest: bytes, shift };
        let [kind] = rest.array()?;
        let restored = match kind {
            REQUEST | OLD_REQUEST => {
                let (address, flow_key) = (rest.array()?, rest.array()?);
                let (client_id, query) = (rest.text()?.into(), rest.text()?.into());
                let index = rest.optional()?.map(IndexKey::from_bytes);
                let request = PushedRequest { client_id, query, flow_key, index };
                let course = if kind == REQUEST { rest.course()? } else { rest.old_course()? };
                Self::Request(address, request, course)
            }
            CONTINUATION => {
                let (address, flow) = (rest.array()?, FlowId(rest.array()?));
                let handle = Reference::from_bytes(rest.array()?);
                let (path, query) = (rest.text()?.into(), rest.text()?.into());
                Self::Continuation(address, flow, handle, Continuation { path, query })
            }
            INDEX => Self::Index(rest.array()?, Reference::from_bytes(rest.array()?)),
            TOMB => {
                let (address, client_id) = (rest.array()?, rest.text()?.into());
                let index = rest.optional()?.map(IndexKey::from_bytes);
                let tomb = Tomb { client_id, index, gone_at: rest.time()? };
                Self::Tomb(address, tomb, rest.optional()?.map(Reference::from_bytes))
            }
            REPLAY | OLD_REPLAY => {
                let (key, gone_at) = (ReplayKey(rest.array()?), rest.time()?);
                let until = WallTime::from_millis(u64::from_be_bytes(rest.array()?));
                let client_id = if kind == REPLAY { rest.text()? } else { "" }.into();
                Self::Replay(key, Used { gone_at, until, client_id })
            }
            _ => return Err(Malformed),
        };
        if rest.rest.is_empty() { Ok(restored) } else { Err(Malformed) }
    }
}

struct Out {
    bytes: Vec<u8>,
    shift: i64,
}

impl Out {
    fn plain(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.plain(&(bytes.len() as u64).to_be_bytes()).plain(bytes)
    }

    fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        self.plain(&[bytes.is_some().into()]).plain(bytes.unwrap_or_default())
    }

    fn time(&mut self, time: Timestamp) -> &mut Self {
        self.plain(&time.shifted(self.shift).as_millis().to_be_bytes())
    }

    fn moment(&mut self, moment: Option<(FlowId, Timestamp)>) {
        self.optional(moment.as_ref().map(|(flow, _)| flow.0.as_slice()));
        if let Some((_, at)) = moment {
            self.time(at);
        }
    }

    fn course(&mut self, course: &Course) {
        self.time(course.pushed_at);
        for number in [course.redeem_millis, course.login_millis, course.starts] {
            self.plain(&number.to_be_bytes());
        }
        self.optional(course.last_caller.as_ref().map(|caller| caller.0.as_slice()));
        self.moment(course.last_start);
        self.moment(course.spent.map(|spent| (spent.flow, spent.at)));
        let is_error = course.spent.is_some_and(|spent| spent.outcome == Outcome::Error);
        self.plain(&[is_error.into()]);
        // At most eight.
        self.plain(&[u8::try_from(course.logins.len()).unwrap_or_default()]);
        for login in &course.logins {
            self.plain(&login.0);
        }
    }
}

struct In<'a> {
    rest: &'a [u8],
    shift: i64,
}

impl<'a> In<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*array)
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::try_from(u64::from_be_bytes(self.array()?)).map_err(|_| Malformed)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| Malformed)
    }

    fn optional<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Malformed> {
        match self.array()? {
            [0] => Ok(None),
            [1] => self.array().map(Some),
            [_] => Err(Malformed),
        }
    }

    fn number(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, Malformed> {
        let millis = u64::from_be_bytes(self.array()?);
        Ok(Timestamp::from_millis(millis).shifted(self.shift))
    }

    fn moment(&mut self) -> Result<Option<(FlowId, Timestamp)>, Malformed> {
        let flow = self.optional()?.map(FlowId);
        flow.map(|flow| Ok((flow, self.time()?))).transpose()
    }

    fn course(&mut self) -> Result<Course, Malformed> {
        let mut course = self.old_course()?;
        let outcome = match self.array()? {
            [0] => Outcome::Code,
            [1] => Outcome::Error,
            [_] => return Err(Malformed),
        };
        course.spent = course.spent.map(|spent| Spent { outcome, ..spent });
        let [logins] = self.array()?;
        course.logins = (0..logins).map(|_| self.array().map(FlowId)).collect::<Result<_, _>>()?;
        if course.logins.len() > MAX_LOGINS { Err(Malformed) } else { Ok(course) }
    }

    /// A course without what came later: the last login alone goes on.
    fn old_course(&mut self) -> Result<Course, Malformed> {
        let mut course = Course {
            pushed_at: self.time()?,
            redeem_millis: self.number()?,
            login_millis: self.number()?,
            starts: self.number()?,
            last_caller: self.optional()?.map(CallerToken),
            last_start: self.moment()?,
            spent: self.moment()?.map(|(flow, at)| Spent { flow, at, outcome: Outcome::Code }),
            logins: Vec::new(),
        };
        course.logins.extend(course.last_start.map(|(flow, _)| flow));
        Ok(course)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_or_longer_is_no_record() {
        let request = PushedRequest {
            client_id: "a".into(),
            query: "x=1".into(),
            flow_key: [3; 32],
            index: Some(IndexKey::from_bytes([4; 32])),
        };
        let at = Timestamp::from_millis;
        let course = Course {
            pushed_at: at(1_000),
            redeem_millis: 60_000,
            login_millis: 1_800_000,
            starts: 2,
            last_caller: Some(CallerToken([5; 12])),
            last_start: Some((FlowId([6; 12]), at(2_000))),
            spent: Some(Spent { flow: FlowId([7; 12]), at: at(3_000), outcome: Outcome::Error }),
            logins: vec![FlowId([8; 12]), FlowId([6; 12])],
        };
        let bytes = Record::Request([1; 16], &request, course.clone()).encoded(500);
        let Ok(Restored::Request(address, read, kept)) = Restored::decoded(&bytes, -500) else {
            panic!("not read");
        };
        assert_eq!((address, &*read.query, read.flow_key), ([1; 16], "x=1", [3; 32]));
        assert_eq!(read.index.unwrap(), request.index.unwrap());
        assert_eq!(kept, course);
        for end in 0..bytes.len() {
            assert!(Restored::decoded(&bytes[..end], 0).is_err(), "{end}");
        }
        assert!(Restored::decoded(&[bytes, vec![0]].concat(), 0).is_err());
    }
}
