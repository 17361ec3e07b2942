//! `authorization_details` at the push (RFC 9396).

use parapet::jose::Algorithm;
use serde_json::json;

use super::dpop::{signed, signing_client};
use super::*;
use crate::support::jose::Signer;
use crate::support::upstream::Upstream;

const OFFERED: &str =
    r#","authorization_details_types_supported":["payment","account","payment_initiation"]"#;

const ONE: &str = r#"[{"type":"payment","b":1,"a":{"z":[null,1.50,1e2],"ü":"é \u00e9","x":{}}}]"#;
const TWO: &str = r#"[ {"amount" : "1", "type":"payment"}, {"type":"payment","amount":"2"} ]"#;

async fn offering(tables: &str) -> (Upstream, Desk) {
    documented(OFFERED, tables).await
}

fn asking(details: &str) -> Vec<(&str, &str)> {
    altered(&[("authorization_details", Some(details))])
}

/// What the upstream gets of `authorization_details`.
async fn delivered(desk: &Desk, pushed: &Response<Bytes>) -> String {
    let query = desk.redeemed("web", pushed).await;
    let mut values = query.into_iter().filter(|(name, _)| name == "authorization_details");
    let (_, value) = values.next().unwrap();
    assert!(values.next().is_none());
    value
}

/// A table for the type `payment` whose objects must keep `schema`, in a folder that has to live.
fn payment(schema: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payment.json");
    std::fs::write(&file, schema).unwrap();
    let table = format!(
        "[[authorization_details]]\ntype = \"payment\"\nschema_file = \"{}\"\n\
         [[authorization_details]]\ntype = \"account\"",
        file.display()
    );
    (folder, table)
}

#[tokio::test]
async fn b204_details_travel_as_they_were_pushed() {
    let (_upstream, desk) = offering("").await;
    for details in [ONE, TWO] {
        let form = altered(&[
            ("authorization_details", Some(details)),
            ("resource", Some("https://api.example/")),
        ]);
        let pushed = desk.push(&form).await;
        assert_created(&pushed);
        assert_eq!(delivered(&desk, &pushed).await, details);
        let query = desk.redeemed("web", &pushed).await;
        for (name, value) in [("resource", "https://api.example/"), ("scope", "openid profile")] {
            assert!(query.contains(&(name.to_owned(), value.to_owned())), "{query:?}");
        }
    }
}

#[tokio::test]
async fn b205_malformed_details_are_refused() {
    let (_upstream, desk) = offering("").await;
    let deep = format!(r#"[{{"type":"payment","a":{}{}}}]"#, "[".repeat(20), "]".repeat(20));
    for details in [
        "payment",
        "{",
        r#"{"type":"payment"}"#,
        r#""payment""#,
        "null",
        "[]",
        "[[]]",
        "[null]",
        r#"["payment"]"#,
        r#"[{"type":"payment"},5]"#,
        "[{}]",
        r#"[{"Type":"payment"}]"#,
        r#"[{"type":null}]"#,
        r#"[{"type":["payment"]}]"#,
        r#"[{"type":"payment"}] x"#,
        r#"[{"type":"payment"},]"#,
        r#"[{"type":"payment","type":"account"}]"#,
        r#"[{"type":"payment","a":{"b":1,"b":2}}]"#,
        &deep,
    ] {
        let answer = desk.push(&asking(details)).await;
        let expected = (400, "invalid_authorization_details".to_owned());
        assert_eq!(refusal(&answer), expected, "{details}");
    }
    // Without a value it counts as omitted (RFC 6749 §3.1).
    assert_created(&desk.push(&asking("")).await);
}

#[tokio::test]
async fn b206_types_must_be_offered_and_allowed() {
    let (_upstream, desk) = offering("").await;
    for details in [
        r#"[{"type":"unknown"}]"#,
        r#"[{"type":"Payment"}]"#,
        r#"[{"type":""}]"#,
        r#"[{"type":"payment"},{"type":"unknown"}]"#,
    ] {
        let answer = desk.push(&asking(details)).await;
        assert_refused(&answer, 400, "invalid_authorization_details");
    }
    let mut config = desk.config.clone();
    for client in &mut config.clients {
        client.authorization_details_types = Some(vec!["account".to_owned(), "other".to_owned()]);
    }
    let desk = Desk::of(config, None);
    assert_created(&desk.push(&asking(r#"[{"type":"account"}]"#)).await);
    for kind in ["payment", "other"] {
        let details = format!(r#"[{{"type":"{kind}"}}]"#);
        let answer = desk.push(&asking(&details)).await;
        assert_refused(&answer, 400, "invalid_authorization_details");
    }
}

#[tokio::test]
async fn b206_objects_keep_the_schema_of_their_type() {
    let (_folder, tables) = payment(
        r##"{"type":"object","required":["amount"],"additionalProperties":false,
            "$defs":{"amount":{"type":"string","pattern":"^[0-9]+$"}},
            "properties":{"type":true,"amount":{"$ref":"#/$defs/amount"}}}"##,
    );
    let (_upstream, desk) = offering(&tables).await;
    for (details, holds) in [
        (r#"[{"type":"payment","amount":"12"}]"#, true),
        (r#"[{"type":"account","anything":{}},{"type":"payment","amount":"12"}]"#, true),
        (r#"[{"type":"payment"}]"#, false),
        (r#"[{"type":"payment","amount":12}]"#, false),
        (r#"[{"type":"payment","amount":"x"}]"#, false),
        (r#"[{"type":"payment","amount":"12","more":1}]"#, false),
        (r#"[{"type":"payment","amount":"12"},{"type":"payment"}]"#, false),
        (r#"[{"type":"payment_initiation"}]"#, false),
    ] {
        let answer = desk.push(&asking(details)).await;
        if holds {
            assert_created(&answer);
            assert_eq!(delivered(&desk, &answer).await, details);
        } else {
            assert_refused(&answer, 400, "invalid_authorization_details");
        }
    }
}

#[tokio::test]
async fn b206_a_pattern_of_a_schema_cannot_be_made_slow() {
    let (_folder, tables) =
        payment(r#"{"properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}"#);
    let (_upstream, desk) = offering(&tables).await;
    let details = format!(r#"[{{"type":"payment","a":"{}!"}}]"#, "a".repeat(5_000));
    let began = std::time::Instant::now();
    let answer = desk.push(&asking(&details)).await;
    assert_refused(&answer, 400, "invalid_authorization_details");
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
}

#[tokio::test]
async fn b208_large_details_are_whole_or_refused() {
    let large = |bytes: usize| {
        let text = "süß ✓ ".repeat(bytes / "süß ✓ ".len());
        format!(r#"[{{"type":"payment","text":"{text}"}}]"#)
    };
    let (_upstream, desk) = offering("").await;
    for kibibytes in [16, 64] {
        let answer = desk.push(&asking(&large(kibibytes * 1_024))).await;
        assert_refused(&answer, 400, "invalid_request");
    }
    let tables = "max_target_bytes = 65000\n[par]\nmax_body_bytes = 262144";
    let (_upstream, desk) = offering(tables).await;
    let details = large(16 * 1_024);
    let pushed = desk.push(&asking(&details)).await;
    assert_created(&pushed);
    assert_eq!(delivered(&desk, &pushed).await, details);
    let answer = desk.push(&asking(&large(64 * 1_024))).await;
    assert_refused(&answer, 400, "invalid_request");
    let tables = "authorize_method = \"post\"\n[par]\nmax_body_bytes = 262144";
    let (_upstream, desk) = offering(tables).await;
    for kibibytes in [16, 64] {
        let details = large(kibibytes * 1_024);
        let pushed = desk.push(&asking(&details)).await;
        assert_created(&pushed);
        let Decision::Expand(expansion) = desk.authorize("web", &pushed).await else {
            panic!("not redeemed");
        };
        let body = pairs(std::str::from_utf8(&expansion.body.as_ref().unwrap().1).unwrap());
        assert!(body.contains(&("authorization_details".to_owned(), details)));
    }
}

#[tokio::test]
async fn b209_details_stand_once_and_need_an_upstream_that_takes_them() {
    let (_upstream, desk) = offering("").await;
    let mut form = asking(ONE);
    form.push(("authorization_details", ONE));
    assert_refused(&desk.push(&form).await, 400, "invalid_request");
    let (_upstream, desk) = documented("", "").await;
    let answer = desk.push(&asking(ONE)).await;
    assert_refused(&answer, 400, "invalid_authorization_details");
    let (_upstream, desk) = documented("", "[[authorization_details]]\ntype = \"payment\"").await;
    let pushed = desk.push(&asking(ONE)).await;
    assert_created(&pushed);
    assert_eq!(delivered(&desk, &pushed).await, ONE);
    let answer = desk.push(&asking(r#"[{"type":"account"}]"#)).await;
    assert_refused(&answer, 400, "invalid_authorization_details");
    // A type that the upstream does not list is none, whoever configured it.
    let (_upstream, desk) = offering("[[authorization_details]]\ntype = \"mine\"").await;
    let answer = desk.push(&asking(r#"[{"type":"mine"}]"#)).await;
    assert_refused(&answer, 400, "invalid_authorization_details");
    let unknown = Desk::open();
    let answer = unknown.push(&asking(ONE)).await;
    assert_refused(&answer, 503, "temporarily_unavailable");
}

#[tokio::test]
async fn b210_intents_are_the_upstreams_to_judge() {
    let (_upstream, desk) = offering("").await;
    let details = r#"[{"type":"payment","intent_id":"of-another-client"}]"#;
    let claims = r#"{"id_token":{"openbanking_intent_id":{"value":"of-another-client"}}}"#;
    let form = altered(&[("authorization_details", Some(details)), ("claims", Some(claims))]);
    let pushed = desk.push(&form).await;
    assert_created(&pushed);
    assert_eq!(delivered(&desk, &pushed).await, details);
}

#[tokio::test]
async fn b207_details_in_a_request_object_are_an_array_or_its_text() {
    let author = Signer::new(Algorithm::Es256);
    let (_upstream, desk) = offering(&signing_client(&author)).await;
    let array = json!([{ "type": "payment", "b": 1, "a": { "ü": "é" } }]);
    for details in [array.clone(), json!(array.to_string())] {
        let members = json!({ "authorization_details": details });
        let pushed = desk.send(signed(&author, &members, &[])).await;
        assert_created(&pushed);
        let query = desk.redeemed("signer", &pushed).await;
        let found = query.iter().find(|(name, _)| name == "authorization_details").unwrap();
        assert_eq!(serde_json::from_str::<Value>(&found.1).unwrap(), array);
    }
    for (details, error) in [
        (json!({ "type": "payment" }), "invalid_request_object"),
        (json!([{ "type": "unknown" }]), "invalid_authorization_details"),
        (json!([]), "invalid_authorization_details"),
        (json!("x"), "invalid_authorization_details"),
    ] {
        let members = json!({ "authorization_details": details });
        let answer = desk.send(signed(&author, &members, &[])).await;
        assert_refused(&answer, 400, error);
    }
}
