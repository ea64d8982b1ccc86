//! A bounds-checked little-endian cursor over the bytes received so far.

use crate::error::{EngineError, Result};

/// Why a read failed.
#[derive(Debug)]
pub(super) enum ReadError {
    /// More bytes are needed: at least this many from the start of the file.
    NeedMore(u64),
    /// The content is wrong; more bytes will not help.
    Invalid(EngineError),
}

impl From<EngineError> for ReadError {
    fn from(error: EngineError) -> Self {
        Self::Invalid(error)
    }
}

/// A cursor over `bytes`, the prefix of a file of possibly unknown length.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: u64,
    file_len_bytes: Option<u64>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], file_len_bytes: Option<u64>) -> Self {
        Self { bytes, position: 0, file_len_bytes }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next `len` bytes.
    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], ReadError> {
        let end = self.position.checked_add(len).ok_or_else(|| EngineError::malformed("a length overflows"))?;
        if let Some(file_len_bytes) = self.file_len_bytes
            && end > file_len_bytes
        {
            return Err(EngineError::Truncated { len_bytes: file_len_bytes, needed_bytes: end }.into());
        }
        if end > self.bytes.len() as u64 {
            return Err(ReadError::NeedMore(end));
        }
        // Both fit `usize`: they are at most `bytes.len()`.
        let taken = &self.bytes[self.position as usize..end as usize];
        self.position = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A string of at most `max_len_bytes`, preceded by its length as `u64`. Invalid UTF-8 is replaced: some published
    /// vocabularies contain it, and nothing relies on it.
    pub(super) fn string(&mut self, max_len_bytes: u64) -> Result<String, ReadError> {
        let len = self.u64()?;
        if len > max_len_bytes {
            return Err(EngineError::malformed(format!(
                "a string of {len} bytes exceeds the limit of {max_len_bytes}"
            ))
            .into());
        }
        Ok(String::from_utf8_lossy(self.take(len)?).into_owned())
    }
}
