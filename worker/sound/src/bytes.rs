//! Access to a file's bytes, through a small part of it in memory.

use crate::error::SoundError;
use crate::limits::MAX_PACKET_BYTES;

/// Bytes to read at once.
const CHUNK_BYTES: u64 = 256 << 10;

/// A file that can be read anywhere.
pub trait Source {
    /// Errors of the file.
    type Error: From<SoundError>;

    /// Its length.
    fn len_bytes(&self) -> u64;

    /// Fills a buffer from an offset on. Callers ask only for bytes that exist.
    ///
    /// # Errors
    /// Errors of the file.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), Self::Error>;
}

/// A file in memory.
impl Source for &[u8] {
    type Error = SoundError;

    fn len_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SoundError> {
        let start = offset as usize;
        into.copy_from_slice(&self[start..start + into.len()]);
        Ok(())
    }
}

/// A file, of which a part is in memory.
pub(crate) struct Bytes<S> {
    source: S,
    chunk: Vec<u8>,
    /// Where the part begins.
    chunk_start: u64,
}

impl<S: Source> Bytes<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { source, chunk: Vec::new(), chunk_start: 0 }
    }

    /// Length of the file.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.source.len_bytes()
    }

    /// How much of the file was read, from 0 to 1.
    pub(crate) fn progress(&self) -> f64 {
        let read = self.chunk_start + self.chunk.len() as u64;
        read as f64 / self.len_bytes().max(1) as f64
    }

    /// `len` bytes from an offset on.
    pub(crate) fn exact(&mut self, at: u64, len: u64) -> Result<&[u8], S::Error> {
        if len > MAX_PACKET_BYTES {
            return Err(SoundError::Damaged("a part of it is too long").into());
        }
        let len_bytes = self.len_bytes();
        let needed_bytes = at.saturating_add(len);
        if needed_bytes > len_bytes {
            return Err(SoundError::Truncated { len_bytes, needed_bytes }.into());
        }
        self.up_to(at, len)
    }

    /// The same, or fewer where the file ends. At most [`MAX_PACKET_BYTES`].
    pub(crate) fn up_to(&mut self, at: u64, len: u64) -> Result<&[u8], S::Error> {
        let left = self.len_bytes().saturating_sub(at);
        let len = len.min(left).min(MAX_PACKET_BYTES);
        let is_here = at >= self.chunk_start && at + len <= self.chunk_start + self.chunk.len() as u64;
        if !is_here && len > 0 {
            self.chunk.resize(len.max(CHUNK_BYTES).min(left) as usize, 0);
            // What is in memory is of no use if reading fails.
            self.chunk_start = u64::MAX / 2;
            self.source.read_at(at, &mut self.chunk)?;
            self.chunk_start = at;
        }
        if len == 0 {
            return Ok(&[]);
        }
        let start = (at - self.chunk_start) as usize;
        Ok(&self.chunk[start..start + len as usize])
    }

    /// An array of bytes.
    pub(crate) fn array<const N: usize>(&mut self, at: u64) -> Result<[u8; N], S::Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.exact(at, N as u64)?);
        Ok(array)
    }
}
