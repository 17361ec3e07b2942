//! What stands between a gateway and Redis, and delays or cuts what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// A running go-between; stops when dropped.
#[derive(Debug)]
pub struct Middle {
    pub port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// By how many milliseconds each answer is late.
    delay: AtomicU64,
    /// So many more pieces of answers are let through before a connection is cut instead, once.
    answers: AtomicU64,
    /// Changes when every connection is to be cut.
    cut: watch::Sender<()>,
}

impl Drop for Middle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Middle {
    /// Before the Redis at this port.
    pub async fn before(port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let answers = AtomicU64::new(u64::MAX);
        let state =
            Arc::new(State { delay: AtomicU64::new(0), answers, cut: watch::Sender::new(()) });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("a connection");
                if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                    tokio::spawn(carry(near, far, Arc::clone(&shared)));
                }
            }
        });
        let middle = Self { port: own, state, task };
        middle.delay(delay);
        middle
    }

    /// From now on each answer is so much late.
    pub fn delay(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("a short time");
        self.state.delay.store(millis, Ordering::SeqCst);
    }

    /// Lets Redis do the next command, and cuts the connection instead of passing the answer on.
    pub fn lose_the_next_answer(&self) {
        self.state.answers.store(0, Ordering::SeqCst);
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.state.cut.send_replace(());
    }
}

async fn carry(near: TcpStream, far: TcpStream, state: Arc<State>) {
    let mut cut = state.cut.subscribe();
    cut.mark_unchanged();
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    tokio::select! {
        () = questions(from_near, to_far) => {}
        () = answers(from_far, to_near, &state) => {}
        _ = cut.changed() => {}
    }
}

async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut bytes = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let (send, mut receive) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async {
        let mut bytes = vec![0; 65_536];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            let counted = &state.answers;
            if counted.compare_exchange(0, u64::MAX, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return;
            }
            let due = Instant::now() + Duration::from_millis(state.delay.load(Ordering::SeqCst));
            if send.send((due, bytes[..read].to_vec())).is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some((due, bytes)) = receive.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
