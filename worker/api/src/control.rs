//! Who asks: what a request reports to its client, and the metadata of its response.

use futures::FutureExt as _;
use serde_json::Value;

/// Observes a request and can stop it.
pub trait Control {
    /// Reports prefill progress: `done` of `total` tokens that are not in the KV cache.
    fn prefilling(&self, done: usize, total: usize);

    /// Reports progress of encoding images: `done` of `total` steps.
    fn seeing(&self, _done: usize, _total: usize) {}

    /// Receives a chunk of a streamed response.
    fn chunk(&self, chunk: Value);

    /// Resolves when the request must stop; otherwise never.
    fn stopped(&self) -> impl Future<Output = ()>;

    /// Whether the request must stop.
    fn is_stopped(&self) -> bool {
        self.stopped().now_or_never().is_some()
    }
}

/// Metadata of a response, and a random number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// A random number for ids, and for the seed if the request has none.
    pub random: u64,
    /// Time of creation, in seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
}
