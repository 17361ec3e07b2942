//! The public listener's sockets, bound before anything else starts.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use pingora::server::Fds;

use crate::config::Listen;

/// Binds every address of `[server] listen`, or none.
///
/// # Errors
///
/// The first address that cannot be had.
pub fn bind(listen: &[Listen]) -> Result<Bound, BindError> {
    let sockets = listen
        .iter()
        .map(|address| match address {
            Listen::Tcp(address) => tcp(*address),
            Listen::Unix(path) => unix(path),
        })
        .collect::<Result<_, _>>()?;
    Ok(Bound { sockets })
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
    sockets: Vec<Socket>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Bound {
    /// What was bound, in the order of the configuration, with the port that the system chose
    /// where it was told to.
    #[must_use]
    pub fn addresses(&self) -> Vec<Listen> {
        self.sockets
            .iter()
            .map(|socket| match socket {
                Socket::Tcp(_, address) => Listen::Tcp(*address),
                Socket::Unix(_, path) => Listen::Unix(path.clone()),
            })
            .collect()
    }

    /// Hands the sockets over; pingora finds each by its address as text.
    pub(super) fn into_fds(self) -> Fds {
        let mut fds = Fds::new();
        for socket in self.sockets {
            match socket {
                Socket::Tcp(listener, address) => {
                    fds.add(address.to_string(), listener.into_raw_fd());
                }
                Socket::Unix(listener, path) => {
                    fds.add(path.to_string_lossy().into_owned(), listener.into_raw_fd());
                }
            }
        }
        fds
    }
}

/// Only the gateway's own user may connect.
pub(super) fn unix_permissions() -> Permissions {
    Permissions::from_mode(0o600)
}

fn tcp(address: SocketAddr) -> Result<Socket, BindError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok(Socket::Tcp(listener, bound))
    };
    open().map_err(|source| BindError::Tcp { address, source })
}

fn unix(path: &Path) -> Result<Socket, BindError> {
    let open = || {
        remove_stale(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, unix_permissions())?;
        listener.set_nonblocking(true)?;
        Ok(Socket::Unix(listener, path.to_owned()))
    };
    open().map_err(|source| BindError::Unix { path: path.to_owned(), source })
}

/// Removes the socket of a process that is gone; a live one, or a file of another kind, stays and
/// makes `bind` fail.
fn remove_stale(path: &Path) -> io::Result<()> {
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
