//! What it costs to believe a token: reading it and verifying the signature, beside what
//! `jsonwebtoken` takes for the same, and the share of a key that is read anew each time.
//! `cargo bench --bench jose`. As
//! `cargo bench --bench jose -- forms FOLDER AUDIENCE ALGORITHM COUNT` it writes what
//! `tests/bench/run` pushes instead: forms with a signed assertion, and with a signed request
//! object besides, one a line, and the client whose key signed them.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parapet::jose::{Algorithm, Authority, KeySet, Policy, Types, jws};
use serde_json::{Value, json};

#[path = "../it/support/jose.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "shared with the integration tests, which use all of it and may fail"
)]
mod signing;

const ROUNDS: u32 = 2_000;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => costs(),
        ["verify"] => verifications(),
        ["forms", folder, audience, algorithm, count] => {
            let algorithm = [Algorithm::Es256, Algorithm::Ps256]
                .into_iter()
                .find(|known| known.to_string() == *algorithm)
                .context("ES256 or PS256")?;
            Forms::new(audience, algorithm).write(Path::new(folder), count.parse()?)
        }
        _ => bail!("forms FOLDER AUDIENCE ALGORITHM COUNT, or nothing"),
    }
}

fn costs() -> anyhow::Result<()> {
    verifications()?;
    let (parsed, unparsed) = key_reading()?;
    println!("ES256    {parsed:>8.1?} the signature alone, with a key kept parsed");
    println!("ES256    {unparsed:>8.1?} the signature alone, with a key read each time");
    Ok(())
}

fn verifications() -> anyhow::Result<()> {
    for algorithm in
        [Algorithm::Es256, Algorithm::Ps256, Algorithm::Rs256, Algorithm::Ed25519, Algorithm::Es512]
    {
        let ours = verification(algorithm)?;
        print!("{algorithm:8} {ours:>8.1?} a token");
        // It has no ES512.
        if algorithm != Algorithm::Es512 {
            print!(", {:>8.1?} by jsonwebtoken", library(algorithm)?);
        }
        println!();
    }
    Ok(())
}

/// What a client that signs pushes.
struct Forms<'a> {
    audience: &'a str,
    algorithm: Algorithm,
    signer: signing::Signer,
}

impl<'a> Forms<'a> {
    fn new(audience: &'a str, algorithm: Algorithm) -> Self {
        Self { audience, algorithm, signer: signing::Signer::new(algorithm) }
    }

    /// `count` forms of each kind, good for four minutes.
    fn write(&self, folder: &Path, count: usize) -> anyhow::Result<()> {
        let (name, keys) = (self.algorithm, folder.join("keys.json"));
        let client = format!(
            "client_id = \"{CLIENT}\"\nauthentication = \"private_key_jwt\"\njwks_file = \"{}\"\n\
             token_endpoint_auth_signing_alg = \"{name}\"\nrequest_object_signing_alg = \"{name}\"\n\
             redirect_uris = [\"https://client.example.org/cb\"]\n",
            keys.display()
        );
        fs::create_dir_all(folder.join("clients"))?;
        fs::write(&keys, self.signer.jwks())?;
        fs::write(folder.join("clients/signing.toml"), format!("[[clients]]\n{client}"))?;
        let mut assertions = BufWriter::new(File::create(folder.join("assertion"))?);
        let mut objects = BufWriter::new(File::create(folder.join("request-object"))?);
        for number in 0..count {
            writeln!(assertions, "{PARAMETERS}&state={number:012}&{}", self.proof(2 * number)?)?;
            let object = self.request_object(number)?;
            writeln!(objects, "request={object}&{}", self.proof(2 * number + 1)?)?;
        }
        assertions.flush()?;
        Ok(objects.flush()?)
    }

    fn proof(&self, number: usize) -> anyhow::Result<String> {
        let now = now()?;
        let assertion = self.signer.token(&json!({
            "iss": CLIENT, "sub": CLIENT, "aud": self.audience, "jti": format!("{number:016x}"),
            "iat": now, "exp": now + 240,
        }));
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        Ok(format!("client_id={CLIENT}&client_assertion_type={kind}&client_assertion={assertion}"))
    }

    fn request_object(&self, number: usize) -> anyhow::Result<String> {
        let now = now()?;
        Ok(self.signer.token(&json!({
            "iss": CLIENT, "client_id": CLIENT, "aud": self.audience, "nbf": now, "exp": now + 240,
            "response_type": "code", "redirect_uri": "https://client.example.org/cb",
            "scope": "openid profile email", "state": format!("{number:012}"),
            "code_challenge": "K2-ltc83acc4h0c9w6ESC_rEMTJ3bww-uCHaoeK1t8U",
            "code_challenge_method": "S256",
        })))
    }
}

const CLIENT: &str = "signing";

const PARAMETERS: &str = "response_type=code&redirect_uri=https%3A%2F%2Fclient.example.org%2Fcb\
    &scope=openid%20profile%20email&code_challenge_method=S256\
    &code_challenge=K2-ltc83acc4h0c9w6ESC_rEMTJ3bww-uCHaoeK1t8U";

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what the gateway checks by the real clock")]
fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// One token, from its text to its claims.
fn verification(algorithm: Algorithm) -> anyhow::Result<Duration> {
    let signer = signing::Signer::new(algorithm);
    let keys = KeySet::parse(signer.jwks().as_bytes())?;
    let token = signer.token(&claims());
    let policy = Policy {
        algorithms: &[algorithm],
        types: Types { named: &["jwt"], or_absent: false },
        max_bytes: 8_192,
    };
    time(|| {
        jws::verify(&token, &policy, Authority::Keys(&keys))?;
        Ok(())
    })
}

/// The same by the library, which reads the key each time and judges `exp`, `iss` and `aud` besides.
fn library(algorithm: Algorithm) -> anyhow::Result<Duration> {
    let algorithm = if algorithm == Algorithm::Ed25519 { Algorithm::EdDsa } else { algorithm };
    let signer = signing::Signer::new(algorithm);
    let mut rules = jsonwebtoken::Validation::new(algorithm.name().parse()?);
    rules.set_audience(&["https://as.example/par"]);
    rules.set_issuer(&["app"]);
    let mut claims = claims();
    if let Some(exp) = claims.get_mut("exp") {
        *exp = json!(now()? + 60);
    }
    let key = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(signer.jwk())?)?;
    let token = signer.token(&claims);
    time(|| {
        jsonwebtoken::decode::<Value>(&token, &key, &rules)?;
        Ok(())
    })
}

/// With a key kept parsed, and with one that is read each time.
fn key_reading() -> anyhow::Result<(Duration, Duration)> {
    let signer = signing::Signer::new(Algorithm::Es256);
    let jwk = signer.jwk();
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = jwk.get(name).and_then(Value::as_str).context("no coordinate")?;
        point.extend(URL_SAFE_NO_PAD.decode(coordinate)?);
    }
    let token = signer.token(&claims());
    let (message, signature) = token.rsplit_once('.').context("no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)?;
    let unparsed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    Ok((
        time(|| parsed.verify_sig(message.as_bytes(), &signature).map_err(Into::into))?,
        time(|| unparsed.verify(message.as_bytes(), &signature).map_err(Into::into))?,
    ))
}

fn claims() -> Value {
    json!({
        "iss": "app", "sub": "app", "aud": "https://as.example/par", "jti": "3f1a-0c",
        "iat": 1_800_000_000, "exp": 1_800_000_060,
    })
}

/// The mean of many rounds.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the real clock")]
fn time(mut round: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    round()?;
    let began = Instant::now();
    for _ in 0..ROUNDS {
        round()?;
    }
    let took = began.elapsed();
    ensure!(!took.is_zero(), "the clock stands still");
    Ok(took / ROUNDS)
}
