//! Files that are text.

use std::io::Read;

use crate::error::DocumentError;

/// The whole of a text file.
pub(crate) fn text(mut source: impl Read) -> Result<String, DocumentError> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    decode(bytes)
}

/// Text in UTF-8, with or without a byte order mark.
pub(crate) fn decode(mut bytes: Vec<u8>) -> Result<String, DocumentError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    if bytes.contains(&0) {
        return Err(DocumentError::Unknown);
    }
    String::from_utf8(bytes).map_err(|_| DocumentError::Encoding)
}
