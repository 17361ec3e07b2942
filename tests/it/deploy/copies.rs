//! Helm and kustomize read nothing outside their folders, so some files lie there a second time. They are
//! written anew by `make copies`.

use std::path::Path;

use serde_json::Value;

const CHART: &str = "deploy/helm/parapet";
const OVERLAY: &str = "deploy/kubernetes/overlays/monitoring";

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every copy by its path, as it has to be.
fn copies() -> Vec<(String, String)> {
    let (alerts, dashboard) =
        (read("deploy/prometheus/alerts.yaml"), read("deploy/grafana/parapet.json"));
    vec![
        (format!("{CHART}/files/alerts.yaml"), alerts.clone()),
        (format!("{CHART}/files/parapet.json"), dashboard.clone()),
        (format!("{CHART}/values.schema.json"), schema_of_values()),
        (format!("{OVERLAY}/parapet.json"), dashboard),
        (format!("{OVERLAY}/prometheusrule.yaml"), rule(&alerts)),
    ]
}

/// The schema of the chart's values, with that of gateway.toml in it.
fn schema_of_values() -> String {
    let mut schema: Value =
        serde_json::from_str(&read(format!("{CHART}/values.schema.json"))).unwrap();
    let mut gateway: Value = serde_json::from_str(&read("gateway.schema.json")).unwrap();
    for own in ["$schema", "title"] {
        gateway.as_object_mut().unwrap().remove(own);
    }
    schema["$defs"]["gateway"] = gateway;
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

/// A file of Prometheus's own as the operator reads it.
fn rule(alerts: &str) -> String {
    let indented = alerts.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("  {line}\n"),
    });
    let head = "# Made from deploy/prometheus/alerts.yaml by `make copies`.\n\
                apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n\
                metadata:\n  name: parapet\nspec:\n";
    head.to_owned() + &indented.collect::<String>()
}

#[test]
fn copies_are_as_their_originals() {
    let write = std::env::vars_os().any(|(name, _)| name == "PARAPET_WRITE_DOCS");
    for (path, expected) in copies() {
        if write {
            std::fs::write(&path, expected).unwrap();
        } else {
            assert!(read(&path) == expected, "{path} is not as its original: make copies");
        }
    }
}

#[test]
fn every_version_is_that_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    for (path, text) in [
        ("deploy/helm/parapet/Chart.yaml", "\nversion: #\n"),
        ("deploy/helm/parapet/Chart.yaml", "\nappVersion: #\n"),
        ("deploy/kubernetes/base/kustomization.yaml", "newTag: #\n"),
        ("deploy/kubernetes/overlays/sidecar/kustomization.yaml", "newTag: #\n"),
        ("deploy/compose/compose.yaml", "image: parapet:#\n"),
        ("deploy/docker/Dockerfile", "--tag parapet:# .\n"),
        ("docs/deploy.md", " parapet:#\n"),
    ] {
        let expected = text.replace('#', version);
        assert!(read(path).contains(&expected), "{path} lacks {expected:?}");
    }
}
