//! JSON Object Signing and Encryption: tokens and keys, without I/O.

pub mod jwe;
