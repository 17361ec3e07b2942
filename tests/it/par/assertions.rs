//! Client assertions: `client_secret_jwt` and `private_key_jwt` (B-057…B-078, B-225, B-228). The
//! signatures are real ones.

use std::sync::atomic::{AtomicU32, Ordering};

use parapet::config::{ClientKeys, Profile};
use parapet::jose::Algorithm;
use serde_json::json;

use super::response::Broken;
use super::*;
use crate::support::jose::Signer;
use crate::support::upstream::Upstream;

pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ISSUER: &str = "http://127.0.0.1:8080";
const SECRET: &str = "a secret of more than sixty-four bytes, so that every HMAC can have it";

/// A desk with the client `bank`, whose key is this signer's.
fn bank(profile: Profile, signer: &Signer) -> Desk {
    bank_with(profile, &signer.jwks(), "")
}

/// The same with any keys and further lines in the client's table.
pub(super) fn bank_with(profile: Profile, jwks: &str, lines: &str) -> Desk {
    Desk::of(bank_config("http://127.0.0.1:9", profile, jwks, lines), None)
}

pub(super) fn bank_config(upstream: &str, profile: Profile, jwks: &str, lines: &str) -> Config {
    let clients = format!(
        "[[clients]]\nclient_id = \"bank\"\nprofile = \"{}\"\n\
         authentication = \"private_key_jwt\"\njwks_uri = \"https://bank.example/jwks\"\n\
         redirect_uris = [\"{CALLBACK}\"]\n{lines}\n\
         [[clients]]\nclient_id = \"shop\"\nauthentication = \"client_secret_jwt\"\n\
         secret = \"{SECRET}\"\nredirect_uris = [\"{CALLBACK}\"]\n",
        profile.as_str(),
    );
    let mut config = configuration(upstream, &clients);
    config.clients[0].keys = Some(ClientKeys::Inline(serde_json::from_str(jwks).unwrap()));
    config
}

fn now(desk: &Desk) -> u64 {
    desk.clock.wall().as_secs()
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("jti-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Good claims of `client_id`; `null` takes one out.
pub(super) fn claims_of(desk: &Desk, client_id: &str, changes: &Value) -> Value {
    let now = now(desk);
    let mut claims = json!({
        "iss": client_id, "sub": client_id, "aud": ISSUER, "jti": unique(),
        "iat": now, "exp": now + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

pub(super) fn claims(desk: &Desk, changes: &Value) -> Value {
    claims_of(desk, "bank", changes)
}

pub(super) fn form_with(assertion: &str, client_id: Option<&str>) -> String {
    encode(&altered(&[
        ("client_id", client_id),
        ("scope", Some("openid")),
        ("nonce", Some("n-0S6")),
        ("client_assertion", Some(assertion)),
        ("client_assertion_type", Some(TYPE)),
    ]))
}

/// A push that proves itself by `assertion` alone.
pub(super) async fn push(desk: &Desk, assertion: &str) -> Response<Bytes> {
    desk.plain(form_with(assertion, None)).await
}

#[track_caller]
fn assert_believed(profile: Profile, answer: &Response<Bytes>) {
    if profile == Profile::Fapi1 {
        // Its requests are signed; that is judged when the client is known.
        assert_eq!(json(answer)["error_description"], "a signed request object is required");
    } else {
        assert_created(answer);
    }
}

#[track_caller]
fn assert_failed(answer: &Response<Bytes>) {
    assert_refused(answer, 401, "invalid_client");
    assert_eq!(json(answer)["error_description"], "client authentication failed");
}

#[tokio::test]
async fn b057_b082_an_assertion_alone_says_who_pushes() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        let answer = push(&desk, &signer.token(&claims(&desk, &json!({})))).await;
        assert_believed(profile, &answer);
        if profile != Profile::Fapi1 {
            let redeemed = desk.redeemed("bank", &answer).await;
            assert!(redeemed.contains(&("client_id".into(), "bank".into())), "{redeemed:?}");
            assert!(redeemed.iter().all(|(name, _)| !name.starts_with("client_assertion")));
        }
        let token = signer.token(&claims(&desk, &json!({})));
        assert_believed(profile, &desk.plain(form_with(&token, Some("bank"))).await);
    }
}

#[tokio::test]
async fn b057_every_algorithm_of_the_first_profile_is_verified() {
    for algorithm in Algorithm::ALL {
        let signer = if algorithm.is_symmetric() {
            Signer::with_secret(algorithm, SECRET.as_bytes())
        } else {
            Signer::new(algorithm)
        };
        let (desk, client_id) = if algorithm.is_symmetric() {
            (bank(Profile::Oauth, &Signer::new(Algorithm::Es256)), "shop")
        } else {
            (bank(Profile::Oauth, &signer), "bank")
        };
        let token = signer.token(&claims_of(&desk, client_id, &json!({})));
        assert_created(&push(&desk, &token).await);
    }
}

/// What the upstream's metadata name, on its own address.
async fn upstream() -> Upstream {
    Upstream::scripted(|seen| {
        let address = seen.field("x-upstream").unwrap_or("http://127.0.0.1:8080");
        let document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{address}/authorize"),
            "token_endpoint": format!("{address}/token"),
        })
        .to_string();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{document}", document.len());
        vec![Step::Bytes(answer.into_bytes())]
    })
    .await
}

#[tokio::test]
async fn b057_b058_b059_b060_b061_b062_audiences_by_profile() {
    let internal = upstream().await;
    let internal_url = format!("http://{}", internal.address);
    let (par, token) = (format!("{ISSUER}/par"), format!("{ISSUER}/token"));
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = Desk::of(bank_config(&internal_url, profile, &signer.jwks(), ""), None);
        desk.discovery.available().await.unwrap();
        let strict = profile == Profile::Fapi2;
        for (audience, believed) in [
            (json!(ISSUER), true),
            (json!(par), !strict),
            (json!(token), !strict),
            (json!([ISSUER, token]), !strict),
            (json!([ISSUER]), !strict),
            (json!("https://other.example"), false),
            (json!(format!("{ISSUER}/")), false),
            (json!("HTTP://127.0.0.1:8080"), false),
            (json!("https://127.0.0.1:8080"), false),
            (json!(internal_url), false),
            (json!(format!("{internal_url}/token")), false),
            (json!(format!("{internal_url}/par")), false),
        ] {
            let answer =
                push(&desk, &signer.token(&claims(&desk, &json!({ "aud": audience })))).await;
            if believed {
                assert_believed(profile, &answer);
                continue;
            }
            assert_refused(&answer, 401, "invalid_client");
            let text = json(&answer)["error_description"].as_str().unwrap().to_owned();
            assert!(text.contains(ISSUER) && !text.contains(&internal_url), "{audience}: {text}");
            assert_eq!(text.contains(&par) && text.contains(&token), !strict, "{text}");
        }
        for audience in [json!(null), json!([]), json!(""), json!(42), json!([ISSUER, 42])] {
            let token = signer.token(&claims(&desk, &json!({ "aud": audience })));
            assert_failed(&push(&desk, &token).await);
        }
    }
}

#[tokio::test]
async fn b063_the_internal_address_is_no_audience_where_the_upstream_publishes_it() {
    let internal = Arc::new(parking_lot::Mutex::new(String::new()));
    let told = Arc::clone(&internal);
    let server = Upstream::scripted(move |_| {
        let document =
            json!({ "issuer": ISSUER, "token_endpoint": format!("{}/token", told.lock()) });
        let body = document.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        vec![Step::Bytes(answer.into_bytes())]
    })
    .await;
    let url = format!("http://{}", server.address);
    internal.lock().clone_from(&url);
    let signer = Signer::new(Algorithm::Es256);
    let desk = Desk::of(bank_config(&url, Profile::Oauth, &signer.jwks(), ""), None);
    desk.discovery.available().await.unwrap();
    let of = |audience: String| signer.token(&claims(&desk, &json!({ "aud": audience })));
    assert_refused(&push(&desk, &of(format!("{url}/token"))).await, 401, "invalid_client");
    assert_refused(&push(&desk, &of(url.clone())).await, 401, "invalid_client");
    assert_created(&push(&desk, &of(format!("{ISSUER}/token"))).await);
}

#[tokio::test]
async fn b064_a_forged_host_makes_no_audience() {
    let signer = Signer::new(Algorithm::Es256);
    for profile in [Profile::Oauth, Profile::Fapi2] {
        let desk = bank(profile, &signer);
        for audience in
            ["http://evil.example", "https://evil.example/par", "http://evil.example/par"]
        {
            let token = signer.token(&claims(&desk, &json!({ "aud": audience })));
            let mut request = post(form_with(&token, None).into());
            for name in ["host", "x-forwarded-host", "forwarded", "x-forwarded-proto"] {
                let value = if name == "forwarded" { "host=evil.example" } else { "evil.example" };
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            let answer = desk.send(request).await;
            assert_refused(&answer, 401, "invalid_client");
            assert!(!json(&answer).to_string().contains("evil"));
        }
    }
}

#[tokio::test]
async fn b065_issuer_subject_and_form_name_one_client() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        for changes in [
            json!({ "iss": "web" }),
            json!({ "iss": ISSUER }),
            json!({ "iss": null }),
            json!({ "iss": 5 }),
            json!({ "sub": "web" }),
            json!({ "sub": "nobody" }),
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "sub": ["bank"] }),
            json!({ "iss": null, "sub": null }),
            json!({ "iss": "web", "sub": "web" }),
        ] {
            assert_failed(&push(&desk, &signer.token(&claims(&desk, &changes))).await);
        }
        for named in ["web", "nobody", "Bank", "bank "] {
            let token = signer.token(&claims(&desk, &json!({})));
            assert_failed(&desk.plain(form_with(&token, Some(named))).await);
            assert_believed(profile, &push(&desk, &token).await);
        }
    }
}

#[tokio::test]
async fn b066_b067_b068_b069_times() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        let now = now(&desk);
        for (changes, believed) in [
            (json!({ "exp": null }), false),
            (json!({ "exp": now - 300 }), false),
            (json!({ "exp": (now + 60).to_string() }), false),
            (json!({ "exp": -1 }), false),
            (json!({ "exp": now + 365 * 86_400 }), false),
            (json!({ "exp": 1e300 }), false),
            (json!({ "exp": now + 3600 }), true),
            (json!({ "iat": null }), true),
            (json!({ "iat": now + 8, "nbf": now + 8 }), true),
            (json!({ "iat": now + 62, "nbf": now + 62, "exp": now + 122 }), false),
            (json!({ "iat": now + 62 }), false),
            (json!({ "nbf": now + 62 }), false),
            (json!({ "exp": 1_700_000_030.5 }), true),
        ] {
            let answer = push(&desk, &signer.token(&claims(&desk, &changes))).await;
            if believed {
                assert_believed(profile, &answer);
            } else {
                assert_failed(&answer);
            }
        }
    }
}

#[tokio::test]
async fn b070_an_assertion_works_once_on_all_replicas() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        let config = bank_config("http://127.0.0.1:9", profile, &signer.jwks(), "");
        let replica = Desk::of(config, Some(Arc::clone(&desk.store)));
        let token = signer.token(&claims(&desk, &json!({ "jti": "once" })));
        assert_believed(profile, &push(&desk, &token).await);
        assert_failed(&push(&desk, &token).await);
        assert_failed(&push(&replica, &token).await);
        // The same name in another token, and as long as the first one could be good.
        desk.clock.advance(std::time::Duration::from_secs(80));
        let again = signer.token(&claims(&desk, &json!({ "jti": "once" })));
        assert_failed(&push(&desk, &again).await);
        desk.clock.advance(std::time::Duration::from_secs(91));
        let again = signer.token(&claims(&desk, &json!({ "jti": "once" })));
        assert_believed(profile, &push(&desk, &again).await);
    }
}

#[tokio::test]
async fn b070_only_a_good_assertion_is_used_up() {
    let (signer, stranger) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let desk = bank(Profile::Oauth, &signer);
    let good = claims(&desk, &json!({ "jti": "mine" }));
    assert_failed(&push(&desk, &stranger.token(&good)).await);
    for spoilt in [json!({ "aud": "https://other.example" }), json!({ "exp": 1 })] {
        let mut spoilt = claims(&desk, &spoilt);
        spoilt["jti"] = json!("mine");
        assert_refused(&push(&desk, &signer.token(&spoilt)).await, 401, "invalid_client");
    }
    // Another client's assertion of the same name.
    let shop = Signer::with_secret(Algorithm::Hs256, SECRET.as_bytes());
    let others = claims_of(&desk, "shop", &json!({ "jti": "mine" }));
    assert_created(&push(&desk, &shop.token(&others)).await);
    assert_created(&push(&desk, &signer.token(&good)).await);
}

#[tokio::test]
async fn b070_b128_a_silent_store_is_no_fault_of_the_client() {
    let signer = Signer::new(Algorithm::Es256);
    let config = bank_config("http://127.0.0.1:9", Profile::Oauth, &signer.jwks(), "");
    let desk = Desk::of(config, Some(Arc::new(Broken::Silent)));
    let answer = push(&desk, &signer.token(&claims(&desk, &json!({})))).await;
    assert_refused(&answer, 503, "temporarily_unavailable");
    assert!(answer.headers().contains_key("retry-after"));
    let stranger = Signer::new(Algorithm::Es256);
    assert_failed(&push(&desk, &stranger.token(&claims(&desk, &json!({})))).await);
}

#[tokio::test]
async fn b071_a_token_identifier_by_profile() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        let answer = push(&desk, &signer.token(&claims(&desk, &json!({ "jti": null })))).await;
        if profile == Profile::Oauth {
            assert_created(&answer);
        } else {
            assert_failed(&answer);
        }
        for odd in [json!(""), json!(5), json!("x".repeat(300))] {
            assert_failed(
                &push(&desk, &signer.token(&claims(&desk, &json!({ "jti": odd })))).await,
            );
        }
    }
}

#[tokio::test]
async fn b072_algorithms_by_profile() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
        for profile in Profile::ALL {
            let signer = Signer::new(algorithm);
            let desk = bank(profile, &signer);
            let answer = push(&desk, &signer.token(&claims(&desk, &json!({})))).await;
            if profile.rules().signing_algorithms.contains(&algorithm) {
                assert_believed(profile, &answer);
            } else {
                assert_failed(&answer);
            }
        }
    }
}

#[tokio::test]
async fn b073_only_the_registered_algorithm_is_taken() {
    let registered = "token_endpoint_auth_signing_alg = \"PS256\"";
    let (ps, rs, es) = (
        Signer::new(Algorithm::Ps256),
        Signer::new(Algorithm::Rs256),
        Signer::new(Algorithm::Es256),
    );
    let jwks = json!({ "keys": [ps.jwk(), es.jwk()] }).to_string();
    for profile in Profile::ALL {
        let desk = bank_with(profile, &jwks, registered);
        for other in [&rs, &es] {
            assert_failed(&push(&desk, &other.token(&claims(&desk, &json!({})))).await);
        }
        assert_believed(profile, &push(&desk, &ps.token(&claims(&desk, &json!({})))).await);
    }
}

#[test]
fn b074_short_keys_are_refused_at_start() {
    let short = json!({ "keys": [{ "kty": "RSA", "e": "AQAB", "n": "w".repeat(171) }] });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("jwks.json"), short.to_string()).unwrap();
    let file = folder.path().join("gateway.toml");
    let client = "[[clients]]\nclient_id = \"bank\"\nauthentication = \"private_key_jwt\"\n\
                  jwks_file = \"jwks.json\"\n";
    std::fs::write(&file, toml("http://127.0.0.1:9", client)).unwrap();
    let said = config::load(&file, &Environment::default()).unwrap_err().to_string();
    assert!(said.contains("RSA needs at least 2048 bits"), "{said}");
}

#[tokio::test]
async fn b075_of_two_keys_with_one_name_the_fitting_one_is_taken() {
    let (ps, es, other) = (
        Signer::new(Algorithm::Ps256),
        Signer::new(Algorithm::Es256),
        Signer::new(Algorithm::Es256),
    );
    let mut encryption = other.jwk_named("k");
    encryption["use"] = json!("enc");
    let keys = json!([ps.jwk_named("k"), encryption, other.jwk_named("k"), es.jwk_named("k")]);
    let jwks = json!({ "keys": keys }).to_string();
    for profile in Profile::ALL {
        let desk = bank_with(profile, &jwks, "");
        for (signer, alg) in [(&ps, "PS256"), (&es, "ES256"), (&other, "ES256")] {
            let header = json!({ "alg": alg, "kid": "k" });
            let token = signer.token_with(&header, &claims(&desk, &json!({})));
            assert_believed(profile, &push(&desk, &token).await);
        }
    }
}

#[tokio::test]
async fn b076_assertion_and_type_belong_together() {
    let signer = Signer::new(Algorithm::Es256);
    let desk = bank(Profile::Oauth, &signer);
    let good = signer.token(&claims(&desk, &json!({})));
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    for (assertion, kind) in [
        (Some(good.as_str()), None),
        (Some(&good), Some("")),
        (Some(&good), Some(saml)),
        (Some(&good), Some(&TYPE.to_uppercase())),
        (None, Some(TYPE)),
        (Some(""), Some(TYPE)),
        (Some("x"), Some(TYPE)),
        (Some("a.b.c"), Some(TYPE)),
        (Some("e30.e30.x"), Some(TYPE)),
        (Some(&good[..good.len() - 4]), Some(TYPE)),
        (Some(&format!("{good}.x")), Some(TYPE)),
        (Some(&format!(" {good}")), Some(TYPE)),
    ] {
        let form = altered(&[
            ("client_id", Some("bank")),
            ("client_assertion", assertion),
            ("client_assertion_type", kind),
        ]);
        let answer = desk.plain(encode(&form)).await;
        assert_refused(&answer, 401, "invalid_client");
    }
    let long = "x".repeat(20_000);
    let token = signer.token(&claims(&desk, &json!({ "x": long })));
    assert_failed(&push(&desk, &token).await);
    let twice = format!("{}&client_assertion={good}", form_with(&good, None));
    assert_refused(&desk.plain(twice).await, 400, "invalid_request");
    let both = format!("{}&client_secret=x", form_with(&good, None));
    assert_refused(&desk.plain(both).await, 400, "invalid_request");
    assert_created(&push(&desk, &good).await);
}

#[tokio::test]
async fn b077_types_of_a_token() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        for (kind, believed) in [
            (json!(null), true),
            (json!("JWT"), true),
            (json!("jwt"), true),
            (json!("client-authentication+jwt"), true),
            (json!("application/client-authentication+jwt"), true),
            (json!("oauth-authz-req+jwt"), false),
            (json!("dpop+jwt"), false),
            (json!("at+jwt"), false),
            (json!(5), false),
        ] {
            let mut header = json!({ "alg": "ES256" });
            if !kind.is_null() {
                header["typ"] = kind;
            }
            let token = signer.token_with(&header, &claims(&desk, &json!({})));
            let answer = push(&desk, &token).await;
            if believed {
                assert_believed(profile, &answer);
            } else {
                assert_failed(&answer);
            }
        }
    }
}

#[tokio::test]
async fn b078_a_request_object_is_no_assertion() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Es256);
        let desk = bank(profile, &signer);
        let object = json!({ "sub": null, "response_type": "code", "client_id": "bank" });
        for kind in ["oauth-authz-req+jwt", "JWT"] {
            let header = json!({ "alg": "ES256", "typ": kind });
            assert_failed(&push(&desk, &signer.token_with(&header, &claims(&desk, &object))).await);
        }
    }
}

#[tokio::test]
async fn b225_unsigned_tokens_and_public_keys_as_secrets() {
    for profile in Profile::ALL {
        let signer = Signer::new(Algorithm::Ps256);
        let desk = bank(profile, &signer);
        let (jwk, jwks, pem) = (signer.jwk().to_string(), signer.jwks(), signer.pem());
        for text in [jwk.as_str(), &jwks, &pem, pem.trim_end(), ""] {
            for name in ["HS256", "HS384", "HS512"] {
                let forger = Signer::with_secret(name.parse().unwrap(), text.as_bytes());
                assert_failed(&push(&desk, &forger.token(&claims(&desk, &json!({})))).await);
            }
        }
        for alg in ["none", "None", "nOnE"] {
            let header = json!({ "alg": alg });
            let token = signer.token_with(&header, &claims(&desk, &json!({})));
            assert_failed(&push(&desk, &token).await);
            let bare = token.rsplit_once('.').unwrap().0;
            assert_failed(&push(&desk, &format!("{bare}.")).await);
        }
    }
    // A client with a secret signs with nothing else, and one with keys has no secret.
    let signer = Signer::new(Algorithm::Es256);
    let desk = bank(Profile::Oauth, &signer);
    assert_failed(&push(&desk, &signer.token(&claims_of(&desk, "shop", &json!({})))).await);
    let shop = Signer::with_secret(Algorithm::Hs256, SECRET.as_bytes());
    for client_id in ["bank", "web", "post", "app", "nobody"] {
        assert_failed(&push(&desk, &shop.token(&claims_of(&desk, client_id, &json!({})))).await);
    }
}

#[tokio::test]
async fn b228_the_token_does_not_choose_its_key() {
    let (signer, forger) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    for profile in Profile::ALL {
        let desk = bank(profile, &signer);
        for (name, value) in [
            ("jwk", forger.jwk()),
            ("jku", json!("https://evil.example/jwks")),
            ("x5u", json!("https://evil.example/x5")),
            ("x5c", json!(["AAAA"])),
            ("kid", json!("../../etc/passwd")),
            ("kid", json!("' OR 1=1 --")),
        ] {
            let header = json!({ "alg": "ES256", name: value });
            let token = forger.token_with(&header, &claims(&desk, &json!({})));
            assert_failed(&push(&desk, &token).await);
        }
    }
}

#[tokio::test]
async fn b054_b056_b079_assertions_of_clients_of_other_methods() {
    let signer = Signer::new(Algorithm::Es256);
    let desk = bank_with(Profile::Fapi2, &signer.jwks(), "enabled = false");
    assert_failed(&push(&desk, &signer.token(&claims(&desk, &json!({})))).await);
    let desk = bank(Profile::Fapi2, &signer);
    for form in [
        encode(&altered(&[("client_id", Some("bank"))])),
        encode(&altered(&[("client_id", Some("bank")), ("client_secret", Some("x"))])),
    ] {
        assert_failed(&desk.plain(form).await);
    }
    let mut request = post(encode(&altered(&[("client_id", None)])).into());
    request.headers_mut().insert(AUTHORIZATION, basic("bank", "x").parse().unwrap());
    assert_failed(&desk.send(request).await);
}

#[tokio::test]
async fn b050_b080_strangers_are_told_one_thing() {
    let (signer, stranger) = (Signer::new(Algorithm::Es256), Signer::new(Algorithm::Es256));
    let desk = bank(Profile::Oauth, &signer);
    let shop = Signer::with_secret(Algorithm::Hs256, &[7; 64]);
    let wrong = json!({ "aud": "https://other.example" });
    let mut answers = Vec::new();
    for token in [
        stranger.token(&claims(&desk, &json!({}))),
        stranger.token(&claims(&desk, &wrong)),
        stranger.token(&claims_of(&desk, "nobody", &wrong)),
        stranger.token(&claims_of(&desk, "web", &json!({}))),
        shop.token(&claims_of(&desk, "shop", &wrong)),
        shop.token(&claims_of(&desk, "nobody", &json!({}))),
    ] {
        let form = format!("{}&request_uri=x&response_type=y", form_with(&token, None));
        answers.push(desk.plain(form).await);
    }
    for answer in &answers {
        assert_failed(answer);
        assert_eq!((answer.body(), answer.headers()), (answers[0].body(), answers[0].headers()));
    }
}
