//! What a reload changes: clients, secrets, settings, level, upstream; and the ways in which a change
//! is noticed.

use std::os::unix::fs::symlink;

use http::StatusCode;
use serde_json::Value;

use super::{Scene, authorization_server, until, whole};
use crate::support::gateway::Gateway;
use crate::support::upstream::{Step, Upstream};

fn client(name: &str, secrets: &str) -> String {
    format!("[[clients]]\nclient_id = \"{name}\"\n{secrets}\n")
}

#[tokio::test]
async fn a_new_client_works_and_one_that_was_taken_out_does_not() {
    let scene = Scene::start(&client("old", "secret = \"1\"")).await;
    assert_eq!(scene.push("old", "1").await.status, StatusCode::CREATED);
    assert_eq!(scene.push("new", "2").await.status, StatusCode::UNAUTHORIZED);
    scene.change(&client("new", "secret = \"2\""), "applied").await;
    assert_eq!(scene.push("old", "1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.push("new", "2").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_secret_is_rolled_over() {
    let scene = Scene::start(&client("app", "secret = \"old\"")).await;
    let works = async |secret| scene.push("app", secret).await.status == StatusCode::CREATED;
    assert!(works("old").await && !works("new").await);
    // The digest of `old`.
    let digest = parapet::config::SecretDigest::of("old").to_hex();
    let both = format!("secret_file = \"new\"\nprevious_secret_sha256 = \"{digest}\"");
    std::fs::write(scene.gateway.folder().join("new"), "new\n").unwrap();
    scene.change(&client("app", &both), "applied").await;
    assert!(works("old").await && works("new").await && !works("other").await);
    scene.change(&client("app", "secret_file = \"new\""), "applied").await;
    assert!(!works("old").await && works("new").await);
    // The content of the secret's file is part of the configuration: nobody has to say so.
    std::fs::write(scene.gateway.folder().join("new"), "newest\n").unwrap();
    until("the new file is read", async || works("newest").await).await;
    assert!(!works("new").await);
    let told = scene.gateway.output();
    assert!(!told.contains("newest") && !told.contains(&digest), "{told}");
}

#[tokio::test]
async fn client_files_come_and_go_by_themselves() {
    let scene = Scene::start("").await;
    let folder = scene.gateway.folder().join("clients.d");
    std::fs::create_dir(&folder).unwrap();
    let toml = format!("clients_dir = \"clients.d\"\n{}", scene.toml(""));
    scene.put(&toml, "applied").await;
    let status = async || scene.push("late", "3").await.status;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED);
    std::fs::write(folder.join("late.toml"), client("late", "secret = \"3\"")).unwrap();
    until("the client is known", async || status().await == StatusCode::CREATED).await;
    std::fs::write(folder.join("late.toml"), "clients = 1").unwrap();
    until("it is told", async || scene.refusals().len() == 1).await;
    assert!(scene.refusals()[0].contains("late.toml:1:1: `clients`"), "{:?}", scene.refusals());
    assert_eq!(status().await, StatusCode::CREATED);
    // Putting the file right again is enough, though nothing is new.
    std::fs::write(folder.join("late.toml"), client("late", "secret = \"3\"")).unwrap();
    until("it is good", async || scene.metric("parapet_config_last_reload_successful").await == 1)
        .await;
    std::fs::remove_file(folder.join("late.toml")).unwrap();
    until("the client is gone", async || status().await == StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn the_level_changes_part_by_part() {
    let scene = Scene::start("[log]\nlevel = \"error\"\n").await;
    let lines = |path: &str| {
        let output = scene.gateway.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["path"] == path).count()
    };
    scene.get("/unseen").await;
    scene.change("[log]\nlevel = \"error,parapet::access=info\"\n", "applied").await;
    scene.get("/seen").await;
    until("the line is there", async || lines("/seen") == 1).await;
    assert_eq!(lines("/unseen"), 0);
    scene.pushed().await;
    assert!(!scene.gateway.output().contains("push.accepted"), "another part is as it was");
    scene.change("[log]\nlevel = \"error\"\n", "applied").await;
    scene.get("/unseen").await;
    scene.change("[log]\nlevel = \"info\"\n", "applied").await;
    scene.get("/last").await;
    until("the line is there", async || lines("/last") == 1).await;
    assert_eq!(lines("/unseen"), 0);
}

#[tokio::test]
async fn another_upstream_answers_after_a_reload() {
    let scene = Scene::start("").await;
    let other = Upstream::scripted(|seen| match seen.target.as_str() {
        "/where" => vec![Step::Bytes(whole("200 OK", "", "other"))],
        _ => authorization_server(seen),
    })
    .await;
    assert_eq!(scene.get("/where").await.text(), "ok");
    let waiting = scene.pushed().await;
    let toml = scene.toml("[par]\npath = \"/as/par\"\n");
    let old = scene.upstream.address.to_string();
    scene.put(&toml.replace(&old, &other.address.to_string()), "applied").await;
    assert_eq!(scene.get("/where").await.text(), "other");
    assert_eq!(scene.admin("/readyz").await.status, 200);
    assert_eq!(scene.get(&waiting).await.status, StatusCode::FOUND);
    assert_eq!(scene.push("web", "web-secret").await.status, 200, "the endpoint has moved");
}

#[tokio::test]
async fn keys_that_need_a_restart_are_named() {
    let scene = Scene::start("").await;
    let more = "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]---[admin]\nlisten = \"\"\n\
                [store]\nmax_bytes = 70000\n[log]\nformat = \"text\"\n";
    let file = scene.toml(more) + &client("new", "secret = \"2\"");
    scene.put(&file.replace(":8080", ":8081"), "needs_restart").await;
    until("it is told", async || scene.refusals().len() == 1).await;
    assert_eq!(
        scene.refusals()[0],
        "cannot change while the gateway runs: `listen` in [server], `issuer` in [server], \
         `listen` in [admin], `max_bytes` in [store], `format` in [log]; restart it to use the new \
         configuration"
    );
    assert_eq!(scene.push("new", "2").await.status, StatusCode::UNAUTHORIZED, "all or nothing");
    scene.change(&client("new", "secret = \"2\""), "applied").await;
    assert_eq!(scene.push("new", "2").await.status, StatusCode::CREATED);
}

/// A volume of Kubernetes: files are links into `..data`, itself a link that is swapped.
#[tokio::test]
async fn a_swapped_link_is_noticed_as_kubernetes_swaps_it() {
    let upstream = Upstream::scripted(authorization_server).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let version = |name: &str, more: &str| {
        std::fs::create_dir(path(name)).unwrap();
        std::fs::write(path(name).join("gateway.toml"), super::toml(&upstream, more)).unwrap();
    };
    version("..one", &client("one", "secret = \"1\""));
    symlink("..one", path("..data")).unwrap();
    symlink("..data/gateway.toml", path("gateway.toml")).unwrap();
    version("..two", &client("two", "secret = \"2\""));
    symlink("..two", path("..data_tmp")).unwrap();
    let (new, data, old) = (path("..data_tmp"), path("..data"), path("..one"));
    let gateway = Gateway::start_with_file(folder, "gateway.toml").await;
    let scene = Scene { gateway, upstream };
    scene.until_ready().await;
    assert_eq!(scene.push("one", "1").await.status, StatusCode::CREATED);
    std::fs::rename(new, data).unwrap();
    std::fs::remove_dir_all(old).unwrap();
    until("the new version", async || scene.push("two", "2").await.status == 201).await;
    assert_eq!(scene.push("one", "1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(scene.count("applied").await, 1);
    assert_eq!(scene.count("invalid").await, 0);
}
