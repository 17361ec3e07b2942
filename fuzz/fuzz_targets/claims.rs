//! The claims of a token: strict JSON, and what is read out of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet::jose::{claims, json};
use parapet_fuzz::in_time;

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let Ok(members) = json::object(input) else { return };
    for name in ["iss", "sub", "client_id"] {
        let _ = claims::required_text(&members, name);
    }
    let _ = (claims::audience(&members), claims::token_id(&members));
    let _ = claims::Times::read(&members);
    // What we accept, a lenient reader reads the same.
    let lenient: serde_json::Value = serde_json::from_slice(input).expect("strict is legal");
    assert_eq!(lenient.as_object(), Some(&members));
}));
