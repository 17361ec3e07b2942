//! A real Redis that keeps things, one that does not, and one that is gone; memory, kept or not.

use super::Ward;
use super::stub::{ISSUER, Ways};
use crate::support::redis::Redis;

#[tokio::test]
async fn a_store_is_tried_and_left_as_it_was() {
    let upstream = Ways::default().start().await;
    let mut redis = Redis::start(&[]).await;
    let ward = Ward::new(&format!(
        "[server]\nissuer = \"{ISSUER}\"\n[upstream]\nurl = \"http://{}\"\n\
         [store]\nbackend = \"redis\"\n[store.redis]\nurl = \"{}\"\ntimeout = \"2s\"\n",
        upstream.address,
        redis.url()
    ));
    let examined = ward.examine(&[]).await;
    examined.assert("store.server", "good", "written, read and deleted");
    examined.assert("store.maxmemory_policy", "good", "noeviction");
    examined.assert("store.latency", "good", "timeout is 2000 ms");
    examined.assert("store.replicas", "good", "none");
    assert!(redis.dump().await.is_empty());

    redis.set_options(&["--maxmemory-policy", "allkeys-lru"]);
    redis.restart().await;
    let examined = ward.examine(&[]).await;
    examined.assert("store.maxmemory_policy", "problem", "allkeys-lru");
    examined.assert_code();

    redis.kill();
    let examined = ward.examine(&[]).await;
    examined.assert("store", "problem", "cannot be reached");
    examined.assert_code();
}

#[tokio::test]
async fn memory_with_a_snapshot_is_told_from_memory_without() {
    let upstream = Ways::default().start().await;
    let toml = format!(
        "[server]\nissuer = \"{ISSUER}\"\n[upstream]\nurl = \"http://{}\"\n",
        upstream.address
    );
    Ward::new(&toml).examine(&[]).await.assert("store", "good", "emptied by a restart");
    let key = format!("[store]\nsnapshot = \"pending\"\nsnapshot_key = \"{}\"\n", "A".repeat(43));
    let kept = Ward::new(&(toml + &key)).examine(&[]).await;
    kept.assert("store", "good", "a snapshot keeps it over a restart");
    kept.assert("files.secrets", "warning", "gateway.toml can be read by everybody");
}
