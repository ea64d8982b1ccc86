//! Requests that wait for the engine, clients in turn.

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use parlance_protocol::Failure;
use parlance_protocol::openai::Endpoint;
use parlance_worker_core::queue::FairQueue;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The holder of this key.
    Key(usize),
    /// A client without a key.
    Address(IpAddr),
}

/// A request for the engine.
pub(crate) struct Work {
    pub(crate) owner: Owner,
    pub(crate) endpoint: Endpoint,
    pub(crate) body: Value,
    /// Closes when the client is gone.
    pub(crate) events: Sender<Event>,
}

/// What the engine says about a request.
#[derive(Debug)]
pub(crate) enum Event {
    /// A chunk of a streamed response, as a server-sent event.
    Chunk(String),
    /// The end, with the response if it was not streamed.
    Done(Option<String>),
    Failed(Box<Failure>),
}

/// Requests that wait.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: FairQueue<Owner, (u64, Work)>,
    last_id: u64,
    is_closed: bool,
}

impl Queue {
    /// Adds a request, which waits until the ticket is dropped. Returns `None` if nobody works on requests any more.
    pub(crate) fn push(self: &Arc<Self>, work: Work) -> Option<Ticket> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        state.last_id += 1;
        let (id, owner) = (state.last_id, work.owner);
        state.waiting.push(owner, (id, work));
        self.changed.notify_one();
        Some(Ticket { queue: Arc::clone(self), owner, id })
    }

    /// Waits for the next request; `None` once the queue is closed.
    pub(crate) fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some((_, work)) = state.waiting.pop() {
                return Some(work);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether there is a next request, and this is true of it.
    pub(crate) fn is_next(&self, is_it: impl Fn(&Work) -> bool) -> bool {
        self.lock().waiting.peek().is_some_and(|(_, work)| is_it(work))
    }

    /// The next request, if this is true of it.
    pub(crate) fn next_if(&self, is_it: impl Fn(&Work) -> bool) -> Option<Work> {
        let mut state = self.lock();
        let is_it = state.waiting.peek().is_some_and(|(_, work)| is_it(work));
        is_it.then(|| state.waiting.pop()).flatten().map(|(_, work)| work)
    }

    /// Drops all requests, and takes no more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.waiting = FairQueue::default();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's place in the queue, which it gives up when its client is gone.
pub(crate) struct Ticket {
    queue: Arc<Queue>,
    owner: Owner,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let removed = self.queue.lock().waiting.remove(&self.owner, |(id, _)| *id == self.id);
        // Bodies can be long: they are freed after the lock is.
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn work(key: usize, number: u64) -> Work {
        Work {
            owner: Owner::Key(key),
            endpoint: Endpoint::Completions,
            body: number.into(),
            events: mpsc::channel(1).0,
        }
    }

    #[test]
    fn clients_take_turns_and_those_who_leave_are_forgotten() {
        let queue = Arc::new(Queue::default());
        let push = |key, number| queue.push(work(key, number));
        let tickets = [push(1, 10), push(1, 11), push(1, 12), push(2, 20)];
        assert!(queue.is_next(|work| work.body == 10) && queue.next_if(|work| work.body == 20).is_none());
        let next = || queue.next().map(|work| work.body);
        assert_eq!(next(), Some(10.into()));
        let [served, left, ..] = tickets;
        drop((served, left));
        assert_eq!([next(), next()], [Some(20.into()), Some(12.into())]);
    }

    #[test]
    fn a_closed_queue_takes_and_gives_nothing() {
        let queue = Arc::new(Queue::default());
        let ticket = queue.push(work(0, 1));
        queue.close();
        drop(ticket);
        assert!(queue.next().is_none());
        assert!(queue.push(work(0, 2)).is_none());
    }
}
