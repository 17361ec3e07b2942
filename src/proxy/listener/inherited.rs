//! Sockets that another process has opened: the service manager before the gateway started, or the
//! gateway whose place this one takes.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use super::{BindError, Bound, Handle, Socket};
use crate::config::Listen;

/// Who has opened a socket, and so answers for the name and mode of a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// This gateway, or the one before it.
    Gateway,
    /// systemd or the like.
    ServiceManager,
}

/// A listening socket on its way from one process to another.
#[derive(Debug)]
pub struct Passed {
    /// The listener's name (`public`, `mtls`), alone or, between gateways, with the address that the
    /// configuration of the first one gives it.
    pub name: String,
    /// The socket.
    pub fd: OwnedFd,
    /// Who opened it.
    pub opener: Opener,
}

/// Sockets that wait to be claimed by the listener they are for.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Waiting>);

#[derive(Debug)]
struct Waiting {
    name: String,
    address: Listen,
    handle: Handle,
    opener: Opener,
}

/// What a socket of this listener is called between gateways.
#[must_use]
pub fn name(listener: &str, configured: &Listen) -> String {
    format!("{listener} {configured}")
}

impl Inherited {
    /// Takes sockets over.
    ///
    /// # Errors
    /// One of them is no listening socket of TCP or on a path.
    pub fn new(passed: Vec<Passed>) -> io::Result<Self> {
        passed.into_iter().map(Waiting::new).collect::<io::Result<_>>().map(Self)
    }

    /// A socket for every address: one that is bound to it, else one by name, else a new one.
    ///
    /// # Errors
    /// The first address that cannot be had.
    pub fn bind(&mut self, listener: &'static str, listen: &[Listen]) -> Result<Bound, BindError> {
        // An address is a better claim than a name, which several may have.
        let mut claimed: Vec<Option<Waiting>> =
            listen.iter().map(|wanted| self.take(|waiting| waiting.address == *wanted)).collect();
        for (claimed, wanted) in claimed.iter_mut().zip(listen) {
            let full = name(listener, wanted);
            if claimed.is_none() {
                *claimed = self.take(|waiting| waiting.name == full || waiting.name == *listener);
            }
        }
        let sockets = claimed.into_iter().zip(listen).map(|(claimed, wanted)| match claimed {
            Some(Waiting { address, handle, opener, .. }) => {
                Ok(Socket { handle, configured: wanted.clone(), address, opener })
            }
            None => Socket::open(wanted),
        });
        Ok(Bound { listener, sockets: sockets.collect::<Result<_, _>>()? })
    }

    /// The TCP socket of another listener that has one address.
    #[must_use]
    pub fn tcp(&mut self, listener: &str, wanted: &Listen) -> Option<TcpListener> {
        let full = name(listener, wanted);
        let waiting = self.take(|waiting| waiting.address == *wanted || waiting.name == full)?;
        match waiting.handle {
            Handle::Tcp(listener) => Some(listener),
            Handle::Unix(_) => None,
        }
    }

    /// The sockets that nobody has claimed, by address and name.
    #[must_use]
    pub fn unclaimed(&self) -> Vec<String> {
        self.0.iter().map(|waiting| format!("{} ({})", waiting.address, waiting.name)).collect()
    }

    fn take(&mut self, wanted: impl Fn(&Waiting) -> bool) -> Option<Waiting> {
        let at = self.0.iter().position(wanted)?;
        Some(self.0.remove(at))
    }
}

impl Waiting {
    fn new(passed: Passed) -> io::Result<Self> {
        let (handle, address) = opened(passed.fd)?;
        Ok(Self { name: passed.name, address, handle, opener: passed.opener })
    }
}

fn opened(fd: OwnedFd) -> io::Result<(Handle, Listen)> {
    let listener = TcpListener::from(fd);
    if let Ok(address) = listener.local_addr() {
        listener.set_nonblocking(true)?;
        return Ok((Handle::Tcp(listener), Listen::Tcp(address)));
    }
    let listener = UnixListener::from(OwnedFd::from(listener));
    let address = listener.local_addr()?;
    let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
    listener.set_nonblocking(true)?;
    let address = Listen::Unix(path.to_owned());
    Ok((Handle::Unix(listener), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(name: &str, listener: &TcpListener) -> Passed {
        let fd = listener.try_clone().unwrap().into();
        Passed { name: name.to_owned(), fd, opener: Opener::ServiceManager }
    }

    #[test]
    fn sockets_are_claimed_by_address_then_by_name_and_the_rest_is_opened() {
        let any = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = |listener: &TcpListener| Listen::Tcp(listener.local_addr().unwrap());
        let (one, two, three, four) = (any(), any(), any(), any());
        let zero = Listen::Tcp("127.0.0.1:0".parse().unwrap());
        let mut inherited = Inherited::new(vec![
            passed("public", &one),
            passed("whatever.socket", &two),
            passed("mtls 127.0.0.1:0", &three),
            passed("left", &four),
        ])
        .unwrap();
        let public = inherited.bind("public", &[listen(&two), zero.clone(), zero.clone()]).unwrap();
        assert_eq!(public.addresses()[..2], [listen(&two), listen(&one)]);
        assert_ne!(public.addresses()[2], zero, "opened anew");
        let again = public.passed().unwrap();
        assert_eq!(again[1].name, "public 127.0.0.1:0");
        let mtls = inherited.bind("mtls", std::slice::from_ref(&zero)).unwrap();
        assert_eq!(mtls.addresses(), [listen(&three)]);
        assert_eq!(inherited.unclaimed(), [format!("{} (left)", listen(&four))]);
        assert!(inherited.tcp("admin", &listen(&four)).is_some());
    }

    #[test]
    fn a_unix_socket_of_the_service_manager_keeps_its_name_and_mode() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).unwrap();
        let opener = Opener::ServiceManager;
        let passed = Passed { name: "x".to_owned(), fd: listener.into(), opener };
        let mut inherited = Inherited::new(vec![passed]).unwrap();
        let bound = inherited.bind("public", &[Listen::Unix(path.clone())]).unwrap();
        assert_eq!(bound.permissions(&path).mode() & 0o777, 0o660);
        bound.close(crate::proxy::Phase::Closed);
        assert!(path.exists());
    }
}
