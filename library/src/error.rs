//! What can go wrong, as sentences for a person.

use parlance_text::exchange::ExchangeError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The browser's database.
    #[error("the browser does not keep conversations here ({0}); private windows and full disks are common reasons")]
    Database(#[from] idb::Error),
    /// A record has not the form that this version writes.
    #[error("a stored conversation is not understood ({0})")]
    Form(#[from] serde_wasm_bindgen::Error),
    /// A file to import or export.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}
