//! The files of models, from URLs, the user and this device's storage, in pieces.

use parlance_engine::EngineError;
use parlance_engine::gguf::{Gguf, Parsed, part_names};
use parlance_protocol::ModelSource;
use parlance_worker_core::FileError;
use parlance_worker_core::address::{FileAddress, LOCAL, file_name};
use parlance_worker_core::checksum::{Beginning, FileChecksum};
use parlance_worker_core::hosts::AllowedHosts;
use parlance_worker_core::kept::expected_checksum;
use parlance_worker_core::projector::is_projector;
use web_sys::File;

use crate::bytes::JsBytes;
use crate::error::WorkerError;
use crate::storage::{Arriving, Entry, Reader, Report, Store};
use crate::stream::{ByteStream, Fetched};
use crate::{address, policy};

/// Bytes that are requested at first to read a header: most headers have a few megabytes, because of the vocabulary.
const HEADER_BYTES: u64 = 4 << 20;

/// One file of a model.
pub(crate) enum Part {
    Url(FileAddress),
    File(File),
    Stored(Box<Entry>),
}

impl Part {
    /// The files of a model, in order; `files` are those that came with [`ModelSource::File`]. Those on this device are read from there, the
    /// others are fetched from allowed hosts only: there is no other way to a [`Part::Url`], and nothing else is fetched.
    pub(crate) async fn of(
        source: &ModelSource,
        files: Vec<File>,
        store: Option<&Store>,
        allowed_hosts: &AllowedHosts,
    ) -> Result<Vec<Self>, WorkerError> {
        let url = match source {
            ModelSource::Url { url } => url,
            ModelSource::File { .. } => return Self::in_order(files),
        };
        let mut found = Vec::new();
        for file in address::files(url)? {
            let stored = match store {
                Some(store) => store.find_complete(&file).await,
                None => None,
            };
            found.push(match stored {
                Some(entry) => Self::Stored(Box::new(entry)),
                None if file.url.starts_with(LOCAL) => return Err(WorkerError::NotKept),
                None => {
                    policy::check(allowed_hosts, &file.url)?;
                    Self::Url(file)
                }
            });
        }
        Ok(found)
    }

    fn in_order(mut files: Vec<File>) -> Result<Vec<Self>, WorkerError> {
        if let Some(projector) = files.iter().find(|file| is_projector(&file.name())).map(File::name) {
            files.retain(|file| !is_projector(&file.name()));
            if files.is_empty() {
                return Err(WorkerError::lone_projector(&projector));
            }
        }
        files.sort_by_key(File::name);
        let names: Vec<String> = files.iter().map(File::name).collect();
        match names.as_slice() {
            [] => return Err(WorkerError::BadRequest("the request names a file but has none with it")),
            [_] => {}
            [first, ..] if part_names(first).as_ref() == Some(&names) => {}
            _ => return Err(WorkerError::SeveralModels),
        }
        Ok(files.into_iter().map(Self::File).collect())
    }

    /// Opens the whole file. What has to be fetched is kept in the store, and `report` hears how far it is.
    pub(crate) async fn open<'a>(
        &'a self,
        store: Option<&'a Store>,
        report: Report<'a>,
    ) -> Result<Opened<'a>, WorkerError> {
        let checksum = |name: &str, expected: Option<&String>| {
            expected.map(|expected| FileChecksum::new(name, Some(expected.clone())))
        };
        Ok(match self {
            Self::Url(file) => {
                if let Some((arriving, record)) = Arriving::start(store, file, report).await? {
                    let checksum = checksum(file_name(&file.url), expected_checksum(file.pin.as_ref(), &record));
                    let pieces = Pieces::Arriving(Box::new(arriving));
                    Opened { pieces, len_bytes: Some(record.len_bytes), checksum }
                } else {
                    // A file can be streamed even from a server that does not say how long it is.
                    let Fetched { stream, answer } = ByteStream::fetch(&file.url, None).await?;
                    let expected = file.pin.as_ref().or(answer.sha256.as_ref());
                    let checksum = checksum(file_name(&file.url), expected);
                    Opened { pieces: Pieces::Stream(stream), len_bytes: answer.len_bytes, checksum }
                }
            }
            Self::File(file) => {
                let pieces = Pieces::Stream(ByteStream::of_file(file)?);
                Opened { pieces, len_bytes: Some(file.size() as u64), checksum: None }
            }
            Self::Stored(entry) => {
                let is_sealed = entry.seal().await.is_some();
                let expected = entry.expected_checksum().filter(|_| !is_sealed);
                let checksum = checksum(entry.file_name(), expected);
                let reader = entry.reader().await?;
                Opened { len_bytes: Some(reader.len_bytes()), pieces: Pieces::Stored(reader, entry), checksum }
            }
        })
    }

    /// Reads the header and little more.
    async fn header(&self) -> Result<Header, WorkerError> {
        let mut bytes = Vec::new();
        let mut wanted = HEADER_BYTES;
        loop {
            let (mut chunks, len_bytes, is_partial) = match self {
                Self::Url(file) => {
                    let Fetched { stream, answer } =
                        ByteStream::fetch(&file.url, Some((bytes.len() as u64, wanted))).await?;
                    (Chunks::Stream(stream), answer.len_bytes, answer.is_partial)
                }
                Self::File(file) => (Chunks::Stream(ByteStream::of_file(file)?), Some(file.size() as u64), false),
                Self::Stored(entry) => {
                    let reader = entry.reader().await?;
                    let len_bytes = Some(reader.len_bytes());
                    (Chunks::Stored(reader), len_bytes, false)
                }
            };
            if !is_partial {
                bytes.clear();
            }
            // A server that ignores ranges sends everything; then reading stops once the header may be complete.
            while let Some(chunk) = chunks.next().await? {
                bytes.extend(chunk);
                if bytes.len() as u64 >= wanted {
                    break;
                }
            }
            match Gguf::parse(&bytes, len_bytes)? {
                Parsed::Complete(gguf) => {
                    let beginning = matches!(self, Self::Url(_)).then(|| Beginning::of(&bytes));
                    return Ok(Header { gguf: *gguf, beginning, len_bytes });
                }
                // A server that sends less than was requested would be asked forever.
                Parsed::NeedMore(needed_bytes) if (bytes.len() as u64) < wanted => {
                    return Err(EngineError::Truncated { len_bytes: bytes.len() as u64, needed_bytes }.into());
                }
                Parsed::NeedMore(needed) => wanted = needed.max(2 * wanted),
            }
        }
    }
}

/// The header of a file.
struct Header {
    gguf: Gguf,
    /// Of a file whose weights come with another request.
    beginning: Option<Beginning>,
    /// Length of the file, if known.
    len_bytes: Option<u64>,
}

/// The headers of all files of a model, in order.
#[derive(Default)]
pub(crate) struct ModelHeaders {
    pub(crate) ggufs: Vec<Gguf>,
    /// What each file must start with.
    pub(crate) beginnings: Vec<Option<Beginning>>,
    /// Bytes of all files.
    pub(crate) len_bytes: u64,
}

impl ModelHeaders {
    /// Reads the headers of all files.
    pub(crate) async fn of(parts: &[Part]) -> Result<Self, WorkerError> {
        let mut headers = Self::default();
        for part in parts {
            let Header { gguf, beginning, len_bytes } = part.header().await?;
            headers.len_bytes = headers.len_bytes.saturating_add(len_bytes.unwrap_or(gguf.file_len_bytes));
            headers.ggufs.push(gguf);
            headers.beginnings.push(beginning);
        }
        Ok(headers)
    }
}

/// A file that is read from its start to its end.
pub(crate) struct Opened<'a> {
    pub(crate) pieces: Pieces<'a>,
    /// Its length, if known.
    pub(crate) len_bytes: Option<u64>,
    /// Must be finished before the file is used; absent where nothing is known of it, or it was compared before.
    pub(crate) checksum: Option<FileChecksum>,
}

/// A whole file, from its start.
pub(crate) enum Pieces<'a> {
    Stream(ByteStream),
    Stored(Reader, &'a Entry),
    Arriving(Box<Arriving<'a>>),
}

impl Pieces<'_> {
    /// The next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<JsBytes>, WorkerError> {
        Ok(match self {
            Self::Stream(stream) => stream.next_piece().await?,
            Self::Stored(reader, _) => reader.next_piece()?,
            Self::Arriving(arriving) => arriving.next().await?,
        })
    }

    /// Closes the file at its end. Returns it if it is kept, or else why it is not, where it was to be.
    pub(crate) async fn finish(self) -> (Option<Entry>, Option<FileError>) {
        match self {
            Self::Stream(_) => (None, None),
            Self::Stored(_, entry) => (Some(entry.clone()), None),
            Self::Arriving(arriving) => arriving.finish().await,
        }
    }
}

/// The beginning of a file, as its header needs it.
enum Chunks {
    Stream(ByteStream),
    Stored(Reader),
}

impl Chunks {
    /// The next chunk, or `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        match self {
            Self::Stream(stream) => stream.next().await,
            Self::Stored(reader) => reader.next(),
        }
    }
}
