//! From a file's bytes to a model on a device.

mod loader;
mod staging;
mod upload;

pub use loader::{Loaded, Loader, LoaderOptions, Source};
