//! The authorization request to be pushed, with what a client has to make up itself.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{SignError, random_text};
use crate::config::Secret;

/// What was said of the request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `redirect_uri`
    pub redirect_uri: Option<String>,
    /// `scope`, separated by spaces.
    pub scope: Option<String>,
    /// Any parameters, which go before those that are made up.
    pub parameters: Vec<(String, String)>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) parameters: Vec<(String, String)>,
    /// Of the challenge, where it is ours (RFC 7636 §4.1).
    pub(super) code_verifier: Option<Secret>,
}

impl Complete {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Request {
    /// Adds `response_type`, `state`, `nonce` and PKCE where they were not given; a parameter that was
    /// given empty is left out.
    pub(super) fn complete(
        &self,
        client_id: &str,
        random: &dyn SecureRandom,
    ) -> Result<Complete, SignError> {
        let mut complete = Complete { parameters: self.parameters.clone(), code_verifier: None };
        let add = |complete: &mut Complete, name: &str, value: &str| {
            if complete.value(name).is_none() {
                complete.parameters.push((name.to_owned(), value.to_owned()));
            }
        };
        add(&mut complete, "client_id", client_id);
        add(&mut complete, "response_type", "code");
        for (name, value) in [("redirect_uri", &self.redirect_uri), ("scope", &self.scope)] {
            add(&mut complete, name, value.as_deref().unwrap_or_default());
        }
        add(&mut complete, "state", &random_text::<16>(random)?);
        add(&mut complete, "nonce", &random_text::<16>(random)?);
        if complete.value("code_challenge").is_none() {
            let verifier = Secret::new(random_text::<32>(random)?);
            let challenge = digest(&SHA256, verifier.expose().as_bytes());
            add(&mut complete, "code_challenge", &URL_SAFE_NO_PAD.encode(challenge));
            add(&mut complete, "code_challenge_method", "S256");
            complete.code_verifier = Some(verifier);
        }
        complete.parameters.retain(|(_, value)| !value.is_empty());
        Ok(complete)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;

    use super::*;

    fn names(complete: &Complete) -> Vec<&str> {
        complete.parameters.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn what_was_not_given_is_made_up() {
        let request = Request { scope: Some("openid".to_owned()), ..Request::default() };
        let complete = request.complete("web", &SystemRandom::new()).unwrap();
        let expected = [
            "client_id",
            "response_type",
            "scope",
            "state",
            "nonce",
            "code_challenge",
            "code_challenge_method",
        ];
        assert_eq!(names(&complete), expected);
        let verifier = complete.code_verifier.as_ref().unwrap().expose();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        assert_eq!(complete.value("code_challenge"), Some(&*challenge));
        assert_eq!(verifier.len(), 43);
        assert!(!format!("{complete:?}").contains(verifier));
    }

    #[test]
    fn what_was_given_stands_and_the_empty_is_left_out() {
        let given =
            [("state", "mine"), ("nonce", ""), ("code_challenge", "c"), ("a", "1"), ("a", "2")];
        let parameters = given.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let request = Request { parameters, ..Request::default() };
        let complete = request.complete("web", &SystemRandom::new()).unwrap();
        let expected = ["state", "code_challenge", "a", "a", "client_id", "response_type"];
        assert_eq!(names(&complete), expected);
        assert!(complete.code_verifier.is_none());
    }
}
