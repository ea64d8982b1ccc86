//! One kept file: what is known of its source, its bytes, and which of them are here.
//!
//! A folder holds `record.json`, written once before the first byte comes; `data`, as long as the file will be; `journal`, a byte for each
//! segment that is whole and safe; and, later, `seal`, the checksum of what came, `used`, when it was loaded last, `layout`, how its kernels
//! are laid out best on the adapter here, and `self-test`, whether they are right there (`verdicts.rs`). A kill at any moment leaves a folder that
//! a later download completes, or one without a record, which is removed.

use std::fmt::Write as _;

use parlance_engine::EngineError;
use parlance_engine::runtime::{Change, Source};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::opfs::{Folder, OpenFile};
use crate::address::{file_name, sha256};
use crate::error::WorkerError;
use crate::lengths::is_plausible;

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
    /// What was written once, maybe by another version; `None` if no file can be like that.
    fn parse(json: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(json).ok()?;
        let sha256 = record.sha256.as_deref().and_then(sha256);
        is_plausible(record.len_bytes).then_some(Self { sha256, ..record })
    }

    fn segment_count(&self) -> u64 {
        self.len_bytes.div_ceil(SEGMENT_BYTES)
    }

    /// First byte and length of a segment; one behind the file's end is empty.
    pub(crate) fn segment(&self, index: u64) -> (u64, u64) {
        let start = index.saturating_mul(SEGMENT_BYTES).min(self.len_bytes);
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
    /// The checksum that the address by which it was found asks for.
    pin: Option<String>,
}

impl Entry {
    /// The file that a folder holds, or `None` if it holds none that can be used.
    pub(super) async fn open(folder: Folder) -> Option<Self> {
        let record = Record::parse(&folder.read(RECORD).await?)?;
        let journal = folder.read(JOURNAL).await.unwrap_or_default();
        let has = (0..record.segment_count()).map(|index| journal.get(index as usize) == Some(&1)).collect();
        Some(Self { folder, record, has, pin: None })
    }

    /// The same file, unless it is another than the one that was pinned. One whose own checksum nobody knows yet may be it.
    pub(super) async fn pinned(self, pin: Option<String>) -> Option<Self> {
        let is_another = match (&pin, self.seal().await.as_ref().or(self.record.sha256.as_ref())) {
            (Some(pin), Some(known)) => pin != known,
            _ => false,
        };
        (!is_another).then_some(Self { pin, ..self })
    }

    /// An empty file in an empty folder.
    pub(super) async fn create(folder: Folder, record: Record) -> Result<Self, WorkerError> {
        let json = serde_json::to_vec(&record).unwrap_or_default();
        folder.write(RECORD, &json).await?;
        folder.open(DATA).await?.truncate(record.len_bytes)?;
        let has = vec![false; record.segment_count() as usize];
        Ok(Self { folder, record, has, pin: None })
    }

    /// Where it is kept.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its name at its source.
    pub(crate) fn file_name(&self) -> &str {
        file_name(&self.record.url)
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
        sha256(&String::from_utf8(self.folder.read(SEAL).await?).ok()?)
    }

    /// Keeps the checksum of what came; an error if its address or its source told another.
    pub(crate) async fn set_seal(&self, checksum: &str) -> Result<(), WorkerError> {
        if self.told_checksum().is_some_and(|expected| expected != checksum) {
            return Err(WorkerError::WrongChecksum { file: self.file_name().to_owned() });
        }
        self.folder.write(SEAL, checksum.as_bytes()).await
    }

    /// Reads all of it and compares it with the checksum that its address or its source told, or that was taken when it came.
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
        match self.known_checksum().await {
            Some(expected) => Ok(expected == checksum),
            None => self.set_seal(&checksum).await.map(|()| true),
        }
    }

    /// Whether it is known to be what it should be. Nobody can say of a file without a checksum.
    pub(super) async fn is_sound(&self) -> Result<bool, WorkerError> {
        if self.known_checksum().await.is_none() {
            return Ok(false);
        }
        match self.is_intact().await {
            Err(WorkerError::Damaged) => Ok(false),
            result => result,
        }
    }

    fn told_checksum(&self) -> Option<&String> {
        self.pin.as_ref().or(self.record.sha256.as_ref())
    }

    async fn known_checksum(&self) -> Option<String> {
        match self.told_checksum() {
            Some(told) => Some(told.clone()),
            None => self.seal().await,
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

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = 1 << 40;

    fn record(len_bytes: u64) -> Option<Record> {
        Record::parse(format!(r#"{{"url":"u","len_bytes":{len_bytes},"etag":null,"sha256":null}}"#).as_bytes())
    }

    #[test]
    fn records_that_no_file_can_be_like_are_ignored() {
        for len_bytes in [0, TIB + 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(record(len_bytes), None, "{len_bytes}");
        }
        for json in ["", "{}", r#"{"url":"u","len_bytes":-1}"#, r#"{"url":"u","len_bytes":1e30}"#, "[1"] {
            assert_eq!(Record::parse(json.as_bytes()), None, "{json}");
        }
        let odd = r#"{"url":"u","len_bytes":7,"etag":"e","sha256":"none"}"#;
        assert_eq!(Record::parse(odd.as_bytes()).map(|record| record.sha256), Some(None));
        let upper = odd.replace("none", &"AB".repeat(32));
        assert_eq!(Record::parse(upper.as_bytes()).and_then(|record| record.sha256), Some("ab".repeat(32)));
    }

    #[test]
    fn segments_cover_a_file_and_nothing_else() {
        for len_bytes in [1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, TIB - 1, TIB] {
            let Some(record) = record(len_bytes) else { panic!("{len_bytes} bytes are plausible") };
            let last = record.segment_count() - 1;
            let (start, len) = record.segment(last);
            assert!(len > 0 && len <= SEGMENT_BYTES && start + len == len_bytes, "{len_bytes}");
            for index in [last + 1, u64::MAX / SEGMENT_BYTES, u64::MAX] {
                assert_eq!(record.segment(index), (len_bytes, 0), "{len_bytes}");
            }
        }
    }
}
