//! What the end-to-end tests stand on: a static file server with faults, and a headless browser.

mod browser;
pub mod chat;
pub mod faults;
pub mod firefox;
mod host;
pub mod inject;
pub mod native;
pub mod scripted;
mod server;
pub mod soak;
mod split;

pub use browser::{Error, Page, Session};
pub use host::ModelHost;
pub use server::Server;

use std::path::{Path, PathBuf};

/// The repository's root.
///
/// # Panics
/// Never: the package lies directly in the root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| unreachable!("a package has a parent folder"))
}

/// The demo model.
pub fn model_path() -> PathBuf {
    root().join("models/SmolLM2-135M-Instruct.Q4_1.gguf")
}
