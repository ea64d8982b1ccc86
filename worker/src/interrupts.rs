//! Requests that a client wants stopped.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use parlance_protocol::RequestId;

use crate::client::ClientId;

/// Names a request of any client.
pub(crate) type RequestKey = (ClientId, RequestId);

/// A shared note of requests under way, and of those to stop.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Rc<RefCell<HashMap<RequestKey, State>>>);

#[derive(Default)]
struct State {
    is_stopped: bool,
    wakers: Vec<Waker>,
}

impl Interrupts {
    /// Notes that a request has begun. The guard's end is the request's.
    pub(crate) fn begin(&self, key: RequestKey) -> Guard {
        self.0.borrow_mut().insert(key.clone(), State::default());
        Guard { interrupts: self.clone(), key }
    }

    /// Stops a request that is under way.
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
    /// Whether it is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.interrupts.0.borrow().get(&self.key).is_some_and(|state| state.is_stopped)
    }

    /// Resolves when it is to stop.
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
