use std::fmt::Write as _;

use aws_lc_rs::rand::SystemRandom;
use proptest::prelude::*;

use super::*;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::store::{Continuation, FlowId, PushedRequest};

const VECTORS: &str = include_str!("../../../tests/fixtures/store/sealed-v1.json");

const TIMES: Times =
    Times { redeem_by: Timestamp::from_millis(1_700_000_060_000), login_millis: 1_800_000 };

const FLOW: FlowId = FlowId([0x66; 12]);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..][..2], 16).unwrap()).collect()
}

fn reference(byte: u8) -> Reference {
    Reference::from_bytes([byte; 32])
}

fn request(query: &str) -> PushedRequest {
    let index = Some(IndexKey::new("https://as.example", "web", "s", "https://c.example/cb"));
    PushedRequest { client_id: "web".into(), query: query.into(), flow_key: [0x77; 32], index }
}

#[test]
fn the_committed_vectors_are_opened_and_their_places_found() {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let told = |name: &str| vectors[name].as_str().unwrap();
    let derive = Sealer::new(told("issuer"));
    let place = derive.request(&reference(0x11)).unwrap();
    assert_eq!(hex(&place.address()), told("request_address"));
    let opened = Opened::request(&place, bytes(told("request")), TIMES).unwrap();
    assert_eq!((&*opened.client_id, &*opened.query), ("web", "client_id=web&state=s"));
    assert_eq!((opened.flow_key, opened.index), ([0x77; 32], request("").index));
    let mark = derive.client_mark(&reference(0x11), "web").unwrap();
    assert_eq!(hex(&mark), told("client_mark"));
    let handle = derive.continuation(&reference(0x11), &reference(0x22)).unwrap();
    assert_eq!(hex(&handle.address()), told("continuation_address"));
    let kept = bytes(told("continuation"));
    let opened = Opened::continuation(&handle, kept, place.address(), FLOW).unwrap();
    assert_eq!((&*opened.path, &*opened.query), ("/authorize", "client_id=web"));
    let index = derive.index(&request("").index.unwrap()).unwrap();
    assert_eq!(hex(&index.address()), told("index_address"));
    let found = Opened::reference(&index, bytes(told("index_entry")), place.address()).unwrap();
    assert_eq!(found, reference(0x11));
    assert_eq!(hex(&derive.replay(&ReplayKey([0x33; 32])).unwrap()), told("replay_address"));
}

/// Extract and expand by hand, with HMAC alone.
#[test]
fn an_address_is_what_rfc_5869_gives() {
    let place = Sealer::new("https://as.example").request(&reference(0x11)).unwrap();
    let prk = hmac(&[0; 32], &[0x11; 32]);
    let mut info = b"parapet/v1/request/address\0https://as.example".to_vec();
    info.push(1);
    assert_eq!(place.address(), hmac(&prk, &info)[..16]);
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
    sign(&Key::new(HMAC_SHA256, key), message).as_ref().to_vec()
}

#[test]
fn nothing_opens_with_anything_changed() {
    let rng = SystemRandom::new();
    let derive = Sealer::new("https://as.example");
    let place = derive.request(&reference(1)).unwrap();
    let sealed = place.seal_request(&request("a=b"), TIMES, &rng).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(Opened::request(&place, changed, TIMES).unwrap_err(), SealError::Unreadable);
    }
    for length in 0..sealed.len() {
        assert!(Opened::request(&place, sealed[..length].to_vec(), TIMES).is_err());
    }
    let later = Times { redeem_by: Timestamp::from_millis(1_700_000_060_001), ..TIMES };
    let longer = Times { login_millis: 1_800_001, ..TIMES };
    for times in [later, longer] {
        assert!(Opened::request(&place, sealed.clone(), times).is_err());
    }
    let other_issuer = Sealer::new("https://other.example").request(&reference(1)).unwrap();
    for elsewhere in [derive.request(&reference(2)).unwrap(), other_issuer] {
        assert_ne!(elsewhere.address(), place.address());
        assert!(Opened::request(&elsewhere, sealed.clone(), TIMES).is_err());
    }
    assert!(Opened::request(&place, sealed, TIMES).is_ok());
}

#[test]
fn a_continuation_opens_in_its_flow_alone() {
    let rng = SystemRandom::new();
    let derive = Sealer::new("https://as.example");
    let of = derive.request(&reference(1)).unwrap().address();
    let place = derive.continuation(&reference(1), &reference(2)).unwrap();
    let continuation = Continuation { path: "/a".into(), query: "b=c".into() };
    let sealed = place.seal_continuation(&continuation, of, FLOW, &rng).unwrap();
    assert!(Opened::continuation(&place, sealed.clone(), of, FlowId([1; 12])).is_err());
    assert!(Opened::continuation(&place, sealed.clone(), [0; 16], FLOW).is_err());
    assert!(Opened::continuation(&place, sealed, of, FLOW).is_ok());
    let elsewhere = derive.continuation(&reference(3), &reference(2)).unwrap();
    assert_ne!(elsewhere.address(), place.address());
}

#[test]
fn equal_requests_are_sealed_differently_and_sizes_fall_into_classes() {
    let rng = SystemRandom::new();
    let derive = Sealer::new("https://as.example");
    let place = derive.request(&reference(1)).unwrap();
    let seal = |query: &str| place.seal_request(&request(query), TIMES, &rng).unwrap();
    assert_ne!(seal("a=b"), seal("a=b"));
    let sizes: std::collections::BTreeSet<usize> =
        (0..2_000).map(|length| seal(&"x".repeat(length)).len() - 29).collect();
    assert_eq!(Vec::from_iter(sizes), [96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072]);
}

#[test]
fn debug_shows_nothing() {
    let place = Sealer::new("https://as.example").request(&reference(1)).unwrap();
    assert_eq!(format!("{place:?}"), "Place(…)");
}

/// Far above what it takes, and far below what a slow derivation of keys would.
#[test]
fn sealing_is_quick() {
    let (rng, clock) = (SystemRandom::new(), SystemClock::start());
    let derive = Sealer::new("https://as.example");
    let pushed = request(&"x".repeat(1_500));
    let begun = clock.now();
    for _ in 0..1_000 {
        let place = derive.request(&reference(1)).unwrap();
        place.seal_request(&pushed, TIMES, &rng).unwrap();
    }
    let took = clock.now().since(begun);
    println!("{took:?} for 1000");
    assert!(took.as_millis() < 500, "{took:?} for 1000");
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(client in ".{0,40}", query in ".{0,400}", byte: u8) {
        let place = Sealer::new("https://as.example").request(&reference(byte)).unwrap();
        let pushed = PushedRequest { client_id: client.as_str().into(), ..request(&query) };
        let sealed = place.seal_request(&pushed, TIMES, &SystemRandom::new()).unwrap();
        let opened = Opened::request(&place, sealed, TIMES).unwrap();
        prop_assert_eq!((&*opened.client_id, &*opened.query), (client.as_str(), query.as_str()));
        prop_assert_eq!(opened.index, pushed.index);
    }

    #[test]
    fn odd_bytes_open_nothing(odd in proptest::collection::vec(any::<u8>(), 0..200)) {
        let place = Sealer::new("https://as.example").request(&reference(1)).unwrap();
        prop_assert!(Opened::request(&place, odd, TIMES).is_err());
    }
}
