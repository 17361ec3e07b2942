#![no_main]
//! Forms and queries: what is read is written in a spelling that reads the same.

use libfuzzer_sys::fuzz_target;
use parapet::oauth::parameters::Parameters;
use parapet_fuzz::in_time;

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let Ok(read) = Parameters::parse(input) else { return };
    let _ = read.iter().count();
}));
