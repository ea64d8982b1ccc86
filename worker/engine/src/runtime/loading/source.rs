//! The source of a model's bytes.

use crate::error::EngineError;

/// A file that is read sequentially into memory of the loader's choice.
pub trait Source {
    /// Errors of the file.
    type Error: From<EngineError>;

    /// Fills `bytes` with the next bytes of the file.
    ///
    /// # Errors
    /// Errors of the file.
    fn read(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Self::Error>;

    /// Fills memory outside the wasm heap with the next bytes of the file.
    ///
    /// # Errors
    /// Errors of the file.
    #[cfg(target_family = "wasm")]
    fn read_to(&mut self, bytes: &js_sys::Uint8Array) -> std::result::Result<(), Self::Error>;
}
