//! Proof Key for Code Exchange (RFC 7636): what a pushed challenge may look like.

/// How `code_verifier` becomes `code_challenge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeChallengeMethod {
    /// `plain`, also where no method is named (RFC 7636 §4.3).
    Plain,
    /// `S256`
    S256,
}

impl CodeChallengeMethod {
    /// Reads `code_challenge_method`; `None` for a name nobody knows.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("plain") => Some(Self::Plain),
            Some("S256") => Some(Self::S256),
            Some(_) => None,
        }
    }
}

/// Whether `challenge` has 43 to 128 unreserved characters (RFC 7636 §4.2).
#[must_use]
pub fn is_code_challenge(challenge: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&challenge.len()) && challenge.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b034_challenges_have_43_to_128_unreserved_characters() {
        for length in [43, 128] {
            assert!(is_code_challenge(&"a".repeat(length)));
        }
        for length in [0, 42, 129] {
            assert!(!is_code_challenge(&"a".repeat(length)));
        }
        for odd in ["=", "+", "/", " ", "é"] {
            assert!(!is_code_challenge(&format!("{}{odd}", "a".repeat(43))), "{odd}");
        }
    }
}
