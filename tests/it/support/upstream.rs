//! An upstream in the test's own process that keeps every request and answers as told.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::raw::PATIENCE;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The head's bytes.
    pub(crate) raw: Vec<u8>,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ended before the body did.
    pub(crate) cut: bool,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(field, _)| field == name).count()
    }
}

/// Requests that are kept.
const MOST_KEPT: usize = 20_000;

/// A step of an answer.
#[derive(Clone)]
pub(crate) enum Step {
    /// Written as it stands.
    Bytes(Vec<u8>),
    /// Goes on when the test says so.
    Await(Arc<Notify>),
    /// Sends back every byte until the end.
    Echo,
    /// Closes the connection.
    Close,
}

/// What the upstream answers to a request.
pub(crate) type Script = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

/// A running upstream; stops when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Answers every request with these bytes.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::scripted(move |_| vec![Step::Bytes(answer.clone())]).await
    }

    /// Answers `200` and `ok`.
    pub(crate) async fn fine() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
    }

    pub(crate) async fn scripted(
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::on("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn on(
        address: SocketAddr,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (log, counter, script) =
            (Arc::clone(&seen), Arc::clone(&connections), Arc::new(script) as Script);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *counter.lock() += 1;
                open.spawn(serve(stream, Arc::clone(&log), Arc::clone(&script)));
            }
        });
        Self { address, seen, connections, task }
    }

    /// Requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen.into_iter().next().unwrap()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock()
    }

    /// Waits until a request was recorded for which `wanted` holds.
    pub(crate) async fn until(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let found = async {
            loop {
                if let Some(seen) = self.seen().into_iter().find(|seen| wanted(seen)) {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the upstream saw no such request")
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Seen>>>, script: Script) {
    let mut buffer = Vec::new();
    while let Some(mut seen) = read_head(&mut stream, &mut buffer).await {
        if seen.field("expect").is_some() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        }
        let early = seen.target.starts_with("/early");
        if !early {
            read_body(&mut stream, &mut buffer, &mut seen).await;
        }
        keep(&log, seen.clone());
        if seen.cut {
            return;
        }
        for step in script(&seen) {
            match step {
                Step::Bytes(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Await(go) => go.notified().await,
                Step::Echo => return echo(stream, buffer).await,
                Step::Close => return,
            }
        }
        if early {
            read_body(&mut stream, &mut buffer, &mut seen).await;
            keep(&log, seen);
        }
    }
}

/// The first of very many.
fn keep(log: &Mutex<Vec<Seen>>, seen: Seen) {
    let mut log = log.lock();
    if log.len() < MOST_KEPT {
        log.push(seen);
    }
}

async fn echo(mut stream: TcpStream, first: Vec<u8>) {
    let _ = stream.write_all(&first).await;
    let (mut reading, mut writing) = stream.split();
    let _ = tokio::io::copy(&mut reading, &mut writing).await;
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        if !fill(stream, buffer).await {
            return None;
        }
    };
    let raw: Vec<u8> = buffer.drain(..end).collect();
    let text = String::from_utf8_lossy(&raw).into_owned();
    let mut lines = text.lines();
    let mut request_line = lines.next().unwrap().split(' ').map(str::to_owned);
    Some(Seen {
        method: request_line.next().unwrap(),
        target: request_line.next().unwrap(),
        fields: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        raw,
        ..Seen::default()
    })
}

async fn read_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, seen: &mut Seen) {
    if let Some(length) = seen.field("content-length") {
        let length: usize = length.parse().unwrap();
        while buffer.len() < length && !seen.cut {
            seen.cut = !fill(stream, buffer).await;
        }
        seen.body = buffer.drain(..length.min(buffer.len())).collect();
    } else if seen.field("transfer-encoding").is_some() {
        seen.cut = !read_chunks(stream, buffer, &mut seen.body).await;
    }
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>, body: &mut Vec<u8>) -> bool {
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(2).position(|part| part == b"\r\n") {
                break end;
            }
            if !fill(stream, buffer).await {
                return false;
            }
        };
        let line: Vec<u8> = buffer.drain(..end + 2).collect();
        let line = String::from_utf8(line).unwrap();
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
        while buffer.len() < size + 2 {
            if !fill(stream, buffer).await {
                return false;
            }
        }
        body.extend(buffer.drain(..size));
        buffer.drain(..2);
        if size == 0 {
            return true;
        }
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> bool {
    let mut piece = vec![0; 64 * 1024];
    match stream.read(&mut piece).await {
        Ok(read) if read > 0 => {
            buffer.extend_from_slice(&piece[..read]);
            true
        }
        _ => false,
    }
}
