//! Two clocks (B-277): times that others wrote are judged by the wall clock as it is now, and what is
//! kept by the time that passes.

use std::time::Duration;

use parapet::config::Profile;
use parapet::jose::Algorithm;
use serde_json::json;

use super::assertions::{bank_with, claims_of, push};
use super::dpop::{Bench, with_proofs};
use super::request_object::{Office, claims as object_claims};
use super::*;
use crate::support::jose::Signer;

/// Hours by which the wall clock of the machine goes wrong, in milliseconds.
const WRONG: [i64; 4] = [-86_400_000, -3_600_000, 3_600_000, 86_400_000];

/// Something with times in it that a client whose clock is right sends, again and again.
trait Sender {
    fn desk(&self) -> &Desk;

    async fn send(&self) -> Response<Bytes>;
}

struct Assertions(Desk, Signer);

impl Sender for Assertions {
    fn desk(&self) -> &Desk {
        &self.0
    }

    async fn send(&self) -> Response<Bytes> {
        let right = json!({ "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_060 });
        push(&self.0, &self.1.token(&claims_of(&self.0, "bank", &right))).await
    }
}

impl Sender for Bench {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    async fn send(&self) -> Response<Bytes> {
        self.desk.send(with_proofs(&complete(), &[&self.proof(&json!({}))])).await
    }
}

impl Sender for Office {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    async fn send(&self) -> Response<Bytes> {
        self.push(&object_claims()).await
    }
}

async fn corrected(kind: &str, sender: impl Sender) {
    let clock = &sender.desk().clock;
    for wrong in WRONG {
        clock.correct(wrong);
        let refused = sender.send().await;
        assert!(refused.status().is_client_error(), "{kind}, {wrong}: {refused:?}");
        clock.correct(-wrong);
        assert_eq!(sender.send().await.status(), 201, "{kind}, {wrong}");
    }
}

#[tokio::test]
async fn b277_a_wall_clock_that_was_wrong_at_the_start_is_right_once_it_is_corrected() {
    let signer = Signer::new(Algorithm::Es256);
    let desk = bank_with(Profile::Fapi2, &signer.jwks(), "");
    corrected("client assertion", Assertions(desk, signer)).await;
    corrected("DPoP proof", Bench::new().await).await;
    corrected("request object", Office::open(Profile::Oauth)).await;
}

#[tokio::test]
async fn b277_a_used_assertion_stays_used_wherever_the_wall_clock_is_set() {
    let signer = Signer::new(Algorithm::Es256);
    for wrong in WRONG {
        let desk = bank_with(Profile::Oauth, &signer.jwks(), "");
        let assertion = signer.token(&claims_of(&desk, "bank", &json!({})));
        assert_created(&push(&desk, &assertion).await);
        for _ in 0..20 {
            desk.clock.correct(wrong);
            desk.clock.advance(Duration::from_secs(5));
            assert_eq!(push(&desk, &assertion).await.status(), 401, "{wrong}");
            desk.clock.correct(-wrong);
            assert_eq!(push(&desk, &assertion).await.status(), 401, "{wrong}");
        }
    }
}

#[tokio::test]
async fn b277_no_correction_revives_or_kills_a_request() {
    for wrong in WRONG {
        let desk = Desk::with("[par]\nlifetime = \"90s\"");
        let pushed = [desk.push(&complete()).await, desk.push(&complete()).await];
        desk.clock.correct(wrong);
        desk.clock.advance(Duration::from_millis(89_999));
        assert!(!desk.redeemed("web", &pushed[0]).await.is_empty(), "{wrong}");
        desk.clock.advance(Duration::from_millis(1));
        desk.clock.correct(-2 * wrong);
        let late = desk.authorize("web", &pushed[1]).await;
        assert!(matches!(late, Decision::Answer(_)), "{wrong}: {late:?}");
    }
}
