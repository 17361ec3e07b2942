//! The metadata: where they are, whose they are, and what they say of things that the gateway acts on.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::Finding;
use super::prober::Prober;
use crate::config::Issuer;
use crate::upstream::places;

/// Where servers keep their metadata that do not keep to the rule.
const ELSEWHERE: [&str; 6] = [
    "/.well-known/openid-configuration",
    "/o/.well-known/openid-configuration",
    "/oauth2/.well-known/openid-configuration",
    "/oidc/.well-known/openid-configuration",
    "/realms/master/.well-known/openid-configuration",
    "/auth/.well-known/openid-configuration",
];

/// What the other rooms need of them.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// The first that was found; empty where there is none.
    pub(super) primary: Map<String, Value>,
}

impl Documents {
    /// The text of a member.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.primary.get(name).and_then(Value::as_str)
    }

    /// Path and query of an endpoint, if it is on the public origin or the upstream's own.
    pub(super) fn target(&self, name: &str, prober: &Prober<'_>) -> Option<String> {
        let url = self.text(name)?;
        let internal = prober.config.upstream.url.origin();
        let origins = [prober.config.server.issuer.origin(), &internal];
        let target = origins.into_iter().find_map(|origin| url.strip_prefix(origin));
        target.filter(|target| target.starts_with('/')).map(str::to_owned)
    }
}

pub(super) async fn look(prober: &Prober<'_>) -> (Documents, Vec<Finding>) {
    const CHECK: &str = "metadata.place";
    let own = prober.config.upstream.discovery_path.clone();
    let expected: Vec<_> = match own {
        Some(path) => vec![path],
        None => places(prober.config.server.issuer.path()),
    };
    let found = first_of(prober, expected.iter().map(String::as_str)).await;
    if let Some((place, primary)) = found {
        let documents = Documents { primary };
        let mut findings = vec![Finding::good(CHECK, format!("found at {place}"))];
        findings.push(issuer(prober, &documents));
        findings.push(endpoints(prober, &documents));
        findings.push(abilities(&documents));
        return (documents, findings);
    }
    let elsewhere = first_of(prober, ELSEWHERE.into_iter()).await;
    let finding = match (&elsewhere, &prober.config.upstream.authorization_path) {
        (Some((place, _)), _) => {
            let says = format!("not at {}, but at {place}", expected.join(" or "));
            Finding::problem(CHECK, says).line("upstream", "discovery_path", place.as_str())
        }
        (None, Some(_)) => Finding::warning(CHECK, "there are none; the gateway will serve none")
            .advice("clients have to be told the addresses of the endpoints"),
        (None, None) => Finding::problem(CHECK, format!("none at {}", expected.join(" or ")))
            .advice(
                "name the document in [upstream] discovery_path, or without one the endpoint in \
                 [upstream] authorization_path",
            ),
    };
    let primary = elsewhere.map(|(_, primary)| primary).unwrap_or_default();
    (Documents { primary }, vec![finding])
}

async fn first_of<'a>(
    prober: &Prober<'_>,
    places: impl Iterator<Item = &'a str>,
) -> Option<(String, Map<String, Value>)> {
    for place in places {
        if let Ok(answer) = prober.get(place).await
            && let Some(document) = document(&answer)
        {
            return Some((place.to_owned(), document));
        }
    }
    None
}

fn document(answer: &Response<Bytes>) -> Option<Map<String, Value>> {
    let is_ok = answer.status() == StatusCode::OK;
    let document = serde_json::from_slice(answer.body()).ok().filter(|_| is_ok);
    document.filter(|document: &Map<String, Value>| document.contains_key("issuer"))
}

/// RFC 8414 §3.3: clients compare letter by letter.
fn issuer(prober: &Prober<'_>, documents: &Documents) -> Finding {
    const CHECK: &str = "metadata.issuer";
    let ours = &prober.config.server.issuer;
    let theirs = documents.text("issuer").unwrap_or_default();
    if theirs == ours.as_str() {
        return Finding::good(CHECK, format!("{theirs}, as configured"));
    }
    let says = format!("the server calls itself {theirs}, [server] issuer is {}", ours.as_str());
    let problem = Finding::problem(CHECK, says);
    let internal = prober.config.upstream.url.origin();
    match Issuer::parse(theirs) {
        Some(issuer) if issuer.origin() != internal => problem
            .advice("clients refuse tokens of another issuer; say it as the server does")
            .line("server", "issuer", theirs),
        _ => problem.advice(format!(
            "clients refuse tokens of another issuer; let the server take {} for its own name",
            ours.as_str()
        )),
    }
}

/// Endpoints that the gateway cannot stand before.
fn endpoints(prober: &Prober<'_>, documents: &Documents) -> Finding {
    const CHECK: &str = "metadata.endpoints";
    let is_endpoint = |name: &&String| name.ends_with("_endpoint") || *name == "jwks_uri";
    let names = documents.primary.keys().filter(is_endpoint);
    let (here, away): (Vec<_>, Vec<_>) =
        names.partition(|name| documents.target(name, prober).is_some());
    if documents.text("authorization_endpoint").is_none() {
        return Finding::problem(CHECK, "no authorization_endpoint is named")
            .advice("name its path in [upstream] authorization_path");
    }
    let list =
        |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if away.is_empty() {
        return Finding::good(CHECK, format!("{} endpoints, all on its own host", here.len()));
    }
    let says = format!("on another host: {}", list(&away));
    let advice = "let the server form addresses from the Host and X-Forwarded-Proto that it gets, \
                  or from its public URL";
    let is_the_one = away.iter().any(|name| *name == "authorization_endpoint");
    if is_the_one && prober.config.upstream.authorization_path.is_none() {
        Finding::problem(CHECK, says).advice(advice)
    } else {
        Finding::warning(CHECK, says).advice(advice)
    }
}

/// What it can do by itself.
fn abilities(documents: &Documents) -> Finding {
    const CHECK: &str = "metadata.abilities";
    let has = |name: &str| documents.primary.contains_key(name);
    let is = |name: &str| documents.primary.get(name) == Some(&Value::Bool(true));
    let known = [
        (has("dpop_signing_alg_values_supported"), "DPoP"),
        (is("request_parameter_supported"), "request objects"),
        (is("authorization_response_iss_parameter_supported"), "iss in its answers"),
        (has("authorization_details_types_supported"), "authorization_details"),
    ];
    let known = known.into_iter().filter(|(has, _)| *has).map(|(_, name)| name);
    let known = known.collect::<Vec<_>>().join(", ");
    if has("pushed_authorization_request_endpoint") {
        return Finding::warning(CHECK, "the server has pushed requests itself").advice(
            "do without the gateway, or let both agree who answers; see docs/upstreams.md",
        );
    }
    let known = if known.is_empty() { "nothing of note".to_owned() } else { known };
    Finding::good(CHECK, format!("no pushed requests of its own; it has {known}"))
}
