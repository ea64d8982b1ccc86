//! Collects the start of a file until its header can be parsed.

use crate::error::Result;
use crate::gguf::{Gguf, Parsed};

/// Maximum number of header bytes to read at once.
const READ_BYTES: u64 = 4 << 20;

/// The start of a file.
pub(super) struct Header {
    bytes: Vec<u8>,
    /// How many bytes the parser needs.
    needed: u64,
}

impl Default for Header {
    fn default() -> Self {
        Self { bytes: Vec::new(), needed: 24 }
    }
}

impl Header {
    /// Appends the next bytes. Returns the header once it is complete.
    ///
    /// # Errors
    /// A malformed header.
    pub(super) fn push(&mut self, bytes: &[u8], file_len_bytes: Option<u64>) -> Result<Option<Gguf>> {
        self.bytes.extend_from_slice(bytes);
        let len = self.bytes.len() as u64;
        if len < self.needed && (len < 4 || self.bytes.starts_with(b"GGUF")) {
            return Ok(None);
        }
        match Gguf::parse(&self.bytes, file_len_bytes)? {
            Parsed::Complete(gguf) => Ok(Some(*gguf)),
            Parsed::NeedMore(needed) => {
                // Double the buffer, so that parsing from the start again costs little overall.
                let needed = needed.max(2 * len);
                self.needed = file_len_bytes.map_or(needed, |len| needed.min(len));
                Ok(None)
            }
        }
    }

    /// All bytes so far.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Number of bytes that it should get at once.
    pub(super) fn missing(&self) -> u64 {
        self.needed.saturating_sub(self.bytes.len() as u64).max(READ_BYTES)
    }

    /// Number of bytes that it needs in total, as far as known.
    pub(super) fn needed_bytes(&self) -> u64 {
        self.needed
    }
}
