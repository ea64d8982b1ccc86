//! A file of the user that is read anywhere, a window at a time, so that it is never in memory as a whole unless its format
//! takes that.

use std::io::{self, Read, Seek, SeekFrom};

use js_sys::Uint8Array;
use parlance_protocol::documents::DocumentFault;
use web_sys::{Blob, FileReaderSync};

/// Bytes of a window.
const WINDOW_BYTES: u64 = 1 << 20;

/// A file with the window that was read last.
pub(crate) struct FileSource {
    file: Blob,
    reader: FileReaderSync,
    len_bytes: u64,
    at: u64,
    window: Vec<u8>,
    /// Where the window is in the file.
    window_at: u64,
}

impl FileSource {
    pub(crate) fn new(file: &Blob) -> Result<Self, DocumentFault> {
        let reader = FileReaderSync::new().map_err(|_| DocumentFault::Damaged)?;
        let len_bytes = file.size() as u64;
        Ok(Self { file: file.clone(), reader, len_bytes, at: 0, window: Vec::new(), window_at: 0 })
    }

    /// What the window has from the current place on.
    fn rest(&self) -> &[u8] {
        let start = self.at.checked_sub(self.window_at).and_then(|start| usize::try_from(start).ok());
        start.and_then(|start| self.window.get(start..)).unwrap_or_default()
    }

    fn read_window(&mut self) -> io::Result<()> {
        let end = (self.at + WINDOW_BYTES).min(self.len_bytes);
        let slice = self.file.slice_with_f64_and_f64(self.at as f64, end as f64);
        let bytes = slice.and_then(|slice| self.reader.read_as_array_buffer(&slice));
        let bytes = bytes.map_err(|_| io::Error::other("the browser cannot read the file"))?;
        self.window = Uint8Array::new(&bytes).to_vec();
        self.window_at = self.at;
        // A file that was cut off since it was chosen.
        if self.window.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Read for FileSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.len_bytes || buffer.is_empty() {
            return Ok(0);
        }
        if self.rest().is_empty() {
            self.read_window()?;
        }
        let rest = self.rest();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for FileSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(offset) => self.len_bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
