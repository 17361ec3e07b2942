//! The form of a snapshot: a head, then pieces of at most 64 KiB, each sealed with AES-256-GCM. The
//! head holds a random salt, from which together with key and issuer the key of this one file is
//! derived (HKDF-SHA256, RFC 5869); so the nonce is the number of the piece, and whether it is the
//! last. No piece can be left out, moved, or be the end before its time.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use super::{SnapshotError, failed};
use crate::config::snapshot::SnapshotKey;

const MAGIC: &[u8; 8] = b"parapet\n";
const FORMAT: u16 = 1;
const SALT: usize = 32;
const HEAD: usize = MAGIC.len() + 2 + SALT;

/// Bytes of a piece before it is sealed.
const PIECE: usize = 64 * 1024;

/// Longest record: an address of the upstream is bounded by what HTTP heads may hold.
const LONGEST_RECORD: usize = 16 * 1024 * 1024;

/// Marks the length of the last piece. The nonce says the same, and cannot be forged.
const LAST: u32 = 1 << 31;

/// Seals pieces of one file, or opens them.
struct Pieces {
    key: LessSafeKey,
    /// Head and issuer.
    associated: Vec<u8>,
    number: u64,
}

impl Pieces {
    fn new(key: &SnapshotKey, head: &[u8; HEAD], issuer: &str) -> Result<Self, SnapshotError> {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let mut derived = Zeroizing::new([0; 32]);
        let salt = Salt::new(HKDF_SHA256, head.get(HEAD - SALT..).unwrap_or_default());
        let info = [b"parapet/v1/snapshot\0".as_slice(), issuer.as_bytes()];
        salt.extract(key.expose())
            .expand(&info, Length)
            .and_then(|okm| okm.fill(derived.as_mut()))
            .map_err(|_| SnapshotError::Unsealed)?;
        let key =
            UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| SnapshotError::Unsealed)?;
        let associated = [head.as_slice(), issuer.as_bytes()].concat();
        Ok(Self { key: LessSafeKey::new(key), associated, number: 0 })
    }

    /// The nonce of the next piece.
    fn nonce(&mut self, is_last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let (number, end) = nonce.split_at_mut(8);
        number.copy_from_slice(&self.number.to_be_bytes());
        end.fill(is_last.into());
        self.number += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Writes a snapshot piece by piece.
pub(super) struct Sealer<W> {
    to: W,
    path: PathBuf,
    pieces: Pieces,
    buffer: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    pub(super) fn begin(mut to: W, key: &SnapshotKey, issuer: &str) -> Result<Self, SnapshotError> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| SnapshotError::Unsealed)?;
        let head = [MAGIC.as_slice(), &FORMAT.to_be_bytes(), &salt].concat();
        let head: [u8; HEAD] = head.try_into().map_err(|_| SnapshotError::Unsealed)?;
        to.write_all(&head).map_err(failed("write", Path::new("")))?;
        let (pieces, buffer) = (Pieces::new(key, &head, issuer)?, Vec::with_capacity(PIECE));
        Ok(Self { to, path: PathBuf::new(), pieces, buffer })
    }

    /// The file that errors name.
    pub(super) fn at(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(super) fn add(&mut self, record: &[u8]) -> Result<(), SnapshotError> {
        let length = u32::try_from(record.len()).ok().filter(|_| record.len() <= LONGEST_RECORD);
        self.append(&length.ok_or(SnapshotError::Unsealed)?.to_be_bytes())?;
        self.append(record)
    }

    /// Writes the last piece.
    pub(super) fn end(mut self) -> Result<W, SnapshotError> {
        self.write_piece(true)?;
        Ok(self.to)
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        while !bytes.is_empty() {
            if self.buffer.len() == PIECE {
                self.write_piece(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn write_piece(&mut self, is_last: bool) -> Result<(), SnapshotError> {
        let nonce = self.pieces.nonce(is_last);
        let associated = Aad::from(self.pieces.associated.as_slice());
        let sealed = self.pieces.key.seal_in_place_append_tag(nonce, associated, &mut self.buffer);
        sealed.map_err(|_| SnapshotError::Unsealed)?;
        let length = u32::try_from(self.buffer.len()).map_err(|_| SnapshotError::Unsealed)?;
        let length = if is_last { length | LAST } else { length };
        let mut write = || {
            self.to.write_all(&length.to_be_bytes())?;
            self.to.write_all(&self.buffer)
        };
        write().map_err(failed("write", &self.path))?;
        self.buffer.clear();
        Ok(())
    }
}

/// Reads a snapshot record by record.
pub(super) struct Opener<R> {
    from: R,
    path: PathBuf,
    pieces: Pieces,
    /// What was opened, of which the first `done` bytes have been given.
    buffer: Vec<u8>,
    done: usize,
    is_last: bool,
}

impl<R: Read> Opener<R> {
    pub(super) fn begin(
        mut from: R,
        key: &SnapshotKey,
        issuer: &str,
    ) -> Result<Self, SnapshotError> {
        let mut head = [0; HEAD];
        match fill(&mut from, &mut head, Path::new("")) {
            Err(SnapshotError::Torn) => return Err(SnapshotError::NotOurs),
            filled => filled?,
        }
        let rest = head.strip_prefix(MAGIC).ok_or(SnapshotError::NotOurs)?;
        let format = rest.first_chunk().copied().map_or(0, u16::from_be_bytes);
        match format {
            0 => return Err(SnapshotError::NotOurs),
            FORMAT => {}
            later => return Err(SnapshotError::TooNew(later)),
        }
        let pieces = Pieces::new(key, &head, issuer)?;
        let (buffer, path) = (Vec::new(), PathBuf::new());
        Ok(Self { from, path, pieces, buffer, done: 0, is_last: false })
    }

    /// The file that errors name.
    pub(super) fn at(self, path: &Path) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// `None` after the last record of a file that is whole.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, SnapshotError> {
        if !self.has(1)? {
            let mut more = [0];
            let read = self.from.read(&mut more).map_err(failed("read", &self.path))?;
            return if read == 0 { Ok(None) } else { Err(SnapshotError::Malformed) };
        }
        let length = self.taken(4)?.first_chunk().copied().map_or(0, u32::from_be_bytes);
        let length = usize::try_from(length).map_err(|_| SnapshotError::Malformed)?;
        if length > LONGEST_RECORD {
            return Err(SnapshotError::Malformed);
        }
        self.taken(length).map(Some)
    }

    fn taken(&mut self, length: usize) -> Result<&[u8], SnapshotError> {
        if !self.has(length)? {
            return Err(SnapshotError::Malformed);
        }
        let from = self.done;
        self.done += length;
        self.buffer.get(from..self.done).ok_or(SnapshotError::Malformed)
    }

    /// Opens pieces until `length` bytes are there; false where the file ends before.
    fn has(&mut self, length: usize) -> Result<bool, SnapshotError> {
        while self.buffer.len() - self.done < length {
            if self.is_last {
                return Ok(false);
            }
            self.buffer.drain(..self.done);
            self.done = 0;
            self.open_piece()?;
        }
        Ok(true)
    }

    fn open_piece(&mut self) -> Result<(), SnapshotError> {
        let mut length = [0; 4];
        fill(&mut self.from, &mut length, &self.path)?;
        let length = u32::from_be_bytes(length);
        self.is_last = length & LAST != 0;
        let length = usize::try_from(length & !LAST).unwrap_or(usize::MAX);
        if length > PIECE + MAX_TAG_LEN {
            return Err(SnapshotError::Foreign);
        }
        let mut piece = vec![0; length];
        fill(&mut self.from, &mut piece, &self.path)?;
        let nonce = self.pieces.nonce(self.is_last);
        let associated = Aad::from(self.pieces.associated.as_slice());
        let opened = self.pieces.key.open_in_place(nonce, associated, &mut piece);
        self.buffer.extend_from_slice(opened.map_err(|_| SnapshotError::Foreign)?);
        Ok(())
    }
}

fn fill(from: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<(), SnapshotError> {
    from.read_exact(buffer).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            SnapshotError::Torn
        } else {
            failed("read", path)(error)
        }
    })
}
