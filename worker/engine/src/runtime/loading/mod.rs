//! Loading: from the bytes of a file to a model on a device.

mod arrangement;
mod expansion;
mod header;
mod loader;
mod placed;
mod projector;
mod source;
#[cfg(feature = "gpu")]
mod staging;
#[cfg(not(feature = "gpu"))]
#[path = "absent.rs"]
mod staging;
mod upload;

pub use loader::{Loaded, Loader, LoaderOptions};
pub use projector::ProjectorLoader;
pub use source::Source;
