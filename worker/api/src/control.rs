//! How the host follows a request, and stops it.

use std::pin::pin;

use futures::FutureExt as _;
use futures::future::{Either, select};
use serde_json::Value;

/// Observes a request and can stop it.
pub trait Control {
    /// Reports prefill progress: `done` of `total` tokens that are not in the KV cache.
    fn prefilling(&self, done: usize, total: usize);

    /// Reports progress of encoding images: `done` of `total` steps.
    fn seeing(&self, _done: usize, _total: usize) {}

    /// Reports how many seconds of a recording are transcribed or encoded.
    fn listening(&self, _seconds: f64, _total: f64) {}

    /// Receives a chunk of a streamed response.
    fn chunk(&self, chunk: Value);

    /// Resolves when the request must stop; otherwise never.
    fn stopped(&self) -> impl Future<Output = ()>;

    /// Whether the request must stop.
    fn is_stopped(&self) -> bool {
        self.stopped().now_or_never().is_some()
    }
}

/// Awaits `work`. If the request is stopped first, `work` is dropped and the result is `None`.
pub(crate) async fn unless_stopped<T>(control: &impl Control, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(control.stopped()), pin!(work)).await {
        Either::Left(_) => None,
        Either::Right((result, _)) => Some(result),
    }
}
