//! Other spellings of the authorization path that the upstream takes for the same, and further paths
//! that take a request. Where pushed requests are required, each is a way around if nobody closes it.

use super::Finding;
use super::answer::{Kind, location};
use super::authorize::Endpoint;
use super::prober::Prober;
use crate::config::preset::{ALL, Preset};
use crate::oauth::target::fold_path;

pub(super) async fn look(prober: &Prober<'_>, endpoint: &Endpoint) -> Vec<Finding> {
    const CHECK: &str = "authorize.aliases";
    if !endpoint.can_be_told() {
        let says = "the server answers alike on every path";
        return vec![Finding::skipped(CHECK, says)];
    }
    let mut answering = Vec::new();
    let mut open = Vec::new();
    for (name, alias) in spellings(endpoint.path()) {
        if answers(prober, endpoint, &alias).await {
            answering.push(name);
            if fold_path(&alias) != fold_path(endpoint.path()) {
                open.push(alias);
            }
        }
    }
    vec![spelt(CHECK, &answering, open), further(prober, endpoint).await]
}

fn spelt(check: &'static str, answering: &[&str], open: Vec<String>) -> Finding {
    if !open.is_empty() {
        let says = format!("also answers at {}", open.join(", "));
        let paths: Vec<_> = open.into_iter().map(toml::Value::String).collect();
        return Finding::problem(check, says).line("upstream", "authorize_paths", paths);
    }
    if answering.is_empty() {
        return Finding::good(check, "answers on no other spelling of its path");
    }
    let answering = answering.join(", ");
    Finding::good(
        check,
        format!("also answers on {answering}; the gateway takes these for one path"),
    )
}

/// Paths that servers of some kind have beside the endpoint.
async fn further(prober: &Prober<'_>, endpoint: &Endpoint) -> Finding {
    const CHECK: &str = "authorize.paths";
    let configured = &prober.config.upstream.authorize_paths;
    let known = ALL.into_iter().flat_map(|preset: Preset| preset.ways().authorize_paths);
    let mut open = Vec::new();
    for path in known.filter(|path| configured.iter().all(|known| known != *path)) {
        if answers(prober, endpoint, path).await {
            open.push((*path).to_owned());
        }
    }
    if open.is_empty() {
        return Finding::good(CHECK, "no further path that is known takes requests");
    }
    let says = format!("{} takes requests too", open.join(", "));
    let paths = configured.iter().chain(&open).cloned().map(toml::Value::String);
    Finding::problem(CHECK, says).advice("close it to requests that were not pushed").line(
        "upstream",
        "authorize_paths",
        paths.collect::<Vec<_>>(),
    )
}

/// Whether a path does what the endpoint does, or leads there with the request.
async fn answers(prober: &Prober<'_>, endpoint: &Endpoint, path: &str) -> bool {
    let Ok(answer) = prober.get(&prober.authorize_target(path)).await else {
        return false;
    };
    let leads_there = location(&answer).is_some_and(|to| {
        let to = to.strip_prefix(prober.config.server.issuer.origin()).unwrap_or(to);
        to.split('?').next() == Some(endpoint.path()) && to.contains(&prober.state())
    });
    leads_there || endpoint.is_like(&Kind::of(&answer))
}

/// What a careless server takes for the same path, with a word for each.
fn spellings(path: &str) -> Vec<(&'static str, String)> {
    let slash = match path.strip_suffix('/') {
        Some(bare) => bare.to_owned(),
        None => format!("{path}/"),
    };
    let letter = path.rfind(|letter: char| letter.is_ascii_alphabetic());
    let encoded = letter.and_then(|at| {
        let (before, rest) = path.split_at_checked(at)?;
        let mut rest = rest.chars();
        let letter = u32::from(rest.next()?);
        Some(format!("{before}%{letter:02X}{}", rest.as_str()))
    });
    let all = [
        ("another last slash", Some(slash)),
        ("capital letters", Some(path.to_ascii_uppercase())),
        ("a double slash", Some(format!("/{path}"))),
        ("percent-encoding", encoded),
        ("a path parameter", Some(format!("{path};a=b"))),
    ];
    let other = |spelling: &String| spelling != path && spelling != "/" && !spelling.is_empty();
    let all = all.into_iter();
    all.filter_map(|(name, spelling)| Some((name, spelling.filter(&other)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_respelt() {
        let spelt = |path| spellings(path).into_iter().map(|(_, path)| path).collect::<Vec<_>>();
        assert_eq!(
            spelt("/o/authorize/"),
            [
                "/o/authorize",
                "/O/AUTHORIZE/",
                "//o/authorize/",
                "/o/authoriz%65/",
                "/o/authorize/;a=b"
            ]
        );
        assert_eq!(spelt("/1"), ["/1/", "//1", "/1;a=b"]);
        for path in ["/o/authorize/", "/auth"] {
            for spelling in spelt(path) {
                assert_eq!(fold_path(&spelling), fold_path(path), "{spelling}");
            }
        }
    }
}
