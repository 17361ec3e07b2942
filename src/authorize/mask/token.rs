//! What stands in a page in place of a pushed value: a code over name and value under a key that
//! only the stored request holds. It reveals nothing, nobody can make one, and it comes back as the
//! value it stands for, in this flow alone.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::authorize::Flow;
use crate::authorize::flow::tag;
use crate::authorize::pin::{Pair, joined, same_value};
use crate::oauth::names;
use crate::oauth::parameters::Parameters;
use crate::oauth::request_uri::Reference;
use crate::store::FlowId;

/// What every token begins with.
const PREFIX: &str = "parapet:";

/// Bytes of the code: nobody tries 2^128 of them.
const CODE: usize = 16;

/// What the tokens of one flow are made with.
#[derive(Clone, Copy)]
pub(crate) struct Stamp<'a> {
    reference: &'a Reference,
    flow: FlowId,
    key: &'a [u8; 32],
    pushed: &'a str,
}

impl<'a> Stamp<'a> {
    /// For a flow of the request with this stored query.
    pub(crate) fn new(
        (reference, flow): (&'a Reference, FlowId),
        key: &'a [u8; 32],
        pushed: &'a str,
    ) -> Self {
        Self { reference, flow, key, pushed }
    }

    /// For this flow.
    pub(crate) fn of(flow: &'a Flow) -> Self {
        let request = &flow.request;
        Self::new((&flow.reference, flow.id), &request.flow_key, &request.query)
    }

    /// The token for a pushed pair.
    fn token(&self, name: &str, value: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key);
        let mut context = hmac::Context::with_key(&key);
        context.update(b"parapet/v1/mask");
        context.update(&self.flow.0);
        context.update(name.as_bytes());
        // No name has this byte.
        context.update(b"\0");
        context.update(value.as_bytes());
        let code = context.sign();
        let mut bytes = tag(self.reference).to_vec();
        bytes.extend(code.as_ref().iter().take(CODE));
        let mut token = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(bytes, &mut token);
        token
    }

    /// Every pushed pair that a page must not show. `client_id` stands in the address anyway.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let Ok(pushed) = Parameters::parse(self.pushed.as_bytes()) else { return Vec::new() };
        let pairs = pushed.iter().filter(|(name, value)| *name != "client_id" && !value.is_empty());
        let secret = |(name, value): (&str, &str)| Secret {
            name: name.to_owned(),
            value: value.to_owned(),
            token: self.token(name, value),
        };
        // Some pages show all values of a repeatable parameter in one field.
        let joined = joined(&pushed).map(|all| secret((names::REPEATABLE, &all)));
        pairs.map(secret).chain(joined).collect()
    }

    /// `given` with every genuine token of this flow turned back into its value; the second is
    /// whether there was one. Whatever else begins like a token is foreign text and stays.
    pub(crate) fn put_back<'b>(&self, given: &'b Parameters<'_>) -> (Parameters<'b>, bool) {
        let mut found = false;
        let pairs = given.iter().map(|(name, value)| -> Pair<'b> {
            let value = self.value_of(name, value).map_or(Cow::Borrowed(value), |pushed| {
                found = true;
                Cow::Owned(pushed)
            });
            (Cow::Borrowed(name), value)
        });
        let pairs = pairs.collect();
        (Parameters::from_pairs(pairs), found)
    }

    /// The pushed value that a token stands for under this name.
    fn value_of(&self, name: &str, token: &str) -> Option<String> {
        if !token.starts_with(PREFIX) {
            return None;
        }
        let pushed = Parameters::parse(self.pushed.as_bytes()).ok()?;
        let mut values = pushed.iter().filter(|(known, _)| *known == name);
        // Nobody learns a token by trying: it opens nothing but the value that was pushed anyway.
        if let Some((_, value)) = values.find(|(_, value)| self.token(name, value) == token) {
            return Some(value.to_owned());
        }
        let all = joined(&pushed).filter(|_| name == names::REPEATABLE)?;
        (self.token(name, &all) == token).then_some(all)
    }
}

/// A pushed pair and what stands for it.
pub(super) struct Secret {
    name: String,
    value: String,
    token: String,
}

impl Secret {
    /// The token, where a field with this name and value holds the pair.
    pub(super) fn stands_for(&self, name: &str, value: &str) -> Option<&str> {
        (self.name == name && same_value(name, value, &self.value)).then_some(self.token.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSHED: &str = "client_id=a&state=s&nonce=s&allow=Authorize&resource=https%3A%2F%2Fx\
&resource=https%3A%2F%2Fy&claims=%7B%22a%22%3A%20%5B1%2C2%5D%7D";

    fn stamp(reference: &Reference, flow: u8) -> Stamp<'_> {
        Stamp::new((reference, FlowId([flow; 12])), &[5; 32], PUSHED)
    }

    #[test]
    fn all_resources_in_one_field_are_one_secret() {
        let reference = Reference::from_bytes([1; 32]);
        let stamp = stamp(&reference, 2);
        let all = "https://x https://y";
        let secrets = stamp.secrets();
        let token = secrets.iter().find_map(|secret| secret.stands_for("resource", all)).unwrap();
        let pair = (Cow::Borrowed("resource"), Cow::Borrowed(token));
        let given = Parameters::from_pairs(vec![pair]);
        let (given, found) = stamp.put_back(&given);
        assert!(found);
        assert_eq!(given.value("resource"), Some(all));
    }

    #[test]
    fn tokens_come_back_as_the_values_they_stand_for() {
        let reference = Reference::from_bytes([1; 32]);
        let stamp = stamp(&reference, 1);
        let secrets = stamp.secrets();
        assert_eq!(secrets.len(), 7);
        let pairs =
            secrets.iter().take(6).map(|s| (s.name.as_str().into(), s.token.as_str().into()));
        let given = Parameters::from_pairs(pairs.collect());
        let (back, found) = stamp.put_back(&given);
        assert!(found);
        let back: Vec<_> = back.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let whole = Parameters::parse(PUSHED.as_bytes()).unwrap();
        let expected: Vec<_> = whole.iter().skip(1).map(|(n, v)| (n.into(), v.into())).collect();
        assert_eq!(back, expected);
    }

    #[test]
    fn a_token_says_nothing_and_works_in_its_place_alone() {
        let reference = Reference::from_bytes([1; 32]);
        let (one, two) = (stamp(&reference, 1), stamp(&reference, 2));
        let state = one.token("state", "s");
        assert_eq!(state, one.token("state", "s"));
        assert_ne!(state, one.token("nonce", "s"));
        assert_ne!(state, two.token("state", "s"));
        let other = Stamp::new((&reference, FlowId([1; 12])), &[6; 32], PUSHED);
        assert_ne!(state, other.token("state", "s"));
        for (name, value) in [
            ("nonce", state.clone()),
            ("scope", state.clone()),
            ("state", two.token("state", "s")),
            ("state", one.token("state", "evil")),
            ("state", format!("{state}A")),
            ("state", PREFIX.to_owned()),
        ] {
            let given = Parameters::from_pairs(vec![(name.into(), value.clone().into())]);
            let (back, found) = one.put_back(&given);
            assert!(!found, "{name}={value}");
            assert_eq!(back.value(name), Some(value.as_str()));
        }
    }

    #[test]
    fn json_holds_a_pair_in_any_spelling() {
        let reference = Reference::from_bytes([1; 32]);
        let secrets = stamp(&reference, 1).secrets();
        let held =
            |name: &str, value: &str| secrets.iter().any(|s| s.stands_for(name, value).is_some());
        assert!(held("claims", "{\"a\":[1,2]}"));
        assert!(!held("claims", "{\"a\":[1,3]}"));
        assert!(!held("client_id", "a"));
        assert!(!held("x", "s"));
    }
}
