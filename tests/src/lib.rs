//! Infrastructure of the end-to-end tests: browsers, servers that fail on demand, a mock engine and tiny models.

mod browser;
pub mod chat;
mod console;
mod described;
mod devtools;
mod error;
pub mod failures;
pub mod firefox;
pub mod hearing;
mod host;
pub mod hub;
pub mod inject;
pub mod injections;
pub mod native;
pub mod notes;
pub mod quotations;
pub mod recognisers;
pub mod scripted;
pub mod seeing;
mod server;
pub mod soak;
mod split;
pub mod templates;
pub mod tiny;
pub mod towers;

pub use browser::{Page, Session};
pub use error::Error;
pub use host::{HostMode, ModelHost, sha256_of};
pub use server::Server;

use std::path::{Path, PathBuf};

/// The repository's root.
///
/// # Panics
/// Never: the package lies directly in the root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| unreachable!("a package has a parent folder"))
}

/// The built site under test: the one from `cargo xtask test`, or the folder that `PARLANCE_SITE` names.
pub fn site() -> PathBuf {
    std::env::var_os("PARLANCE_SITE").map_or_else(|| root().join("target/test-site"), PathBuf::from)
}

/// The demo model.
pub fn model_path() -> PathBuf {
    root().join("models/SmolLM2-135M-Instruct.Q4_1.gguf")
}
