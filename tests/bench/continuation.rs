//! What it costs to rewrite a redirect whose address nests an authorize request of 4 KiB:
//! `cargo bench --bench continuation`.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use parapet::authorize::continuation::{Place, handle, rewrite};
use parapet::oauth::parameters::{Encoder, Parameters};
use parapet::oauth::request_uri::Reference;
use parapet::store::FlowId;

const BYTES: usize = 4_096;
const BATCHES: usize = 200;
const PER_BATCH: u32 = 100;
/// Microseconds that a rewrite may take.
const TARGET: f64 = 50.0;

#[expect(clippy::disallowed_methods, reason = "a stopwatch, finer than the gateway's clock")]
fn main() -> anyhow::Result<()> {
    let location = location()?;
    println!("Location:       {} bytes", location.len());
    let mut times = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let began = Instant::now();
        for _ in 0..PER_BATCH {
            black_box(rewritten(black_box(&location)).context("nothing was found")?);
        }
        times.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(PER_BATCH));
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(BATCHES * share / 100).copied().unwrap_or_default();
    println!("rewrite:        p1 {:.1} µs, p50 {:.1} µs, p99 {:.1} µs", at(1), at(50), at(99));
    // The median would blame the gateway for what else runs on the machine.
    ensure!(at(1) < TARGET, "slower than {TARGET} µs");
    Ok(())
}

/// As Django sends it: the request encoded once more, inside `next`.
fn location() -> anyhow::Result<String> {
    let mut request = Encoder::default();
    for (name, value) in [
        ("client_id", "s6BhdRkqt3"),
        ("response_type", "code"),
        ("redirect_uri", "https://client.example/callback"),
        ("state", "af0ifjsldkj"),
    ] {
        request.push(name, value);
    }
    let claims = "{\"id_token\":{\"email\":{\"essential\":true}}} ".repeat(100);
    let mut outer = Encoder::default();
    for length in (0..claims.len()).rev() {
        let mut request = request.clone();
        request.push("claims", claims.get(..length).context("ASCII")?);
        outer = Encoder::default();
        outer.push("next", &format!("/o/authorize/?{}", request.finish()));
        let text = format!("/accounts/login/?{}", outer.clone().finish());
        if text.len() <= BYTES {
            return Ok(text);
        }
    }
    anyhow::bail!("no room in {}", outer.finish())
}

/// Found, read, named by a handle, and replaced.
fn rewritten(location: &str) -> Option<String> {
    let place = Place { origin: "https://login.example", path: "/o/authorize/" };
    let reference = Reference::from_bytes([7; 32]);
    rewrite(location, place, &mut |path, query| {
        let given = Parameters::parse(query.as_bytes()).ok()?;
        given.value("response_type")?;
        let handle = handle(&reference, &[9; 32], FlowId([3; 12]), (path, query));
        let mut replacement = Encoder::default();
        replacement.push("client_id", given.value("client_id")?);
        replacement.push("request_uri", &handle.to_request_uri());
        Some(replacement.finish())
    })
}
