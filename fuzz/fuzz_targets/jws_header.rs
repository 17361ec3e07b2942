//! Signed tokens and their headers; nothing is signed by the key that they are held against.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use parapet::jose::Unverified;
use parapet::jose::header::Header;
use parapet_fuzz::in_time;

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    if let Ok(header) = Header::parse(&URL_SAFE_NO_PAD.encode(input)) {
        let _ = header.media_type();
    }
    let Ok(token) = std::str::from_utf8(input) else { return };
    if let Ok(token) = Unverified::parse(token, 64 * 1024) {
        let _ = (token.claimed("iss").map(str::len), token.header().media_type());
    }
}));
