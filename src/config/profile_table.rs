//! The profiles side by side, as `docs/configuration.md` shows them: written from the rules, so that
//! the page cannot say anything else.

use std::fmt::Write as _;
use std::time::Duration;

use super::profile::{Audience, Modes, Profile, Rules};

/// The section of the page: a row for each demand, a column for each profile.
pub(super) fn section() -> String {
    let mut page = String::from(INTRODUCTION);
    for (demand, show) in ROWS {
        let cells = Profile::ALL.map(|profile| show(profile.rules()));
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {demand} | {} |", cells.join(" | "));
    }
    page
}

const INTRODUCTION: &str = "
## Profiles

`[par] profile` holds for every client, `profile` in a client's table for that one. A configuration
that breaks a profile is refused at start.

| | `oauth` | `fapi1` | `fapi2` |
|---|---|---|---|
";

type Row = (&'static str, fn(&Rules) -> String);

const ROWS: [Row; 20] = [
    ("client authentication", |rules| code(rules.methods.iter().map(|method| method.as_str()))),
    ("signing algorithms", |rules| code(rules.signing_algorithms.iter().map(|alg| alg.name()))),
    ("smallest RSA key", |rules| format!("{} bits", rules.least_rsa_bits)),
    ("smallest elliptic curve", |rules| format!("{} bits", rules.least_ec_bits)),
    ("assertion: `aud`", |rules| {
        match rules.assertion_audience {
            Audience::Any => "issuer, token endpoint or PAR endpoint; text or list",
            Audience::Issuer => "issuer; text alone",
        }
        .to_owned()
    }),
    ("assertion: `typ`, where there is one", |rules| code(rules.assertion_types.iter().copied())),
    ("assertion: `jti`", |rules| needed(rules.assertion_needs_jti)),
    ("assertion: `exp` at most ahead", |rules| time(rules.longest_assertion)),
    ("clocks may differ by", |rules| time(rules.clock_skew)),
    ("PKCE with S256", |rules| needed(rules.needs_pkce)),
    ("`redirect_uri`", |rules| rules.redirect_uris.describe().to_owned()),
    ("`redirect_uri` that is not registered", |rules| {
        if rules.allows_unregistered_redirect_uris {
            "refused, unless `allow_unregistered_redirect_uris` is set"
        } else {
            "refused"
        }
        .to_owned()
    }),
    ("parameters needed", |rules| {
        let names = code(rules.needed_parameters.iter().map(|needed| needed.name()));
        if names.is_empty() { "as RFC 6749 says".to_owned() } else { names }
    }),
    ("responses", responses),
    ("longest `request_uri` lifetime", |rules| time(rules.longest_request_uri)),
    ("requests that were not pushed", |rules| {
        if rules.must_push { "refused" } else { "as `required` says" }.to_owned()
    }),
    ("signed request object", |rules| needed(rules.needs_signed_request)),
    ("request object: `typ`, where there is one", |rules| {
        code(rules.request_object_types.iter().copied())
    }),
    ("request object: `aud`, `exp`, `nbf`", request_object_claims),
    ("access tokens bound to a key", |rules| {
        if rules.binds_tokens { "by the server, with DPoP or mutual TLS" } else { "optional" }
            .to_owned()
    }),
];

fn responses(rules: &Rules) -> String {
    let shown = rules.responses.iter().map(|rule| match rule.modes {
        Modes::Any => format!("`{}`", rule.response_type),
        Modes::Only(modes) => {
            let modes = modes.iter().map(|mode| if mode.is_empty() { "none" } else { mode });
            format!("`{}` with `response_mode` {}", rule.response_type, code(modes))
        }
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "what the server offers".to_owned() } else { shown.join("; ") }
}

fn request_object_claims(rules: &Rules) -> String {
    let audience = if rules.request_object_needs_audience {
        "`aud` needed: the issuer, text or list"
    } else {
        "`aud` optional: the issuer, text or list"
    };
    match rules.request_object_window {
        Some(window) => format!(
            "{audience}; `nbf` needed, at most {0} old; `exp` needed, at most {0} after it",
            time(window)
        ),
        None => format!("{audience}; `exp` and `nbf` optional"),
    }
}

fn needed(is: bool) -> String {
    if is { "required" } else { "optional" }.to_owned()
}

fn code<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
