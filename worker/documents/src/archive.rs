//! ZIP archives: their files, unpacked as they are read, and no more of them than the limit.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use parlance_protocol::documents::LimitUnit;
use zip::ZipArchive;

use crate::error::DocumentError;
use crate::limits::{MAX_FILES, MAX_UNPACKED_BYTES};

/// The record at the end of an archive, with a comment of the longest length.
const END_BYTES: u64 = 22 + 0xffff;
/// The record that says where that of large archives is; it lies before the one at the end.
const LOCATOR_BYTES: usize = 20;

/// An archive.
pub(crate) struct Archive<R> {
    zip: ZipArchive<R>,
    names: Vec<String>,
    /// How much may still be unpacked.
    left_bytes: u64,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the list of files. Fails if one has a password.
    pub(crate) fn open(mut source: R) -> Result<Self, DocumentError> {
        // The parser reserves memory for as many files as the archive claims to have.
        if claimed_files(&mut source)? > MAX_FILES {
            return Err(DocumentError::too_large(LimitUnit::Files, MAX_FILES));
        }
        let mut zip = ZipArchive::new(source).map_err(DocumentError::damaged)?;
        if zip.len() as u64 > MAX_FILES {
            return Err(DocumentError::too_large(LimitUnit::Files, MAX_FILES));
        }
        let mut names = Vec::with_capacity(zip.len());
        for index in 0..zip.len() {
            let file = zip.by_index_raw(index).map_err(DocumentError::damaged)?;
            if file.encrypted() {
                return Err(DocumentError::Encrypted);
            }
            names.push(String::from_utf8_lossy(file.name_raw()).into_owned());
        }
        Ok(Self { zip, names, left_bytes: MAX_UNPACKED_BYTES })
    }

    /// The paths of the files, in the archive's order. Those of folders end with a slash.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// Reads a file; `None` if there is none of this name.
    pub(crate) fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, DocumentError>,
    ) -> Result<Option<T>, DocumentError> {
        match self.names.iter().position(|known| known == name) {
            Some(index) => self.read_at(index, read).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the file at this index of [`Archive::names`].
    pub(crate) fn read_at<T>(
        &mut self,
        index: usize,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, DocumentError>,
    ) -> Result<T, DocumentError> {
        let file = self.zip.by_index(index).map_err(DocumentError::damaged)?;
        let mut unpacked = BufReader::new(Bounded { file, left_bytes: &mut self.left_bytes });
        let result = read(&mut unpacked);
        drop(unpacked);
        // Whatever the parser made of it.
        if self.left_bytes == 0 {
            return Err(DocumentError::too_large(LimitUnit::Bytes, MAX_UNPACKED_BYTES));
        }
        result
    }
}

/// A file of which no more is unpacked than is left of the limit.
struct Bounded<'a, F> {
    file: F,
    left_bytes: &'a mut u64,
}

impl<F: Read> Read for Bounded<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if *self.left_bytes == 0 {
            return Err(io::Error::other("too much is packed in the archive"));
        }
        let len = buffer.len().min(usize::try_from(*self.left_bytes).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..len])?;
        *self.left_bytes -= count as u64;
        Ok(count)
    }
}

/// How many files an archive claims to have. 0 if it does not say so where it should, which the parser reports.
fn claimed_files(source: &mut (impl Read + Seek)) -> io::Result<u64> {
    let len = source.seek(SeekFrom::End(0))?;
    let end_bytes = len.min(END_BYTES + LOCATOR_BYTES as u64);
    let end = read_exactly(source, len - end_bytes, end_bytes as usize)?;
    source.rewind()?;
    let Some(at) = end.windows(4).rposition(|bytes| bytes == b"PK\x05\x06") else { return Ok(0) };
    let locator =
        at.checked_sub(LOCATOR_BYTES).and_then(|at| end.get(at..)).filter(|bytes| bytes.starts_with(b"PK\x06\x07"));
    if let Some(place) = locator.and_then(|bytes| number(bytes, 8, 8)) {
        if place >= len {
            return Ok(0);
        }
        let record = read_exactly(source, place, 56.min(len - place) as usize)?;
        source.rewind()?;
        return Ok(number(&record, 32, 8).filter(|_| record.starts_with(b"PK\x06\x06")).unwrap_or(0));
    }
    Ok(number(&end, at + 10, 2).unwrap_or(0))
}

fn read_exactly(source: &mut (impl Read + Seek), at: u64, len: usize) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; len];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + len)?;
    Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    #[test]
    fn no_more_is_unpacked_than_is_left() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a", "b"] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&[0; 1000]).unwrap();
        }
        let mut archive = Archive::open(writer.finish().unwrap()).unwrap();
        archive.left_bytes = 1500;
        let mut read = |name: &str| {
            archive.read(name, |file| {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(bytes.len())
            })
        };
        assert_eq!(read("c"), Ok(None));
        assert_eq!(read("a"), Ok(Some(1000)));
        assert_eq!(read("b"), Err(DocumentError::too_large(LimitUnit::Bytes, MAX_UNPACKED_BYTES)));
        assert_eq!(read("a"), Err(DocumentError::too_large(LimitUnit::Bytes, MAX_UNPACKED_BYTES)));
    }
}
