//! Loading: from the bytes of a file to a model on a device.

mod expansion;
mod loader;
mod placed;
mod source;
mod staging;
mod upload;

pub use loader::{Loaded, Loader, LoaderOptions};
pub use source::Source;
