//! `Authorization`, with a form beside it after the first line break.
#![no_main]

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use parapet::client::authentication::Presented;
use parapet::oauth::parameters::Parameters;
use parapet_fuzz::in_time;

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let mut halves = input.splitn(2, |&byte| byte == b'\n');
    let header = halves.next().unwrap_or_default();
    let Ok(form) = Parameters::parse(halves.next().unwrap_or_default()) else { return };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        headers.insert(AUTHORIZATION, value);
    }
    if let Ok(presented) = Presented::read(&headers, &form) {
        let _ = presented.client_id().len();
    }
}));
