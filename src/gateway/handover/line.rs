//! The line between two gateways: single words, and sockets once.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::proxy::listener::{Opener, Passed};

/// Both ends have to agree on it.
const VERSION: u8 = 1;

/// Most sockets, as the system bounds them per message.
const MOST_SOCKETS: usize = 250;

/// Longest list of sockets in bytes.
const LONGEST: usize = 1 << 20;

/// What is said after the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// New: I am ready for work.
    Ready,
    /// Old: I have stopped; what was in my memory lies in the snapshot.
    GoWithSnapshot,
    /// Old: I have stopped; the store is shared.
    Go,
    /// New: I have everything.
    Taken,
    /// Old: I shall not serve again.
    Farewell,
}

impl Word {
    const ALL: [Self; 5] =
        [Self::Ready, Self::GoWithSnapshot, Self::Go, Self::Taken, Self::Farewell];

    const fn byte(self) -> u8 {
        match self {
            Self::Ready => b'R',
            Self::GoWithSnapshot => b'S',
            Self::Go => b'G',
            Self::Taken => b'T',
            Self::Farewell => b'F',
        }
    }
}

/// A socket as it is told; its descriptor comes beside it.
#[derive(Serialize, Deserialize)]
struct Told {
    name: String,
    ours: bool,
}

/// One end. Every call blocks.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

impl Line {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        Ok(Self(stream))
    }

    pub(super) fn say(&mut self, word: Word) -> io::Result<()> {
        self.0.write_all(&[word.byte()])
    }

    /// The next word, if it comes in time.
    pub(super) fn hear(&mut self, patience: Duration) -> io::Result<Word> {
        self.0.set_read_timeout(Some(patience))?;
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        let [byte] = byte;
        Word::ALL.into_iter().find(|word| word.byte() == byte).ok_or_else(other_version)
    }

    /// Waits until the other end is closed.
    pub(super) fn closed(&mut self, patience: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(patience))?;
        self.0.read(&mut [0]).map(drop)
    }

    pub(super) fn send_sockets(&mut self, sockets: &[Passed]) -> io::Result<()> {
        let told: Vec<_> = sockets
            .iter()
            .map(|socket| Told {
                name: socket.name.clone(),
                ours: socket.opener == Opener::Gateway,
            })
            .collect();
        let list = serde_json::to_vec(&told)?;
        let length = u32::try_from(list.len()).map_err(io::Error::other)?;
        let message = [&[VERSION], length.to_be_bytes().as_slice(), &list].concat();
        let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(|socket| socket.fd.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !beside.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("too many sockets"));
        }
        let whole = [IoSlice::new(&message)];
        let sent = sendmsg(self.0.as_fd(), &whole, &mut beside, SendFlags::empty())?;
        self.0.write_all(message.get(sent..).unwrap_or_default())
    }

    pub(super) fn receive_sockets(&mut self, patience: Duration) -> io::Result<Vec<Passed>> {
        self.0.set_read_timeout(Some(patience))?;
        let mut first = [0; 1];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut first)];
        recvmsg(self.0.as_fd(), &mut into, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
        let mut fds: Vec<OwnedFd> = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if first != [VERSION] {
            return Err(other_version());
        }
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(other_version());
        }
        let mut list = vec![0; length];
        self.0.read_exact(&mut list)?;
        let told: Vec<Told> = serde_json::from_slice(&list)?;
        if told.len() != fds.len() {
            return Err(other_version());
        }
        let opener = |ours| if ours { Opener::Gateway } else { Opener::ServiceManager };
        let passed =
            |(told, fd): (Told, _)| Passed { name: told.name, fd, opener: opener(told.ours) };
        Ok(told.into_iter().zip(fds).map(passed).collect())
    }
}

fn other_version() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not speak as this version does")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Line, Line) {
        let (one, other) = UnixStream::pair().unwrap();
        (Line::new(one).unwrap(), Line::new(other).unwrap())
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn sockets_arrive_with_their_names() {
        let (mut old, mut new) = pair();
        let listeners: Vec<_> =
            (0..40).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let passed: Vec<_> = listeners
            .iter()
            .enumerate()
            .map(|(number, listener)| {
                let opener = if number % 2 == 0 { Opener::Gateway } else { Opener::ServiceManager };
                let fd = listener.try_clone().unwrap().into();
                Passed { name: number.to_string(), fd, opener }
            })
            .collect();
        old.send_sockets(&passed).unwrap();
        old.say(Word::GoWithSnapshot).unwrap();
        let received = new.receive_sockets(PATIENCE).unwrap();
        assert_eq!(new.hear(PATIENCE).unwrap(), Word::GoWithSnapshot);
        assert_eq!(received.len(), 40);
        for (number, (socket, listener)) in received.into_iter().zip(&listeners).enumerate() {
            assert_eq!(socket.name, number.to_string());
            assert_eq!(socket.opener == Opener::Gateway, number % 2 == 0);
            let address = TcpListener::from(socket.fd).local_addr().unwrap();
            assert_eq!(address, listener.local_addr().unwrap());
        }
        drop(new);
        old.closed(PATIENCE).unwrap();
    }

    #[test]
    fn another_version_and_an_early_end_are_errors() {
        let (mut old, mut new) = pair();
        old.0.write_all(&[9, 0, 0, 0, 0]).unwrap();
        assert!(new.receive_sockets(PATIENCE).is_err());
        let (mut old, mut new) = pair();
        old.say(Word::Ready).unwrap();
        drop(old);
        assert!(new.receive_sockets(PATIENCE).is_err());
        assert!(new.hear(PATIENCE).is_err());
    }
}
