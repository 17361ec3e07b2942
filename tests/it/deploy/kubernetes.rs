//! `deploy/kubernetes`

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::pods::Pod;
use super::tools::{judged, kustomize, list, text};
use crate::support::ports::free_port;
use crate::support::process::Process;

const FOLDERS: [&str; 4] =
    ["base", "overlays/standalone", "overlays/sidecar", "overlays/monitoring"];

const LIMIT: Duration = Duration::from_secs(30);

fn manifests(folder: &str) -> Vec<Value> {
    judged(&kustomize(folder)).unwrap_or_else(|problem| panic!("{folder}: {problem}"))
}

fn of_kind<'a>(manifests: &'a [Value], kind: &str) -> Vec<&'a Value> {
    manifests.iter().filter(|found| found["kind"] == kind).collect()
}

fn the_pod(manifests: &[Value]) -> Pod<'_> {
    let mut pods = Pod::all(manifests);
    assert_eq!(pods.len(), 1);
    pods.remove(0)
}

#[test]
fn every_overlay_is_taken_and_its_gateway_fit() {
    for folder in FOLDERS {
        the_pod(&manifests(folder)).assert_fit();
    }
}

#[test]
fn a_wrong_manifest_is_refused() {
    let good = kustomize("overlays/monitoring");
    judged(&good).unwrap();
    for (right, wrong, complaint) in [
        ("livenessProbe:", "livenessprobe:", "'livenessprobe' was unexpected"),
        ("replicas: 2", "replicas: two", "spec.replicas: 'two' is not of type"),
        ("podSelector:", "podselector:", "NetworkPolicy/parapet: spec"),
        ("expr:", "exp:", "PrometheusRule/parapet"),
        ("interval: 30s", "intervall: 30s", "ServiceMonitor/parapet: spec.endpoints.0"),
        ("kind: Service\n", "kind: Servise\n", "Couldn't find schema for kind Servise"),
    ] {
        assert!(good.contains(right), "{right}");
        let problem = judged(&good.replace(right, wrong)).expect_err(wrong);
        assert!(problem.contains(complaint), "{wrong}: {problem}");
    }
    let problem = judged("kind: Service\nkind: Service\n").unwrap_err();
    assert!(problem.contains("'kind' twice"), "{problem}");
}

#[test]
fn memory_with_several_replicas_is_refused() {
    let manifests = manifests("base");
    let problem = the_pod(&manifests)
        .check(|_, text| text.replace("replicas = 1", "replicas = 2"))
        .unwrap_err();
    assert!(problem.contains("several replicas cannot share a memory store"), "{problem}");
}

#[test]
fn the_sidecar_starts_before_the_server_and_stands_alone_in_front_of_it() {
    let manifests = manifests("overlays/sidecar");
    let pod = the_pod(&manifests);
    assert!(pod.is_sidecar());
    assert_eq!(text(pod.workload, "/metadata/name"), "login-server");
    assert_eq!(of_kind(&manifests, "Deployment").len(), 1);
    let first = &list(pod.template, "/spec/initContainers")[0];
    assert_eq!(first["name"], "parapet");
    // What is the server's own stays as it was.
    let [server] = list(pod.template, "/spec/containers") else { panic!("one container") };
    assert_eq!(
        (text(server, "/name"), text(server, "/image")),
        ("login-server", "login-server:1.0.0")
    );
    let selector = &pod.workload["spec"]["selector"]["matchLabels"];
    assert_eq!(selector["app.kubernetes.io/name"], "login-server");
    let shown = pod.check(|_, text| text).unwrap();
    assert!(shown.contains("url = \"http://127.0.0.1:9000\""), "{shown}");
}

#[test]
fn the_gateway_talks_to_server_store_and_name_service_alone() {
    let manifests = manifests("overlays/standalone");
    let policies = of_kind(&manifests, "NetworkPolicy");
    let policy = policies.iter().find(|found| found["metadata"]["name"] == "parapet").unwrap();
    assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    let mut ports = Vec::new();
    for rule in list(policy, "/spec/egress") {
        assert!(!list(rule, "/to").is_empty(), "{rule} leads anywhere");
        ports.extend(list(rule, "/ports").iter().map(|port| port["port"].as_u64().unwrap()));
    }
    assert_eq!(ports, [9000, 53, 53, 6379]);
    for rule in list(policy, "/spec/ingress") {
        let admin = list(rule, "/ports").iter().any(|port| port["port"] == 9901);
        assert!(
            !admin || !list(rule, "/from").is_empty(),
            "everybody reaches the private listener"
        );
    }
}

#[test]
fn b239_only_the_gateway_reaches_the_server() {
    let policy = |manifests: &[Value], name: &str| {
        let policies = of_kind(manifests, "NetworkPolicy");
        policies.into_iter().find(|found| found["metadata"]["name"] == name).cloned()
    };
    for folder in FOLDERS {
        let manifests = manifests(folder);
        let pod = the_pod(&manifests);
        if pod.is_sidecar() {
            assert!(policy(&manifests, "login-server").is_none());
            let [server] = list(pod.template, "/spec/containers") else { panic!("one container") };
            assert_eq!(text(server, "/env/0/value"), "127.0.0.1:9000", "on loopback alone");
            continue;
        }
        let (own, server) = (policy(&manifests, "parapet"), policy(&manifests, "login-server"));
        let (own, server) = (own.unwrap(), server.unwrap_or_else(|| panic!("none in {folder}")));
        assert_eq!(server["spec"]["policyTypes"], serde_json::json!(["Ingress"]));
        let [rule] = list(&server, "/spec/ingress") else { panic!("one rule in {folder}") };
        let [from] = list(rule, "/from") else { panic!("one peer in {folder}") };
        let labels = &pod.template["metadata"]["labels"];
        let chosen = from["podSelector"]["matchLabels"].as_object().unwrap();
        assert!(!chosen.is_empty() && chosen.iter().all(|(name, value)| labels[name] == *value));
        // The server is the one that the gateway talks to, at that port.
        let way = &list(&own, "/spec/egress")[0];
        assert_eq!(server["spec"]["podSelector"], way["to"][0]["podSelector"], "{folder}");
        assert_eq!(rule["ports"], way["ports"], "{folder}");
    }
}

#[test]
fn monitoring_reads_every_pod() {
    let manifests = manifests("overlays/monitoring");
    let monitor = of_kind(&manifests, "ServiceMonitor")[0];
    let labels = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let services = of_kind(&manifests, "Service");
    let chosen: Vec<_> = services
        .iter()
        .filter(|service| {
            labels.iter().all(|(key, value)| service["metadata"]["labels"][key] == *value)
        })
        .collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0]["spec"]["ports"][0]["name"], monitor["spec"]["endpoints"][0]["port"]);
    assert_eq!(chosen[0]["spec"]["ports"][0]["targetPort"], 9901);
    let maps = of_kind(&manifests, "ConfigMap");
    let dashboard = maps.iter().find(|map| map["metadata"]["name"] == "parapet-dashboard").unwrap();
    let dashboard: Value = serde_json::from_str(text(dashboard, "/data/parapet.json")).unwrap();
    assert!(dashboard.is_object());
}

/// The container's own command, with a real redis-server and the files of its volumes.
#[tokio::test]
async fn the_redis_of_the_overlay_throws_nothing_out_and_asks_for_its_password() {
    let manifests = manifests("overlays/standalone");
    let server = of_kind(&manifests, "StatefulSet")[0];
    let command = list(server, "/spec/template/spec/containers/0/command");
    let [shell, option, script] = command else { panic!("a command of three words") };
    assert_eq!((shell, option), (&Value::from("sh"), &Value::from("-euc")));

    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let here = folder.path().to_str().unwrap();
    let maps = of_kind(&manifests, "ConfigMap");
    let configuration = maps.iter().map(|map| text(map, "/data/redis.conf")).collect::<String>();
    let configuration = configuration.replace("/data", here) + &format!("port {port}\n");
    std::fs::write(folder.path().join("redis.conf"), configuration).unwrap();
    std::fs::write(folder.path().join("password"), "correct horse").unwrap();
    let script = script.as_str().unwrap().replace("/etc/redis", here);
    let script = script.replace("/run/secrets/redis", here);
    let mut process = Process::spawn(Command::new("sh").args(["-euc", &script]));
    process
        .wait_for(LIMIT, |output| output.contains("Ready to accept connections").then_some(()))
        .await;

    let ask = async |password: &str| -> redis::RedisResult<Vec<String>> {
        let client = redis::Client::open(format!("redis://{password}127.0.0.1:{port}"))?;
        let mut line = client.get_multiplexed_async_connection().await?;
        redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query_async(&mut line).await
    };
    let refused = ask("").await.unwrap_err();
    assert!(refused.to_string().contains("NOAUTH"), "{refused}");
    assert_eq!(ask(":correct%20horse@").await.unwrap(), ["maxmemory-policy", "noeviction"]);
}
