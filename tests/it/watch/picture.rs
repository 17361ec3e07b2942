//! The status page as a browser shows it, light and dark, wide and narrow. With `PARAPET_WRITE_DOCS=1`
//! the pictures of the documents are made anew.

use std::sync::Arc;
use std::time::Duration;

use fantoccini::Client as Driver;
use parapet::admin::status::{CertificateFacts, Facts, StoreFacts, TrackedFacts, UpstreamFacts};
use parapet::admin::{self, Readiness, Status};
use parapet::clock::{ManualClock, Timestamp, WallTime};
use parapet::oauth::error::ErrorCode;
use parapet::telemetry::history::History;
use parapet::telemetry::metrics::{
    AuthMethod, CompletionOutcome, PushForm, RateScope, RedeemResult, RouteLabel, StatusClass,
};
use parapet::telemetry::recent::Recent;
use parapet::telemetry::{Metrics, ReloadStatus};
use serde_json::json;
use tokio::sync::watch;

use crate::support::chromium::{Chromium, devtools, network_log, screenshot};

/// 2026-11-20T09:12:00Z
const BEGIN: u64 = 1_795_165_920_000;

/// An hour of a gateway that has something to do.
struct Hour {
    clock: Arc<ManualClock>,
    metrics: &'static Metrics,
    history: Arc<History>,
    recent: &'static Recent,
    /// Whatever looks like chance: xorshift.
    chance: u64,
    /// Whether time goes on between two outcomes, too.
    in_detail: bool,
}

impl Hour {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(BEGIN)));
        let as_clock = || Arc::<ManualClock>::clone(&clock);
        Self {
            metrics: Box::leak(Box::new(Metrics::new())),
            history: Arc::new(History::new(as_clock())),
            recent: Box::leak(Box::new(Recent::new(as_clock()))),
            clock,
            chance: 0x9E37_79B9_7F4A_7C15,
            in_detail: false,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % limit
    }

    fn live(&mut self) {
        for minute in 0..60 {
            let busy = 40 + 25 * u64::from(minute % 20 < 11) + self.below(20);
            for _ in 0..busy {
                self.login();
            }
            // An evening's trouble: somebody changed a secret.
            let trouble = if (33..41).contains(&minute) { 30 } else { 2 };
            for _ in 0..self.below(trouble) {
                self.refuse(ErrorCode::InvalidClient, "mismatch");
            }
            for _ in 0..self.below(4) {
                self.refuse(ErrorCode::InvalidRequest, "missing_code_challenge");
            }
            for _ in 0..self.below(3) {
                self.metrics.redeem(RedeemResult::Expired);
                self.note("redeem.refused", (Some("invalid_request_uri"), Some("expired")));
            }
            if minute == 36 {
                for _ in 0..9 {
                    self.refuse(ErrorCode::TooManyRequests, "too_many_failures");
                    self.metrics.rate_limited(RateScope::Address);
                }
            }
            self.history.sample(self.metrics);
            if minute < 59 {
                self.clock.advance(Duration::from_secs(60));
            }
            self.in_detail = minute == 58;
        }
        self.clock.advance(Duration::from_secs(3));
        self.history.sample(self.metrics);
    }

    fn note(&mut self, event: &'static str, why: (Option<&'static str>, Option<&'static str>)) {
        let id = format!("{:016x}{:016x}", self.below(u64::MAX), self.below(u64::MAX));
        if self.in_detail {
            let pause = self.below(400);
            self.clock.advance(Duration::from_millis(pause));
        }
        self.recent.note(event, &id, why);
    }

    fn login(&mut self) {
        let took = Duration::from_micros(300 + self.below(700) + 20 * self.below(20).pow(2));
        let form = if self.below(5) == 0 { PushForm::RequestObject } else { PushForm::Plain };
        self.metrics.push(None, AuthMethod::PrivateKeyJwt, form, took);
        let upstream = Duration::from_millis(18 + self.below(30) + self.below(8).pow(3));
        self.metrics.upstream_request(RouteLabel::Authorize, StatusClass::Redirection, upstream);
        self.note("push.accepted", (None, None));
        if self.below(20) > 0 {
            self.metrics.redeem(RedeemResult::Ok);
            self.note("redeem.accepted", (None, Some("ok")));
        }
        match self.below(12) {
            0 => self.metrics.completion(CompletionOutcome::Error),
            1 => {}
            _ => {
                self.metrics.completion(CompletionOutcome::Code);
                self.note("completion.code", (None, None));
            }
        }
    }

    fn refuse(&mut self, error: ErrorCode, reason: &'static str) {
        let took = Duration::from_micros(150 + self.below(100));
        self.metrics.push(Some(error), AuthMethod::ClientSecretBasic, PushForm::Plain, took);
        self.note("push.refused", (Some(error.as_str()), Some(reason)));
    }

    fn status(&self) -> Status {
        Status {
            clock: Arc::<ManualClock>::clone(&self.clock),
            history: Arc::clone(&self.history),
            recent: self.recent,
            facts: Box::new(facts),
        }
    }
}

fn facts() -> Facts {
    let at = |ahead: u64| Timestamp::from_millis(BEGIN + ahead * 1_000);
    let until = |ahead: u64| Some(WallTime::from_millis(BEGIN + ahead * 1_000));
    Facts {
        started_at: Timestamp::from_millis(BEGIN - 86_400_000 * 11),
        issuer: "https://login.example.com".into(),
        configuration: ReloadStatus {
            hash: "3f9c1be07d52".into(),
            loaded_at: at(600),
            applied: 4,
            refused: None,
        },
        upstream: UpstreamFacts {
            url: "http://127.0.0.1:9000".into(),
            preset: "django-oauth-toolkit".into(),
            metadata_known: true,
            last_fetch_succeeded: Some(true),
        },
        store: StoreFacts {
            backend: "memory",
            up: true,
            entries: 1_284,
            bytes: 31_457_280,
            max_bytes: Some(268_435_456),
        },
        certificates: vec![
            CertificateFacts { listener: "public", expires_at: until(86_400 * 61) },
            CertificateFacts { listener: "mtls", expires_at: until(86_400 * 9) },
        ],
        tracked: TrackedFacts { clients: 6, addresses: 14, blocked: 2, trusted: 9 },
    }
}

/// How a page is looked at.
struct Look {
    name: &'static str,
    scheme: &'static str,
    width: u32,
    paper: &'static str,
}

const LOOKS: [Look; 4] = [
    Look { name: "status-light", scheme: "light", width: 1240, paper: "rgb(246, 245, 242)" },
    Look { name: "status-dark", scheme: "dark", width: 1240, paper: "rgb(21, 22, 26)" },
    Look { name: "status-narrow", scheme: "light", width: 380, paper: "rgb(246, 245, 242)" },
    Look { name: "status-empty", scheme: "dark", width: 1240, paper: "rgb(21, 22, 26)" },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_page_is_shown_light_and_dark_wide_and_narrow() {
    let (mut busy, idle) = (Hour::new(), Hour::new());
    busy.live();
    let (stop, stopped) = watch::channel(false);
    let mut addresses = Vec::new();
    let mut threads = Vec::new();
    for hour in [&busy, &idle] {
        let bound = admin::bind(([127, 0, 0, 1], 0).into()).unwrap().with_status(hour.status());
        addresses.push(bound.address());
        let readiness = Readiness::new().check("metadata", || true).check("keys", || true);
        let readiness = readiness.check("serving", || true).check("store", || true);
        threads.push(bound.run(readiness, hour.metrics, stopped.clone()).unwrap());
    }
    let (full, empty) = (addresses[0], addresses[1]);
    let browser = Chromium::start().await;
    let client = browser.client.clone();
    let visit = tokio::spawn(async move {
        for look in &LOOKS {
            let address = if look.name == "status-empty" { empty } else { full };
            shown(&client, &format!("http://{address}/status?pause"), look).await;
        }
    });
    browser.stop_after(visit).await;
    stop.send(true).unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
}

async fn shown(client: &Driver, url: &str, look: &Look) {
    let features = json!([{ "name": "prefers-color-scheme", "value": look.scheme }]);
    devtools(client, "Emulation.setEmulatedMedia", json!({ "features": features })).await;
    let device = json!({
        "width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": false,
    });
    devtools(client, "Emulation.setDeviceMetricsOverride", device).await;
    network_log(client).await;
    client.goto(url).await.unwrap();
    let asked = async |script: &str| client.execute(script, Vec::new()).await.unwrap();

    // The style sheet passes its own policy, and follows the person's choice.
    let paper = asked("return getComputedStyle(document.body).backgroundColor").await;
    assert_eq!(paper, look.paper, "{}", look.name);
    let wide = asked("return document.documentElement.scrollWidth").await.as_u64().unwrap();
    assert!(wide <= u64::from(look.width), "{}: {wide} wide", look.name);
    let small = asked(
        "return [...document.querySelectorAll('p,dt,dd,td,th,li,a')].filter(it => \
         parseFloat(getComputedStyle(it).fontSize) < 12).length",
    )
    .await;
    assert_eq!(small, 0, "{}", look.name);
    let messages = network_log(client).await;
    let requests: Vec<_> = messages
        .iter()
        .filter_map(|message| message["params"]["request"]["url"].as_str())
        .filter(|asked| !asked.ends_with("/favicon.ico"))
        .collect();
    assert_eq!(requests, [url], "{}", look.name);

    let height = asked("return document.documentElement.scrollHeight").await.as_u64().unwrap();
    let png = screenshot(client, look.width.into(), height.min(1_280)).await;
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{}", look.name);
    let is_shown = ["status-light", "status-dark"].contains(&look.name);
    if is_shown && std::env::var_os("PARAPET_WRITE_DOCS").is_some() {
        std::fs::create_dir_all("docs/images").unwrap();
        std::fs::write(format!("docs/images/{}.png", look.name), png).unwrap();
    }
}
