//! Every wrong configuration of the list is refused by a running gateway with the words of
//! `parapet check`, and what was in use stays.

use std::path::{Path, PathBuf};

use super::{Scene, until};
use crate::support::gateway::Gateway;
use crate::support::upstream::Upstream;

const LIST: &str = "tests/fixtures/config";

#[tokio::test]
async fn every_bad_file_is_refused_with_the_words_of_check() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(LIST), folder.path());
    let place = folder.path().join("bad/gateway.toml");
    let upstream = Upstream::scripted(super::authorization_server).await;
    // Said in the file, so that no variable of the environment says it over the bad ones.
    let good = super::toml(&upstream, "").replace("[server]\n", "[server]\ndrain_delay = \"0s\"\n");
    std::fs::write(&place, good).unwrap();
    let gateway = Gateway::start_with_file(folder, "bad/gateway.toml").await;
    let scene = Scene { gateway, upstream };
    scene.until_ready().await;
    let hash = hash(&scene).await;

    let bad = place.parent().unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(LIST).join("bad"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 60, "{}", files.len());
    for (number, file) in files.iter().enumerate() {
        let written = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let expected = written
            .replace(&file.display().to_string(), &place.display().to_string())
            .replace(&format!("{LIST}/bad"), &bad.display().to_string());
        let new = bad.join("gateway.toml.new");
        std::fs::copy(file, &new).unwrap();
        std::fs::rename(&new, &place).unwrap();
        scene.gateway.hang_up();
        until(&file.display().to_string(), async || scene.refusals().len() > number).await;
        let said = scene.refusals().swap_remove(number);
        assert_eq!(said, expected.trim_end(), "{}", file.display());
        assert!(!said.contains("hunter2"), "{}", file.display());
    }
    scene.pushed().await;
    let told = scene.admin("/readyz?verbose").await;
    assert_eq!(told.status, 200, "a bad file makes nobody unready");
    assert_eq!(told.json()["information"]["last_reload"], false);
    assert_eq!(self::hash(&scene).await, hash);
    assert_eq!(scene.count("applied").await, 0);
    assert_eq!(scene.metric("parapet_config_last_reload_successful").await, 0);
}

/// The configuration that the metrics name.
async fn hash(scene: &Scene) -> String {
    let metrics = scene.admin("/metrics").await.text();
    let mut lines = metrics.lines().filter(|line| line.starts_with("parapet_config_info{"));
    lines.find(|line| line.ends_with(" 1")).unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).map(|_| ()).unwrap();
        }
    }
}
