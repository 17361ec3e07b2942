//! Signed JSON (RFC 7515) and public keys (RFC 7517): what client assertions, request objects and
//! `DPoP` proofs have in common; and encrypted JSON (RFC 7516). No I/O and no clock: bytes, keys and
//! the time are arguments.
//!
//! [`jws::verify`] believes a signature under a [`jws::Policy`]; [`claims`] reads what was signed;
//! [`jwe::decrypt`] opens what was encrypted to our own keys.

pub mod algorithm;
pub mod claims;
pub mod header;
pub mod json;
pub mod jwe;
pub mod jws;
pub mod keys;

pub use algorithm::Algorithm;
pub use jws::{Authority, JwsError, Policy, Types, Unverified, Verified};
pub use keys::{Key, KeySet, SharedSecret};
