//! The microphone's worker, a reactor of gloo-worker: it takes samples as the browser gives them, and gives back samples
//! for speech recognition, their level, and whether somebody speaks or has spoken.
//!
//! The page starts a worker for each recording. What it hears is in memory only, and gone with the worker.

mod ear;
mod messages;
mod reactor;

pub use ear::Ear;
pub use messages::{Heard, Input, Voice};
pub use reactor::Listening;
