//! Model bytes from URLs, files and this device's storage, as streams of chunks.

use js_sys::{Reflect, Uint8Array};
use parlance_engine::EngineError;
use parlance_engine::gguf::{Gguf, Parsed, part_names};
use parlance_protocol::ModelSource;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DedicatedWorkerGlobalScope, File, Headers, ReadableStream, ReadableStreamDefaultReader, RequestCache, RequestInit,
    Response,
};

use crate::address::{FileAddress, LOCAL, file_name, sha256};
use crate::checksum::{Beginning, Checksum};
use crate::error::WorkerError;
use crate::lengths::{in_content_length, in_content_range};
use crate::policy::{self, AllowedHosts};
use crate::storage::{Entry, Reader, Store};

/// Bytes of a header that are asked for at first: most are a few megabytes, because of the vocabulary.
const HEADER_BYTES: u64 = 4 << 20;

/// One file of a model.
pub(crate) enum Part {
    Url(FileAddress),
    File(File),
    Stored(Box<Entry>),
}

impl Part {
    /// The files of a model, in order; `files` are those that came with [`ModelSource::File`]. Those on this device are taken from
    /// there; the others only from allowed hosts. Nothing is fetched but by this.
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
        for file in FileAddress::all(url)? {
            let stored = match store {
                Some(store) => store.find_complete(&file).await,
                None => None,
            };
            found.push(match stored {
                Some(entry) => Self::Stored(Box::new(entry)),
                None if file.url.starts_with(LOCAL) => return Err(WorkerError::NotKept),
                None => {
                    allowed_hosts.check(&file.url)?;
                    Self::Url(file)
                }
            });
        }
        Ok(found)
    }

    fn in_order(mut files: Vec<File>) -> Result<Vec<Self>, WorkerError> {
        files.sort_by_key(File::name);
        let names: Vec<String> = files.iter().map(File::name).collect();
        match names.as_slice() {
            [] => return Err(WorkerError::BadRequest("the request names a file but brings none")),
            [_] => {}
            [first, ..] if part_names(first).as_ref() == Some(&names) => {}
            _ => return Err(WorkerError::SeveralModels),
        }
        Ok(files.into_iter().map(Self::File).collect())
    }

    /// Opens the whole file.
    pub(crate) async fn open(&self) -> Result<Opened<'_>, WorkerError> {
        Ok(match self {
            Self::Url(file) => {
                let Fetched { stream, len_bytes, sha256, .. } = ByteStream::fetch(&file.url, None).await?;
                let expected = file.pin.clone().or(sha256);
                let checksum = expected.map(|expected| Checksum::comparing(file_name(&file.url), expected));
                Opened { chunks: Chunks::Stream(stream), len_bytes, checksum }
            }
            Self::File(file) => {
                let chunks = Chunks::Stream(ByteStream::of_file(file)?);
                Opened { chunks, len_bytes: Some(file.size() as u64), checksum: None }
            }
            Self::Stored(entry) => {
                let reader = entry.reader().await?;
                let len_bytes = Some(reader.len_bytes());
                let checksum = if entry.seal().await.is_none() { Some(Checksum::sealing(entry)) } else { None };
                Opened { chunks: Chunks::Stored(reader), len_bytes, checksum }
            }
        })
    }

    /// Reads the header and no more than that.
    async fn header(&self) -> Result<Header, WorkerError> {
        let mut bytes = Vec::new();
        let mut wanted = HEADER_BYTES;
        loop {
            let (mut chunks, len_bytes, is_partial) = match self {
                Self::Url(file) => {
                    let fetched = ByteStream::fetch(&file.url, Some((bytes.len() as u64, wanted))).await?;
                    (Chunks::Stream(fetched.stream), fetched.len_bytes, fetched.is_partial)
                }
                Self::File(_) | Self::Stored(_) => {
                    let Opened { chunks, len_bytes, .. } = self.open().await?;
                    (chunks, len_bytes, false)
                }
            };
            if !is_partial {
                bytes.clear();
            }
            // A server that knows no ranges, or cares for none, sends everything; then reading stops where the header ends.
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
                // A server that sends less than was asked for would be asked for ever.
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
    /// Of a file whose weights come by another request.
    beginning: Option<Beginning>,
    /// Length of the file, if it is known.
    len_bytes: Option<u64>,
}

/// The headers of all files of a model, in order.
#[derive(Default)]
pub(crate) struct ModelHeaders {
    pub(crate) ggufs: Vec<Gguf>,
    /// What each file has to begin with.
    pub(crate) beginnings: Vec<Option<Beginning>>,
    /// Bytes of all files.
    pub(crate) len_bytes: u64,
}

impl ModelHeaders {
    /// Reads them and no more.
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

/// A file that is read from its beginning to its end.
pub(crate) struct Opened<'a> {
    pub(crate) chunks: Chunks,
    /// Its length, if it is known.
    pub(crate) len_bytes: Option<u64>,
    /// What is to be compared before the file is used.
    pub(crate) checksum: Option<Checksum<'a>>,
}

/// A file's bytes, from its beginning.
pub(crate) enum Chunks {
    Stream(ByteStream),
    Stored(Reader),
}

impl Chunks {
    /// The next chunk, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        match self {
            Self::Stream(stream) => stream.next().await,
            Self::Stored(reader) => reader.next(),
        }
    }
}

/// An answer of a server.
pub(crate) struct Fetched {
    pub(crate) stream: ByteStream,
    /// Length of the whole file, if known.
    pub(crate) len_bytes: Option<u64>,
    /// Whether the stream holds only the range that was asked for.
    pub(crate) is_partial: bool,
    /// The server's name for this version of the file.
    pub(crate) etag: Option<String>,
    /// The file's checksum, SHA-256 in hexadecimal digits, if the server tells it.
    pub(crate) sha256: Option<String>,
}

/// A stream of bytes. Dropping it cancels the transfer.
pub(crate) struct ByteStream {
    reader: ReadableStreamDefaultReader,
}

impl ByteStream {
    /// The next chunk, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        let result = JsFuture::from(self.reader.read()).await.map_err(|error| WorkerError::network(&error))?;
        let field = |name: &str| Reflect::get(&result, &name.into()).map_err(|error| WorkerError::network(&error));
        if field("done")?.is_truthy() {
            return Ok(None);
        }
        Ok(Some(field("value")?.unchecked_into::<Uint8Array>().to_vec()))
    }

    /// Reads a file of the user's.
    pub(crate) fn of_file(file: &File) -> Result<Self, WorkerError> {
        Self::new(&file.stream())
    }

    /// Fetches a URL, or the bytes from the first number of `range` up to the second of it.
    pub(crate) async fn fetch(url: &str, range: Option<(u64, u64)>) -> Result<Fetched, WorkerError> {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let init = RequestInit::new();
        // Models are kept by the store; a second copy in the browser's cache would only take room.
        init.set_cache(RequestCache::NoStore);
        if let Some((start, end)) = range {
            let network = |error: JsValue| WorkerError::network(&error);
            let headers = Headers::new().map_err(network)?;
            headers.set("Range", &format!("bytes={start}-{}", end - 1)).map_err(network)?;
            init.set_headers(&headers);
        }
        let response: Response = match JsFuture::from(scope.fetch_with_str_and_init(url, &init)).await {
            Ok(response) => response.unchecked_into(),
            Err(error) => {
                return Err(policy::refusal(url).await.unwrap_or_else(|| WorkerError::network(&error)));
            }
        };
        if !response.ok() {
            return Err(WorkerError::Status { status: response.status(), url: url.to_owned() });
        }
        let body = response.body().ok_or_else(|| WorkerError::Network(format!("{url} has no content")))?;
        let stream = Self::new(&body)?;
        let header = |name: &str| response.headers().get(name).ok().flatten();
        let is_partial = response.status() == 206;
        let len_bytes = match header("content-encoding") {
            None if is_partial => match header("content-range") {
                Some(text) => in_content_range(&text, range.map_or(0, |(start, _)| start))?,
                None => None,
            },
            None => header("content-length").map(|text| in_content_length(&text)).transpose()?,
            // With a content coding the header counts coded bytes.
            Some(_) => None,
        };
        let etag = header("x-linked-etag").or_else(|| header("etag"));
        // Large files on Hugging Face have their checksum as their version's name.
        let sha256 = etag.as_deref().and_then(|etag| sha256(etag.trim_matches('"')));
        Ok(Fetched { stream, len_bytes, is_partial, etag, sha256 })
    }

    fn new(stream: &ReadableStream) -> Result<Self, WorkerError> {
        let reader = ReadableStreamDefaultReader::new(stream).map_err(|error| WorkerError::network(&error))?;
        Ok(Self { reader })
    }
}

impl Drop for ByteStream {
    fn drop(&mut self) {
        // Whether cancelling succeeds makes no difference any more; the promise must only not go unhandled.
        let cancelled = self.reader.cancel();
        wasm_bindgen_futures::spawn_local(async move {
            let _ = JsFuture::from(cancelled).await;
        });
    }
}
