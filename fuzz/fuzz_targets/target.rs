//! Paths and queries of requests that pass through.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet::oauth::target::{Traits, fold_path, names_a_registered_parameter};
use parapet_fuzz::in_time;

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let _ = names_a_registered_parameter(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let _ = fold_path(path);
    // A further pair takes nothing away.
    let traits = Traits::of(query);
    let more = Traits::of(&format!("{query}&x=y"));
    assert!(traits == more);
}));
