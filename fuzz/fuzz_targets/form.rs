//! Forms and queries: what is read is written in one spelling that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet::oauth::parameters::{Encoder, Parameters};
use parapet_fuzz::in_time;

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let Ok(read) = Parameters::parse(input) else { return };
    let _ = read.repeated();
    let mut encoder = Encoder::default();
    for (name, value) in read.iter() {
        encoder.push(name, value);
    }
    let text = encoder.finish();
    let again = Parameters::parse(text.as_bytes()).expect("our own spelling is legal");
    assert!(again.iter().eq(read.iter()));
}));
