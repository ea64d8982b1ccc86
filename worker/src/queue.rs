//! A [`FairQueue`] whose reader can wait for the next value.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use parlance_worker_core::queue::FairQueue;

/// A queue of values that belong to owners.
pub(crate) struct Queue<O, T>(Rc<RefCell<State<O, T>>>);

struct State<O, T> {
    queue: FairQueue<O, T>,
    waker: Option<Waker>,
}

impl<O, T> Clone for Queue<O, T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<O, T> Default for Queue<O, T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(State { queue: FairQueue::default(), waker: None })))
    }
}

impl<O: PartialEq, T> Queue<O, T> {
    /// Appends a value to its owner's line.
    pub(crate) fn push(&self, owner: O, value: T) {
        let mut state = self.0.borrow_mut();
        state.queue.push(owner, value);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().queue.is_empty()
    }

    /// Number of an owner's values.
    pub(crate) fn len_of(&self, owner: &O) -> usize {
        self.0.borrow().queue.len_of(owner)
    }

    /// Removes an owner's values that are no longer wanted.
    pub(crate) fn remove(&self, owner: &O, is_unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.0.borrow_mut().queue.remove(owner, is_unwanted)
    }

    /// Whether there is a next value, and this is true of it.
    pub(crate) fn is_next(&self, is_it: impl Fn(&T) -> bool) -> bool {
        self.0.borrow().queue.peek().is_some_and(is_it)
    }

    /// The next value, if this is true of it.
    pub(crate) fn next_if(&self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let mut state = self.0.borrow_mut();
        state.queue.peek().is_some_and(is_it).then(|| state.queue.pop()).flatten()
    }

    /// Waits for the next value.
    pub(crate) async fn next(&self) -> T {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if let Some(value) = state.queue.pop() {
                return Poll::Ready(value);
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn the_reader_waits_while_nothing_is_there() {
        let queue = Queue::default();
        assert_eq!(queue.next().now_or_never(), None);
        queue.push("a", 1);
        assert!(!queue.is_empty());
        assert_eq!(queue.clone().next().now_or_never(), Some(1));
        queue.push("a", 2);
        assert_eq!((queue.is_next(|next| *next == 1), queue.next_if(|next| *next == 1)), (false, None));
        queue.push("b", 3);
        assert_eq!((queue.is_next(|next| *next == 2), queue.next_if(|next| *next == 2)), (true, Some(2)));
        assert_eq!(queue.next().now_or_never(), Some(3));
        queue.push("a", 2);
        assert_eq!(queue.remove(&"a", |_| true), [2]);
        assert!(queue.is_empty());
        assert_eq!(queue.next().now_or_never(), None);
    }
}
