//! A balancer that gives each connection to the next server in turn, and passes over those that do
//! not listen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running balancer; stops when dropped.
#[derive(Debug)]
pub struct Balancer {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Balancer {
    /// Before the servers at these URLs.
    pub async fn before<'a>(urls: impl IntoIterator<Item = &'a str>) -> Self {
        let servers = urls.into_iter().map(|url| url.trim_start_matches("http://").to_owned());
        let servers: Arc<[String]> = servers.collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let turn = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("a connection");
                tokio::spawn(carry(near, Arc::clone(&servers), Arc::clone(&turn)));
            }
        });
        Self { url, task }
    }
}

async fn carry(mut near: TcpStream, servers: Arc<[String]>, turn: Arc<AtomicUsize>) {
    for _ in 0..servers.len() {
        let server = &servers[turn.fetch_add(1, Ordering::Relaxed) % servers.len()];
        if let Ok(mut far) = TcpStream::connect(server).await {
            let _ = copy_bidirectional(&mut near, &mut far).await;
            return;
        }
    }
}
