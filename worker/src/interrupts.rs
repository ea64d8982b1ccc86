//! Requests that the page wants stopped.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use parlance_protocol::RequestId;

/// A shared note of requests to stop.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Rc<RefCell<HashSet<RequestId>>>);

impl Interrupts {
    /// Notes that `id` is to stop.
    pub(crate) fn stop(&self, id: RequestId) {
        self.0.borrow_mut().insert(id);
    }

    /// Whether `id` is to stop.
    pub(crate) fn contains(&self, id: RequestId) -> bool {
        self.0.borrow().contains(&id)
    }

    /// Forgets `id`, which has ended.
    pub(crate) fn forget(&self, id: RequestId) {
        self.0.borrow_mut().remove(&id);
    }
}
