//! A secret that client and gateway share, for HMAC (RFC 7518 §3.2). It comes from the client's
//! registration and never from a set of keys (RFC 8725 §3.1).

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::jose::algorithm::Algorithm;

/// The octets of a `client_secret`. `Debug` shows none of them, and they are wiped when dropped.
pub struct SharedSecret(Zeroizing<Vec<u8>>);

/// A secret with fewer bytes than the hash of the algorithm (RFC 7518 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is shorter than the {needed} bytes that {algorithm} needs")]
pub struct ShortSecret {
    /// The algorithm that it is too short for.
    pub algorithm: Algorithm,
    /// How many bytes that algorithm needs.
    pub needed: usize,
}

impl SharedSecret {
    /// A secret from its octets in UTF-8 (`OpenID` Connect Core §10.1).
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }

    /// Whether the secret is long enough for the algorithm. Configuration can ask beforehand, as
    /// nothing verifies with a secret that is too short.
    pub fn fits(&self, algorithm: Algorithm) -> Result<(), ShortSecret> {
        let needed = algorithm.shortest_secret();
        if self.0.len() < needed { Err(ShortSecret { algorithm, needed }) } else { Ok(()) }
    }

    /// Whether `signature` over `message` was made with this secret; compared in
    /// constant time. Directly through aws-lc, as the octets would otherwise be copied.
    pub(in crate::jose) fn verifies(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let hashes = [
            (Algorithm::Hs256, hmac::HMAC_SHA256),
            (Algorithm::Hs384, hmac::HMAC_SHA384),
            (Algorithm::Hs512, hmac::HMAC_SHA512),
        ];
        let Some((_, hash)) = hashes.into_iter().find(|(name, _)| *name == algorithm) else {
            return false;
        };
        let key = hmac::Key::new(hash, &self.0);
        hmac::verify(&key, message, signature).is_ok()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}
