//! The sockets of the public side, bound before anything else starts, or inherited from a process
//! that has opened them.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use pingora::server::Fds;

use super::phase::Phase;
use crate::config::Listen;

pub use inherited::{Inherited, Opener, Passed, name};

mod inherited;

/// Binds every address of `[server] listen`, or none.
///
/// # Errors
///
/// The first address that cannot be had.
pub fn bind(listen: &[Listen]) -> Result<Bound, BindError> {
    Inherited::default().bind("public", listen)
}

/// An address of `[server] listen` that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A TCP address: taken, not of this machine, or a port that needs privileges.
    #[error("cannot listen on {address}: {source}")]
    Tcp {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A unix socket.
    #[error("cannot listen on unix:{}: {source}", path.display())]
    Unix {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Bound sockets that nobody accepts from yet; clients queue.
#[derive(Debug)]
pub struct Bound {
    /// Which listener it is: `public` or `mtls`.
    listener: &'static str,
    sockets: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    handle: Handle,
    /// What the configuration says, which may leave the port to the system.
    configured: Listen,
    /// What it is bound to.
    address: Listen,
    opener: Opener,
}

#[derive(Debug)]
enum Handle {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Handle {
    fn duplicate(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(OwnedFd::from),
            Self::Unix(listener) => listener.try_clone().map(OwnedFd::from),
        }
    }
}

impl Bound {
    /// What was bound, in the order of the configuration, with the port that the system chose
    /// where it was told to.
    #[must_use]
    pub fn addresses(&self) -> Vec<Listen> {
        self.sockets.iter().map(|socket| socket.address.clone()).collect()
    }

    /// Second descriptors of the sockets, for another process.
    pub(super) fn passed(&self) -> io::Result<Vec<Passed>> {
        let pass = |socket: &Socket| {
            Ok(Passed {
                name: name(self.listener, &socket.configured),
                fd: socket.handle.duplicate()?,
                opener: socket.opener,
            })
        };
        self.sockets.iter().map(pass).collect()
    }

    /// Second descriptors of the sockets, for pingora, which finds each by its address as text.
    pub(super) fn to_fds(&self) -> io::Result<Fds> {
        let mut fds = Fds::new();
        for socket in &self.sockets {
            let name = match &socket.address {
                Listen::Tcp(address) => address.to_string(),
                Listen::Unix(path) => path.to_string_lossy().into_owned(),
            };
            fds.add(name, socket.handle.duplicate()?.into_raw_fd());
        }
        Ok(fds)
    }

    /// What pingora is to set on the unix socket at `path`, as it sets something: of a socket that
    /// somebody else has opened what they chose.
    pub(super) fn permissions(&self, path: &Path) -> Permissions {
        let of = |socket: &&Socket| matches!(&socket.address, Listen::Unix(at) if at == path);
        let opener = self.sockets.iter().find(of).map(|socket| socket.opener);
        let chosen = fs::metadata(path).map(|metadata| metadata.permissions());
        match (opener, chosen) {
            (Some(Opener::ServiceManager), Ok(chosen)) => chosen,
            _ => unix_permissions(),
        }
    }

    /// Closes the sockets. The names of unix sockets go with them, unless another process uses them.
    pub(super) fn close(self, phase: Phase) {
        for socket in self.sockets {
            if let Listen::Unix(path) = &socket.address
                && socket.opener == Opener::Gateway
                && phase != Phase::HandedOver
            {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Only the gateway's own user may connect.
fn unix_permissions() -> Permissions {
    Permissions::from_mode(0o600)
}

impl Socket {
    /// Opens a socket of our own.
    fn open(configured: &Listen) -> Result<Self, BindError> {
        let opened = match configured {
            Listen::Tcp(address) => {
                tcp(*address).map_err(|source| BindError::Tcp { address: *address, source })
            }
            Listen::Unix(path) => {
                unix(path).map_err(|source| BindError::Unix { path: path.clone(), source })
            }
        };
        let (handle, address) = opened?;
        Ok(Self { handle, configured: configured.clone(), address, opener: Opener::Gateway })
    }
}

fn tcp(address: SocketAddr) -> io::Result<(Handle, Listen)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((Handle::Tcp(listener), Listen::Tcp(bound)))
}

fn unix(path: &Path) -> io::Result<(Handle, Listen)> {
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, unix_permissions())?;
    listener.set_nonblocking(true)?;
    Ok((Handle::Unix(listener), Listen::Unix(path.to_owned())))
}

/// Removes the socket of a process that is gone; a live one, or a file of another kind, stays and
/// makes `bind` fail.
///
/// # Errors
/// It cannot be removed.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if metadata.file_type().is_socket() && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_is_reported_as_what_it_became() {
        let bound = bind(&[Listen::Tcp("127.0.0.1:0".parse().unwrap())]).unwrap();
        let [Listen::Tcp(address)] = bound.addresses()[..] else {
            panic!("{bound:?}");
        };
        assert_ne!(address.port(), 0);
        assert!(bind(&[Listen::Tcp(address)]).is_err(), "bound twice");
    }

    #[test]
    fn unix_socket_is_private_and_replaces_a_dead_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.sock");
        let listen = [Listen::Unix(path.clone())];
        let first = bind(&listen).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(bind(&listen).is_err(), "a live socket was taken over");
        drop(first);
        let second = bind(&listen).unwrap();
        assert_eq!(second.addresses(), listen);

        let file = folder.path().join("file");
        fs::write(&file, "kept").unwrap();
        assert!(bind(&[Listen::Unix(file.clone())]).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }
}
