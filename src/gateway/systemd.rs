//! What passes between the gateway and the service manager that started it: readiness, reloads, the
//! end, a watchdog, and sockets that it opened. Without a service manager nothing of it happens.

use std::io;
use std::os::fd::OwnedFd;
use std::process;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::proxy::listener::{Opener, Passed};

/// Says that the gateway listens, or that a reload is done (`READY=1`, `STATUS=`).
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the configuration is being read again (`RELOADING=1`, `MONOTONIC_USEC=`);
/// [`ready`] has to follow.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration")]);
    }
}

/// Says that this process is the service's main one from now on, and listens (`MAINPID=`).
pub(super) fn taken_over(status: &str) {
    let own = NotifyState::MainPid(process::id());
    notify(&[own, NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the gateway leaves, and may take so long (`STOPPING=1`, `EXTEND_TIMEOUT_USEC=`).
pub(super) fn stopping(longest: Duration) {
    let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    let status = NotifyState::Status("finishing what is in flight");
    notify(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest), status]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager does not listen");
    }
}

/// Shows the service manager, where it asks for that (`WATCHDOG_USEC`), that this runtime works.
/// Never ends.
pub(super) async fn watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut beats = tokio::time::interval((patience / 3).max(Duration::from_millis(1)));
    loop {
        beats.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

/// The sockets of `LISTEN_FDS`, if they are for this process. `names` is `LISTEN_FDNAMES`.
///
/// # Errors
/// One of them is no listening socket.
pub(super) fn passed(names: Option<&str>) -> io::Result<Vec<Passed>> {
    let mut fds = ListenFd::from_env();
    let mut names = names.unwrap_or_default().split(':');
    let numbers = 0..fds.len();
    let passed = numbers.map(|number| {
        let name = names.next().unwrap_or_default().to_owned();
        let fd = match fds.take_tcp_listener(number) {
            Ok(listener) => listener.map(OwnedFd::from),
            Err(_) => fds.take_unix_listener(number)?.map(OwnedFd::from),
        };
        let fd = fd.ok_or(io::ErrorKind::NotFound)?;
        Ok(Passed { name, fd, opener: Opener::ServiceManager })
    });
    passed.collect()
}
