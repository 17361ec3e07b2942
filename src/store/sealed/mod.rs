//! Sealed records for a store that others can read: only who has the reference finds and opens one.
//!
//! Address and key are two derivations of the reference (HKDF-SHA256, RFC 5869) whose info holds the
//! issuer, so a copy of the store tells neither what lies in it nor for whom, and replicas share no
//! secret. What varies in length is padded to size classes; version, address and times are authenticated with
//! them, so none can be moved or made to last longer.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::rand::SecureRandom;

use super::{IndexKey, ReplayKey};
use crate::oauth::request_uri::Reference;

pub use layout::{Opened, Times};

mod layout;

/// The first byte of every sealed record.
const VERSION: u8 = 1;

/// Where a record lies.
pub type Address = [u8; 16];

/// A sealed record cannot be opened, or not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is of another version, was changed or moved, or is not one of ours.
    #[error("a record cannot be opened")]
    Unreadable,
    /// The system gave no random bytes, or the record is too large to be sealed.
    #[error("a record cannot be sealed")]
    Unsealed,
}

/// Derives for one issuer; two issuers may share a store.
#[derive(Debug, Clone)]
pub struct Sealer {
    issuer: Box<[u8]>,
}

/// Address and key of one record. `Debug` shows neither.
pub struct Place {
    address: Address,
    key: LessSafeKey,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}

impl Sealer {
    /// For the records of this issuer.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.as_bytes().into() }
    }

    /// Where a pushed request lies.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn request(&self, reference: &Reference) -> Result<Place, SealError> {
        self.place(&extracted(&[], reference.as_bytes()), b"request")
    }

    /// What tells the client of a request, to those alone who have its reference.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn client_mark(
        &self,
        reference: &Reference,
        client_id: &str,
    ) -> Result<[u8; 16], SealError> {
        let prk = extracted(reference.as_bytes(), client_id.as_bytes());
        self.derived(&prk, b"client/mark")
    }

    /// Where a continuation lies: found by the request's reference and its own handle together.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn continuation(
        &self,
        reference: &Reference,
        handle: &Reference,
    ) -> Result<Place, SealError> {
        self.place(&extracted(reference.as_bytes(), handle.as_bytes()), b"continuation")
    }

    /// Where the index says which request is meant, and the key for the reference of that request.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn index(&self, key: &IndexKey) -> Result<Place, SealError> {
        self.place(&extracted(&[], key.as_bytes()), b"index")
    }

    /// Where the use of a single-use token is remembered.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn replay(&self, key: &ReplayKey) -> Result<Address, SealError> {
        self.derived(&extracted(&[], &key.0), b"replay/address")
    }

    /// Name of the account of what this client has in the store.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn account(&self, client_id: &str) -> Result<Address, SealError> {
        self.derived(&extracted(&[], client_id.as_bytes()), b"account/address")
    }

    /// Where the debts of this issuer's clients and addresses lie together.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn debts(&self) -> Result<[u8; 3], SealError> {
        self.derived(&extracted(&[], b"debts"), b"debts/place")
    }

    /// Where one debt lies. Who owes it can be guessed, so what opens the store is in the derivation:
    /// a copy of the store alone does not tell a right guess from a wrong one.
    ///
    /// # Errors
    /// [`SealError::Unsealed`], which does not happen.
    pub fn debt(&self, password: &[u8], who: &[u8]) -> Result<Address, SealError> {
        self.derived(&extracted(password, who), b"debt/address")
    }

    fn place(&self, prk: &Prk, kind: &[u8]) -> Result<Place, SealError> {
        let address = self.derived(prk, &[kind, b"/address"].concat())?;
        let key: [u8; 32] = self.derived(prk, &[kind, b"/key"].concat())?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| SealError::Unsealed)?;
        Ok(Place { address, key: LessSafeKey::new(key) })
    }

    fn derived<const N: usize>(&self, prk: &Prk, purpose: &[u8]) -> Result<[u8; N], SealError> {
        let mut bytes = [0; N];
        let info = [b"parapet/v1/".as_slice(), purpose, b"\0", &self.issuer];
        prk.expand(&info, Length(N))
            .and_then(|okm| okm.fill(&mut bytes))
            .map_err(|_| SealError::Unsealed)?;
        Ok(bytes)
    }
}

impl Place {
    /// Where the record lies.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Version, nonce, ciphertext and tag of what `write` appends, bound to this place and `bound`.
    fn seal(
        &self,
        length: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), SealError>,
        bound: &[u8],
        rng: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill(&mut nonce).map_err(|_| SealError::Unsealed)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + length + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        write(&mut sealed)?;
        let text = sealed.get_mut(start..).ok_or(SealError::Unsealed)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(self.associated(bound)), text)
            .map_err(|_| SealError::Unsealed)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed at this place with this `bound`.
    fn open(&self, mut sealed: Vec<u8>, bound: &[u8]) -> Result<Vec<u8>, SealError> {
        let (version, rest) = sealed.split_first_mut().ok_or(SealError::Unreadable)?;
        let (nonce, text) =
            rest.split_first_chunk_mut::<NONCE_LEN>().ok_or(SealError::Unreadable)?;
        if *version != VERSION {
            return Err(SealError::Unreadable);
        }
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self
            .key
            .open_in_place(nonce, Aad::from(self.associated(bound)), text)
            .map_err(|_| SealError::Unreadable)?
            .len();
        sealed.drain(..=NONCE_LEN);
        sealed.truncate(length);
        Ok(sealed)
    }

    fn associated(&self, bound: &[u8]) -> Vec<u8> {
        [b"parapet/v1\0".as_slice(), &[VERSION], &self.address, bound].concat()
    }
}

fn extracted(salt: &[u8], secret: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, salt).extract(secret)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests;
