//! Loading: from the bytes of a file to a model on a device.

mod arrangement;
mod expansion;
mod header;
mod loader;
mod projector;
mod source;
mod staging;
mod upload;

pub use loader::{Loaded, Loader, LoaderOptions};
pub use projector::ProjectorLoader;
pub use source::Source;
