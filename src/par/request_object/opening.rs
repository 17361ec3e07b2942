//! From the token to what the client signed: decrypted where it is encrypted, and verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ObjectError;
use crate::client::ClientKeys;
use crate::jose::algorithm::Family;
use crate::jose::jwe::{Decrypted, JweError};
use crate::jose::{Algorithm, Authority, JwsError, Policy, Unverified, Verified, jws};

/// A signed token.
pub(super) async fn verified(
    token: &str,
    policy: &Policy<'_>,
    keys: &ClientKeys,
) -> Result<Verified, ObjectError> {
    Ok(check(token, policy, keys).await.ok_or(ObjectError::NoKeys)??)
}

/// The signed token in what was decrypted. Claims without a signature are none (RFC 9101
/// §10.5). Whatever depends on the decryption has one text and about one duration.
pub(super) async fn verified_inside(
    decrypted: Result<Decrypted, JweError>,
    policy: &Policy<'_>,
    keys: &ClientKeys,
) -> Result<Verified, ObjectError> {
    match decrypted {
        Ok(found) => {
            let inner = str::from_utf8(&found.plaintext).unwrap_or_default();
            let outcome = check(inner, policy, keys).await;
            // The signature takes most of the time.
            if !matches!(outcome, Some(Ok(_) | Err(JwsError::Signature))) {
                verify_a_dummy(policy.algorithms, keys).await;
            }
            match outcome {
                Some(Ok(verified)) => Ok(verified),
                Some(Err(_)) | None => Err(ObjectError::Unverified),
            }
        }
        Err(JweError::Undecryptable) => {
            verify_a_dummy(policy.algorithms, keys).await;
            Err(ObjectError::Unverified)
        }
        Err(JweError::TooLong) => Err(ObjectError::TooLong),
        Err(
            error @ (JweError::Malformed
            | JweError::UnsupportedAlg
            | JweError::UnsupportedEnc
            | JweError::UnsupportedExtension),
        ) => Err(ObjectError::Encryption(error)),
    }
}

/// The token, if it is good; `None` where the client's keys could never be had.
async fn check(
    token: &str,
    policy: &Policy<'_>,
    keys: &ClientKeys,
) -> Option<Result<Verified, JwsError>> {
    let unverified = match Unverified::parse(token, policy.max_bytes) {
        Ok(unverified) => unverified,
        Err(error) => return Some(Err(error)),
    };
    let header = unverified.header();
    let keys = keys.for_token(header.kid.as_deref(), header.algorithm).await?;
    Some(unverified.verify(policy, Authority::Keys(&keys)))
}

/// Takes as long as a signature of the client that does not hold.
async fn verify_a_dummy(algorithms: &[Algorithm], keys: &ClientKeys) {
    let Some(keys) = keys.matching(|_| true).await else {
        return;
    };
    let fitting = |algorithm: &&Algorithm| keys.keys().iter().any(|key| key.fits(**algorithm));
    let Some(algorithm) = algorithms.iter().find(fitting) else {
        return;
    };
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{}"}}"#, algorithm.name()));
    let policy = Policy {
        algorithms: &[*algorithm],
        types: jws::Types { named: &[], or_absent: true },
        max_bytes: usize::MAX,
    };
    for length in signature_lengths(algorithm.family()) {
        // In range as a number for every curve, so that it is reckoned with.
        let signature = URL_SAFE_NO_PAD.encode(vec![1; *length]);
        let token = format!("{header}.e30.{signature}");
        let _ = jws::verify(&token, &policy, Authority::Keys(&keys));
    }
}

/// A signature of a wrong length is refused at once: with RSA, one of these is as long as the key.
const fn signature_lengths(family: Family) -> &'static [usize] {
    match family {
        Family::Rsa => &[256, 384, 512],
        Family::P256 | Family::Ed25519 => &[64],
        Family::P384 => &[96],
        Family::P521 => &[132],
        Family::Secret => &[],
    }
}
