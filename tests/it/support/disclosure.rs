//! Whether a text gives a value away, in whatever dress: percent-encoded, escaped for HTML or JSON, or
//! in base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

use super::forms::unescape;

/// More layers than the gateway itself looks through.
const LAYERS: usize = 5;

/// Shorter pieces of base64 could be anything.
const SHORTEST_PIECE: usize = 12;

/// Whether `value` can be read in `text`.
pub fn discloses(text: &str, value: &str) -> bool {
    let needles = dresses(value);
    let mut readings = vec![text.to_owned(), unescape(text)];
    for _ in 0..=LAYERS {
        if readings.iter().any(|reading| needles.iter().any(|needle| reading.contains(needle))) {
            return true;
        }
        readings = readings.iter().flat_map(|reading| decodings(reading)).collect();
        readings.sort_unstable();
        readings.dedup();
    }
    false
}

/// One layer of percent-encoding less, `+` as a blank or as itself.
fn decodings(text: &str) -> [String; 2] {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    [decode(text), decode(&text.replace('+', " "))]
}

/// The value as it is, as a JSON string has it, and the part of it that base64 shows unchanged
/// wherever in the encoded bytes the value begins.
fn dresses(value: &str) -> Vec<String> {
    let mut dresses = vec![value.to_owned()];
    let json = serde_json::to_string(value).expect("a string");
    dresses.push(json.trim_matches('"').to_owned());
    for offset in 0..3 {
        let shifted = [vec![0; offset], value.as_bytes().to_vec()].concat();
        // Of the first group and the last, other bytes have a share.
        let whole = shifted.len() / 3 * 3;
        let first = if offset == 0 { 0 } else { 3 };
        let Some(middle) = shifted.get(first..whole) else { continue };
        for piece in [STANDARD_NO_PAD.encode(middle), URL_SAFE_NO_PAD.encode(middle)] {
            if piece.len() >= SHORTEST_PIECE {
                dresses.push(piece);
            }
        }
    }
    dresses
}

#[test]
fn a_value_is_found_in_every_dress() {
    let value = "mark er+1%41&x=\"y\"#z/é@example.org";
    let mut encoded = value.to_owned();
    for _ in 0..4 {
        encoded = super::http::encode(&[("next", encoded)]);
        assert!(discloses(&encoded, value), "{encoded}");
    }
    for before in ["", "a", "ab", "abc"] {
        let json = format!("{{\"st{before}\":\"{}\"}}", value.replace('"', "\\\""));
        assert!(discloses(&json, value), "{json}");
        let data = URL_SAFE_NO_PAD.encode(format!("{before}{value}{before}"));
        assert!(discloses(&format!("/x?client_data={data}"), value), "{data}");
    }
    assert!(discloses("a=&quot;b&amp;c&quot;", "\"b&c\""));
    assert!(!discloses(&encoded, "mark er+2"));
}
