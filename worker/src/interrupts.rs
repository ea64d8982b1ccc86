//! Requests under way, and which of them their clients want stopped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::names::{ClientId, RequestKey};

/// The requests under way.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Rc<RefCell<HashMap<RequestKey, State>>>);

#[derive(Default)]
struct State {
    is_stopped: bool,
    wakers: Vec<Waker>,
}

impl Interrupts {
    /// Notes that a request has begun. It ends when the guard is dropped.
    pub(crate) fn begin(&self, key: RequestKey) -> Guard {
        self.0.borrow_mut().insert(key.clone(), State::default());
        Guard { interrupts: self.clone(), key }
    }

    /// Stops a request, if it is under way.
    pub(crate) fn stop(&self, key: &RequestKey) {
        if let Some(state) = self.0.borrow_mut().get_mut(key) {
            state.is_stopped = true;
            state.wakers.drain(..).for_each(Waker::wake);
        }
    }

    /// Stops everything that is under way for a client.
    pub(crate) fn stop_all(&self, client: &ClientId) {
        let keys: Vec<_> = self.0.borrow().keys().filter(|(owner, _)| owner == client).cloned().collect();
        for key in &keys {
            self.stop(key);
        }
    }
}

/// A request under way.
pub(crate) struct Guard {
    interrupts: Interrupts,
    key: RequestKey,
}

impl Guard {
    /// Whether it must stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.interrupts.0.borrow().get(&self.key).is_some_and(|state| state.is_stopped)
    }

    /// Resolves when it must stop.
    pub(crate) async fn stopped(&self) {
        poll_fn(|context| match self.interrupts.0.borrow_mut().get_mut(&self.key) {
            Some(state) if !state.is_stopped => {
                state.wakers.push(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        })
        .await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.interrupts.0.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_stop_reaches_the_request_that_it_names_and_no_other() {
        let interrupts = Interrupts::default();
        let key = |client: &str, id| (client.to_owned(), id);
        let [first, second, other] = [key("a", 1), key("a", 2), key("b", 1)].map(|key| interrupts.begin(key));
        interrupts.stop(&key("a", 1));
        assert!(first.is_stopped() && !second.is_stopped() && !other.is_stopped());
        assert_eq!(first.stopped().now_or_never(), Some(()));
        assert_eq!(second.stopped().now_or_never(), None);
        // The client is gone.
        interrupts.stop_all(&"a".to_owned());
        assert!(second.is_stopped() && !other.is_stopped());
        // A stop that comes too late does not stop a later request of the same number.
        drop(first);
        interrupts.stop(&key("a", 1));
        assert!(!interrupts.begin(key("a", 1)).is_stopped());
    }
}
