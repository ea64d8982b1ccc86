//! One kept file: what is known of its source, its bytes, and which of them are here.
//!
//! A folder holds `record.json`, written once before the first byte comes; `data`, as long as the file will be; `journal`, a byte for each
//! segment that is whole and safe; and, later, `seal`, the checksum of what came, `used`, when it was loaded last, and `layout`, how its kernels
//! are laid out best on the adapter here. A kill at any moment leaves a folder that a later download completes, or one without a record, which is
//! removed.

use std::fmt::Write as _;

use parlance_engine::EngineError;
use parlance_engine::runtime::{Change, Source};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::opfs::{Folder, OpenFile};
use crate::error::WorkerError;

/// Bytes of a segment: what is lost at most when a connection breaks.
pub(crate) const SEGMENT_BYTES: u64 = 4 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 4 << 20;

const RECORD: &str = "record.json";
const DATA: &str = "data";
const JOURNAL: &str = "journal";
const SEAL: &str = "seal";
const USED: &str = "used";
const LAYOUT: &str = "layout";

/// Another version's kernels may behave otherwise.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is known of a file's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Where it comes from.
    pub(crate) url: String,
    pub(crate) len_bytes: u64,
    /// The server's name for this version of the file.
    pub(crate) etag: Option<String>,
    /// The checksum that the source told: SHA-256 in hexadecimal digits.
    pub(crate) sha256: Option<String>,
}

impl Record {
    fn segment_count(&self) -> u64 {
        self.len_bytes.div_ceil(SEGMENT_BYTES)
    }

    /// First byte and length of a segment.
    pub(crate) fn segment(&self, index: u64) -> (u64, u64) {
        let start = index * SEGMENT_BYTES;
        (start, SEGMENT_BYTES.min(self.len_bytes - start))
    }
}

/// What was measured of a model on an adapter.
#[derive(Serialize, Deserialize)]
struct Layout {
    adapter: String,
    /// Names of [`Change`].
    changes: Vec<String>,
    version: String,
}

/// A kept file.
pub(crate) struct Entry {
    folder: Folder,
    pub(crate) record: Record,
    /// Whether each segment is here.
    pub(crate) has: Vec<bool>,
}

impl Entry {
    /// The file that a folder holds, or `None` if it holds none that can be used.
    pub(super) async fn open(folder: Folder) -> Option<Self> {
        let record: Record = serde_json::from_slice(&folder.read(RECORD).await?).ok()?;
        let journal = folder.read(JOURNAL).await.unwrap_or_default();
        let has = (0..record.segment_count()).map(|index| journal.get(index as usize) == Some(&1)).collect();
        Some(Self { folder, record, has })
    }

    /// An empty file in an empty folder.
    pub(super) async fn create(folder: Folder, record: Record) -> Result<Self, WorkerError> {
        let json = serde_json::to_vec(&record).unwrap_or_default();
        folder.write(RECORD, &json).await?;
        folder.open(DATA).await?.truncate(record.len_bytes)?;
        let has = vec![false; record.segment_count() as usize];
        Ok(Self { folder, record, has })
    }

    /// Bytes that are here.
    pub(crate) fn done_bytes(&self) -> u64 {
        let here = (0u64..).zip(&self.has).filter(|(_, has)| **has);
        here.map(|(index, _)| self.record.segment(index).1).sum()
    }

    /// Whether all of it is here.
    pub(crate) fn is_complete(&self) -> bool {
        self.has.iter().all(|has| *has)
    }

    /// Opens it for the segments that are missing.
    pub(crate) async fn writer(&self) -> Result<Writer, WorkerError> {
        Ok(Writer { data: self.folder.open(DATA).await?, journal: self.folder.open(JOURNAL).await? })
    }

    /// Opens it to be read from its beginning.
    pub(crate) async fn reader(&self) -> Result<Reader, WorkerError> {
        let data = self.folder.open(DATA).await?;
        if data.len_bytes()? != self.record.len_bytes {
            return Err(WorkerError::Damaged);
        }
        Ok(Reader { data, len_bytes: self.record.len_bytes, offset: 0 })
    }

    /// The checksum of what came, if it was taken.
    pub(crate) async fn seal(&self) -> Option<String> {
        String::from_utf8(self.folder.read(SEAL).await?).ok().filter(|seal| seal.len() == 64)
    }

    /// Keeps the checksum of what came; an error if the source told another.
    pub(crate) async fn set_seal(&self, checksum: &str) -> Result<(), WorkerError> {
        if self.record.sha256.as_ref().is_some_and(|expected| !expected.eq_ignore_ascii_case(checksum)) {
            return Err(WorkerError::Damaged);
        }
        self.folder.write(SEAL, checksum.as_bytes()).await
    }

    /// Reads all of it and compares it with the checksum that its source told, or that was taken when it came.
    pub(crate) async fn is_intact(&self) -> Result<bool, WorkerError> {
        let mut reader = self.reader().await?;
        let mut checksum = Sha256::new();
        while let Some(bytes) = reader.next()? {
            checksum.update(&bytes);
            // Others are to get a turn.
            gloo_timers::future::sleep(std::time::Duration::ZERO).await;
        }
        drop(reader);
        let checksum = hex(&checksum.finalize());
        match self.record.sha256.clone().or(self.seal().await) {
            Some(expected) => Ok(expected.eq_ignore_ascii_case(&checksum)),
            None => self.set_seal(&checksum).await.map(|()| true),
        }
    }

    /// How its kernels are laid out best on an adapter, if that was measured.
    pub(crate) async fn layout(&self, adapter: &str) -> Option<Vec<Change>> {
        let layout: Layout = serde_json::from_slice(&self.folder.read(LAYOUT).await?).ok()?;
        if layout.adapter != adapter || layout.version != VERSION {
            return None;
        }
        layout.changes.iter().map(|name| Change::from_name(name)).collect()
    }

    /// Keeps what was measured.
    pub(crate) async fn set_layout(&self, adapter: &str, changes: &[Change]) -> Result<(), WorkerError> {
        let layout = Layout {
            adapter: adapter.to_owned(),
            changes: changes.iter().map(|change| change.name().to_owned()).collect(),
            version: VERSION.to_owned(),
        };
        self.folder.write(LAYOUT, &serde_json::to_vec(&layout).unwrap_or_default()).await
    }

    /// When it was loaded last, in seconds since 1970.
    pub(crate) async fn used_seconds(&self) -> f64 {
        let bytes = self.folder.read(USED).await.unwrap_or_default();
        std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Notes that it is loaded now.
    pub(crate) async fn note_use(&self) -> Result<(), WorkerError> {
        let seconds = js_sys::Date::now() / 1000.0;
        self.folder.write(USED, seconds.to_string().as_bytes()).await
    }
}

/// Puts segments in place.
pub(crate) struct Writer {
    data: OpenFile,
    journal: OpenFile,
}

impl Writer {
    /// Writes bytes of a segment that is not whole yet.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), WorkerError> {
        self.data.write_at(bytes, offset)
    }

    /// Bytes that were written.
    pub(crate) fn read_at(&self, offset: u64, len_bytes: u64) -> Result<Vec<u8>, WorkerError> {
        let mut bytes = vec![0; len_bytes as usize];
        self.data.read_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Notes that a segment is whole, once it is safe.
    pub(crate) fn complete(&self, index: u64) -> Result<(), WorkerError> {
        self.data.flush()?;
        self.journal.write_at(&[1], index)?;
        self.journal.flush()
    }
}

/// Writes a file from its beginning, notes each segment as it becomes whole, and takes the checksum.
pub(crate) struct Appender<'a> {
    writer: &'a Writer,
    len_bytes: u64,
    offset: u64,
    checksum: Sha256,
}

impl<'a> Appender<'a> {
    /// Begins a file that will have `len_bytes`.
    pub(crate) fn new(writer: &'a Writer, len_bytes: u64) -> Self {
        Self { writer, len_bytes, offset: 0, checksum: Sha256::new() }
    }

    /// Where the next bytes go.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes the next bytes; an error if they are more than the file has.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), WorkerError> {
        let end = self.offset + bytes.len() as u64;
        if end > self.len_bytes {
            return Err(WorkerError::Changed);
        }
        self.writer.write_at(bytes, self.offset)?;
        self.checksum.update(bytes);
        let mut whole = self.offset / SEGMENT_BYTES..end / SEGMENT_BYTES;
        self.offset = end;
        whole.try_for_each(|index| self.writer.complete(index))
    }

    /// Ends the file and gives its checksum; an error if bytes are missing.
    pub(crate) fn end(self) -> Result<String, WorkerError> {
        if self.offset < self.len_bytes {
            return Err(EngineError::Truncated { len_bytes: self.offset, needed_bytes: self.len_bytes }.into());
        }
        if !self.offset.is_multiple_of(SEGMENT_BYTES) {
            self.writer.complete(self.offset / SEGMENT_BYTES)?;
        }
        Ok(hex(&self.checksum.finalize()))
    }
}

/// Reads a kept file.
pub(crate) struct Reader {
    data: OpenFile,
    len_bytes: u64,
    offset: u64,
}

impl Reader {
    /// The next bytes, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        let len = (self.len_bytes - self.offset).min(READ_BYTES as u64) as usize;
        if len == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        self.read(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Length of the file.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Bytes that were not read yet.
    pub(crate) fn left_bytes(&self) -> u64 {
        self.len_bytes - self.offset
    }
}

impl Source for Reader {
    type Error = WorkerError;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), WorkerError> {
        self.data.read_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    #[cfg(target_family = "wasm")]
    fn read_to(&mut self, bytes: &js_sys::Uint8Array) -> Result<(), WorkerError> {
        self.data.read_to(bytes, self.offset)?;
        self.offset += u64::from(bytes.length());
        Ok(())
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
