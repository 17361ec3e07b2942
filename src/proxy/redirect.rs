//! Where an answer of the upstream sends the browser, and how another address is put there.

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG, LINK, LOCATION,
    REFRESH, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

use super::context::Context;

/// One field of an answer that sends the browser elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination {
    field: HeaderName,
    /// Among the fields of this name.
    index: usize,
    /// Where to.
    pub(super) address: HeaderValue,
}

/// Where an answer sends the browser: each `Location`, and the address of each `Refresh`. Browsers
/// differ in which of several they follow.
pub(super) fn destinations(response: &ResponseHeader) -> Vec<Destination> {
    let of = |field: HeaderName| response.headers.get_all(field).iter().enumerate();
    let locations = of(LOCATION).map(|(index, value)| Destination {
        field: LOCATION,
        index,
        address: value.clone(),
    });
    let refreshes = of(REFRESH).filter_map(|(index, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let (_, address) = refresh_address(&value)?;
        let address = HeaderValue::from_bytes(address.as_bytes()).ok()?;
        Some(Destination { field: REFRESH, index, address })
    });
    locations.chain(refreshes).collect()
}

/// What stands before the address of a `Refresh` field, and the address, as browsers read it: blanks
/// separate as `;` and `,` do, and no `url=` is needed.
fn refresh_address(refresh: &str) -> Option<(&str, &str)> {
    let blank = |byte: char| byte.is_ascii_whitespace();
    let delay = refresh.trim_start_matches(blank);
    let rest = delay.trim_start_matches(|byte: char| byte.is_ascii_digit() || byte == '.');
    if !rest.starts_with([';', ',', ' ', '\t']) {
        return None;
    }
    let rest = rest.trim_start_matches(blank);
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim_start_matches(blank);
    let is_named = rest.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("url"));
    let value = rest.get(3..).filter(|_| is_named).map(|rest| rest.trim_start_matches(blank));
    let value = value.and_then(|rest| rest.strip_prefix('=')).unwrap_or(rest);
    let value = value.trim_start_matches(blank);
    let before = refresh.get(..refresh.len() - value.len())?;
    let address = value.trim_end_matches(blank);
    let quoted = ['"', '\''].into_iter().find_map(|quote| address.strip_prefix(quote));
    let address = quoted.map_or(address, |rest| rest.split(['"', '\'']).next().unwrap_or(rest));
    (!address.is_empty()).then_some((before, address))
}

/// Whether an address has parameters, in whatever encoding: the application says what they hand out.
pub(super) fn may_answer(location: &HeaderValue) -> bool {
    location.as_bytes().iter().any(|byte| matches!(byte, b'?' | b'#'))
}

/// Whether an address could answer an authorization request or carry one, at any depth of encoding:
/// none touches letters and underscores.
pub(super) fn speaks_of_a_login(location: &HeaderValue) -> bool {
    let has = |word: &str| {
        location.as_bytes().windows(word.len()).any(|window| window == word.as_bytes())
    };
    let answers =
        || ["code=", "error=", "response=", "id_token=", "access_token="].into_iter().any(has);
    (has("state=") && answers()) || (has("client_id") && has("response_type"))
}

/// Puts another address where the answer has `destination`.
pub(super) fn redirect(
    response: &mut ResponseHeader,
    destination: &Destination,
    location: &HeaderValue,
) -> pingora::Result<()> {
    let field = &destination.field;
    let values: Vec<_> = response.headers.get_all(field).iter().cloned().collect();
    response.remove_header(field);
    for (index, value) in values.into_iter().enumerate() {
        if index != destination.index {
            response.append_header(field.clone(), value)?;
        } else if *field == REFRESH {
            let text = String::from_utf8_lossy(value.as_bytes());
            let before = refresh_address(&text).map_or("0;url=", |(before, _)| before);
            let refresh = [before.as_bytes(), location.as_bytes()].concat();
            response.append_header(REFRESH, refresh)?;
        } else {
            response.append_header(field.clone(), location.clone())?;
        }
    }
    Ok(())
}

/// Takes out fields that name the page itself or further ones by an address that carries a request:
/// nobody needs them to go on.
pub(super) fn hush(response: &mut ResponseHeader) {
    for field in [LINK, CONTENT_LOCATION] {
        let shows = |value: &HeaderValue| value.as_bytes().windows(9).any(|w| w == b"client_id");
        if response.headers.get_all(&field).iter().any(shows) {
            response.remove_header(&field);
        }
    }
}

/// Leaves the body of a redirect out: it repeats the old address.
pub(super) fn conceal(response: &mut ResponseHeader, context: &mut Context) -> pingora::Result<()> {
    // The page under a `Refresh` may be more than a repetition.
    if response.status.is_redirection() {
        context.concealed = true;
        for name in [TRANSFER_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG] {
            response.remove_header(&name);
        }
        response.insert_header(CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &'static str, value: &str) -> ResponseHeader {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        answer.insert_header(name, value).unwrap();
        answer
    }

    fn addresses(answer: &ResponseHeader) -> Vec<String> {
        let addresses = destinations(answer).into_iter();
        addresses.map(|found| found.address.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn only_logins_are_looked_at_more_closely() {
        for (location, expected) in [
            ("https://c.example/cb?code=1&state=s", true),
            ("https://c.example/cb#state=s&access_token=1", true),
            ("https://c.example/cb?error=access_denied&state=s", true),
            ("/login?next=%2Fauthorize%3Fclient_id%3Da%26response_type%3Dcode", true),
            ("https://c.example/cb?code=1", false),
            ("/login?state=s", false),
            ("/authorize?client_id=a&request_uri=urn:x", false),
            ("/", false),
        ] {
            let location = HeaderValue::from_static(location);
            assert_eq!(speaks_of_a_login(&location), expected, "{location:?}");
        }
    }

    #[test]
    fn refresh_is_a_redirect_too() {
        for refresh in [
            "0; url=/a?b",
            "0;URL='/a?b'",
            "3; Url=\"/a?b\"",
            "0; /a?b",
            "1,/a?b",
            "0 url=/a?b",
            " 1.5 ;  url = /a?b ",
            "0;url='/a?b' x",
        ] {
            let mut answer = answer("refresh", refresh);
            assert_eq!(addresses(&answer), ["/a?b"], "{refresh}");
            let found = destinations(&answer).pop().unwrap();
            redirect(&mut answer, &found, &HeaderValue::from_static("/c")).unwrap();
            assert_eq!(addresses(&answer), ["/c"], "{refresh}");
        }
        for refresh in ["5", "5;", "0; url="] {
            assert!(addresses(&answer("refresh", refresh)).is_empty(), "{refresh}");
        }
        assert_eq!(addresses(&answer("location", "/x")), ["/x"]);
    }

    #[test]
    fn every_field_is_found_and_changed_by_itself() {
        let mut answer = answer("location", "/a");
        for (name, value) in [("location", "/b"), ("refresh", "0;url=/c"), ("refresh", "1;/d")] {
            answer.append_header(name, value).unwrap();
        }
        assert_eq!(addresses(&answer), ["/a", "/b", "/c", "/d"]);
        for found in destinations(&answer) {
            let new = format!("/new{}", found.address.to_str().unwrap());
            redirect(&mut answer, &found, &HeaderValue::from_str(&new).unwrap()).unwrap();
        }
        assert_eq!(addresses(&answer), ["/new/a", "/new/b", "/new/c", "/new/d"]);
    }

    #[test]
    fn fields_that_show_a_request_are_taken_out() {
        let mut answer = answer("link", "</style.css>; rel=preload");
        hush(&mut answer);
        assert!(answer.headers.contains_key("link"));
        answer.append_header("link", "</a?client_id=x>; rel=canonical").unwrap();
        answer.insert_header("content-location", "/a?x=1&client_id=x").unwrap();
        hush(&mut answer);
        assert!(answer.headers.is_empty());
    }
}
