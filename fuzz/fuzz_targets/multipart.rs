//! `multipart/form-data`: what is written anew reads as the same parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet::authorize::pin::multipart::{Content, Multipart};
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
    if let Ok(written) = form.anew() {
        let again = Multipart::parse(&written.media_type, &written.body);
        let again = again.expect("our own body is legal");
        assert_eq!(again.parts(), form.parts());
        assert_eq!(again.anew().map(|twice| twice.body.len()), Ok(written.body.len()));
    }
    let files = form.parts().iter().filter(|part| matches!(part.content, Content::File { .. }));
    let files = files.count();
    let read = Multipart::parse(CONTENT_TYPE, input).expect("read before").into_fields();
    let Ok(written) = form.with_fields(&read) else { return };
    let again = Multipart::parse(&written.media_type, &written.body);
    let again = again.expect("our own body is legal");
    assert_eq!(again.parts().len(), read.len() + files);
    assert_eq!(again.into_fields(), read);
}));
