//! A small memory with room for so many entries: the oldest makes way for the newest, so that
//! nobody fills the demonstration's memory by asking often.

use std::collections::VecDeque;

/// Entries by their key, oldest first.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    entries: VecDeque<(String, T)>,
}

impl<T> Shelf<T> {
    /// An empty shelf.
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new() }
    }

    /// Puts an entry in; the oldest leaves a full shelf.
    pub(crate) fn put(&mut self, key: String, value: T) {
        if self.entries.len() >= ROOM {
            self.entries.pop_front();
        }
        self.entries.push_back((key, value));
    }

    /// Looks at an entry.
    pub(crate) fn find(&mut self, key: &str) -> Option<&mut T> {
        let mut entries = self.entries.iter_mut();
        entries.find(|(found, _)| found == key).map(|(_, value)| value)
    }

    /// Takes an entry out: it is found once.
    pub(crate) fn take(&mut self, key: &str) -> Option<T> {
        let at = self.entries.iter().position(|(found, _)| found == key)?;
        self.entries.remove(at).map(|(_, value)| value)
    }
}

const ROOM: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_taken_once() {
        let mut shelf = Shelf::new();
        shelf.put("a".into(), 1);
        assert_eq!(shelf.find("a"), Some(&mut 1));
        assert_eq!(shelf.take("a"), Some(1));
        assert_eq!(shelf.take("a"), None);
    }

    #[test]
    fn the_oldest_makes_way() {
        let mut shelf = Shelf::new();
        for number in 0..=ROOM {
            shelf.put(number.to_string(), number);
        }
        assert_eq!(shelf.find("0"), None);
        assert_eq!(shelf.find("1"), Some(&mut 1));
    }
}
