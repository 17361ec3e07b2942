//! When two response types are the same.

/// Whether `a` and `b` have the same parts: their order does not count (OAuth 2.0 Multiple Response
/// Types §3).
#[must_use]
pub fn is_same(a: &str, b: &str) -> bool {
    a.split(' ').count() == b.split(' ').count()
        && a.split(' ').all(|part| b.split(' ').any(|other| other == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b221_the_order_of_parts_does_not_count() {
        assert!(is_same("code id_token", "id_token code"));
        for other in ["code", "code token", "code id_token token", "code  id_token", ""] {
            assert!(!is_same("code id_token", other), "{other}");
        }
    }
}
