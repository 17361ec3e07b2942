//! Dashboard, alerts, document and code speak of the same metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::{front, traffic};
use crate::support::http::get;
use crate::support::markdown::Document;
use crate::support::tls::Authority;

const DASHBOARD: &str = "deploy/grafana/parapet.json";
const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const DOCUMENT: &str = "docs/metrics.md";

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Type and labels by name, as the document has them.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = read(DOCUMENT);
    let rows = text.lines().skip_while(|line| !line.starts_with("| name | type |")).skip(2);
    let row = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), words(cells[3])))
    };
    rows.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// The name of the metric that a series belongs to.
fn metric<'a>(series: &'a str, known: &BTreeMap<String, (String, BTreeSet<String>)>) -> &'a str {
    let ends = ["_bucket", "_count", "_sum"].into_iter();
    let mut bases = ends.filter_map(|end| series.strip_suffix(end));
    bases
        .find(|base| known.get(*base).is_some_and(|(kind, _)| kind == "histogram"))
        .unwrap_or(series)
}

/// The words of a `PromQL` expression that name a metric, each with the selector behind it.
fn metrics_in(expression: &str) -> Vec<(String, String)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let (name, behind) = word.split_at(end);
        rest = behind;
        let selector = match behind.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((selector, after)) => {
                rest = after;
                selector
            }
            None => "",
        };
        if ["parapet_", "process_", "http_server_"].iter().any(|start| name.starts_with(start)) {
            found.push((name.to_owned(), selector.to_owned()));
        }
    }
    found
}

/// Every expression of the dashboard, and every query of its variables.
fn dashboard() -> Vec<String> {
    let json: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = json["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut found: Vec<_> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let variables = json["templating"]["list"].as_array().unwrap().iter();
    found.extend(variables.filter_map(|it| Some(it["query"]["query"].as_str()?.to_owned())));
    found
}

/// The fields of an alert by name; what stands in several lines is one.
fn alerts() -> Vec<BTreeMap<String, String>> {
    let mut all: Vec<BTreeMap<String, String>> = Vec::new();
    let mut field = String::new();
    for line in read(ALERTS).lines() {
        let text = line.trim();
        if let Some(name) = text.strip_prefix("- alert: ") {
            all.push([("alert".to_owned(), name.to_owned())].into());
        }
        let Some(alert) = all.last_mut() else { continue };
        let names = ["expr", "for", "severity", "summary", "description", "runbook_url"];
        let begun = names.iter().find_map(|name| Some((*name, text.strip_prefix(name)?)));
        match begun.and_then(|(name, rest)| Some((name, rest.strip_prefix(':')?))) {
            Some((name, value)) => {
                field = name.to_owned();
                alert.insert(field.clone(), value.trim().trim_matches('|').to_owned());
            }
            None if field == "expr" && line.starts_with("          ") => {
                let _ = write!(alert.entry(field.clone()).or_default(), " {text}");
            }
            None => field.clear(),
        }
    }
    all
}

fn expressions() -> Vec<String> {
    let alerts = alerts().into_iter().map(|alert| alert["expr"].clone());
    dashboard().into_iter().chain(alerts).collect()
}

/// All that a gateway with every kind of listener shows after some traffic.
async fn shown() -> String {
    let folder = tempfile::tempdir().unwrap();
    Authority::new("authority").server().write(folder.path(), "server");
    let folder = folder.path().display();
    let front = front(&format!(
        "[server.mtls]\nlisten = [\"127.0.0.1:0\"]\npublic_url = \"https://mtls.login.example\"\n\
         certificate = \"{folder}/server.crt\"\nkey = \"{folder}/server.key\"\n"
    ))
    .await;
    traffic(&front).await;
    let admin = front.gateway.admin_url.clone().unwrap();
    let text = get(&format!("{admin}/metrics")).await.text();
    assert!(front.gateway.stop().0.success());
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_is_drawn_or_watched_is_there_and_documented() {
    let text = shown().await;
    let known = documented();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let shown: BTreeMap<&str, &str> = types.collect();
    for (name, kind) in &shown {
        let documented = known.get(*name).map(|(kind, _)| kind.as_str());
        assert_eq!(documented, Some(*kind), "{name} in {DOCUMENT}");
    }
    for name in known.keys() {
        assert!(shown.contains_key(name.as_str()), "{name} is documented and not shown:\n{text}");
    }
    for expression in expressions() {
        for (series, _) in metrics_in(&expression) {
            let name = metric(&series, &known);
            assert!(shown.contains_key(name), "{series} in {expression} is not shown");
        }
    }
}

/// A wrong label or value would make a panel empty, or an alert that never fires.
#[test]
fn selectors_name_labels_and_values_that_exist() {
    let known = documented();
    let text = read(DOCUMENT);
    let mut looked_at = 0;
    for expression in expressions() {
        for (series, selector) in metrics_in(&expression) {
            let name = metric(&series, &known);
            let (_, labels) = known.get(name).unwrap_or_else(|| panic!("{series}: {expression}"));
            for part in selector.split(',').filter(|part| !part.is_empty()) {
                let at = part.find(['=', '!']).unwrap_or_else(|| panic!("{part}: {expression}"));
                let (label, rest) = part.split_at(at);
                if ["job", "instance", "le"].contains(&label) {
                    continue;
                }
                assert!(labels.contains(label), "{name} has no {label}: {expression}");
                let values = rest.trim_start_matches(['=', '!', '~']).trim_matches('"');
                for value in values.split('|').filter(|value| *value != "5..") {
                    assert!(text.contains(&format!("`{value}`")), "{label}={value}: {expression}");
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 20, "{looked_at}");
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let alerts = alerts();
    assert!(alerts.len() >= 18, "{}", alerts.len());
    let runbook = Document::new(&read("docs/watching.md"));
    let anchors = runbook.anchors();
    let mut names = BTreeSet::new();
    for alert in &alerts {
        let name = &alert["alert"];
        assert!(names.insert(name.clone()), "{name} twice");
        for field in ["expr", "severity", "summary", "description", "runbook_url"] {
            assert!(alert.get(field).is_some_and(|text| !text.is_empty()), "{name}: {field}");
        }
        assert!(["critical", "warning"].contains(&alert["severity"].as_str()), "{name}");
        let anchor = alert["runbook_url"].strip_prefix("docs/watching.md#");
        let anchor = anchor.unwrap_or_else(|| panic!("{name}: {}", alert["runbook_url"]));
        assert!(anchors.iter().any(|known| known == anchor), "no heading for {name}: #{anchor}");
    }
    let unit_tests = read("deploy/prometheus/alerts-test.yaml");
    for name in names {
        assert!(unit_tests.contains(&format!("alertname: {name}\n")), "{name} is not tried");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let json: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = json["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut cells = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(cells.insert((x, y)), "{title} lies on another panel");
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                assert!(expression.contains("$job") && expression.contains("$instance"), "{title}");
            }
        }
    }
    let rows: Vec<_> = panels.iter().filter(|panel| panel["type"] == "row").collect();
    assert!(rows.len() >= 9, "{}", rows.len());
    let variables = json["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
}

#[test]
fn expressions_are_read() {
    let found = metrics_in(
        "sum by (job) (rate(parapet_a_total{x=\"b\"}[5m])) / (process_b > 0) and up{job=\"c\"}",
    );
    let expected = [("parapet_a_total", "x=\"b\""), ("process_b", "")];
    assert_eq!(found, expected.map(|(name, rest)| (name.to_owned(), rest.to_owned())));
}
