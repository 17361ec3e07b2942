//! The pods that manifests describe, and the gateway in them: is it hardened, is it probed, is its
//! configuration good, do Services and policies find it?

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::tools::{list, run, text, verdict};
use crate::support::tls::Authority;

/// What the Secrets hold that the manifests only name: Secret, file, content.
fn secrets() -> Vec<(&'static str, &'static str, String)> {
    let client = "[[clients]]\nclient_id = \"web\"\nsecret = \"correct horse battery staple\"\n\
                  redirect_uris = [\"https://app.example.com/callback\"]\n";
    vec![
        ("parapet-clients", "web.toml", client.to_owned()),
        ("parapet-redis", "password", "correct horse battery staple".to_owned()),
        ("login-server-ca", "ca.crt", Authority::new("login-server").pem()),
    ]
}

/// A pod template with the gateway in it.
pub(super) struct Pod<'a> {
    /// Deployment or `StatefulSet`.
    pub(super) workload: &'a Value,
    /// `spec.template`
    pub(super) template: &'a Value,
    /// The gateway's container, or init container where it is a sidecar.
    pub(super) gateway: &'a Value,
    all: &'a [Value],
}

impl<'a> Pod<'a> {
    /// Those of `manifests` that hold a gateway.
    pub(super) fn all(manifests: &'a [Value]) -> Vec<Self> {
        let mut pods = Vec::new();
        for workload in manifests {
            let Some(template) = workload.pointer("/spec/template") else { continue };
            let containers = ["/spec/containers", "/spec/initContainers"];
            let mut containers = containers.iter().flat_map(|at| list(template, at));
            if let Some(gateway) = containers.find(|found| found["name"] == "parapet") {
                pods.push(Self { workload, template, gateway, all: manifests });
            }
        }
        pods
    }

    pub(super) fn is_sidecar(&self) -> bool {
        self.gateway["restartPolicy"] == "Always"
    }

    /// As many as there may be at once.
    pub(super) fn replicas(&self) -> u64 {
        let scaler = self.all.iter().find(|found| found["kind"] == "HorizontalPodAutoscaler");
        let most = scaler.map(|scaler| &scaler["spec"]["maxReplicas"]);
        most.unwrap_or(&self.workload["spec"]["replicas"]).as_u64().expect("a number")
    }

    /// Everything that has to hold of a gateway in a pod.
    pub(super) fn assert_fit(&self) {
        self.assert_hardened();
        self.assert_probed();
        self.assert_found();
        let shown = self.check(|_, text| text).unwrap_or_else(|problem| panic!("{problem}"));
        let shown: toml::Table = shown.parse().unwrap();
        let listens: Vec<_> = [&shown["server"]["listen"][0], &shown["admin"]["listen"]]
            .map(|listen| {
                listen.as_str().unwrap().rsplit(':').next().unwrap().parse::<u64>().unwrap()
            })
            .into();
        let ports: Vec<_> = list(self.gateway, "/ports")
            .iter()
            .map(|port| port["containerPort"].as_u64().unwrap())
            .collect();
        assert_eq!(ports, listens);
        let told = shown["store"].get("replicas").and_then(toml::Value::as_integer).unwrap_or(1);
        assert_eq!(u64::try_from(told).unwrap(), self.replicas());
        let grace = self.template["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(
            grace > drain(&shown),
            "{grace} s to stop, and the gateway takes {}",
            drain(&shown)
        );
    }

    fn assert_hardened(&self) {
        let own = &self.gateway["securityContext"];
        let pod = &self.template["spec"]["securityContext"];
        let context = |key: &str| if own[key].is_null() { &pod[key] } else { &own[key] };
        assert_eq!(*context("runAsNonRoot"), true);
        assert_eq!(*context("runAsUser"), 65532);
        assert_eq!(*context("seccompProfile"), json!({ "type": "RuntimeDefault" }));
        assert_eq!(own["readOnlyRootFilesystem"], true);
        assert_eq!(own["allowPrivilegeEscalation"], false);
        assert_eq!(own["capabilities"], json!({ "drop": ["ALL"] }));
        assert_eq!(self.template["spec"]["enableServiceLinks"], false);
        let image = text(self.gateway, "/image");
        let name = image.rsplit('/').next().unwrap();
        assert!(name.contains(':') && !name.ends_with(":latest"), "{image} is not pinned");
        assert!(self.gateway["resources"]["limits"]["memory"].is_string());
        if !self.is_sidecar() {
            assert_eq!(self.template["spec"]["automountServiceAccountToken"], false);
        }
    }

    fn assert_probed(&self) {
        let start = if self.is_sidecar() { "/livez" } else { "/startupz" };
        for (probe, path) in
            [("startupProbe", start), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            let asked = &self.gateway[probe]["httpGet"];
            assert_eq!(asked["path"], path, "{probe}");
            assert!(asked["port"] == 9901 || asked["port"] == "admin", "{probe}: {asked}");
        }
    }

    /// Every selector that is meant for it does choose it.
    fn assert_found(&self) {
        let labels = &self.template["metadata"]["labels"];
        let chooses = |selector: &Value| {
            let pairs = selector.as_object().expect("a selector");
            pairs.iter().all(|(name, value)| labels[name] == *value)
        };
        assert!(chooses(&self.workload["spec"]["selector"]["matchLabels"]));
        let mut services = 0;
        for found in self.all {
            let name = text(found, "/metadata/name");
            if name.contains("redis") || name.ends_with("-server") {
                continue;
            }
            let selector = match text(found, "/kind") {
                "Service" => {
                    services += 1;
                    &found["spec"]["selector"]
                }
                "NetworkPolicy" => &found["spec"]["podSelector"]["matchLabels"],
                "PodDisruptionBudget" => &found["spec"]["selector"]["matchLabels"],
                _ => continue,
            };
            assert!(chooses(selector), "{} {name}: {selector}", found["kind"]);
        }
        assert!(services > 0);
    }

    /// Lays out the files that the gateway finds in its pod, each changed by `change` (its name, its
    /// text), and lets `parapet check` judge its configuration: the merged configuration, or what the
    /// program says against it.
    pub(super) fn check(&self, change: fn(&str, String) -> String) -> Result<String, String> {
        let root = tempfile::tempdir().unwrap();
        for mount in list(self.gateway, "/volumeMounts") {
            let volume = list(self.template, "/spec/volumes")
                .iter()
                .find(|volume| volume["name"] == mount["name"])
                .unwrap_or_else(|| panic!("no volume for {mount}"));
            let folder = inside(&root, text(mount, "/mountPath"));
            std::fs::create_dir_all(&folder).unwrap();
            for (name, content) in self.files(volume) {
                let here = format!("\"{}", inside(&root, "/etc/"));
                let content = change(&name, content).replace("\"/etc/", &here);
                std::fs::write(Path::new(&folder).join(name), content).unwrap();
            }
        }
        let arguments: Vec<_> =
            list(self.gateway, "/args").iter().map(|found| found.as_str().unwrap()).collect();
        let [serve, flag, file] = arguments[..] else { panic!("{arguments:?}") };
        assert_eq!((serve, flag), ("serve", "--config"));
        let variables = list(self.gateway, "/env")
            .iter()
            .map(|variable| (text(variable, "/name"), text(variable, "/value")));
        let parapet = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_parapet"));
            command.env_clear().envs(variables.clone());
            verdict(&run(command.args(words).arg(flag).arg(inside(&root, file)), ""))
        };
        parapet(&["check"]).and_then(|_| parapet(&["config", "show"]))
    }

    /// The files of a volume: those of a `ConfigMap` among the manifests, or of a Secret.
    fn files(&self, volume: &Value) -> Vec<(String, String)> {
        if let Some(name) = volume.pointer("/configMap/name") {
            let map = self
                .all
                .iter()
                .find(|found| found["kind"] == "ConfigMap" && found["metadata"]["name"] == *name);
            let map = map.unwrap_or_else(|| panic!("no ConfigMap {name}"));
            let data = map["data"].as_object().unwrap();
            return data
                .iter()
                .map(|(name, content)| (name.clone(), content.as_str().unwrap().to_owned()))
                .collect();
        }
        let name = text(volume, "/secret/secretName");
        let files: Vec<_> = secrets().into_iter().filter(|(secret, ..)| *secret == name).collect();
        assert!(!files.is_empty(), "a Secret that the test does not know: {volume}");
        files.into_iter().map(|(_, file, content)| (file.to_owned(), content)).collect()
    }
}

/// How long a gateway of this configuration takes to stop, at most, in seconds.
pub(super) fn drain(shown: &toml::Table) -> u64 {
    let seconds = |key: &str, default: &str| {
        let time = shown["server"].get(key).and_then(toml::Value::as_str).unwrap_or(default);
        let seconds = time.strip_suffix('s').expect("a time in seconds");
        seconds.parse::<u64>().expect("a number")
    };
    seconds("drain_delay", "5s") + seconds("drain_timeout", "30s")
}

fn inside(root: &TempDir, path: &str) -> String {
    format!("{}{path}", root.path().to_str().unwrap())
}
