//! Forms made to hurt: none may cost much, be misread, or end in a 500 (B-129).

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Far above what any of these takes, far below what a quadratic reader would.
const SOON: Duration = Duration::from_secs(5);

async fn refused_soon(desk: &Desk, form: impl Into<Bytes>) {
    let mut request = by_web(String::new());
    *request.body_mut() = form.into();
    let began = Instant::now();
    assert_refused(&desk.send(request).await, 400, "invalid_request");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn forms_of_many_or_long_names_are_refused_quickly() {
    let desk = Desk::open();
    let base = encode(&complete());
    refused_soon(&desk, "a&".repeat(32 * 1024)).await;
    refused_soon(&desk, "&".repeat(64 * 1024)).await;
    refused_soon(&desk, "=&".repeat(32 * 1024)).await;
    refused_soon(&desk, "%".repeat(64 * 1024)).await;
    refused_soon(&desk, format!("{base}&{}=1", "[".repeat(60_000))).await;
    let alike: Vec<_> = (0..120).map(|n| format!("{}{n:03}=1", "a".repeat(500))).collect();
    refused_soon(&desk, format!("{base}&{}", alike.join("&"))).await;
}

#[tokio::test]
async fn deep_and_wide_json_in_claims_is_bounded() {
    let desk = Desk::open();
    let deep = format!("{}{}", "{\"a\":".repeat(10_000), "1").replace('"', "%22");
    refused_soon(&desk, format!("{}&claims={deep}{}", encode(&complete()), "}".repeat(10_000)))
        .await;
    let arrays = format!("{{%22a%22:{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    refused_soon(&desk, format!("{}&claims={arrays}", encode(&complete()))).await;
    let number = format!("{{%22a%22:{}}}", "9".repeat(60_000));
    refused_soon(&desk, format!("{}&claims={number}", encode(&complete()))).await;
}

#[tokio::test]
async fn nul_bytes_end_nothing() {
    let desk = Desk::open();
    for name in ["%00", "scope%00", "%00scope", "a%00b", "a%7Fb", "a%0Db"] {
        refused_soon(&desk, format!("{}&{name}=1", encode(&complete()))).await;
    }
    refused_soon(&desk, &b"client_id=web\0&response_type=code"[..]).await;
    for name in ["client_id", "response_type", "code_challenge", "prompt\0"] {
        let form = altered(&[(name, Some("web\0x"))]);
        let answer = desk.push(&form).await;
        assert_eq!(answer.status(), 400, "{name}");
    }
    let form = altered(&[("state", Some("a\0b\r\nc"))]);
    let answer = desk.push(&form).await;
    assert_created(&answer);
    assert_eq!(desk.redeemed("web", &answer).await, owned(&form), "kept as it is");
}

#[tokio::test]
async fn semicolons_and_line_ends_never_part_a_value() {
    let desk = Desk::open();
    let value = "x;redirect_uri=https://evil.example&scope=admin\r\nHost: evil\u{2028}";
    let form = altered(&[("state", Some(value))]);
    let answer = desk.push(&form).await;
    let Decision::Expand(expansion) = desk.authorize("web", &answer).await else {
        panic!("not redeemed");
    };
    let odd = |byte: u8| !byte.is_ascii_graphic() || b";+#\"<>\\".contains(&byte);
    assert!(!expansion.target.bytes().any(odd), "{}", expansion.target);
    assert_eq!(expansion.target.matches("redirect_uri=").count(), 1);
    let query = expansion.target.split_once('?').unwrap().1;
    assert_eq!(pairs(query), owned(&form));
}

#[tokio::test]
async fn huge_credentials_are_a_plain_failure() {
    let desk = Desk::open();
    let mut request = post(encode(&complete()).into());
    let header = format!("Basic {}", STANDARD.encode(format!("web:{}", "s".repeat(75_000))));
    request.headers_mut().insert(AUTHORIZATION, header.parse().unwrap());
    assert_refused(&desk.send(request).await, 401, "invalid_client");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes: a legal answer that is no 500.
    #[test]
    fn b129_no_form_is_an_unexpected_fault(
        form in proptest::collection::vec(any::<u8>(), 0..300),
        header in proptest::option::of(proptest::collection::vec(32_u8..127, 0..60)),
    ) {
        let desk = Desk::open();
        let mut request = post(form.into());
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, http::HeaderValue::from_bytes(&header).unwrap());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(desk.endpoints.push(request));
        is_legal(&answer);
        prop_assert!([400, 401].contains(&answer.status().as_u16()));
    }
}
