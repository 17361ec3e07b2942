//! Does this caller want a page? (`RFC 9110 §12.5.1`)

use http::HeaderValue;

/// Whether the caller lists HTML and does not like JSON better. A missing header and `*/*` alone
/// mean a program, so JSON.
pub(super) fn prefers_html(accept: Option<&HeaderValue>) -> bool {
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let html = weight(accept, "text/html").max(weight(accept, "application/xhtml+xml"));
    let json = weight(accept, "application/json")
        .or_else(|| weight(accept, "application/*"))
        .or_else(|| weight(accept, "*/*"));
    html.is_some_and(|html| html > 0 && html >= json.unwrap_or(0))
}

/// The weight in thousandths that `accept` gives to exactly this media range; the highest, where it
/// stands there several times.
fn weight(accept: &str, range: &str) -> Option<u16> {
    accept
        .split(',')
        .filter_map(|element| {
            let mut parts = element.split(';').map(str::trim);
            parts.next().filter(|found| found.eq_ignore_ascii_case(range))?;
            Some(parts.find_map(quality).unwrap_or(1_000))
        })
        .max()
}

/// `q=0.85` as 850. A weight that is no number counts as zero: such a sender is no browser.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let thousandths = match (whole, fraction.len()) {
        ("0", 0..=3) => format!("{fraction:0<3}").parse().unwrap_or(0),
        ("1", 0..=3) if fraction.bytes().all(|digit| digit == b'0') => 1_000,
        _ => 0,
    };
    Some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_only_where_it_is_listed_and_not_second_to_json() {
        let table = [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("text/html", true),
            ("TEXT/HTML; charset=utf-8", true),
            ("application/xhtml+xml", true),
            ("application/json, text/html", true),
            ("application/json;q=0.9, text/html;q=0.9", true),
            ("text/html;q=0.001", true),
            ("application/json, text/html;q=0.9", false),
            ("application/*, text/html;q=0.9", false),
            ("*/*, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("text/html;q=0.000", false),
            ("text/html;q=2", false),
            ("text/html;q=-1", false),
            ("text/html;q=x", false),
            ("application/json", false),
            ("*/*", false),
            ("text/*", false),
            ("text/htmlx", false),
            ("", false),
        ];
        for (accept, html) in table {
            let value = HeaderValue::from_static(accept);
            assert_eq!(prefers_html(Some(&value)), html, "{accept:?}");
        }
        assert!(!prefers_html(None));
        assert!(!prefers_html(HeaderValue::from_bytes(b"text/html\xff").ok().as_ref()));
    }
}
