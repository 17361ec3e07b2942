//! What the targets share.

pub mod gateway;
pub mod josekit_side;
pub mod jwe;
pub mod signer;

use std::time::{Duration, Instant};

/// What an input may cost, per begun 64 KiB.
const ALLOWED: Duration = Duration::from_millis(50);

/// How often a slow input is tried again: a busy machine is no finding.
const TRIES: u32 = 5;

/// Runs `target` on `input`; panics if it takes longer than 50 ms per 64 KiB every time.
pub fn in_time(input: &[u8], target: impl Fn(&[u8])) {
    let allowed = ALLOWED * u32::try_from(input.len().div_ceil(64 * 1024).max(1)).unwrap_or(1);
    let in_time = (0..TRIES).any(|_| {
        let start = Instant::now();
        target(input);
        start.elapsed() <= allowed
    });
    assert!(in_time, "{} bytes take longer than {allowed:?}", input.len());
}
