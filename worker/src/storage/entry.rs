//! One kept file.
//!
//! A folder holds `record.json`, written once before the first byte comes; `data`, which has the file's length from the start; `journal`, a byte for
//! each segment that is complete and safely stored; and, later, `seal`, the computed checksum; `used`, when it was loaded last; `abilities`, what its model can do; `layout`, which kernel
//! layout is fastest on the adapter here; `self-test`, whether the kernels compute correctly there (`self_test.rs`); and `projector`, the URL of the
//! file with which it sees images. A kill at any moment leaves a
//! folder that a later download completes, or one without a record, which is removed.

use js_sys::Uint8Array;
use parlance_engine::runtime::{Change, Source};
use parlance_protocol::Abilities;
use parlance_worker_core::FileError;
use parlance_worker_core::address::file_name;
use parlance_worker_core::checksum::{FileChecksum, parse_sha256};
use parlance_worker_core::download::Commits;
use parlance_worker_core::kept::{KeptFile, Record, contradicts_pin, expected_checksum};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_time::Instant;

use super::opfs::{Folder, OpenFile};
use crate::bytes::JsBytes;
use crate::error::{WorkerError, storage_error};

/// Bytes read at once.
const READ_BYTES: usize = 4 << 20;
/// The same while nobody waits: a request that comes meanwhile is heard after a few milliseconds.
const IDLE_READ_BYTES: u64 = 1 << 20;

const RECORD: &str = "record.json";
const DATA: &str = "data";
const JOURNAL: &str = "journal";
const SEAL: &str = "seal";
const USED: &str = "used";
const LAYOUT: &str = "layout";
const ABILITIES: &str = "abilities";
const PROJECTOR: &str = "projector";

/// Another version's kernels may behave differently.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The kernel layout that was fastest for a model on an adapter.
#[derive(Serialize, Deserialize)]
struct Layout {
    adapter: String,
    /// Names of [`Change`].
    changes: Vec<String>,
    version: String,
}

/// A kept file, complete or not.
#[derive(Clone)]
pub(crate) struct Entry {
    folder: Folder,
    pub(crate) file: KeptFile,
    /// The checksum that the address by which it was found asks for.
    pin: Option<String>,
}

impl Entry {
    /// The file in a folder, or `None` if it cannot be used.
    pub(super) async fn open(folder: Folder) -> Option<Self> {
        let record = Record::parse(&folder.read(RECORD).await?)?;
        let journal = folder.read(JOURNAL).await.unwrap_or_default();
        Some(Self { folder, file: KeptFile::new(record, &journal), pin: None })
    }

    /// The same file, unless it contradicts the pin of the address by which it is looked up.
    pub(super) async fn pinned(self, pin: Option<String>) -> Option<Self> {
        let is_other = contradicts_pin(pin.as_ref(), self.seal().await.as_ref(), &self.file.record);
        (!is_other).then_some(Self { pin, ..self })
    }

    /// A file without content in an empty folder.
    pub(super) async fn create(folder: Folder, record: Record) -> Result<Self, FileError> {
        let json = serde_json::to_vec(&record).unwrap_or_default();
        folder.write(RECORD, &json).await?;
        folder.open(DATA).await?.truncate(record.len_bytes)?;
        Ok(Self { folder, file: KeptFile::new(record, &[]), pin: None })
    }

    /// Where it is kept.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its name at its source.
    pub(crate) fn file_name(&self) -> &str {
        file_name(&self.file.record.url)
    }

    /// Opens it for the segments that are missing.
    pub(super) async fn writer(&self) -> Result<Writer, FileError> {
        let (data, journal) = (self.folder.open(DATA).await?, self.folder.open(JOURNAL).await?);
        Ok(Writer { data, journal, commits: Commits::default(), start: Instant::now() })
    }

    /// Opens it to be read from its start.
    pub(crate) async fn reader(&self) -> Result<Reader, FileError> {
        let data = self.folder.open(DATA).await?;
        let len_bytes = self.file.record.len_bytes;
        if data.len_bytes()? != len_bytes {
            return Err(FileError::Damaged);
        }
        Ok(Reader { data, len_bytes, offset: 0 })
    }

    /// Its checksum, if that was computed when it came.
    pub(crate) async fn seal(&self) -> Option<String> {
        parse_sha256(&String::from_utf8(self.folder.read(SEAL).await?).ok()?)
    }

    /// Records its checksum; an error if its address or its host specified another.
    pub(crate) async fn set_seal(&self, checksum: &str) -> Result<(), FileError> {
        if self.expected_checksum().is_some_and(|expected| expected != checksum) {
            return Err(FileError::WrongChecksum { file: self.file_name().to_owned() });
        }
        self.folder.write(SEAL, checksum.as_bytes()).await
    }

    /// Reads all of it and compares it with the checksum that its address or its host specified, or that was computed when it came.
    pub(crate) async fn is_intact(&self) -> Result<bool, FileError> {
        let mut reader = self.reader().await?;
        let mut checksum = FileChecksum::new(self.file_name(), None);
        while let Some(bytes) = reader.next()? {
            checksum.update(&bytes)?;
            // Let other tasks run.
            gloo_timers::future::sleep(std::time::Duration::ZERO).await;
        }
        drop(reader);
        let checksum = checksum.finish()?;
        match self.known_checksum().await {
            Some(expected) => Ok(expected == checksum),
            None => self.set_seal(&checksum).await.map(|()| true),
        }
    }

    /// Computes and records its checksum if nobody did, and reads it so that others can use it meanwhile. One that is not as long as it should be
    /// is left alone.
    pub(crate) async fn compute_seal(&self) -> Result<(), FileError> {
        let len_bytes = self.file.record.len_bytes;
        let Some(file) = self.folder.file(DATA).await else { return Ok(()) };
        if file.size() as u64 != len_bytes || self.seal().await.is_some() {
            return Ok(());
        }
        let mut checksum = FileChecksum::new(self.file_name(), self.expected_checksum().cloned());
        let storage = |error: JsValue| storage_error(&error);
        let mut offset = 0;
        while offset < len_bytes {
            let end = (offset + IDLE_READ_BYTES).min(len_bytes);
            let part = file.slice_with_f64_and_f64(offset as f64, end as f64).map_err(storage)?;
            let buffer = JsFuture::from(part.array_buffer()).await.map_err(storage)?;
            checksum.update(&Uint8Array::new(&buffer).to_vec())?;
            offset = end;
        }
        let checksum = checksum.finish()?;
        if self.seal().await.is_some() { Ok(()) } else { self.set_seal(&checksum).await }
    }

    /// Whether it is known to be what it should be. Without any checksum it is not.
    pub(super) async fn is_sound(&self) -> Result<bool, FileError> {
        if self.known_checksum().await.is_none() {
            return Ok(false);
        }
        match self.is_intact().await {
            Err(FileError::Damaged) => Ok(false),
            result => result,
        }
    }

    /// The checksum that its address or its host specified.
    pub(crate) fn expected_checksum(&self) -> Option<&String> {
        expected_checksum(self.pin.as_ref(), &self.file.record)
    }

    async fn known_checksum(&self) -> Option<String> {
        match self.expected_checksum() {
            Some(expected) => Some(expected.clone()),
            None => self.seal().await,
        }
    }

    /// The fastest kernel layout on an adapter, if that was measured.
    pub(crate) async fn layout(&self, adapter: &str) -> Option<Vec<Change>> {
        let layout: Layout = serde_json::from_slice(&self.folder.read(LAYOUT).await?).ok()?;
        if layout.adapter != adapter || layout.version != VERSION {
            return None;
        }
        layout.changes.iter().map(|name| Change::from_name(name)).collect()
    }

    /// Keeps the fastest kernel layout.
    pub(crate) async fn set_layout(&self, adapter: &str, changes: &[Change]) -> Result<(), FileError> {
        let layout = Layout {
            adapter: adapter.to_owned(),
            changes: changes.iter().map(|change| change.name().to_owned()).collect(),
            version: VERSION.to_owned(),
        };
        self.folder.write(LAYOUT, &serde_json::to_vec(&layout).unwrap_or_default()).await
    }

    /// What its model can do, if it was loaded.
    pub(super) async fn abilities(&self) -> Option<Abilities> {
        serde_json::from_slice(&self.folder.read(ABILITIES).await?).ok()
    }

    /// Keeps what its model can do.
    pub(super) async fn set_abilities(&self, abilities: &Abilities) -> Result<(), FileError> {
        self.folder.write(ABILITIES, &serde_json::to_vec(abilities).unwrap_or_default()).await
    }

    /// The URL of its model's projector, empty if there is none; `None` if that is not known.
    pub(super) async fn projector(&self) -> Option<String> {
        String::from_utf8(self.folder.read(PROJECTOR).await?).ok()
    }

    /// Notes the URL of its model's projector.
    pub(super) async fn set_projector(&self, url: &str) -> Result<(), FileError> {
        self.folder.write(PROJECTOR, url.as_bytes()).await
    }

    /// When it was loaded last, in seconds since 1970.
    pub(super) async fn used_seconds(&self) -> f64 {
        let bytes = self.folder.read(USED).await.unwrap_or_default();
        std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Notes that it is being loaded now.
    pub(super) async fn note_use(&self) -> Result<(), FileError> {
        let seconds = js_sys::Date::now() / 1000.0;
        self.folder.write(USED, seconds.to_string().as_bytes()).await
    }
}

/// Writes segments. Dropping it records those that are complete.
pub(super) struct Writer {
    data: OpenFile,
    journal: OpenFile,
    commits: Commits,
    /// When its clock began.
    start: Instant,
}

impl Writer {
    /// Writes bytes of a segment that is not complete yet.
    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), FileError> {
        self.data.write_at(bytes, offset)
    }

    /// The same, of bytes outside the wasm heap.
    pub(super) fn write(&self, bytes: &JsBytes, offset: u64) -> Result<(), FileError> {
        self.data.write_from(bytes.array(), offset)
    }

    /// Reads bytes of a complete segment.
    pub(super) fn read(&self, offset: u64, len_bytes: u64) -> Result<JsBytes, FileError> {
        let array = Uint8Array::new_with_length(len_bytes as u32);
        self.data.read_to(&array, offset)?;
        Ok(JsBytes::new(array))
    }

    /// Takes note that a segment is complete, and records it if it is time to.
    pub(super) fn commit(&mut self, segment: u64) -> Result<(), FileError> {
        if self.commits.add(segment, self.start.elapsed()) { self.record() } else { Ok(()) }
    }

    /// Makes sure that what was written is safely stored, then records which segments are complete.
    pub(super) fn record(&mut self) -> Result<(), FileError> {
        let segments = self.commits.take(self.start.elapsed());
        if segments.is_empty() {
            return Ok(());
        }
        self.data.flush()?;
        segments.into_iter().try_for_each(|segment| self.journal.write_at(&[1], segment))?;
        self.journal.flush()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What is not recorded is fetched again.
        let _ = self.record();
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
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        let len = self.left_bytes().min(READ_BYTES as u64) as usize;
        if len == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        self.read_into(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// The same, outside the wasm heap.
    pub(crate) fn next_piece(&mut self) -> Result<Option<JsBytes>, FileError> {
        let len = self.left_bytes().min(READ_BYTES as u64) as u32;
        if len == 0 {
            return Ok(None);
        }
        let array = Uint8Array::new_with_length(len);
        self.data.read_to(&array, self.offset)?;
        self.offset += u64::from(len);
        Ok(Some(JsBytes::new(array)))
    }

    /// Length of the file.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Bytes that were not read yet.
    pub(crate) fn left_bytes(&self) -> u64 {
        self.len_bytes - self.offset
    }

    /// Fills `bytes` from an offset on.
    pub(crate) fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), FileError> {
        self.data.read_at(bytes, offset)
    }

    fn read_into(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        self.data.read_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

impl Source for Reader {
    type Error = WorkerError;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), WorkerError> {
        Ok(self.read_into(bytes)?)
    }

    #[cfg(target_family = "wasm")]
    fn read_to(&mut self, bytes: &js_sys::Uint8Array) -> Result<(), WorkerError> {
        self.data.read_to(bytes, self.offset)?;
        self.offset += u64::from(bytes.length());
        Ok(())
    }
}
