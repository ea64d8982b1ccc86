//! The bytes of models, from URLs, files and this device's storage, as streams of chunks.

use js_sys::{Reflect, Uint8Array};
use parlance_engine::EngineError;
use parlance_engine::gguf::{Gguf, Parsed, part_names};
use parlance_protocol::ModelSource;
use parlance_worker_core::FileError;
use parlance_worker_core::address::{FileAddress, LOCAL, file_name};
use parlance_worker_core::checksum::{Beginning, FileChecksum};
use parlance_worker_core::hosts::AllowedHosts;
use parlance_worker_core::http::Answer;
use parlance_worker_core::projector::is_projector;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DedicatedWorkerGlobalScope, File, Headers, ReadableStream, ReadableStreamDefaultReader, RequestCache, RequestInit,
    Response,
};

use crate::error::{WorkerError, network_error};
use crate::storage::{Entry, Reader, Store};
use crate::{address, policy, tokens};

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

    /// Opens the whole file.
    pub(crate) async fn open(&self) -> Result<Opened<'_>, FileError> {
        Ok(match self {
            Self::Url(file) => {
                let Fetched { stream, answer } = ByteStream::fetch(&file.url, None).await?;
                let expected = file.pin.clone().or(answer.sha256);
                let checksum = expected.map(|expected| FileChecksum::new(file_name(&file.url), Some(expected)));
                Opened { chunks: Chunks::Stream(stream), len_bytes: answer.len_bytes, checksum, unsealed: None }
            }
            Self::File(file) => {
                let chunks = Chunks::Stream(ByteStream::of_file(file)?);
                Opened { chunks, len_bytes: Some(file.size() as u64), checksum: None, unsealed: None }
            }
            Self::Stored(entry) => {
                let reader = entry.reader().await?;
                let len_bytes = Some(reader.len_bytes());
                let unsealed = if entry.seal().await.is_none() { Some(&**entry) } else { None };
                let checksum = unsealed.map(|entry| FileChecksum::new(entry.file_name(), None));
                Opened { chunks: Chunks::Stored(reader), len_bytes, checksum, unsealed }
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
                Self::File(_) | Self::Stored(_) => {
                    let Opened { chunks, len_bytes, .. } = self.open().await?;
                    (chunks, len_bytes, false)
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
    pub(crate) chunks: Chunks,
    /// Its length, if known.
    pub(crate) len_bytes: Option<u64>,
    /// Must be finished before the file is used.
    pub(crate) checksum: Option<FileChecksum>,
    /// The kept file that its checksum has to be recorded for: it came without one being computed, by an older version, or the tab was closed at the
    /// very end.
    pub(crate) unsealed: Option<&'a Entry>,
}

/// A file's bytes, from its start.
pub(crate) enum Chunks {
    Stream(ByteStream),
    Stored(Reader),
}

impl Chunks {
    /// The next chunk, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        match self {
            Self::Stream(stream) => stream.next().await,
            Self::Stored(reader) => reader.next(),
        }
    }
}

/// A server's response.
pub(crate) struct Fetched {
    pub(crate) stream: ByteStream,
    /// What its headers say.
    pub(crate) answer: Answer,
}

/// A stream of bytes. Dropping it cancels the transfer.
pub(crate) struct ByteStream {
    reader: ReadableStreamDefaultReader,
}

impl ByteStream {
    /// The next chunk, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        let network = |error: JsValue| network_error(&error);
        let result = JsFuture::from(self.reader.read()).await.map_err(network)?;
        let field = |name: &str| Reflect::get(&result, &name.into()).map_err(network);
        if field("done")?.is_truthy() {
            return Ok(None);
        }
        Ok(Some(field("value")?.unchecked_into::<Uint8Array>().to_vec()))
    }

    /// Reads a file of the user's.
    pub(crate) fn of_file(file: &File) -> Result<Self, FileError> {
        Self::new(&file.stream())
    }

    /// Fetches a URL, or the bytes from the first number of `range` up to the second, exclusive.
    pub(crate) async fn fetch(url: &str, range: Option<(u64, u64)>) -> Result<Fetched, FileError> {
        let response = request(url, range).await?;
        if !response.ok() {
            return Err(FileError::Status { status: response.status(), url: url.to_owned() });
        }
        let body = response.body().ok_or_else(|| FileError::Network(format!("{url} has no content")))?;
        let stream = Self::new(&body)?;
        let header = |name: &str| response.headers().get(name).ok().flatten();
        let answer = Answer::read(response.status(), range.map_or(0, |(start, _)| start), header)?;
        Ok(Fetched { stream, answer })
    }

    fn new(stream: &ReadableStream) -> Result<Self, FileError> {
        let reader = ReadableStreamDefaultReader::new(stream).map_err(|error| network_error(&error))?;
        Ok(Self { reader })
    }
}

impl Drop for ByteStream {
    fn drop(&mut self) {
        // Whether cancelling succeeds makes no difference any more, but the promise must not go unhandled.
        let cancelled = self.reader.cancel();
        wasm_bindgen_futures::spawn_local(async move {
            let _ = JsFuture::from(cancelled).await;
        });
    }
}

async fn request(url: &str, range: Option<(u64, u64)>) -> Result<Response, FileError> {
    let network = |error: JsValue| network_error(&error);
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let init = RequestInit::new();
    // The store keeps models; a second copy in the browser's cache would only take up room.
    init.set_cache(RequestCache::NoStore);
    let headers = Headers::new().map_err(network)?;
    if let Some((start, end)) = range {
        headers.set("Range", &format!("bytes={start}-{}", end - 1)).map_err(network)?;
    }
    if let Some(token) = tokens::bearer(url) {
        // Browsers drop it where the host redirects to another one.
        headers.set("Authorization", &token).map_err(network)?;
    }
    init.set_headers(&headers);
    match JsFuture::from(scope.fetch_with_str_and_init(url, &init)).await {
        Ok(response) => Ok(response.unchecked_into()),
        Err(error) => Err(policy::refusal(url).await.unwrap_or_else(|| network_error(&error))),
    }
}
