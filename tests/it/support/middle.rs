//! What stands between a gateway and Redis, and delays, holds or cuts what passes.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    /// Of the connections that have come, so many pass no further questions on.
    held: watch::Sender<u64>,
    /// How many connections have something to pass on.
    waiting: AtomicU64,
    /// Changes when every connection is to be closed towards the gateway alone.
    hung_up: watch::Sender<()>,
    /// Whether those that come now are accepted and then left alone.
    shunned: AtomicBool,
    /// How many connections have come.
    connections: AtomicU64,
    /// How many of them are still there.
    open: AtomicU64,
}

impl State {
    fn new(delay: Duration) -> Self {
        Self {
            delay: AtomicU64::new(millis(delay)),
            answers: AtomicU64::new(u64::MAX),
            cut: watch::Sender::new(()),
            held: watch::Sender::new(0),
            waiting: AtomicU64::new(0),
            hung_up: watch::Sender::new(()),
            shunned: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
        }
    }
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
        let state = Arc::new(State::new(delay));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut left_alone = Vec::new();
            loop {
                let (near, _) = listener.accept().await.expect("a connection");
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                if shared.shunned.load(Ordering::SeqCst) {
                    left_alone.push(near);
                } else if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        shared.open.fetch_add(1, Ordering::SeqCst);
                        carry(number, near, far, &shared).await;
                        shared.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Self { port: own, state, task }
    }

    /// From now on each answer is so much late.
    pub fn delay(&self, by: Duration) {
        self.state.delay.store(millis(by), Ordering::SeqCst);
    }

    /// Keeps what is asked over the connections that are there, as a network does that has lost
    /// them; connections that come later are as usual.
    pub fn hold(&self) {
        self.state.held.send_replace(self.connections());
    }

    /// Whether something is held.
    pub fn has_held(&self) -> bool {
        self.state.waiting.load(Ordering::SeqCst) > 0
    }

    /// Closes every connection towards the gateway; what it has asked still comes to Redis.
    pub fn hang_up(&self) {
        self.state.hung_up.send_replace(());
    }

    /// Lets Redis have what was held, also where nobody waits for the answer any more.
    pub fn release(&self) {
        self.state.held.send_replace(0);
    }

    /// How many connections have come so far.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many of them are still there, or wait for [`Self::release`].
    pub fn open_connections(&self) -> u64 {
        self.state.open.load(Ordering::SeqCst)
    }

    /// Accepts connections from now on, but lets nothing through.
    pub fn shun_newcomers(&self) {
        self.state.shunned.store(true, Ordering::SeqCst);
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short time")
}

async fn carry(number: u64, near: TcpStream, far: TcpStream, state: &State) {
    let mut cut = state.cut.subscribe();
    cut.mark_unchanged();
    let mut hung_up = state.hung_up.subscribe();
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let answering = async {
        tokio::select! {
            () = answers(from_far, to_near, state) => return,
            _ = hung_up.changed() => {}
        }
        pending::<()>().await;
    };
    tokio::select! {
        () = questions(number, from_near, to_far, state) => {}
        () = answering => {}
        _ = cut.changed() => {}
    }
}

async fn questions(number: u64, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) {
    let mut held = state.held.subscribe();
    let mut bytes = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        state.waiting.fetch_add(1, Ordering::SeqCst);
        let _ = held.wait_for(|held| *held < number).await;
        state.waiting.fetch_sub(1, Ordering::SeqCst);
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
