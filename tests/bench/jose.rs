//! What it costs to believe a token: reading it and verifying the signature, and of that the share
//! of a key that is read anew each time. `cargo bench --bench jose`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parapet::jose::{Algorithm, Authority, KeySet, Policy, Types, jws};
use serde_json::{Value, json};

#[path = "../it/support/jose.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared with the integration tests, which use all of it and may fail"
)]
mod signing;

const ROUNDS: u32 = 2_000;

fn main() -> anyhow::Result<()> {
    for algorithm in
        [Algorithm::Es256, Algorithm::Ps256, Algorithm::Rs256, Algorithm::Ed25519, Algorithm::Es512]
    {
        println!("{algorithm:8} {:>8.1?} a token", verification(algorithm)?);
    }
    let (parsed, unparsed) = key_reading()?;
    println!("ES256    {parsed:>8.1?} the signature alone, with a key kept parsed");
    println!("ES256    {unparsed:>8.1?} the signature alone, with a key read each time");
    Ok(())
}

/// One token, from its text to its claims.
fn verification(algorithm: Algorithm) -> anyhow::Result<Duration> {
    let signer = signing::Signer::new(algorithm);
    let keys = KeySet::parse(signer.jwks().as_bytes())?;
    let token = signer.token(&claims());
    let policy = Policy {
        algorithms: &[algorithm],
        types: Types { named: &["jwt"], or_absent: false },
        max_bytes: 8_192,
    };
    time(|| {
        jws::verify(&token, &policy, Authority::Keys(&keys))?;
        Ok(())
    })
}

/// With a key kept parsed, and with one that is read each time.
fn key_reading() -> anyhow::Result<(Duration, Duration)> {
    let signer = signing::Signer::new(Algorithm::Es256);
    let jwk = signer.jwk();
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = jwk.get(name).and_then(Value::as_str).context("no coordinate")?;
        point.extend(URL_SAFE_NO_PAD.decode(coordinate)?);
    }
    let token = signer.token(&claims());
    let (message, signature) = token.rsplit_once('.').context("no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)?;
    let unparsed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    Ok((
        time(|| parsed.verify_sig(message.as_bytes(), &signature).map_err(Into::into))?,
        time(|| unparsed.verify(message.as_bytes(), &signature).map_err(Into::into))?,
    ))
}

fn claims() -> Value {
    json!({
        "iss": "app", "sub": "app", "aud": "https://as.example/par", "jti": "3f1a-0c",
        "iat": 1_800_000_000, "exp": 1_800_000_060,
    })
}

/// The mean of many rounds.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]
fn time(mut round: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    round()?;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        round()?;
    }
    let took = began.elapsed();
    ensure!(!took.is_zero(), "the clock stands still");
    Ok(took / ROUNDS)
}
