//! What is kept of many small things: as much as there is room for, the most recently used.

use std::collections::VecDeque;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Number of things.
    pub count: usize,
    /// Their bytes together.
    pub len_bytes: u64,
}

/// Names and lengths of what is kept.
#[derive(Debug)]
pub struct Recent {
    room: Room,
    /// The one that was used longest ago comes first.
    entries: VecDeque<(String, u64)>,
}

impl Room {
    /// Of responses that clients of the API may continue: a conversation of a hundred turns in some depth, or many short ones.
    pub const RESPONSES: Self = Self { count: 256, len_bytes: 64 << 20 };
}

impl Recent {
    /// What is there already, each with its length and when it was used.
    pub fn new(room: Room, found: impl IntoIterator<Item = (String, u64, f64)>) -> Self {
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by(|(_, _, a), (_, _, b)| a.total_cmp(b));
        Self { room, entries: found.into_iter().map(|(name, len_bytes, _)| (name, len_bytes)).collect() }
    }

    /// Notes a use. Says whether it is kept.
    pub fn touch(&mut self, name: &str) -> bool {
        let Some(entry) = self.take(name) else { return false };
        self.entries.push_back(entry);
        true
    }

    /// Adds something, or another version of it, and returns the names of what has to go for it: itself, if it is longer than all the room.
    pub fn add(&mut self, name: String, len_bytes: u64) -> Vec<String> {
        self.take(&name);
        self.entries.push_back((name, len_bytes));
        let mut gone = Vec::new();
        while self.entries.len() > self.room.count || self.len_bytes() > self.room.len_bytes {
            gone.extend(self.entries.pop_front().map(|(name, _)| name));
        }
        gone
    }

    /// Removes something. Says whether it was kept.
    pub fn remove(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    fn take(&mut self, name: &str) -> Option<(String, u64)> {
        let index = self.entries.iter().position(|(other, _)| other == name)?;
        self.entries.remove(index)
    }

    fn len_bytes(&self) -> u64 {
        self.entries.iter().map(|(_, len_bytes)| len_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(found: &[(&str, u64, f64)]) -> Recent {
        let found = found.iter().map(|(name, len_bytes, used)| ((*name).to_owned(), *len_bytes, *used));
        Recent::new(Room { count: 3, len_bytes: 100 }, found)
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut recent = recent(&[("new", 10, 9.0), ("old", 10, 1.0), ("middle", 10, 5.0)]);
        assert_eq!(recent.add("a".to_owned(), 10), ["old"]);
        assert!(recent.touch("middle") && !recent.touch("old"));
        assert_eq!(recent.add("b".to_owned(), 10), ["new"]);
        assert_eq!(recent.add("c".to_owned(), 90), ["a", "middle"], "bytes count, too");
        assert!(recent.remove("b") && !recent.remove("b") && !recent.remove("a"));
    }

    #[test]
    fn another_version_replaces_the_one_before() {
        let mut recent = recent(&[("a", 60, 1.0), ("b", 30, 2.0)]);
        assert_eq!(recent.add("a".to_owned(), 70), [""; 0]);
        assert_eq!(recent.add("a".to_owned(), 71), ["b"]);
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let mut recent = recent(&[("a", 10, 1.0)]);
        assert_eq!(recent.add("b".to_owned(), 101), ["a", "b"]);
        assert!(!recent.touch("b"));
    }
}
