use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::snapshot::SnapshotKey;

const ISSUER: &str = "https://login.example.com";

fn file(folder: &Path, key: u8) -> SnapshotFile {
    SnapshotFile { path: folder.join("pending"), key: SnapshotKey::parse(&[key; 32]).unwrap() }
}

fn records() -> Vec<Vec<u8>> {
    // Many small ones, one that spans pieces, and an empty one.
    let mut records: Vec<Vec<u8>> = (0..5_000_u32).map(|n| n.to_be_bytes().to_vec()).collect();
    records.push(vec![7; 200_000]);
    records.push(Vec::new());
    records
}

fn read(from: &SnapshotFile, issuer: &str) -> Result<Option<Vec<Vec<u8>>>, SnapshotError> {
    take(from, issuer, |record| Ok(record.to_vec()))
}

#[test]
fn what_was_written_is_taken_once_and_nobody_else_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), 1);
    assert!(read(&file, ISSUER).unwrap().is_none());
    write(&file, ISSUER, records()).unwrap();
    let mode = fs::metadata(&file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(read(&file, ISSUER).unwrap().unwrap(), records());
    assert!(read(&file, ISSUER).unwrap().is_none());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // What a crash has left is no hindrance, and a second snapshot takes the place of the first.
    fs::write(beside(&file.path, "new"), "half").unwrap();
    write(&file, ISSUER, records()).unwrap();
    write(&file, ISSUER, [vec![1]]).unwrap();
    assert_eq!(read(&file, ISSUER).unwrap().unwrap(), [vec![1]]);
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_refused_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), 1);
    write(&file, ISSUER, records()).unwrap();
    let whole = fs::read(&file.path).unwrap();
    let piece = 64 * 1024 + 16 + 4;
    for end in [0, 1, 41, 42, 43, 46, 100, 42 + piece, 42 + 2 * piece, whole.len() - 1] {
        fs::write(&file.path, &whole[..end]).unwrap();
        let error = read(&file, ISSUER).unwrap_err();
        assert!(matches!(error, SnapshotError::Torn | SnapshotError::NotOurs), "{end}: {error}");
        assert!(!file.path.exists());
        assert_eq!(fs::read(refused(&file.path)).unwrap().len(), end);
    }
    for at in [0, 9, 10, 41, 42, 45, 46, 1_000, 42 + piece, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 0x40;
        fs::write(&file.path, changed).unwrap();
        let error = read(&file, ISSUER).unwrap_err();
        assert!(error.is_refusal(), "{at}: {error}");
    }
    // Pieces in another order, and something after the end.
    let (head, pieces) = whole.split_at(42);
    let (one, rest) = pieces.split_at(piece);
    let (two, rest) = rest.split_at(piece);
    for changed in [[head, two, one, rest].concat(), [head, one, rest].concat()] {
        fs::write(&file.path, changed).unwrap();
        assert!(matches!(read(&file, ISSUER).unwrap_err(), SnapshotError::Foreign));
    }
    fs::write(&file.path, [&whole, b"x".as_slice()].concat()).unwrap();
    assert!(matches!(read(&file, ISSUER).unwrap_err(), SnapshotError::Malformed));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "one is kept");
}

#[test]
fn another_key_or_issuer_opens_nothing_and_a_later_format_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let own = file(folder.path(), 1);
    write(&own, ISSUER, records()).unwrap();
    let error = read(&file(folder.path(), 2), ISSUER).unwrap_err();
    assert!(matches!(error, SnapshotError::Foreign), "{error}");
    write(&own, ISSUER, records()).unwrap();
    let error = read(&own, "https://other.example.com").unwrap_err();
    assert!(matches!(error, SnapshotError::Foreign), "{error}");
    write(&own, ISSUER, records()).unwrap();
    let mut later = fs::read(&own.path).unwrap();
    later[9] = 2;
    fs::write(&own.path, later).unwrap();
    assert!(matches!(read(&own, ISSUER).unwrap_err(), SnapshotError::TooNew(2)));
    write(&own, ISSUER, records()).unwrap();
    let error = take(&own, ISSUER, |_| Err::<(), _>(Malformed)).unwrap_err();
    assert!(matches!(error, SnapshotError::Malformed), "{error}");
}

#[test]
fn where_nothing_can_be_written_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = file(folder.path(), 1);
    file.path = folder.path().join("absent/pending");
    let error = write(&file, ISSUER, records()).unwrap_err();
    assert!(!error.is_refusal(), "{error}");
    file.path = folder.path().join("taken");
    fs::create_dir(&file.path).unwrap();
    assert!(write(&file, ISSUER, records()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
