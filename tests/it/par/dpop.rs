//! `DPoP` at the push (RFC 9449 §10): proofs by real keys, good ones and every kind of bad one.

use http::HeaderValue;
use parapet::jose::{Algorithm, Key};
use serde_json::json;

use super::assertions::{claims_of, form_with};
use super::*;
use crate::support::jose::Signer;
use crate::support::upstream::Upstream;

const NOW: i64 = 1_700_000_000;
const ENDPOINT: &str = "http://127.0.0.1:8080/par";
const OFFERED: &str = r#","dpop_signing_alg_values_supported":["ES256","PS256","RS256","EdDSA"]"#;
const NONCES: &str = "[par]\ndpop_nonce = true";

/// A desk before an upstream with `DPoP`, and a key.
pub(super) struct Bench {
    _upstream: Upstream,
    pub(super) desk: Desk,
    signer: Signer,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with("").await
    }

    pub(super) async fn with(tables: &str) -> Self {
        let (upstream, desk) = documented(OFFERED, tables).await;
        Self { _upstream: upstream, desk, signer: Signer::new(Algorithm::Es256) }
    }

    /// A proof whose claims are altered; `null` takes a claim away.
    pub(super) fn proof(&self, changes: &Value) -> String {
        self.signer.token_with(&self.header(&json!({})), &claims(changes))
    }

    /// A proof whose header is altered.
    fn headed(&self, changes: &Value) -> String {
        self.signer.token_with(&self.header(changes), &claims(&json!({})))
    }

    fn header(&self, changes: &Value) -> Value {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.signer.jwk() });
        merged(header, changes)
    }

    fn thumbprint(&self) -> String {
        thumbprint(&self.signer)
    }

    pub(super) async fn push(&self, proof: &str) -> Response<Bytes> {
        self.desk.send(with_proofs(&complete(), &[proof])).await
    }

    pub(super) async fn push_form(&self, form: &[(&str, &str)], proof: &str) -> Response<Bytes> {
        self.desk.send(with_proofs(form, &[proof])).await
    }

    /// The key that the code will be bound to, as the upstream is told.
    async fn bound_key(&self, pushed: &Response<Bytes>) -> String {
        let query = self.desk.redeemed("web", pushed).await;
        let keys: Vec<_> = query.iter().filter(|(name, _)| name == "dpop_jkt").collect();
        assert_eq!(keys.len(), 1, "{query:?}");
        keys[0].1.clone()
    }
}

fn claims(changes: &Value) -> Value {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let jti = format!("{:x}", u64::from_be_bytes(random));
    merged(json!({ "jti": jti, "htm": "POST", "htu": ENDPOINT, "iat": NOW }), changes)
}

fn merged(mut value: Value, changes: &Value) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        members.remove(name);
        if !change.is_null() {
            members.insert(name.clone(), change.clone());
        }
    }
    value
}

fn thumbprint(signer: &Signer) -> String {
    Key::from_jwk(signer.jwk().as_object().unwrap()).unwrap().thumbprint().to_owned()
}

pub(super) fn with_proofs(form: &[(&str, &str)], proofs: &[&str]) -> Request<Bytes> {
    let mut request = by_web(encode(form));
    for proof in proofs {
        request.headers_mut().append("DPoP", proof.parse().unwrap());
    }
    request
}

fn nonce_of(answer: &Response<Bytes>) -> Vec<String> {
    let values = answer.headers().get_all("dpop-nonce").iter();
    values.map(|value: &HeaderValue| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn b185_a_proof_binds_the_code_to_its_key() {
    let bench = Bench::new().await;
    let pushed = bench.push(&bench.proof(&json!({}))).await;
    assert_created(&pushed);
    assert_eq!(bench.bound_key(&pushed).await, bench.thumbprint());
    for algorithm in [Algorithm::Ps256, Algorithm::Rs256, Algorithm::EdDsa] {
        let signer = Signer::new(algorithm);
        let header = json!({ "typ": "dpop+jwt", "alg": algorithm.name(), "jwk": signer.jwk() });
        let pushed = bench.push(&signer.token_with(&header, &claims(&json!({})))).await;
        assert_created(&pushed);
        assert_eq!(bench.bound_key(&pushed).await, thumbprint(&signer));
    }
    let plain = bench.desk.push(&complete()).await;
    let query = bench.desk.redeemed("web", &plain).await;
    assert!(query.iter().all(|(name, _)| name != "dpop_jkt"), "{query:?}");
}

#[tokio::test]
async fn b186_a_thumbprint_alone_is_forwarded() {
    let bench = Bench::new().await;
    let thumbprint = bench.thumbprint();
    let form = altered(&[("dpop_jkt", Some(thumbprint.as_str()))]);
    let pushed = bench.desk.push(&form).await;
    assert_created(&pushed);
    assert_eq!(bench.bound_key(&pushed).await, thumbprint);
    for odd in ["x", &thumbprint[1..], &format!("{thumbprint}="), &"A".repeat(44)] {
        let answer = bench.desk.push(&altered(&[("dpop_jkt", Some(odd))])).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn b104_b187_proof_and_thumbprint_must_name_one_key() {
    let bench = Bench::new().await;
    let (own, other) = (bench.thumbprint(), thumbprint(&Signer::new(Algorithm::Es256)));
    let same = altered(&[("dpop_jkt", Some(own.as_str()))]);
    let pushed = bench.push_form(&same, &bench.proof(&json!({}))).await;
    assert_created(&pushed);
    assert_eq!(bench.bound_key(&pushed).await, own);
    let unlike = altered(&[("dpop_jkt", Some(other.as_str()))]);
    let answer = bench.push_form(&unlike, &bench.proof(&json!({}))).await;
    assert_refused(&answer, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn b188_there_is_one_proof_of_bounded_length() {
    let bench = Bench::new().await;
    let (one, two) = (bench.proof(&json!({})), bench.proof(&json!({})));
    for proofs in [&[one.as_str(), two.as_str()][..], &[one.as_str(), one.as_str()]] {
        let answer = bench.desk.send(with_proofs(&complete(), proofs)).await;
        assert_refused(&answer, 400, "invalid_dpop_proof");
    }
    let answer = bench.push(&format!("{one}, {two}")).await;
    assert_refused(&answer, 400, "invalid_dpop_proof");
    let padded = |length: usize| bench.proof(&json!({ "padding": "x".repeat(length) }));
    let spare = 4_000 - padded(0).len();
    assert_created(&bench.push(&padded(spare * 3 / 4 - 4)).await);
    let answer = bench.push(&padded(spare * 3 / 4 + 8)).await;
    assert_refused(&answer, 400, "invalid_dpop_proof");
    assert_created(&bench.push(&one).await);
}

#[tokio::test]
async fn b189_claims_that_do_not_hold() {
    let bench = Bench::new().await;
    for changes in [
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": 5 }),
        json!({ "jti": "j".repeat(257) }),
        json!({ "htm": null }),
        json!({ "htm": "GET" }),
        json!({ "htm": "post" }),
        json!({ "htm": ["POST"] }),
        json!({ "htu": null }),
        json!({ "htu": "http://127.0.0.1:8080/token" }),
        json!({ "htu": "http://127.0.0.1:8080/" }),
        json!({ "htu": "https://127.0.0.1:8080/par" }),
        json!({ "htu": "/par" }),
        json!({ "htu": [ENDPOINT] }),
        json!({ "iat": null }),
        json!({ "iat": "1700000000" }),
        json!({ "exp": NOW - 3_600 }),
    ] {
        let answer = bench.push(&bench.proof(&changes)).await;
        assert_eq!(refusal(&answer), (400, "invalid_dpop_proof".to_owned()), "{changes}");
    }
}

#[tokio::test]
async fn b189_headers_and_signatures_that_do_not_hold() {
    let bench = Bench::new().await;
    let mut private = bench.signer.jwk();
    private["d"] = json!("AAAA");
    let secret = Signer::new(Algorithm::Hs256);
    let by_secret = json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": secret.jwk() });
    let stranger = Signer::new(Algorithm::Es384);
    let not_offered = json!({ "typ": "dpop+jwt", "alg": "ES384", "jwk": stranger.jwk() });
    let (good, other) = (bench.proof(&json!({})), bench.proof(&json!({})));
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    for proof in [
        bench.headed(&json!({ "typ": null })),
        bench.headed(&json!({ "typ": "JWT" })),
        bench.headed(&json!({ "alg": "none" })),
        bench.headed(&json!({ "alg": "PS256" })),
        bench.headed(&json!({ "jwk": null })),
        bench.headed(&json!({ "jwk": private })),
        bench.headed(&json!({ "jwk": Signer::new(Algorithm::Es256).jwk() })),
        bench.headed(&json!({ "jwk": {} })),
        bench.headed(&json!({ "crit": ["x"] })),
        secret.token_with(&by_secret, &claims(&json!({}))),
        stranger.token_with(&not_offered, &claims(&json!({}))),
        format!("{message}.{signature}"),
        format!("{message}."),
        message.to_owned(),
        String::new(),
        "eyJ.e30.x".to_owned(),
    ] {
        let answer = bench.push(&proof).await;
        assert_eq!(refusal(&answer), (400, "invalid_dpop_proof".to_owned()), "{proof}");
    }
    let mut request = by_web(encode(&complete()));
    request.headers_mut().insert("dpop", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_refused(&bench.desk.send(request).await, 400, "invalid_dpop_proof");
    assert_created(&bench.push(&good).await);
}

#[tokio::test]
async fn b190_htu_is_normalised() {
    let bench = Bench::with("issuer = \"https://Login.example\"\n---").await;
    for htu in [
        "https://login.example/par",
        "https://login.example/par?a=b",
        "https://login.example/par#c",
        "https://login.example:443/par",
        "HTTPS://LOGIN.EXAMPLE/par",
    ] {
        assert_created(&bench.push(&bench.proof(&json!({ "htu": htu }))).await);
    }
    for htu in
        ["https://login.example/PAR", "https://login.example/par/", "https://x@login.example/par"]
    {
        let answer = bench.push(&bench.proof(&json!({ "htu": htu }))).await;
        assert_refused(&answer, 400, "invalid_dpop_proof");
    }
}

#[tokio::test]
async fn b191_htu_is_the_address_that_was_called() {
    let bench = Bench::with("issuer = \"https://login.example\"\n---").await;
    let internal = bench.desk.config.upstream.url.origin();
    let own = json!({ "htu": "https://login.example/par" });
    assert_created(&bench.push(&bench.proof(&own)).await);
    for origin in [internal.as_str(), "https://mtls.login.example", "http://127.0.0.1:8080"] {
        let answer = bench.push(&bench.proof(&json!({ "htu": format!("{origin}/par") }))).await;
        assert_refused(&answer, 400, "invalid_dpop_proof");
    }
}

#[tokio::test]
async fn b192_a_proof_is_fresh() {
    let bench = Bench::new().await;
    for (seconds, holds) in
        [(0, true), (-10, true), (10, true), (-240, true), (-600, false), (600, false)]
    {
        let answer = bench.push(&bench.proof(&json!({ "iat": NOW + seconds }))).await;
        if holds {
            assert_created(&answer);
        } else {
            assert_refused(&answer, 400, "invalid_dpop_proof");
        }
    }
}

#[tokio::test]
async fn b193_a_proof_is_used_once() {
    let bench = Bench::new().await;
    let proof = bench.proof(&json!({ "jti": "same", "iat": NOW + 10 }));
    // What is refused for something else does not use it up.
    let answer = bench.push_form(&altered(&[("scope", Some("admin"))]), &proof).await;
    assert_refused(&answer, 400, "invalid_scope");
    assert_created(&bench.push(&proof).await);
    for _ in 0..2 {
        assert_refused(&bench.push(&proof).await, 400, "invalid_dpop_proof");
    }
    let again = bench.proof(&json!({ "jti": "same" }));
    assert_refused(&bench.push(&again).await, 400, "invalid_dpop_proof");
    // For as long as it would hold, to its last second.
    bench.desk.clock.advance(std::time::Duration::from_secs(310));
    assert_refused(&bench.push(&proof).await, 400, "invalid_dpop_proof");
    // Another key may call its proof the same.
    let other = Bench { signer: Signer::new(Algorithm::Es256), ..bench };
    let proof = other.proof(&json!({ "jti": "same", "iat": NOW + 310 }));
    assert_created(&other.push(&proof).await);
}

#[tokio::test]
async fn b194_b195_a_nonce_is_asked_for_and_taken() {
    let bench = Bench::with(NONCES).await;
    let unknown = json!({ "nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v" });
    let mut shown = Vec::new();
    for changes in [json!({}), unknown, json!({ "nonce": "" })] {
        let answer = bench.push(&bench.proof(&changes)).await;
        assert_refused(&answer, 400, "use_dpop_nonce");
        let nonces = nonce_of(&answer);
        let [nonce] = nonces.as_slice() else { panic!("one nonce, not {nonces:?}") };
        // NQCHAR (RFC 9449 §8.1).
        let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(!nonce.is_empty() && nonce.bytes().all(legal), "{nonce}");
        shown.push(nonce.clone());
    }
    // A second try, with a new proof, gets through.
    let answer = bench.push(&bench.proof(&json!({ "nonce": shown[0] }))).await;
    assert_created(&answer);
    assert!(nonce_of(&answer).is_empty());
    let answer = bench.push(&bench.proof(&json!({ "nonce": 5 }))).await;
    assert_refused(&answer, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn b195_who_tries_again_needs_a_new_assertion_too() {
    let signer = Signer::new(Algorithm::Es256);
    let client = key_table("bank", "private_key_jwt", &signer);
    let bench = Bench::with(&format!("{NONCES}\n{client}")).await;
    let push = async |assertion: &str, proof: String| {
        let mut request = post(form_with(assertion, None).into());
        request.headers_mut().insert("dpop", proof.parse().unwrap());
        bench.desk.send(request).await
    };
    let assertion = || signer.token(&claims_of(&bench.desk, "bank", &json!({})));
    let first = assertion();
    let asked = push(&first, bench.proof(&json!({}))).await;
    assert_refused(&asked, 400, "use_dpop_nonce");
    let nonce = nonce_of(&asked).remove(0);
    // The assertion was good, and is used up.
    let answer = push(&first, bench.proof(&json!({ "nonce": nonce }))).await;
    assert_refused(&answer, 401, "invalid_client");
    assert!(nonce_of(&answer).is_empty());
    let answer = push(&assertion(), bench.proof(&json!({ "nonce": nonce }))).await;
    assert_created(&answer);
}

#[tokio::test]
async fn b194_b196_nonces_are_replaced_in_time() {
    let bench = Bench::with(NONCES).await;
    let asked = bench.push(&bench.proof(&json!({}))).await;
    let first = nonce_of(&asked).remove(0);
    let mut later = 0;
    let mut at = |seconds: u64| {
        bench.desk.clock.advance(std::time::Duration::from_secs(seconds - later));
        later = seconds;
        NOW + i64::try_from(seconds).unwrap()
    };
    // 1,700,000,000 lies 200 s into a slice of 300 s.
    let iat = at(90);
    let answer = bench.push(&bench.proof(&json!({ "nonce": first, "iat": iat }))).await;
    assert_created(&answer);
    assert!(nonce_of(&answer).is_empty());
    let iat = at(110);
    let answer = bench.push(&bench.proof(&json!({ "nonce": first, "iat": iat }))).await;
    assert_created(&answer);
    let next = nonce_of(&answer);
    assert_eq!(next.len(), 1);
    assert_ne!(next[0], first);
    let answer = bench.push(&bench.proof(&json!({ "nonce": next[0], "iat": iat }))).await;
    assert_created(&answer);
    assert!(nonce_of(&answer).is_empty());
    let iat = at(420);
    let answer = bench.push(&bench.proof(&json!({ "nonce": first, "iat": iat }))).await;
    assert_refused(&answer, 400, "use_dpop_nonce");
    assert_eq!(nonce_of(&answer).len(), 1);
}

#[tokio::test]
async fn b197_who_shows_no_proof_needs_no_nonce() {
    let bench = Bench::with(NONCES).await;
    assert_created(&bench.desk.push(&complete()).await);
    let form = altered(&[("dpop_jkt", Some(bench.thumbprint()))].map(|(n, v)| (n, v.map(leak))));
    assert_created(&bench.desk.push(&form).await);
}

fn leak(text: String) -> &'static str {
    text.leak()
}

#[tokio::test]
async fn b237_nothing_is_bound_where_the_upstream_would_not_keep_it() {
    for members in ["", r#","dpop_signing_alg_values_supported":["ES256K"]"#] {
        let (upstream, desk) = documented(members, "").await;
        let bench = Bench { _upstream: upstream, desk, signer: Signer::new(Algorithm::Es256) };
        let answer = bench.push(&bench.proof(&json!({}))).await;
        assert_refused(&answer, 400, "invalid_dpop_proof");
        let description = json(&answer)["error_description"].as_str().unwrap().to_owned();
        assert_eq!(description, "the authorization server does not support DPoP");
        assert_created(&bench.desk.push(&complete()).await);
        if members.is_empty() {
            let thumbprint = bench.thumbprint();
            let form = altered(&[("dpop_jkt", Some(thumbprint.as_str()))]);
            assert_refused(&bench.desk.push(&form).await, 400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn b237_nothing_is_promised_while_the_upstream_is_not_known() {
    let bench = Bench { desk: Desk::open(), ..Bench::new().await };
    let answer = bench.push(&bench.proof(&json!({}))).await;
    assert_refused(&answer, 503, "temporarily_unavailable");
    let thumbprint = bench.thumbprint();
    let answer = bench.desk.push(&altered(&[("dpop_jkt", Some(thumbprint.as_str()))])).await;
    assert_refused(&answer, 503, "temporarily_unavailable");
}

#[tokio::test]
async fn bound_clients_must_name_a_key() {
    let bench = Bench::new().await;
    let mut config = bench.desk.config.clone();
    for client in &mut config.clients {
        client.dpop_bound_access_tokens = true;
    }
    let bench = Bench { desk: Desk::of(config, None), ..bench };
    assert_refused(&bench.desk.push(&complete()).await, 400, "invalid_dpop_proof");
    assert_created(&bench.push(&bench.proof(&json!({}))).await);
    let thumbprint = bench.thumbprint();
    let form = altered(&[("dpop_jkt", Some(thumbprint.as_str()))]);
    assert_created(&bench.desk.push(&form).await);
}

#[tokio::test]
async fn b080_authentication_is_judged_before_the_proof() {
    let bench = Bench::with(NONCES).await;
    let mut request = with_proofs(&complete(), &["eyJ.e30.x"]);
    request.headers_mut().insert(AUTHORIZATION, basic("web", "wrong").parse().unwrap());
    let answer = bench.desk.send(request).await;
    assert_refused(&answer, 401, "invalid_client");
    assert!(nonce_of(&answer).is_empty());
}

/// A client that signs its requests with a key of its own.
pub(super) fn signing_client(signer: &Signer) -> String {
    key_table("signer", "none", signer)
}

/// A client with this key on P-256.
fn key_table(client_id: &str, authentication: &str, signer: &Signer) -> String {
    let jwk = signer.jwk();
    format!(
        "[[clients]]\nclient_id = \"{client_id}\"\nauthentication = \"{authentication}\"\n\
         redirect_uris = [\"{CALLBACK}\"]\n[[clients.jwks.keys]]\nkty = \"EC\"\ncrv = \"P-256\"\n\
         x = {}\ny = {}\n",
        jwk["x"], jwk["y"]
    )
}

/// The push of a request object by that client, with these members beside the usual.
pub(super) fn signed(signer: &Signer, changes: &Value, proofs: &[&str]) -> Request<Bytes> {
    let mut members = json!({
        "iss": "signer",
        "aud": "http://127.0.0.1:8080",
        "client_id": "signer",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    });
    members = merged(members, changes);
    let object = signer.token(&members);
    let form = encode(&[("client_id", "signer"), ("request", &object)]);
    let mut request = post(form.into());
    for proof in proofs {
        request.headers_mut().append("DPoP", proof.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn b104_b185_b186_keys_in_and_beside_a_request_object() {
    let author = Signer::new(Algorithm::Es256);
    let bench = Bench::with(&signing_client(&author)).await;
    let own = bench.thumbprint();
    let named = json!({ "dpop_jkt": own });
    for (members, proofs) in [
        (json!({}), &[bench.proof(&json!({}))][..]),
        (named.clone(), &[bench.proof(&json!({}))]),
        (named, &[]),
    ] {
        let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
        let pushed = bench.desk.send(signed(&author, &members, &proofs)).await;
        assert_created(&pushed);
        let query = bench.desk.redeemed("signer", &pushed).await;
        let keys: Vec<_> = query.iter().filter(|(name, _)| name == "dpop_jkt").collect();
        assert_eq!(keys, [&("dpop_jkt".to_owned(), own.clone())]);
    }
    let other = json!({ "dpop_jkt": thumbprint(&author) });
    let proof = bench.proof(&json!({}));
    let answer = bench.desk.send(signed(&author, &other, &[&proof])).await;
    assert_refused(&answer, 400, "invalid_dpop_proof");
}

#[tokio::test]
async fn b198_the_key_of_the_proof_may_sign_elsewhere_too() {
    let key = Signer::new(Algorithm::Es256);
    let bench = Bench { signer: key, ..Bench::new().await };
    let (_upstream, desk) = documented(OFFERED, &signing_client(&bench.signer)).await;
    let proof = bench.proof(&json!({}));
    assert_created(&desk.send(signed(&bench.signer, &json!({}), &[&proof])).await);
}
