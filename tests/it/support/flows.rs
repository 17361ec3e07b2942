//! Many logins at once through a balancer, each call tried again until it is answered, and what
//! became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use parapet::store::REPEAT_WINDOW;

use super::front::{completion, is_completed, push, redeem};
use super::http::{Answer, try_send};

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// What became of the calls and the requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// Pushes that got a `request_uri`.
    pub acknowledged: AtomicU64,
    /// Of these, those that were started.
    pub redeemed: AtomicU64,
    /// Of these, those that reached the client.
    pub completed: AtomicU64,
    /// Calls that were told to come again (503) and did.
    pub refused: AtomicU64,
    /// Calls whose connection broke and which were made again.
    pub broken: AtomicU64,
    /// Requests that were acknowledged and then not known, or not completed by anybody.
    pub lost: AtomicU64,
    /// The same where the store itself had lost what it held.
    pub forgotten: AtomicU64,
    /// The same where the answer to a completion came after the time in which the same browser may
    /// repeat it, because the store was away for that long.
    pub late: AtomicU64,
    /// Requests that two browsers completed.
    pub twice: AtomicU64,
    /// How often the store has lost what it held.
    pub epoch: AtomicU64,
    /// What happened while nothing was made to fail.
    pub calm: Calm,
}

/// Of the calls and logins, those that no fault excuses.
#[derive(Debug, Default)]
pub struct Calm {
    /// Grows when something begins to fail and when it is over: odd in between.
    pub faults: AtomicU64,
    /// Calls that began and were answered while nothing failed.
    pub calls: AtomicU64,
    /// Of these, those that were refused (502, 503) or whose connection broke.
    pub refused: AtomicU64,
    /// Logins that ended while nothing failed.
    pub logins: AtomicU64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
        write!(
            f,
            "{} acknowledged, {} redeemed, {} completed; {} lost, {} lost by the store, \
             {} too late, {} completed twice; {} refused and {} broken calls made again",
            of(&self.acknowledged),
            of(&self.redeemed),
            of(&self.completed),
            of(&self.lost),
            of(&self.forgotten),
            of(&self.late),
            of(&self.twice),
            of(&self.refused),
            of(&self.broken)
        )
    }
}

/// How a login ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// One browser completes it.
    Alone,
    /// Two browsers start it and race to the end.
    Race,
}

impl Tally {
    pub fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::SeqCst)
    }

    /// A whole login.
    pub async fn login(self: Arc<Self>, url: String, number: usize, ending: Ending) {
        let epoch = self.epoch.load(Ordering::SeqCst);
        let state = number.to_string();
        let pushed = self.answered(|| push(&url, &state)).await;
        assert_eq!(pushed.status, 201, "{}", pushed.text());
        add(&self.acknowledged);
        let pushed = pushed.json();
        let start = || self.answered(|| redeem(&url, &pushed));
        let started = match ending {
            Ending::Alone => vec![start().await],
            Ending::Race => {
                let (one, other) = tokio::join!(start(), start());
                vec![one, other]
            }
        };
        if started.iter().any(|started| started.status != 200) {
            return self.lose(epoch, &started);
        }
        add(&self.redeemed);
        let (url, state, ending) = (&url, &state, Instant::now());
        let end = |started| self.answered(move || completion(url, started, state));
        let ended = match &started[..] {
            [one, other] => {
                let (one, other) = tokio::join!(end(one), end(other));
                vec![one, other]
            }
            _ => vec![end(&started[0]).await],
        };
        match ended.iter().filter(|answer| is_completed(answer)).count() {
            0 if ending.elapsed() > REPEAT_WINDOW => add(&self.late),
            0 => self.lose(epoch, &ended),
            1 => add(&self.completed),
            _ => add(&self.twice),
        }
        if self.calm.now().is_some() {
            add(&self.calm.logins);
        }
    }

    fn lose(&self, epoch: u64, answers: &[Answer]) {
        if self.epoch.load(Ordering::SeqCst) != epoch {
            return add(&self.forgotten);
        }
        add(&self.lost);
        for answer in answers {
            println!("lost: {} {}", answer.status, answer.text());
        }
    }

    /// The answer to a call that is made until it is answered by something else than 502 and 503.
    async fn answered(&self, request: impl Fn() -> Request<Bytes>) -> Answer {
        let begun = Instant::now();
        loop {
            let calm = self.calm.now();
            let answer = try_send(request()).await;
            let is_calm = calm.is_some() && calm == self.calm.now();
            if is_calm {
                add(&self.calm.calls);
            }
            match answer {
                Ok(answer) if !matches!(answer.status.as_u16(), 502 | 503) => return answer,
                Ok(_) => add(&self.refused),
                Err(_) => add(&self.broken),
            }
            if is_calm {
                add(&self.calm.refused);
            }
            assert!(begun.elapsed() < PATIENCE, "no answer: {self}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Calm {
    /// Something begins to fail, or has stopped failing.
    pub fn turn(&self) {
        add(&self.faults);
    }

    /// Which calm this is; `None` while something fails.
    fn now(&self) -> Option<u64> {
        let faults = self.faults.load(Ordering::SeqCst);
        faults.is_multiple_of(2).then_some(faults)
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_call_that_met_a_fault_is_not_of_the_calm() {
    let calm = Calm::default();
    let before = calm.now();
    calm.turn();
    assert_eq!(calm.now(), None);
    calm.turn();
    assert!(before.is_some() && calm.now().is_some() && before != calm.now());
}
