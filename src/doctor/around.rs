//! Can people reach the authorization endpoint without the gateway? Then "required" is void.

use super::Finding;
use super::answer::Kind;
use super::authorize::Endpoint;
use super::prober::{Answered, Prober};
use crate::upstream::CallError;

pub(super) async fn look(
    prober: &Prober<'_>,
    endpoint: &Endpoint,
    public: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if prober.config.upstream.secret_header.is_some() {
        findings.push(without_secret(prober, endpoint).await);
    }
    findings.push(match public {
        Some(public) => from_outside(prober, endpoint, public).await,
        None => Finding::skipped("around.public", "say --public-upstream URL to try an address"),
    });
    findings
}

/// The upstream ought to refuse whoever does not know the secret header.
async fn without_secret(prober: &Prober<'_>, endpoint: &Endpoint) -> Finding {
    const CHECK: &str = "around.secret_header";
    let here = prober.config.upstream.url.origin();
    if is_answered(endpoint, &asked(prober, endpoint, &here).await) {
        return Finding::problem(CHECK, "the upstream answers also without the secret header")
            .advice("let the server, or the proxy before it, refuse requests without it");
    }
    Finding::good(CHECK, "the upstream refuses whoever comes without the secret header")
}

async fn from_outside(prober: &Prober<'_>, endpoint: &Endpoint, public: &str) -> Finding {
    const CHECK: &str = "around.public";
    let origin = public.trim_end_matches('/');
    let answer = asked(prober, endpoint, origin).await;
    if let Err(error @ CallError::Unreachable(_)) = &answer
        && error.to_string().contains("certificate")
    {
        return Finding::warning(
            CHECK,
            format!("{origin} {error}; people may reach it all the same"),
        );
    }
    if !is_answered(endpoint, &answer) {
        return Finding::good(CHECK, format!("no authorization endpoint answers at {origin}"));
    }
    let says = format!("the authorization endpoint answers at {origin}, around the gateway");
    let finding = Finding::warning(CHECK, says);
    if prober.config.upstream.secret_header.is_some() {
        return finding.advice("let only the gateway reach the server");
    }
    finding
        .advice(
            "let only the gateway reach the server; where the network cannot see to it, let the \
             server refuse requests without a header that only the gateway knows",
        )
        .line("upstream", "secret_header", "X-Parapet")
        .line("upstream", "secret_header_value_env", "PARAPET_UPSTREAM_SECRET")
}

async fn asked(prober: &Prober<'_>, endpoint: &Endpoint, origin: &str) -> Answered {
    prober.ask_as_stranger(origin, &prober.authorize_target(&endpoint.target)).await
}

/// Whether a stranger gets what the gateway gets from the upstream.
fn is_answered(endpoint: &Endpoint, answer: &Answered) -> bool {
    let kind = answer.as_ref().ok().map(Kind::of);
    kind.is_some_and(|kind| {
        endpoint.is_like(&kind) || (!endpoint.can_be_told() && kind == endpoint.kind)
    })
}
