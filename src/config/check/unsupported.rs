//! Keys of later work: refused wherever they are set. None is ever ignored.

use super::Checker;

/// Keys of the tables.
const KEYS: [&str; 1] = ["store.snapshot"];

pub(super) fn check(checker: &mut Checker<'_>) {
    for path in KEYS {
        if checker.root.find(path).is_some() {
            checker.refuse(path, "not yet supported");
        }
    }
}
