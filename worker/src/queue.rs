//! Requests that wait: in order for each client, and clients in turn, so that none waits for all requests of another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A queue of values that belong to owners.
pub(crate) struct Queue<O, T>(Rc<RefCell<State<O, T>>>);

struct State<O, T> {
    /// Owners with what waits for them; the first one's turn is next.
    lines: VecDeque<(O, VecDeque<T>)>,
    waker: Option<Waker>,
}

impl<O, T> Clone for Queue<O, T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<O, T> Default for Queue<O, T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(State { lines: VecDeque::new(), waker: None })))
    }
}

impl<O: PartialEq, T> Queue<O, T> {
    /// Puts a value at the end of its owner's line.
    pub(crate) fn push(&self, owner: O, value: T) {
        let mut state = self.0.borrow_mut();
        match state.lines.iter_mut().find(|(other, _)| *other == owner) {
            Some((_, line)) => line.push_back(value),
            None => state.lines.push_back((owner, VecDeque::from([value]))),
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Takes values out that nobody waits for any more.
    pub(crate) fn remove(&self, owner: &O, is_unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = self.0.borrow_mut();
        let Some((_, line)) = state.lines.iter_mut().find(|(other, _)| other == owner) else { return Vec::new() };
        let (removed, kept): (VecDeque<T>, VecDeque<T>) = line.drain(..).partition(|value| is_unwanted(value));
        *line = kept;
        state.lines.retain(|(_, line)| !line.is_empty());
        removed.into()
    }

    /// Waits for the next value.
    pub(crate) async fn next(&self) -> T {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if let Some(value) = state.pop() {
                return Poll::Ready(value);
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<O, T> State<O, T> {
    fn pop(&mut self) -> Option<T> {
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
    use futures::FutureExt as _;

    use super::*;

    fn all(queue: &Queue<&str, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.next().now_or_never()).collect()
    }

    #[test]
    fn owners_take_turns_and_keep_their_order() {
        let queue = Queue::default();
        for (owner, value) in [("a", 1), ("a", 2), ("a", 3), ("b", 10), ("c", 20), ("b", 11)] {
            queue.push(owner, value);
        }
        assert_eq!(all(&queue), [1, 10, 20, 2, 11, 3]);
        queue.push("a", 4);
        assert_eq!(all(&queue), [4]);
    }

    #[test]
    fn what_nobody_waits_for_is_taken_out() {
        let queue = Queue::default();
        for (owner, value) in [("a", 1), ("b", 10), ("a", 2)] {
            queue.push(owner, value);
        }
        assert_eq!(queue.remove(&"a", |value| *value == 2), [2]);
        assert_eq!(queue.remove(&"b", |_| true), [10]);
        assert_eq!(queue.remove(&"c", |_| true), [0u32; 0]);
        assert_eq!(all(&queue), [1]);
    }
}
