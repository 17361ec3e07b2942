//! Where an answer of the upstream sends the browser, and how another address is put there.

use http::HeaderValue;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION, REFRESH, TRANSFER_ENCODING,
};
use pingora::http::ResponseHeader;

use super::context::Context;

/// Where an answer sends the browser: its `Location`, else the address of its `Refresh`.
pub(super) fn destination(response: &ResponseHeader) -> Option<HeaderValue> {
    if let Some(location) = response.headers.get(LOCATION) {
        return Some(location.clone());
    }
    let refresh = response.headers.get(REFRESH)?.to_str().ok()?;
    let (_, address) = refresh_address(refresh)?;
    HeaderValue::from_str(address).ok()
}

/// What stands before the address of a `Refresh` field, and the address; browsers need no `url=`.
fn refresh_address(refresh: &str) -> Option<(&str, &str)> {
    let delay = refresh.find([';', ','])? + 1;
    let blanks = refresh.get(delay..)?.len() - refresh.get(delay..)?.trim_start().len();
    let named = refresh.get(delay + blanks..)?.to_ascii_lowercase().starts_with("url=");
    let at = delay + blanks + if named { 4 } else { 0 };
    let (before, address) = refresh.split_at_checked(at)?;
    let address = address.trim();
    let bare = address.strip_prefix(['"', '\'']).and_then(|a| a.strip_suffix(['"', '\'']));
    Some((before, bare.unwrap_or(address)))
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

/// Puts another address where the answer has its own.
pub(super) fn redirect(
    response: &mut ResponseHeader,
    location: HeaderValue,
) -> pingora::Result<()> {
    if response.headers.contains_key(LOCATION) {
        return response.insert_header(LOCATION, location);
    }
    let refresh = response.headers.get(REFRESH).and_then(|value| value.to_str().ok());
    let before = refresh.and_then(refresh_address).map_or("0;url=", |(before, _)| before);
    let mut refresh = before.as_bytes().to_vec();
    refresh.extend_from_slice(location.as_bytes());
    response.insert_header(REFRESH, refresh)
}

/// Puts another address in and leaves the body out: it repeats the old one.
pub(super) fn conceal(
    response: &mut ResponseHeader,
    location: HeaderValue,
    context: &mut Context,
) -> pingora::Result<()> {
    redirect(response, location)?;
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
        for refresh in ["0; url=/a?b", "0;URL='/a?b'", "3; Url=\"/a?b\"", "0; /a?b", "1,/a?b"] {
            let mut answer = answer("refresh", refresh);
            assert_eq!(destination(&answer).unwrap(), "/a?b", "{refresh}");
            redirect(&mut answer, HeaderValue::from_static("/c")).unwrap();
            assert_eq!(destination(&answer).unwrap(), "/c", "{refresh}");
        }
        assert!(destination(&answer("refresh", "5")).is_none());
        assert_eq!(destination(&answer("location", "/x")).unwrap(), "/x");
    }
}
