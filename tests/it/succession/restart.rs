//! Stop and start again, with the memory store in between in a file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::{SNAPSHOT, complete, push, redeem, toml};
use crate::support::front::{is_ready, until, upstream};
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

async fn ready(gateway: &Gateway) {
    until("ready", async || is_ready(gateway).await).await;
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Pushes until one is refused a connection; gives those that were acknowledged.
async fn pushes(url: String, task: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while let Ok(request_uri) = push(&url, &format!("s{task}n{}", acknowledged.len())).await {
        acknowledged.push(request_uri);
    }
    acknowledged
}

fn shows_nothing(dump: &[u8], reference: &str) {
    for planted in ["the-client", "planted", "login_hint", "client.example", "started1", reference]
    {
        let shown = dump.windows(planted.len()).any(|part| part == planted.as_bytes());
        assert!(!shown, "{planted}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b234_a_restart_under_load_keeps_all_that_was_acknowledged() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let listen = format!("listen = [\"127.0.0.1:{}\"]", free_port());
    let toml = toml(&upstream, &listen, SNAPSHOT);
    let gateway = Gateway::start_in(folder.path(), &toml).await;
    ready(&gateway).await;
    let url = gateway.url.clone();
    let spent = push(&url, "spent").await.unwrap();
    let spent_ticket = redeem(&url, &spent).await.unwrap();
    complete(&url, &spent_ticket, "spent").await.unwrap();
    let mut started = Vec::new();
    for number in 0..20 {
        let state = format!("started{number}");
        let request_uri = push(&url, &state).await.unwrap();
        started.push((redeem(&url, &request_uri).await.unwrap(), state));
    }
    let pushing: Vec<_> = (0..8).map(|task| tokio::spawn(pushes(url.clone(), task))).collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (status, output) = gateway.stop();
    assert!(status.success(), "{output}");
    let mut acknowledged = Vec::new();
    for task in pushing {
        acknowledged.extend(task.await.unwrap());
    }
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());

    let file = folder.path().join("pending");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    shows_nothing(&std::fs::read(&file).unwrap(), spent.rsplit(':').next().unwrap());

    let gateway = Gateway::start_in(folder.path(), &toml).await;
    ready(&gateway).await;
    assert_eq!(names(folder.path()), ["gateway.toml"], "it is removed once it is read");
    for request_uri in &acknowledged {
        redeem(&url, request_uri).await.unwrap_or_else(|error| panic!("lost: {error}"));
    }
    for (ticket, state) in &started {
        complete(&url, ticket, state).await.unwrap_or_else(|error| panic!("lost: {error}"));
    }
    assert!(redeem(&url, &spent).await.unwrap_err().contains("400"), "it was spent");
    println!("{} pushes acknowledged, all redeemed; 20 logins finished", acknowledged.len());
    let (_, output) = gateway.stop();
    assert!(output.contains("the snapshot was read"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_torn_or_of_another_key_is_set_aside_and_the_start_goes_on() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let written = toml(&upstream, "", SNAPSHOT);
    let gateway = Gateway::start_in(folder.path(), &written).await;
    let request_uri = push(&gateway.url, "s").await.unwrap();
    gateway.stop();
    let file = folder.path().join("pending");
    let whole = std::fs::read(&file).unwrap();
    let other_key = SNAPSHOT.replace("AAEC", "BBEC");
    let foreign = toml(&upstream, "", &other_key);
    for (content, toml, why) in [
        (&whole[..whole.len() - 1], &written, "it ends too early"),
        (&whole[..], &foreign, "another key or for another issuer"),
        (b"hello".as_slice(), &written, "it is not a snapshot"),
    ] {
        std::fs::write(&file, content).unwrap();
        let gateway = Gateway::start_in(folder.path(), toml).await;
        ready(&gateway).await;
        assert_eq!(names(folder.path()), ["gateway.toml", "pending.refused"]);
        assert!(redeem(&gateway.url, &request_uri).await.unwrap_err().contains("400"));
        push(&gateway.url, "s").await.unwrap();
        gateway.signal("KILL");
        let (_, output) = gateway.ended().await;
        let lines: Vec<_> = output.lines().filter(|line| line.contains("set aside")).collect();
        assert!(lines.len() == 1 && lines[0].contains(why), "{why}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b234_a_key_that_changes_while_the_gateway_runs_seals_what_it_leaves() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let key = folder.path().join("snapshot.key");
    std::fs::write(&key, [1; 32]).unwrap();
    let store = "snapshot = \"pending\"\nsnapshot_key_file = \"snapshot.key\"";
    let toml = toml(&upstream, "", store);
    let gateway = Gateway::start_in(folder.path(), &toml).await;
    ready(&gateway).await;
    let request_uri = push(&gateway.url, "s").await.unwrap();
    std::fs::write(&key, [2; 32]).unwrap();
    until("reloaded", async || gateway.output().contains("configuration was reloaded")).await;
    gateway.stop();
    let gateway = Gateway::start_in(folder.path(), &toml).await;
    ready(&gateway).await;
    redeem(&gateway.url, &request_uri).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_snapshot_cannot_be_written_the_end_is_a_failure() {
    let (upstream, folder) = (upstream().await, tempfile::tempdir().unwrap());
    let toml = toml(&upstream, "", SNAPSHOT);
    let gateway = Gateway::start_in(folder.path(), &toml).await;
    std::fs::create_dir(folder.path().join("pending")).unwrap();
    let (status, output) = gateway.stop();
    assert_eq!(status.code(), Some(3), "{output}");
    assert!(output.contains("what is pending could not be saved"), "{output}");
    assert_eq!(names(folder.path()), ["gateway.toml", "pending"]);
}
