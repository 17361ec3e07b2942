//! Every refusal that a push can meet (B-125, B-211): each text of an error that the code has is brought
//! about, and its answer has a code and a status of the closed list and must not be stored. A new error
//! that nothing here brings about fails the test.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderValue;
use parapet::config::Profile;
use parapet::jose::Algorithm;
use serde_json::json;

use super::assertions::{self, bank_config};
use super::dpop::{self, Bench};
use super::request_object::{self, Office};
use super::response::Broken;
use super::socket::{ask, push};
use super::travel::Road;
use super::*;
use crate::error_texts::{fits, literals};
use crate::support::jose::Signer;
use crate::support::raw::Answer;

/// RFC 9126 §2.3: 400 where nothing else is said.
const STATUSES: [(&str, &[u16]); 13] = [
    ("invalid_request", &[400, 404, 405, 413]),
    ("invalid_client", &[401]),
    ("invalid_scope", &[400]),
    ("invalid_target", &[400]),
    ("invalid_request_object", &[400]),
    ("invalid_dpop_proof", &[400]),
    ("use_dpop_nonce", &[400]),
    ("invalid_authorization_details", &[400]),
    ("request_not_supported", &[400]),
    ("unsupported_response_type", &[400]),
    ("temporarily_unavailable", &[429, 503]),
    ("server_error", &[500, 502]),
    // Of HTTP itself: the body did not come in time.
    ("invalid_request", &[408]),
];

/// Where the texts of a push's errors are. What reads `transparent` there is in another of them.
const SOURCES: [&str; 8] = [
    "src/client/authentication/mod.rs",
    "src/client/dpop/mod.rs",
    "src/oauth/parameters/mod.rs",
    "src/par/authorization_details.rs",
    "src/par/error.rs",
    "src/par/key_binding.rs",
    "src/par/request.rs",
    "src/par/request_object/error.rs",
];

/// What is refused with other words before: the payload of a token has been read as strict JSON already.
const NEVER: [&str; 1] = ["the claims of the request object cannot be read"];

/// The descriptions that were met.
#[derive(Default)]
struct Met {
    descriptions: BTreeSet<String>,
    codes: BTreeSet<String>,
}

impl Met {
    fn note(&mut self, answer: &Response<Bytes>) {
        let (status, error) = refusal(answer);
        assert_listed(status, &error);
        let cache = answer.headers().get_all(CACHE_CONTROL).iter().collect::<Vec<_>>();
        assert_eq!(cache, ["no-store"], "{answer:?}");
        let description = json(answer)["error_description"].as_str().unwrap().to_owned();
        self.descriptions.insert(description);
        self.codes.insert(error);
    }

    async fn form(&mut self, desk: &Desk, changes: &[(&str, Option<&str>)]) {
        self.note(&desk.push(&altered(changes)).await);
    }

    async fn text(&mut self, desk: &Desk, form: &str) {
        self.note(&desk.send(by_web(form.to_owned())).await);
    }
}

#[track_caller]
fn assert_listed(status: u16, error: &str) {
    let listed =
        STATUSES.iter().any(|(known, statuses)| *known == error && statuses.contains(&status));
    assert!(listed, "{status} {error} is not of the list");
}

/// A desk whose client `web` is changed.
fn with_web(tables: &str, change: impl Fn(&mut config::Client)) -> Desk {
    let mut config = configuration("http://127.0.0.1:9", tables);
    config.clients.iter_mut().filter(|client| client.client_id == "web").for_each(change);
    Desk::of(config, None)
}

async fn call(met: &mut Met) {
    let desk = Desk::open();
    met.note(&desk.send(Request::get("/par").body(Bytes::new()).unwrap()).await);
    met.note(&desk.send(Request::post("/par").body(Bytes::from_static(b"{}")).unwrap()).await);
    let mut insecure = by_web(encode(&complete()));
    insecure.extensions_mut().insert(Peer { insecure: true, ..peer("192.0.2.1") });
    met.note(&desk.send(insecure).await);
    let mut in_query = by_web(encode(&complete()));
    *in_query.uri_mut() = "/par?state=x".parse().unwrap();
    met.note(&desk.send(in_query).await);
    let many = "a=b&".repeat(200);
    for form in ["%zz", "a=%ff", "a%00b=c", many.as_str()] {
        met.text(&desk, form).await;
    }
    met.note(&Desk::with("[par]\nenabled = false").push(&complete()).await);
    let desk = Desk::with("[limits]\npushes_per_client = \"1/m\"\nfailures_per_address = \"1/m\"");
    assert_created(&desk.push(&complete()).await);
    met.note(&desk.push(&complete()).await);
    for _ in 0..3 {
        let mut wrong = post(encode(&complete()).into());
        wrong.headers_mut().insert(AUTHORIZATION, basic("two", "wrong").parse().unwrap());
        wrong.extensions_mut().insert(peer("192.0.2.1"));
        met.note(&desk.send(wrong).await);
    }
    for broken in [Broken::Silent, Broken::Panics] {
        let desk = Desk::on("http://127.0.0.1:9", "", Some(Arc::new(broken)));
        met.note(&desk.push(&complete()).await);
    }
}

async fn authentication(met: &mut Met) {
    let desk = Desk::open();
    met.note(&desk.plain("client_id=app&client_id=app").await);
    met.note(&desk.plain("client_id=nobody").await);
    met.text(&desk, "client_id=post").await;
    met.text(&desk, "client_secret=x").await;
    let signer = Signer::new(Algorithm::Es256);
    let config = bank_config("http://127.0.0.1:9", Profile::Oauth, &signer.jwks(), "");
    let desk = Desk::of(config, Some(Arc::new(Broken::Silent)));
    let claims = |changes: &Value| assertions::claims(&desk, changes);
    for changes in [json!({}), json!({"aud": "https://else.example"}), json!({"sub": "x"})] {
        met.note(&assertions::push(&desk, &signer.token(&claims(&changes))).await);
    }
}

async fn parameters(met: &mut Met) {
    let desk = Desk::open();
    for more in ["scope=a&scope=b", "Nonce=a", "request_uri=urn:x"] {
        met.text(&desk, &format!("{}&{more}", encode(&complete()))).await;
    }
    for (name, value) in [
        ("response_type", None),
        ("response_type", Some("odd")),
        ("response_mode", Some("odd")),
        ("redirect_uri", None),
        ("redirect_uri", Some("/cb")),
        ("redirect_uri", Some("https://evil.example/cb")),
        ("scope", Some("a\"")),
        ("scope", Some("admin")),
        ("code_challenge", Some("short")),
        ("prompt", Some("none login")),
        ("max_age", Some("-1")),
        ("claims", Some("[]")),
        ("resource", Some("/relative")),
    ] {
        met.form(&desk, &[(name, value)]).await;
    }
    let many = vec![("resource", "urn:a"); 128 - 6];
    met.note(&desk.push(&[altered(&[("client_id", None)]), many].concat()).await);
    let narrow = Desk::with("max_target_bytes = 300");
    met.form(&narrow, &[("state", Some(&"s".repeat(300)))]).await;
    let pkce = Desk::with("[par]\nrequire_pkce = true");
    met.form(&pkce, &[("code_challenge", None), ("code_challenge_method", None)]).await;
    met.form(&pkce, &[("code_challenge_method", Some("plain"))]).await;
}

async fn profiles(met: &mut Met) {
    let fapi1 = with_web("", |web| web.profile = Profile::Fapi1);
    let jarm = ("response_mode", Some("jwt"));
    met.form(&fapi1, &[jarm, ("scope", None), ("nonce", Some("n"))]).await;
    met.form(&fapi1, &[jarm, ("nonce", None)]).await;
    met.form(&fapi1, &[]).await;
    let hybrid = ("response_type", Some("code id_token"));
    met.form(&fapi1, &[hybrid, ("response_mode", Some("query")), ("nonce", Some("n"))]).await;
    let fapi2 = with_web("", |web| web.profile = Profile::Fapi2);
    met.form(&fapi2, &[("redirect_uri", Some("http://c.example/cb"))]).await;
    let signing = with_web("", |web| web.request_object.required = true);
    met.form(&signing, &[]).await;
}

async fn no_endpoint(met: &mut Met) {
    let elsewhere = r#","authorization_endpoint":"https://elsewhere.example/authorize""#;
    let (_upstream, known) = documented(elsewhere, "").await;
    let mut config = known.config.clone();
    config.upstream.authorization_path = None;
    let homeless = Desk::of(config, None);
    homeless.discovery.available().await.unwrap();
    met.form(&homeless, &[]).await;
}

async fn details(met: &mut Met) {
    let one = r#"[{"type":"payment","amount":1}]"#;
    met.form(&Desk::open(), &[("authorization_details", Some(one))]).await;
    let (_none, without) = documented("", "").await;
    met.form(&without, &[("authorization_details", Some(one))]).await;
    let offered = r#","authorization_details_types_supported":["payment"]"#;
    let (_upstream, desk) = documented(offered, "").await;
    for details in ["{", "[]", "[5]", r#"[{"type":"other"}]"#] {
        met.form(&desk, &[("authorization_details", Some(details))]).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    std::fs::write(&schema, r#"{"properties":{"amount":{"type":"string"}}}"#).unwrap();
    let table = format!(
        "[[authorization_details]]\ntype = \"payment\"\nschema_file = \"{}\"",
        schema.display()
    );
    met.form(&Desk::with(&table), &[("authorization_details", Some(one))]).await;
    let not_its = with_web("[[authorization_details]]\ntype = \"payment\"", |web| {
        web.authorization_details_types = Some(Vec::new());
    });
    met.form(&not_its, &[("authorization_details", Some(one))]).await;
}

async fn keys_and_proofs(met: &mut Met) {
    let thumbprint = "A".repeat(43);
    met.form(&Desk::open(), &[("dpop_jkt", Some(&thumbprint))]).await;
    let (_upstream, without) = documented("", "").await;
    met.form(&without, &[("dpop_jkt", Some(&thumbprint))]).await;
    let bench = Bench::new().await;
    let proof = |changes: &Value| bench.proof(changes);
    let good = proof(&json!({}));
    met.note(&without.send(dpop::with_proofs(&complete(), &[&good])).await);
    met.note(&Desk::open().send(dpop::with_proofs(&complete(), &[&good])).await);
    met.form(&bench.desk, &[("dpop_jkt", Some("short"))]).await;
    met.note(&bench.push_form(&altered(&[("dpop_jkt", Some(&thumbprint))]), &good).await);
    let mut config = bench.desk.config.clone();
    for client in &mut config.clients {
        client.dpop_bound_access_tokens = true;
    }
    let bound = Desk::of(config, None);
    bound.discovery.available().await.unwrap();
    met.form(&bound, &[]).await;
    assert_created(&bench.push(&good).await);
    for bad in [
        good.clone(),
        "x".to_owned(),
        proof(&json!({"jti": null})),
        proof(&json!({"htm": "GET"})),
        proof(&json!({"htu": "https://else.example/par"})),
    ] {
        met.note(&bench.push(&bad).await);
    }
    met.note(&bench.desk.send(dpop::with_proofs(&complete(), &["a", "b"])).await);
    let mut no_text = by_web(encode(&complete()));
    no_text.headers_mut().insert("dpop", HeaderValue::from_bytes(b"\xff").unwrap());
    met.note(&bench.desk.send(no_text).await);
    let nonces = Bench::with("[par]\ndpop_nonce = true").await;
    met.note(&nonces.push(&nonces.proof(&json!({}))).await);
}

async fn request_objects(met: &mut Met) {
    let off = Desk::with("[request_object]\nenabled = false");
    met.form(&off, &[("request", Some("a.b.c"))]).await;
    met.form(&Desk::open(), &[("request", Some("a.b.c"))]).await;
    let office = Office::open(Profile::Oauth);
    for changes in [
        json!({"exp": 1}),
        json!({"client_id": "other"}),
        json!({"iss": "other"}),
        json!({"aud": "https://else.example"}),
        json!({"sub": "jar"}),
        json!({"request": "x"}),
        json!({"scope": 5}),
        json!({"a\u{0}b": "c"}),
        json!({"redirect_uri": null}),
        json!({"response_type": "odd"}),
    ] {
        met.note(&office.push(&request_object::changed(&changes)).await);
    }
    let unreadable = office.signer.token_of_texts(r#"{"alg":"ES256"}"#, r#"{"a":1,"a":2}"#);
    let unverified = office.other.token(&request_object::claims());
    let long = format!("a.{}.c", "x".repeat(52_000));
    for token in ["a.b", "a.b.c.d.e", &unreadable, &unverified, &long] {
        met.note(&office.push_token(token).await);
    }
    let (_folder, keys) = request_object::encryption::tables(&[("rsa", "")]);
    let must = "request_object_encryption_alg = \"RSA-OAEP-256\"";
    let office = Office::with(Profile::Oauth, &keys, must);
    met.note(&office.push(&request_object::claims()).await);
    met.note(&office.push_token("a.b.c.d.e").await);
}

#[tokio::test]
async fn b125_b211_every_refusal_has_a_code_of_the_list_and_is_not_stored() {
    let mut met = Met::default();
    call(&mut met).await;
    authentication(&mut met).await;
    parameters(&mut met).await;
    profiles(&mut met).await;
    no_endpoint(&mut met).await;
    details(&mut met).await;
    keys_and_proofs(&mut met).await;
    request_objects(&mut met).await;
    let mut known = 0;
    for source in SOURCES {
        let text = std::fs::read_to_string(source).unwrap();
        for error in literals(&text, "#[error(") {
            known += 1;
            let is_met = met.descriptions.iter().any(|description| fits(&error, description));
            let is_never = NEVER.contains(&error.as_str());
            assert!(is_met != is_never, "nothing here brings about {error:?} of {source}");
        }
    }
    assert!(known > 80, "{known}");
    let listed: BTreeSet<_> = STATUSES.iter().map(|(error, _)| (*error).to_owned()).collect();
    assert_eq!(met.codes, listed, "each code is met");
    // Codes of the authorization endpoint: nothing at the push may read like them.
    for other in ["access_denied", "login_required", "invalid_request_uri", "invalid_redirect_uri"]
    {
        assert!(!met.codes.contains(other), "{other}");
    }
    assert_eq!(Desk::open().push(&complete()).await.headers()[CACHE_CONTROL], "no-store");
}

#[track_caller]
fn assert_wire(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.all("cache-control")), (status, vec!["no-store"]));
    if status != 201 && !answer.body.is_empty() {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_listed(status, body["error"].as_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b125_b211_so_it_is_over_the_wire_where_bodies_cannot_be_read() {
    let road = Road::open("[par]\nmax_body_bytes = 4096\n[limits]\nbody_timeout = \"1s\"").await;
    assert_wire(&push(&road, "", &encode(&complete())).await, 201);
    assert_wire(&push(&road, "", "client_id=web").await, 400);
    assert_wire(&push(&road, "", "client_id=app").await, 400);
    assert_wire(&push(&road, "", &"x".repeat(5000)).await, 413);
    let head = "POST /par HTTP/1.1\r\nHost: a\r\nContent-Type: application/json";
    assert_wire(&ask(&road, &format!("{head}\r\nContent-Length: 2"), "{}").await, 400);
    assert_wire(&ask(&road, &format!("{head}\r\nContent-Length: 90"), "{}").await, 408);
    let chunks = format!("{head}\r\nTransfer-Encoding: chunked");
    assert_wire(&ask(&road, &chunks, "zz\r\nx\r\n").await, 400);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let head = format!("{method} /par HTTP/1.1\r\nHost: a\r\nContent-Length: 0");
        assert_wire(&ask(&road, &head, "").await, 405);
    }
    let head = "POST /par HTTP/1.1\r\nHost: a\r\nContent-Length: 0";
    assert_wire(&ask(&road, &format!("{head}\r\nContent-Type: {FORM}"), "").await, 401);
}
