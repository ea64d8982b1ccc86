//! A fair queue: in order for each owner, and owners in turn, so that no owner waits for all requests of another.

use std::collections::VecDeque;

/// Values that belong to owners.
pub struct FairQueue<O, T> {
    /// Owners with what waits for them; it is the first one's turn.
    lines: VecDeque<(O, VecDeque<T>)>,
}

impl<O, T> Default for FairQueue<O, T> {
    fn default() -> Self {
        Self { lines: VecDeque::new() }
    }
}

impl<O: PartialEq, T> FairQueue<O, T> {
    /// Appends a value to its owner's line.
    pub fn push(&mut self, owner: O, value: T) {
        match self.lines.iter_mut().find(|(other, _)| *other == owner) {
            Some((_, line)) => line.push_back(value),
            None => self.lines.push_back((owner, VecDeque::from([value]))),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Number of values in an owner's line.
    pub fn len_of(&self, owner: &O) -> usize {
        self.lines.iter().find(|(other, _)| other == owner).map_or(0, |(_, line)| line.len())
    }

    /// Removes an owner's values that are no longer wanted.
    pub fn remove(&mut self, owner: &O, is_unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        let Some((_, line)) = self.lines.iter_mut().find(|(other, _)| other == owner) else { return Vec::new() };
        let (removed, kept): (VecDeque<T>, VecDeque<T>) = line.drain(..).partition(|value| is_unwanted(value));
        *line = kept;
        self.lines.retain(|(_, line)| !line.is_empty());
        removed.into()
    }

    /// The next value, which stays.
    pub fn peek(&self) -> Option<&T> {
        self.lines.front().and_then(|(_, line)| line.front())
    }

    /// The next value.
    pub fn pop(&mut self) -> Option<T> {
        let (owner, mut line) = self.lines.pop_front()?;
        let value = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((owner, line));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(values: &[(&'static str, u32)]) -> FairQueue<&'static str, u32> {
        let mut queue = FairQueue::default();
        for (owner, value) in values {
            queue.push(*owner, *value);
        }
        queue
    }

    fn rest(mut queue: FairQueue<&'static str, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn owners_take_turns_and_keep_their_order() {
        let queue = queue(&[("a", 1), ("a", 2), ("a", 3), ("b", 10), ("c", 20), ("b", 11)]);
        assert_eq!(["a", "b", "c", "d"].map(|owner| queue.len_of(&owner)), [3, 2, 1, 0]);
        assert_eq!(queue.peek(), Some(&1));
        assert_eq!(rest(queue), [1, 10, 20, 2, 11, 3]);
    }

    #[test]
    fn a_tab_that_keeps_asking_does_not_starve_others() {
        let mut queue = queue(&[("busy", 0)]);
        let mut order = Vec::new();
        for number in 1..=6 {
            order.extend(queue.pop());
            // As soon as it is answered, it asks again.
            queue.push("busy", number);
            if number % 2 == 1 {
                queue.push("other", 100 + number);
            }
        }
        assert_eq!(order, [0, 1, 101, 2, 103, 3]);
        assert_eq!(rest(queue), [105, 4, 5, 6]);
    }

    #[test]
    fn unwanted_values_are_removed() {
        let mut queue = queue(&[("a", 1), ("b", 10), ("a", 2)]);
        assert_eq!(queue.remove(&"a", |value| *value == 2), [2]);
        assert_eq!(queue.remove(&"b", |_| true), [10]);
        assert_eq!(queue.remove(&"c", |_| true), [0u32; 0]);
        assert_eq!(rest(queue), [1]);
    }

    #[test]
    fn an_owner_that_left_and_returns_waits_at_the_end() {
        let mut queue = queue(&[("a", 1), ("b", 10), ("c", 20)]);
        assert_eq!(queue.remove(&"a", |_| true), [1]);
        queue.push("a", 2);
        assert_eq!(rest(queue), [10, 20, 2]);
    }
}
