//! A file that is written from its start to its end: one that the user imports.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::FileError;
use crate::checksum::hex;
use crate::kept::SEGMENT_BYTES;

/// Tracks where the next bytes belong, which segments they complete, and the checksum.
pub struct Append {
    len_bytes: u64,
    offset: u64,
    sha256: Sha256,
}

/// Where bytes belong.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    /// The first one's place in the file.
    pub offset: u64,
    /// The segments that are complete with them.
    pub completed: Range<u64>,
}

/// The end of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    /// The last segment, if it is shorter than the others and complete only now.
    pub completed: Option<u64>,
    /// The file's SHA-256 in hexadecimal digits.
    pub checksum: String,
}

impl Append {
    /// Begins a file that will have `len_bytes`.
    pub fn new(len_bytes: u64) -> Self {
        Self { len_bytes, offset: 0, sha256: Sha256::new() }
    }

    /// Bytes that came so far.
    pub fn done_bytes(&self) -> u64 {
        self.offset
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`FileError::Changed`] if there are more than the file should have.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Placed, FileError> {
        let offset = self.offset;
        let end = offset + bytes.len() as u64;
        if end > self.len_bytes {
            return Err(FileError::Changed);
        }
        self.sha256.update(bytes);
        self.offset = end;
        Ok(Placed { offset, completed: offset / SEGMENT_BYTES..end / SEGMENT_BYTES })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`FileError::CutShort`] if bytes are missing.
    pub fn finish(self) -> Result<End, FileError> {
        if self.offset < self.len_bytes {
            return Err(FileError::CutShort { len_bytes: self.offset, needed_bytes: self.len_bytes });
        }
        let completed = (!self.offset.is_multiple_of(SEGMENT_BYTES)).then_some(self.offset / SEGMENT_BYTES);
        Ok(End { completed, checksum: hex(&self.sha256.finalize()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_completed_in_order_whatever_the_chunks() {
        let bytes = vec![7; 2 * SEGMENT_BYTES as usize + 3];
        for chunk_bytes in [SEGMENT_BYTES as usize, SEGMENT_BYTES as usize + 1, 3_000_000, bytes.len()] {
            let mut append = Append::new(bytes.len() as u64);
            let mut completed = Vec::new();
            for chunk in bytes.chunks(chunk_bytes) {
                let before = append.done_bytes();
                let Ok(placed) = append.push(chunk) else { panic!("{chunk_bytes}: it has room") };
                assert_eq!(placed.offset, before);
                completed.extend(placed.completed);
            }
            assert_eq!(completed, [0, 1], "{chunk_bytes}");
            let end = End { completed: Some(2), checksum: hex(&Sha256::digest(&bytes)) };
            assert_eq!(append.finish(), Ok(end), "{chunk_bytes}");
        }
        let mut append = Append::new(SEGMENT_BYTES);
        assert_eq!(append.push(&bytes[..SEGMENT_BYTES as usize]), Ok(Placed { offset: 0, completed: 0..1 }));
        assert_eq!(append.finish().map(|end| end.completed), Ok(None));
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let mut append = Append::new(5);
        assert_eq!(append.push(&[1, 2, 3]), Ok(Placed { offset: 0, completed: 0..0 }));
        assert_eq!(append.push(&[4, 5, 6]), Err(FileError::Changed));
        assert_eq!(append.finish(), Err(FileError::CutShort { len_bytes: 3, needed_bytes: 5 }));
    }
}
