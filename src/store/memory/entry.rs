//! One entry of the memory store: a request, its clocks, and what has become of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use super::CONTINUATION_OVERHEAD;
use crate::clock::Timestamp;
use crate::oauth::request_uri::Reference;
use crate::store::{
    CallerToken, Continuation, FlowId, Found, Held, Lifetimes, MAX_CONTINUATIONS, MAX_LOGINS,
    Outcome, PushedRequest, REPEAT_WINDOW, Spend, Spent, Start, Starts, Visit,
};

/// One request and what has become of it. Kept small: there may be a million.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) request: Arc<PushedRequest>,
    pushed_at: Timestamp,
    redeem_millis: u32,
    login_millis: u32,
    /// `None` until something happens: most requests wait, and then they are gone.
    state: Mutex<Option<Box<State>>>,
}

/// All of an entry but what was pushed and its continuations: what has to be written down so that it
/// can be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) pushed_at: Timestamp,
    pub(super) redeem_millis: u32,
    pub(super) login_millis: u32,
    pub(super) starts: u32,
    pub(super) last_caller: Option<CallerToken>,
    pub(super) last_start: Option<(FlowId, Timestamp)>,
    pub(super) spent: Option<Spent>,
    /// The logins that may go on, the newest last.
    pub(super) logins: Vec<FlowId>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    starts: u32,
    last_caller: Option<CallerToken>,
    /// The run that began last, and when.
    last_start: Option<(FlowId, Timestamp)>,
    pub(super) spent: Option<Spent>,
    /// The logins that may go on, the newest last.
    pub(super) logins: Vec<FlowId>,
    /// The newest last.
    pub(super) continuations: Vec<Kept>,
    /// Its room was given back: nothing may be added.
    pub(super) gone: bool,
}

impl State {
    pub(super) fn continuation(
        &self,
        flow: FlowId,
        handle: &Reference,
    ) -> Option<Arc<Continuation>> {
        let mut all = self.continuations.iter();
        let found = all.find(|kept| kept.flow == flow && kept.handle == *handle);
        found.map(|kept| Arc::clone(&kept.continuation))
    }

    /// Keeps a continuation of a login that may go on; of several with one text, the text is kept once.
    /// Where the login has as many as it may have, its oldest gives way. `reserve` is asked for the room,
    /// and the result is what was given back.
    pub(super) fn keep<E>(
        &mut self,
        kept: Kept,
        reserve: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<u64, E> {
        let is_same = |known: &&Kept| *known.continuation == *kept.continuation;
        let same = self.continuations.iter().find(is_same);
        let same = same.map(|known| Arc::clone(&known.continuation));
        let text = if same.is_some() { 0 } else { kept.text() };
        reserve(CONTINUATION_OVERHEAD + text)?;
        let own = self.continuations.iter().filter(|known| known.flow == kept.flow).count();
        let oldest = self.continuations.iter().position(|known| known.flow == kept.flow);
        let Kept { flow, handle, continuation } = kept;
        let continuation = same.unwrap_or(continuation);
        self.continuations.push(Kept { flow, handle, continuation });
        Ok(match oldest.filter(|_| own >= MAX_CONTINUATIONS) {
            Some(oldest) => self.remove(oldest),
            None => 0,
        })
    }

    /// Takes a continuation away and gives the room that it took.
    fn remove(&mut self, index: usize) -> u64 {
        let removed = self.continuations.remove(index);
        let is_shared = self
            .continuations
            .iter()
            .any(|other| Arc::ptr_eq(&other.continuation, &removed.continuation));
        CONTINUATION_OVERHEAD + if is_shared { 0 } else { removed.text() }
    }

    /// Begins a login; the oldest of too many gives way, and the room of its continuations is given.
    fn begin(&mut self, flow: FlowId) -> u64 {
        self.logins.push(flow);
        let mut freed = 0;
        if self.logins.len() > MAX_LOGINS {
            let oldest = self.logins.remove(0);
            while let Some(index) = self.continuations.iter().position(|kept| kept.flow == oldest) {
                freed += self.remove(index);
            }
        }
        freed
    }

    /// The room that the continuations take.
    pub(super) fn cost_of_continuations(&self) -> u64 {
        let mut cost = 0;
        for (index, kept) in self.continuations.iter().enumerate() {
            let mut before = self.continuations.iter().take(index);
            let is_shared =
                before.any(|other| Arc::ptr_eq(&other.continuation, &kept.continuation));
            cost += CONTINUATION_OVERHEAD + if is_shared { 0 } else { kept.text() };
        }
        cost
    }
}

/// A continuation that is kept with its request.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) flow: FlowId,
    pub(super) handle: Reference,
    pub(super) continuation: Arc<Continuation>,
}

impl Kept {
    fn text(&self) -> u64 {
        (self.continuation.path.len() + self.continuation.query.len()) as u64
    }
}

impl Entry {
    pub(super) fn new(request: PushedRequest, pushed_at: Timestamp, lifetimes: Lifetimes) -> Self {
        Self {
            request: Arc::new(request),
            pushed_at,
            redeem_millis: millis(lifetimes.redeem),
            login_millis: millis(lifetimes.login),
            state: Mutex::default(),
        }
    }

    /// The entry of which this was the course.
    pub(super) fn resumed(request: PushedRequest, course: Course) -> Self {
        let Course { pushed_at, redeem_millis, login_millis, .. } = course;
        let Course { starts, last_caller, last_start, spent, logins, .. } = course;
        let state = State { starts, last_caller, last_start, spent, logins, ..State::default() };
        let begun = starts > 0 || last_start.is_some() || spent.is_some();
        Self {
            request: Arc::new(request),
            pushed_at,
            redeem_millis,
            login_millis,
            state: Mutex::new(begun.then(|| Box::new(state))),
        }
    }

    pub(super) fn course(&self) -> Course {
        let state = self.state.lock();
        let state = state.as_deref();
        Course {
            pushed_at: self.pushed_at,
            redeem_millis: self.redeem_millis,
            login_millis: self.login_millis,
            starts: state.map_or(0, |state| state.starts),
            last_caller: state.and_then(|state| state.last_caller),
            last_start: state.and_then(|state| state.last_start),
            spent: state.and_then(|state| state.spent),
            logins: state.map(|state| state.logins.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn state(&self) -> MappedMutexGuard<'_, State> {
        MutexGuard::map(self.state.lock(), |state| &mut **state.get_or_insert_default())
    }

    /// `begun` is called under the entry's lock, where the start is one, with the room of a login that
    /// gave way.
    pub(super) fn start(&self, visit: Visit<'_>, now: Timestamp, begun: impl FnOnce(u64)) -> Start {
        if *self.request.client_id != *visit.client_id {
            return Start::OtherClient;
        }
        let mut state = self.state();
        if state.spent.is_some() {
            return Start::Spent;
        }
        if state.gone {
            return Start::Unknown;
        }
        let repeated = state.last_caller == Some(visit.caller);
        if visit.starts == Starts::Once && state.starts > 0 && !repeated {
            return Start::Taken;
        }
        if now >= self.redeem_by() {
            return Start::Expired;
        }
        let mut freed = 0;
        if !repeated {
            state.starts = state.starts.saturating_add(1);
            freed = state.begin(visit.flow);
        }
        state.last_caller = Some(visit.caller);
        state.last_start = Some((visit.flow, now));
        begun(freed);
        let age = now.since(self.pushed_at);
        let request = Arc::clone(&self.request);
        Start::Started { request, at: now, age }
    }

    /// Whether the start was taken back; then `undone` was called under the entry's lock.
    pub(super) fn undo_start(&self, caller: CallerToken, undone: impl FnOnce()) -> bool {
        let mut state = self.state();
        let only = state.starts == 1 && state.last_caller == Some(caller) && state.spent.is_none();
        if only {
            state.starts = 0;
            state.last_caller = None;
            state.last_start = None;
            state.logins.clear();
            undone();
        }
        only
    }

    pub(super) fn spend(&self, flow: FlowId, now: Timestamp, outcome: Outcome) -> Spend {
        let mut state = self.state();
        match state.spent {
            None => {
                state.spent = Some(Spent { flow, at: now, outcome });
                Spend::Spent
            }
            Some(spent)
                if (spent.flow, spent.outcome) == (flow, outcome)
                    && now.since(spent.at) < REPEAT_WINDOW =>
            {
                Spend::Repeated
            }
            Some(_) => Spend::AlreadySpent,
        }
    }

    /// Whether it is spent and no repetition is let through any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let spent = self.state.lock().as_ref().and_then(|state| state.spent);
        spent.is_some_and(|spent| now.since(spent.at) >= REPEAT_WINDOW)
    }

    /// The request under this reference, as the index finds it while it is started.
    pub(super) fn found(&self, reference: Reference, now: Timestamp) -> Option<Found> {
        let held = self.held(now)?;
        let state = self.state();
        let (flow, started_at) = state.last_start?;
        Some(Found { reference, flow, started_at, starts: state.starts, held })
    }

    /// The request as it lies here; `None` from when on it is gone.
    pub(super) fn held(&self, now: Timestamp) -> Option<Held> {
        (now < self.gone_at()).then(|| {
            let state = self.state.lock();
            let spent = state.as_ref().and_then(|state| state.spent);
            let logins = state.as_ref().map(|state| state.logins.clone()).unwrap_or_default();
            Held { request: Arc::clone(&self.request), now, spent, logins }
        })
    }

    fn redeem_by(&self) -> Timestamp {
        self.pushed_at + Duration::from_millis(self.redeem_millis.into())
    }

    /// From when on nothing can come of it: a spent request is kept as long as any of its flows
    /// could still complete, so that a second completion is recognised and refused.
    pub(super) fn gone_at(&self) -> Timestamp {
        match self.state.lock().as_ref().and_then(|state| state.last_start) {
            None => self.redeem_by(),
            Some((_, started_at)) => started_at + Duration::from_millis(self.login_millis.into()),
        }
    }
}

/// Up to 49 days.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
