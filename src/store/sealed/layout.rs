//! What is inside a sealed record: fields with their lengths, and padding to a size class.

use super::{Address, Place, SealError};
use crate::clock::Timestamp;
use crate::oauth::request_uri::Reference;
use crate::store::{Continuation, FlowId, IndexKey, PushedRequest};
use aws_lc_rs::rand::SecureRandom;

/// The smallest size class. Above it there are two to each doubling.
const SMALLEST: usize = 64;

/// The times that a request is sealed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Until when it may be started, by the store's clock.
    pub redeem_by: Timestamp,
    /// Milliseconds that a login may take.
    pub login_millis: u64,
}

impl Times {
    /// None, of a tombstone: it is neither started nor ended.
    pub const NONE: Self = Self { redeem_by: Timestamp::from_millis(0), login_millis: 0 };

    fn bound(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (redeem_by, login) = bytes.split_at_mut(8);
        redeem_by.copy_from_slice(&self.redeem_by.as_millis().to_be_bytes());
        login.copy_from_slice(&self.login_millis.to_be_bytes());
        bytes
    }
}

/// Opens records of each kind.
#[derive(Debug)]
pub struct Opened;

impl Place {
    /// A pushed request, sealed.
    ///
    /// # Errors
    /// [`SealError::Unsealed`]
    pub fn seal_request(
        &self,
        request: &PushedRequest,
        times: Times,
        rng: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SealError> {
        let mut content =
            Vec::with_capacity(4 + request.client_id.len() + 32 + 1 + 32 + 4 + request.query.len());
        field(&mut content, request.client_id.as_bytes())?;
        content.extend_from_slice(&request.flow_key);
        field(&mut content, request.index.as_ref().map_or(&[], |key| key.as_bytes().as_slice()))?;
        field(&mut content, request.query.as_bytes())?;
        self.seal_padded(&content, &times.bound(), rng)
    }

    /// The reference of the request at `to`, sealed for those who know the index key.
    ///
    /// # Errors
    /// [`SealError::Unsealed`]
    pub fn seal_reference(
        &self,
        reference: &Reference,
        to: Address,
        rng: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SealError> {
        // Of one length, and short enough for Redis to keep it in its compact form.
        let bytes = reference.as_bytes();
        let write = |into: &mut Vec<u8>| {
            into.extend_from_slice(bytes);
            Ok(())
        };
        self.seal(bytes.len(), write, &to, rng)
    }

    /// A continuation of this flow of the request at `of`, sealed.
    ///
    /// # Errors
    /// [`SealError::Unsealed`]
    pub fn seal_continuation(
        &self,
        continuation: &Continuation,
        of: Address,
        flow: FlowId,
        rng: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SealError> {
        let mut content =
            Vec::with_capacity(8 + continuation.path.len() + continuation.query.len());
        field(&mut content, continuation.path.as_bytes())?;
        field(&mut content, continuation.query.as_bytes())?;
        self.seal_padded(&content, &of_flow(of, flow), rng)
    }

    fn seal_padded(
        &self,
        content: &[u8],
        bound: &[u8],
        rng: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SealError> {
        self.seal(padded(content.len()), |into| pad(content, into), bound, rng)
    }
}

impl Opened {
    /// The pushed request.
    ///
    /// # Errors
    /// [`SealError::Unreadable`]
    pub fn request(
        place: &Place,
        sealed: Vec<u8>,
        times: Times,
    ) -> Result<PushedRequest, SealError> {
        let content = place.open(sealed, &times.bound())?;
        let mut rest = unpad(&content)?;
        let client_id = text(&mut rest)?.into();
        let (flow_key, tail) = rest.split_first_chunk().ok_or(SealError::Unreadable)?;
        rest = tail;
        let index = match taken(&mut rest)? {
            [] => None,
            key => {
                let key = key.try_into().map_err(|_| SealError::Unreadable)?;
                Some(IndexKey::from_bytes(key))
            }
        };
        Ok(PushedRequest { client_id, query: text(&mut rest)?.into(), flow_key: *flow_key, index })
    }

    /// The reference of the request at `to`.
    ///
    /// # Errors
    /// [`SealError::Unreadable`]
    pub fn reference(place: &Place, sealed: Vec<u8>, to: Address) -> Result<Reference, SealError> {
        let content = place.open(sealed, &to)?;
        let bytes = content.as_slice().try_into().map_err(|_| SealError::Unreadable)?;
        Ok(Reference::from_bytes(bytes))
    }

    /// The continuation of this flow of the request at `of`.
    ///
    /// # Errors
    /// [`SealError::Unreadable`]
    pub fn continuation(
        place: &Place,
        sealed: Vec<u8>,
        of: Address,
        flow: FlowId,
    ) -> Result<Continuation, SealError> {
        let content = place.open(sealed, &of_flow(of, flow))?;
        let mut rest = unpad(&content)?;
        Ok(Continuation { path: text(&mut rest)?.into(), query: text(&mut rest)?.into() })
    }
}

fn of_flow(of: Address, flow: FlowId) -> Vec<u8> {
    [of.as_slice(), &flow.0].concat()
}

fn field(content: &mut Vec<u8>, bytes: &[u8]) -> Result<(), SealError> {
    let length = u32::try_from(bytes.len()).map_err(|_| SealError::Unsealed)?;
    content.extend_from_slice(&length.to_be_bytes());
    content.extend_from_slice(bytes);
    Ok(())
}

fn taken<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], SealError> {
    let (length, tail) = rest.split_first_chunk::<4>().ok_or(SealError::Unreadable)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| SealError::Unreadable)?;
    let (field, tail) = tail.split_at_checked(length).ok_or(SealError::Unreadable)?;
    *rest = tail;
    Ok(field)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, SealError> {
    std::str::from_utf8(taken(rest)?).map_err(|_| SealError::Unreadable)
}

/// The size class of `length` bytes and the four that say how many they are.
fn padded(length: usize) -> usize {
    let needed = length.saturating_add(4).max(SMALLEST);
    let above = needed.next_power_of_two();
    let between = above / 4 * 3;
    if needed <= between { between } else { above }
}

fn pad(content: &[u8], into: &mut Vec<u8>) -> Result<(), SealError> {
    let end = into.len() + padded(content.len());
    field(into, content)?;
    into.resize(end, 0);
    Ok(())
}

fn unpad(padded: &[u8]) -> Result<&[u8], SealError> {
    let mut rest = padded;
    taken(&mut rest)
}
