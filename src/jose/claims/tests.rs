//! Claims of every type and time.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: WallTime = WallTime::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn claims(value: Value) -> Claims {
    let Value::Object(claims) = value else { panic!("{value} is no object") };
    claims
}

fn seconds(now_and: i64) -> i64 {
    i64::try_from(NOW.as_secs()).unwrap() + now_and
}

fn judged(value: Value, rules: &TimeRules) -> Result<(), ClaimError> {
    Times::read(&claims(value)).and_then(|times| times.check(rules, NOW))
}

#[test]
fn an_audience_is_text_or_texts() {
    let one = claims(json!({ "aud": "https://as.example" }));
    assert_eq!(audience(&one), Ok(Audience::One("https://as.example")));
    assert!(audience(&one).unwrap().contains("https://as.example"));
    assert!(!audience(&one).unwrap().contains("https://as.example/"));
    let several = claims(json!({ "aud": ["a", "b"] }));
    assert_eq!(audience(&several), Ok(Audience::Several(vec!["a", "b"])));
    assert!(audience(&several).unwrap().contains("b"));
    for (value, error) in [
        (json!(5), ClaimError::Type("aud")),
        (json!(null), ClaimError::Type("aud")),
        (json!({ "a": "b" }), ClaimError::Type("aud")),
        (json!(["a", 5]), ClaimError::Type("aud")),
        (json!([["a"]]), ClaimError::Type("aud")),
        (json!([]), ClaimError::Empty("aud")),
        (json!(""), ClaimError::Empty("aud")),
        (json!(vec!["a"; MOST_AUDIENCES + 1]), ClaimError::Range("aud")),
    ] {
        assert_eq!(audience(&claims(json!({ "aud": value }))), Err(error));
    }
    assert_eq!(audience(&claims(json!({}))), Err(ClaimError::Missing("aud")));
}

#[test]
fn texts_are_texts() {
    let some = claims(json!({ "iss": "a", "sub": "", "state": 5, "jti": "x" }));
    assert_eq!(required_text(&some, "iss"), Ok("a"));
    assert_eq!(required_text(&some, "sub"), Err(ClaimError::Empty("sub")));
    assert_eq!(required_text(&some, "state"), Err(ClaimError::Type("state")));
    assert_eq!(required_text(&some, "nonce"), Err(ClaimError::Missing("nonce")));
    assert_eq!(text(&some, "nonce"), Ok(None));
    assert_eq!(token_id(&some), Ok(Some("x")));
    assert_eq!(token_id(&claims(json!({}))), Ok(None));
    for (id, error) in [
        (json!(""), ClaimError::Empty("jti")),
        (json!(7), ClaimError::Type("jti")),
        (json!("x".repeat(LONGEST_TOKEN_ID + 1)), ClaimError::Range("jti")),
    ] {
        assert_eq!(token_id(&claims(json!({ "jti": id }))), Err(error));
    }
}

#[test]
fn dates_are_whole_or_fractional_and_bounded() {
    let date = |value: Value| numeric_date(&claims(json!({ "exp": value })), "exp");
    assert_eq!(date(json!(1_800_000_000)), Ok(Some(NOW)));
    assert_eq!(date(json!(1_800_000_000.5)), Ok(Some(NOW + Duration::from_millis(500))));
    assert_eq!(date(json!(1.8e9)), Ok(Some(NOW)));
    assert_eq!(date(json!(0)), Ok(Some(WallTime::default())));
    for value in [json!(-1), json!(-0.5), json!(u64::MAX), json!(1e300), json!(253_402_300_800_u64)]
    {
        assert_eq!(date(value.clone()), Err(ClaimError::Range("exp")), "{value}");
    }
    for value in [json!("1800000000"), json!(null), json!(true), json!([1])] {
        assert_eq!(date(value.clone()), Err(ClaimError::Type("exp")), "{value}");
    }
}

#[test]
fn an_expiry_lies_ahead_but_not_too_far() {
    let rules = TimeRules {
        late: Duration::from_secs(5),
        longest_ahead: Some(HOUR),
        ..TimeRules::default()
    };
    for (ahead, verdict) in [
        (3_600, Ok(())),
        (3_601, Err(ClaimError::LivesTooLong)),
        (31_536_000, Err(ClaimError::LivesTooLong)),
        (1, Ok(())),
        (-4, Ok(())),
        (-5, Err(ClaimError::Expired)),
        (-300, Err(ClaimError::Expired)),
    ] {
        assert_eq!(judged(json!({ "exp": seconds(ahead) }), &rules), verdict, "{ahead}");
    }
    assert_eq!(judged(json!({}), &rules), Err(ClaimError::Missing("exp")));
    let strict = TimeRules::default();
    assert_eq!(judged(json!({ "exp": seconds(0) }), &strict), Err(ClaimError::Expired));
}

#[test]
fn eight_seconds_ahead_are_a_clock_and_sixty_two_a_mistake() {
    let rules = TimeRules { early: Duration::from_secs(30), ..TimeRules::default() };
    for name in ["nbf", "iat"] {
        let at = |ahead| json!({ "exp": seconds(120), name: seconds(ahead) });
        let error =
            if name == "nbf" { ClaimError::NotYetValid } else { ClaimError::IssuedInFuture };
        assert_eq!(judged(at(8), &rules), Ok(()));
        assert_eq!(judged(at(30), &rules), Ok(()));
        assert_eq!(judged(at(62), &rules), Err(error));
    }
}

#[test]
fn message_signing_bounds_the_life_of_a_request_object() {
    let rules = TimeRules {
        nbf_required: true,
        longest_life: Some(HOUR),
        oldest_nbf: Some(HOUR),
        ..TimeRules::default()
    };
    for (exp, nbf, verdict) in [
        (300, 0, Ok(())),
        (4_200, 0, Err(ClaimError::LivesTooLong)),
        (60, -4_200, Err(ClaimError::LivesTooLong)),
    ] {
        assert_eq!(judged(json!({ "exp": seconds(exp), "nbf": seconds(nbf) }), &rules), verdict);
    }
    let old = TimeRules { longest_life: None, ..rules };
    let long_ago = json!({ "exp": seconds(60), "nbf": seconds(-4_200) });
    assert_eq!(judged(long_ago, &old), Err(ClaimError::TooOld("nbf")));
    let without = json!({ "exp": seconds(60) });
    assert_eq!(judged(without, &rules), Err(ClaimError::Missing("nbf")));
}

#[test]
fn a_proof_is_judged_by_iat_alone() {
    let rules = TimeRules {
        exp_required: false,
        iat_required: true,
        early: Duration::from_secs(10),
        oldest_iat: Some(Duration::from_secs(60)),
        ..TimeRules::default()
    };
    for (iat, verdict) in [
        (-10, Ok(())),
        (10, Ok(())),
        (-600, Err(ClaimError::TooOld("iat"))),
        (600, Err(ClaimError::IssuedInFuture)),
    ] {
        assert_eq!(judged(json!({ "iat": seconds(iat) }), &rules), verdict);
    }
    assert_eq!(judged(json!({}), &rules), Err(ClaimError::Missing("iat")));
}

proptest! {
    #[test]
    fn no_number_makes_it_fall(exp in any::<f64>(), nbf in any::<i64>(), iat in any::<u64>()) {
        let rules = TimeRules {
            longest_ahead: Some(Duration::MAX),
            longest_life: Some(Duration::MAX),
            oldest_nbf: Some(Duration::MAX),
            oldest_iat: Some(HOUR),
            early: Duration::MAX,
            late: Duration::MAX,
            ..TimeRules::default()
        };
        let _ = judged(json!({ "exp": exp, "nbf": nbf, "iat": iat }), &rules);
    }
}
