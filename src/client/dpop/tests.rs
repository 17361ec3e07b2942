use super::*;
use crate::config::Profile;

#[test]
fn only_algorithms_of_both_sides_are_taken() {
    let offering = |names: &[&str]| Capabilities {
        dpop_algorithms: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Capabilities::default()
    };
    let fapi = Profile::Fapi2.rules();
    let upstream = offering(&["HS256", "none", "RS256", "ES256", "ES256K", "PS256"]);
    assert_eq!(algorithms(fapi, &upstream), [Algorithm::Ps256, Algorithm::Es256]);
    let oauth = algorithms(Profile::Oauth.rules(), &upstream);
    assert_eq!(oauth, [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256]);
    assert_eq!(algorithms(fapi, &offering(&[])), []);
}

#[test]
fn replay_keys_differ_by_key_and_by_identifier() {
    let (a, b) = ("A".repeat(43), "B".repeat(43));
    assert_eq!(replay_key(&a, "1"), replay_key(&a, "1"));
    assert_ne!(replay_key(&a, "1"), replay_key(&a, "2"));
    assert_ne!(replay_key(&a, "1"), replay_key(&b, "1"));
}
