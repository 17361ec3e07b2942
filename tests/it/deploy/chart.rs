//! `deploy/helm/parapet`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::pods::Pod;
use super::tools::{helm, judged, list, run, text, verdict};
use crate::support::sources::files_under;

const CHART: &str = "deploy/helm/parapet";

/// The least that has to be said.
const LEAST: &str = "config:\n  server: {issuer: https://login.example.com}\n  \
                     upstream: {url: http://login-server:9000}\n\
                     existingSecret: parapet-clients\n";

/// Files of values.
struct Values(TempDir);

impl Values {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn act(&self, action: &str, chart: &str, values: &str) -> Result<String, String> {
        let file = self.0.path().join("values.yaml");
        fs::write(&file, values).unwrap();
        helm(action, chart, file.to_str().unwrap())
    }

    fn render(&self, values: &str) -> Result<String, String> {
        self.act("render", CHART, values)
    }
}

fn manifests(values: &str) -> Vec<Value> {
    judged(&Values::new().render(values).unwrap_or_else(|problem| panic!("{problem}"))).unwrap()
}

fn kinds(manifests: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = manifests.iter().map(|found| text(found, "/kind")).collect();
    kinds.sort_unstable();
    kinds
}

fn the<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    manifests.iter().find(|found| found["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn every_file_of_values_gives_a_fit_gateway() {
    let files = files_under(Path::new(CHART).join("ci"), "yaml");
    assert_eq!(files.len(), 4);
    for file in files {
        let (name, file) = (file.file_stem().unwrap().to_str().unwrap(), file.to_str().unwrap());
        assert_eq!(helm("lint", CHART, file).as_deref(), Ok(""), "{name}");
        let found = judged(&helm("render", CHART, file).unwrap());
        let found = found.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let pods = Pod::all(&found);
        match name {
            "sidecar" => {
                assert!(pods.is_empty());
                let kinds = kinds(&found);
                let expected =
                    ["ConfigMap", "NetworkPolicy", "Service", "Service", "ServiceMonitor"];
                assert_eq!(kinds, expected);
            }
            // Its ConfigMap is elsewhere.
            "own-config" => {
                assert_eq!(kinds(&found), ["Deployment", "PodDisruptionBudget", "Service"]);
                let spec = &pods[0].template["spec"];
                assert_eq!(spec["volumes"][0]["configMap"]["name"], "login-gateway");
                assert_eq!(spec["terminationGracePeriodSeconds"], 90);
                assert_eq!(spec["serviceAccountName"], "login");
                let told = json!([{ "name": "PARAPET__STORE__REPLICAS", "value": "2" }]);
                assert_eq!(spec["containers"][0]["env"], told);
            }
            _ => pods[0].assert_fit(),
        }
        let notes = helm("notes", CHART, file).unwrap();
        assert!(notes.starts_with("Parapet "), "{notes}");
    }
}

#[test]
fn b239_with_its_labels_only_the_gateway_reaches_the_server() {
    let file = Path::new(CHART).join("ci/redis.yaml");
    let found = manifests(&fs::read_to_string(file).unwrap());
    let policies: Vec<_> = found.iter().filter(|found| found["kind"] == "NetworkPolicy").collect();
    let [own, server] = policies[..] else { panic!("{policies:#?}") };
    let labels = json!({ "app.kubernetes.io/name": "login-server" });
    assert_eq!(server["spec"]["podSelector"]["matchLabels"], labels);
    assert_eq!(server["spec"]["policyTypes"], json!(["Ingress"]));
    let [rule] = list(server, "/spec/ingress") else { panic!("{server:#}") };
    let [gateway, backoffice] = list(rule, "/from") else { panic!("{rule:#}") };
    assert_eq!(gateway["podSelector"], own["spec"]["podSelector"]);
    assert!(backoffice["namespaceSelector"].is_object());
    let told = manifests(LEAST);
    assert_eq!(kinds(&told).iter().filter(|kind| **kind == "NetworkPolicy").count(), 1);
}

#[test]
fn everything_that_can_be_turned_on_is_there() {
    let file = Path::new(CHART).join("ci/redis.yaml");
    let found = manifests(&fs::read_to_string(file).unwrap());
    let expected = [
        "ConfigMap",
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PrometheusRule",
        "Service",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
    ];
    assert_eq!(kinds(&found), expected);
    let policy = the(&found, "NetworkPolicy");
    assert_eq!(list(policy, "/spec/egress").len(), 4);
    assert!(list(policy, "/spec/egress").iter().all(|rule| !list(rule, "/to").is_empty()));
    assert_eq!(the(&found, "HorizontalPodAutoscaler")["spec"]["maxReplicas"], 6);
    let pod = &Pod::all(&found)[0];
    assert_eq!(pod.template["spec"]["topologySpreadConstraints"][0]["maxSkew"], 1);
    let names: Vec<_> =
        list(pod.gateway, "/env").iter().map(|found| text(found, "/name")).collect();
    assert_eq!(names, ["PARAPET__STORE__REPLICAS", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    assert!(text(pod.gateway, "/image").starts_with("registry.example.com/parapet@sha256:"));
    // Numbers, lists, and text with quotes come through YAML into TOML as they were.
    let shown: toml::Table = pod.check(|_, text| text).unwrap().parse().unwrap();
    assert_eq!(shown["upstream"]["max_target_bytes"].as_integer(), Some(16_000));
    assert_eq!(shown["par"]["cors_origins"].as_array().unwrap().len(), 2);
    assert_eq!(shown["clients"][0]["client_id"].as_str(), Some("a \"quoted\" <name>"));
    assert_eq!(shown["clients"][1]["client_id"].as_str(), Some("web"));
}

#[test]
fn wrong_values_are_refused() {
    let values = Values::new();
    values.render(LEAST).unwrap();
    let redis = "  store: {backend: redis, redis: {url: 'redis://redis:6379'}}\n";
    for (wrong, complaint) in [
        ("{}".to_owned(), "server"),
        (LEAST.replace("issuer", "isuer"), "isuer"),
        (LEAST.replace("upstream: {url", "upstream: {preset: nosuch, url"), "preset"),
        (format!("{LEAST}replicacount: 2\n"), "replicacount"),
        (format!("{LEAST}replicaCount: 0\n"), "replicaCount"),
        (format!("{LEAST}image: {{digest: sha256:12}}\n"), "digest"),
        (format!("{LEAST}service: {{port: 70000}}\n"), "port"),
        (format!("{LEAST}existingConfig: elsewhere\n"), "config"),
        (format!("{LEAST}secretMounts: [{{name: a, mountPath: b}}]\n"), "mountPath"),
        (format!("{LEAST}replicaCount: 2\n"), "several replicas"),
        (format!("{LEAST}autoscaling: {{enabled: true}}\n"), "several replicas"),
        (
            LEAST.replace(
                "existingSecret",
                "  clients: [{client_id: a, secret: b}]\nexistingSecret",
            ),
            "the secret of a would lie in a ConfigMap",
        ),
        (
            LEAST.replace("{url", "{secret_header: X, secret_header_value: a, url"),
            "secret_header_value would lie in a ConfigMap",
        ),
    ] {
        let problem = values.render(&wrong).expect_err(&wrong);
        assert!(problem.contains(complaint), "{wrong}\n{problem}");
    }
    let two =
        LEAST.replace("existingSecret", &format!("{redis}existingSecret")) + "replicaCount: 2\n";
    values.render(&two).unwrap();
}

/// With a `ConfigMap` that the chart cannot read, the program is told how many there are, and judges.
#[test]
fn memory_with_several_replicas_is_refused_by_the_program_too() {
    let values = fs::read_to_string(Path::new(CHART).join("ci/own-config.yaml")).unwrap();
    let found = manifests(&values);
    let pods = Pod::all(&found);
    let told = &list(pods[0].gateway, "/env")[0];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let memory = "server.issuer = \"https://a.example\"\nupstream.url = \"http://b:1\"\n";
    fs::write(&file, memory).unwrap();
    let mut parapet = Command::new(env!("CARGO_BIN_EXE_parapet"));
    parapet.env_clear().env(text(told, "/name"), text(told, "/value"));
    let problem = verdict(&run(parapet.args(["check", "--config"]).arg(&file), "")).unwrap_err();
    assert!(problem.contains("several replicas cannot share a memory store"), "{problem}");
}

#[test]
fn a_pod_has_time_for_what_the_gateway_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let chart = copy(folder.path());
    // The times are read as text here; that they are keys is the schema's business.
    fs::remove_file(chart.join("values.schema.json")).unwrap();
    for (times, expected) in [
        ("", 40),
        (", drain_delay: 15s, drain_timeout: 2m", 140),
        (", drain_delay: 500ms, drain_timeout: 1h", 3606),
    ] {
        let values = LEAST.replace("login.example.com", &format!("login.example.com{times}"));
        let rendered = Values::new().act("render", chart.to_str().unwrap(), &values).unwrap();
        let found = judged(&rendered).unwrap();
        let spec = &the(&found, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(spec["terminationGracePeriodSeconds"], expected, "{times}");
    }
}

#[test]
fn a_changed_configuration_is_a_changed_pod() {
    let checksum = |values: &str| {
        let found = manifests(values);
        let annotations = &the(&found, "Deployment")["spec"]["template"]["metadata"]["annotations"];
        annotations["checksum/config"].as_str().expect("a checksum").to_owned()
    };
    let changed = LEAST.replace("login-server:9000", "login-server:9001");
    assert_eq!(checksum(LEAST), checksum(LEAST));
    assert_ne!(checksum(LEAST), checksum(&changed));
}

#[test]
fn lint_finds_a_broken_template() {
    let folder = tempfile::tempdir().unwrap();
    let chart = copy(folder.path());
    let values = Values::new();
    let chart_path = chart.to_str().unwrap();
    assert_eq!(values.act("lint", chart_path, LEAST).as_deref(), Ok(""));
    let template = chart.join("templates/service.yaml");
    let text = fs::read_to_string(&template).unwrap();
    fs::write(
        &template,
        text.replace("include \"parapet.fullname\"", "include \"parapet.fulname\""),
    )
    .unwrap();
    let problem = values.act("lint", chart_path, LEAST).unwrap_err();
    assert!(problem.contains("parapet.fulname"), "{problem}");
}

/// A chart that has this one as a dependency, with the gateway in its own pod.
#[test]
fn the_chart_of_a_server_includes_the_sidecar() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("login-server");
    fs::create_dir_all(parent.join("templates")).unwrap();
    copy(&parent.join("charts"));
    let chart = "apiVersion: v2\nname: login-server\nversion: 1.0.0\n\
                 dependencies: [{name: parapet, version: 0.1.0}]\n";
    fs::write(parent.join("Chart.yaml"), chart).unwrap();
    let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: login-server}\nspec:\n  \
        replicas: 1\n  selector: {matchLabels: {app: login-server}}\n  template:\n    metadata:\n      \
        labels:\n        app: login-server\n        \
        {{- include \"parapet.podSelector\" .Subcharts.parapet | nindent 8 }}\n    spec:\n      \
        enableServiceLinks: false\n      securityContext: {fsGroup: 65532}\n      \
        terminationGracePeriodSeconds: {{ include \"parapet.grace\" .Subcharts.parapet }}\n      \
        initContainers:\n        {{- include \"parapet.sidecar\" .Subcharts.parapet | nindent 8 }}\n      \
        containers: [{name: login-server, image: login-server:1.0.0}]\n      \
        volumes:\n        {{- include \"parapet.volumes\" .Subcharts.parapet | nindent 8 }}\n";
    fs::write(parent.join("templates/deployment.yaml"), template).unwrap();
    let values = "parapet:\n  deployment: {enabled: false}\n  existingSecret: parapet-clients\n  config:\n    \
                  server: {issuer: https://login.example.com}\n    \
                  upstream: {url: http://127.0.0.1:9000}\n";
    let rendered = Values::new().act("render", parent.to_str().unwrap(), values).unwrap();
    let found = judged(&rendered).unwrap();
    let pods = Pod::all(&found);
    assert!(pods.len() == 1 && pods[0].is_sidecar());
    pods[0].assert_fit();
}

/// A copy of the chart in `folder`.
fn copy(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let copied = Command::new("cp").args(["-R", CHART]).arg(folder).status().unwrap();
    assert!(copied.success());
    folder.join("parapet")
}
