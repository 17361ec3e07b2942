//! Two replicas on one Redis behind a balancer, replaced one after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Load, some_time, toml};
use crate::support::front::{is_ready, until, upstream};
use crate::support::gateway::Gateway;
use crate::support::http::try_send;
use crate::support::ports::free_port;
use crate::support::redis::Redis;

/// How often the balancer asks a replica whether it is ready.
const PROBE: Duration = Duration::from_millis(100);

/// Passes each connection to the next of the replicas that said last that they are ready.
struct Balancer {
    url: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Public and private address of a replica.
type Replica = (SocketAddr, String);

impl Balancer {
    async fn start(replicas: Arc<Mutex<Vec<Replica>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ready = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&ready);
        let probe = tokio::spawn(async move {
            loop {
                let all = replicas.lock().clone();
                let mut now = Vec::new();
                for (public, admin) in all {
                    let request = http::Request::get(format!("{admin}/readyz"));
                    let request = request.body(bytes::Bytes::new()).unwrap();
                    if try_send(request).await.is_ok_and(|answer| answer.status == 200) {
                        now.push(public);
                    }
                }
                *known.lock() = now;
                tokio::time::sleep(PROBE).await;
            }
        });
        let balance = tokio::spawn(async move {
            let mut turn = 0;
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                turn += 1;
                let ready = ready.lock().clone();
                tokio::spawn(async move {
                    let Some(replica) = ready.get(turn % ready.len().max(1)) else { return };
                    let Ok(mut server) = TcpStream::connect(replica).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, tasks: vec![probe, balance] }
    }
}

fn replica(gateway: &Gateway) -> Replica {
    let public = gateway.url.strip_prefix("http://").unwrap().parse().unwrap();
    (public, gateway.admin_url.clone().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_not_one_request() {
    let (redis, upstream) = (Redis::start(&[]).await, upstream().await);
    let store =
        format!("backend = \"redis\"\nreplicas = 2\n[store.redis]\nurl = \"{}\"\n", redis.url());
    let configuration = || {
        let listen = format!("listen = [\"127.0.0.1:{}\"]\ndrain_delay = \"1s\"", free_port());
        toml(&upstream, &listen, &store)
    };
    let mut gateways = Vec::new();
    for _ in 0..2 {
        gateways.push(Gateway::start(&configuration()).await);
    }
    let replicas = Arc::new(Mutex::new(gateways.iter().map(replica).collect::<Vec<_>>()));
    let balancer = Balancer::start(Arc::clone(&replicas)).await;
    for gateway in &gateways {
        until("ready", async || is_ready(gateway).await).await;
    }
    tokio::time::sleep(3 * PROBE).await;
    let load = Load::start(&balancer.url, 6);
    some_time().await;
    for number in 0..2 {
        let old = gateways.remove(0);
        old.signal("TERM");
        let (status, output) = old.ended().await;
        assert!(status.success(), "{output}");
        let new = Gateway::start(&configuration()).await;
        replicas.lock()[number] = replica(&new);
        until("ready", async || is_ready(&new).await).await;
        gateways.push(new);
        tokio::time::sleep(3 * PROBE).await;
    }
    some_time().await;
    let (done, failed) = load.stop().await;
    println!("{done} flows, {} requests failed", failed.len());
    assert!(done > 50, "{done}");
    assert!(failed.is_empty(), "{} of {done}: {failed:#?}", failed.len());
}
