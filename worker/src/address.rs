//! Addresses of models, see [`parlance_worker_core::address`], with the engine's naming scheme for split models.

use parlance_engine::gguf::part_names;
use parlance_worker_core::FileError;
use parlance_worker_core::address::{self, FileAddress};

/// All files of the model at `url`, in order.
pub(crate) fn files(url: &str) -> Result<Vec<FileAddress>, FileError> {
    address::files(url, part_names)
}

/// The URLs of all files of the model at `url`, in order.
pub(crate) fn part_urls(url: &str) -> Vec<String> {
    address::part_urls(url, part_names)
}

/// The URL under which a kept file's model is listed.
pub(crate) fn listed_url(url: &str) -> String {
    address::listed_url(url, part_names)
}
