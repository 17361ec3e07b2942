//! Scope values (RFC 6749 §3.3).

/// The values of a `scope` parameter; `None` where it breaks the grammar: values of visible ASCII
/// but `"` and `\`, one blank between them.
pub fn values(scope: &str) -> Option<impl Iterator<Item = &str>> {
    scope.split(' ').all(is_value).then(|| scope.split(' '))
}

/// Whether `value` is one legal scope value.
#[must_use]
pub fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b031_quotes_backslashes_and_controls_are_not_allowed() {
        assert_eq!(values("openid urn:x:y").unwrap().collect::<Vec<_>>(), ["openid", "urn:x:y"]);
        for scope in ["", " ", "a  b", "a ", "a\"b", "a\\b", "a\nb", "a\tb", "é"] {
            assert!(values(scope).is_none(), "{scope:?}");
        }
    }
}
