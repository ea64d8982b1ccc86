//! Loading: from the bytes of a file to a model on a device.

mod expansion;
mod loader;
mod placed;
mod source;
#[cfg(feature = "gpu")]
mod staging;
#[cfg(not(feature = "gpu"))]
#[path = "absent.rs"]
mod staging;
mod upload;

pub use loader::{Loaded, Loader, LoaderOptions};
pub use source::Source;
