//! Tokens as they come: nothing that the fuzzer made opens without having been made for our keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet::jose::jwe::decrypt;
use parapet_fuzz::{in_time, jwe};

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let Ok(token) = std::str::from_utf8(input) else { return };
    if let Ok(found) = decrypt(token, &jwe::KEYS, &jwe::everything()) {
        assert!(jwe::is_vector(token), "opened: {}", found.plaintext.len());
    }
}));
