//! `multipart/form-data`: what is written back reads as the same fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet::authorize::pin::multipart::Multipart;
use parapet_fuzz::in_time;

const CONTENT_TYPE: &str = "multipart/form-data; boundary=b";

fuzz_target!(|input: &[u8]| in_time(input, |input| {
    let mut halves = input.splitn(2, |&byte| byte == b'\n');
    if let (Some(head), Some(body)) = (halves.next(), halves.next())
        && let Ok(head) = std::str::from_utf8(head)
    {
        let _ = Multipart::parse(head, body);
    }
    let Ok(form) = Multipart::parse(CONTENT_TYPE, input) else { return };
    let read = Multipart::parse(CONTENT_TYPE, input).expect("read before").into_fields();
    let written = form.with_fields(&read);
    let again = Multipart::parse(CONTENT_TYPE, &written).expect("our own body is legal");
    assert_eq!(again.into_fields(), read);
}));
