//! What the web worker decides, without a browser.
//!
//! Everything here is plain data and state machines: events go in, commands come out. Nothing waits, reads a clock or calls a browser API;
//! the driver in `worker/src` does that. So each decision is tested natively, in any order of events.
//!
//! - [`election`]: which tab's worker holds the engine, and what a follower repeats to a new leader.
//! - [`download`]: which bytes of a model's file are requested, kept, and delivered in order.
//! - [`residency`], [`queue`] and [`route`]: which models stay loaded, and which request runs next.
//! - [`recent`]: which responses stay on this device.
//!
//! The other modules hold what these are made of: addresses, HTTP headers, checksums and records of kept files.

pub mod address;
pub mod checksum;
pub mod download;
pub mod election;
mod error;
pub mod hosts;
pub mod http;
pub mod identity;
pub mod kept;
pub mod projector;
pub mod queue;
pub mod recent;
pub mod repair;
pub mod residency;
pub mod route;

pub use error::FileError;
