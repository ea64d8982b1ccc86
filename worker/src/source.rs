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

use crate::error::WorkerError;
use crate::policy;
use crate::storage::{Entry, Reader, Store, parts};

/// Bytes of a header that are asked for at first: most are a few megabytes, because of the vocabulary.
const HEADER_BYTES: u64 = 4 << 20;

/// One file of a model.
pub(crate) enum Part {
    Url(String),
    File(File),
    Stored(Box<Entry>),
}

impl Part {
    /// The files of a model, in order; `files` are those that came with [`ModelSource::File`]. Those on this device are taken from
    /// there.
    pub(crate) async fn of(
        source: &ModelSource,
        files: Vec<File>,
        store: Option<&Store>,
    ) -> Result<Vec<Self>, WorkerError> {
        let url = match source {
            ModelSource::Url { url } => url,
            ModelSource::File { .. } => return Self::in_order(files),
        };
        let mut found = Vec::new();
        for url in parts(url) {
            let stored = match store {
                Some(store) => store.find_complete(&url).await,
                None => None,
            };
            found.push(stored.map_or(Self::Url(url), |entry| Self::Stored(Box::new(entry))));
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
            _ => {
                return Err(WorkerError::BadRequest(
                    "choose one GGUF file, or all parts of one model in several files",
                ));
            }
        }
        Ok(files.into_iter().map(Self::File).collect())
    }

    /// Opens the whole file, and says how long it is, if that is known.
    pub(crate) async fn open(&self) -> Result<(Chunks, Option<u64>), WorkerError> {
        Ok(match self {
            Self::Url(url) => {
                let fetched = ByteStream::fetch(url, None).await?;
                (Chunks::Stream(fetched.stream), fetched.len_bytes)
            }
            Self::File(file) => (Chunks::Stream(ByteStream::of_file(file)?), Some(file.size() as u64)),
            Self::Stored(entry) => {
                let reader = entry.reader().await?;
                let len_bytes = reader.len_bytes();
                (Chunks::Stored(reader), Some(len_bytes))
            }
        })
    }

    /// Reads the header and no more than that, with the length of the file, if known.
    async fn header(&self) -> Result<(Gguf, Option<u64>), WorkerError> {
        let mut bytes = Vec::new();
        let mut wanted = HEADER_BYTES;
        loop {
            let (mut chunks, len_bytes, is_partial) = match self {
                Self::Url(url) => {
                    let fetched = ByteStream::fetch(url, Some((bytes.len() as u64, wanted))).await?;
                    (Chunks::Stream(fetched.stream), fetched.len_bytes, fetched.is_partial)
                }
                Self::File(_) | Self::Stored(_) => {
                    let (chunks, len_bytes) = self.open().await?;
                    (chunks, len_bytes, false)
                }
            };
            if !is_partial {
                bytes.clear();
            }
            // A server that knows no ranges sends everything; then reading stops where the header ends.
            while let Some(chunk) = chunks.next().await? {
                bytes.extend(chunk);
                if !is_partial && bytes.len() as u64 >= wanted {
                    break;
                }
            }
            match Gguf::parse(&bytes, len_bytes)? {
                Parsed::Complete(gguf) => return Ok((*gguf, len_bytes)),
                // A server that sends less than was asked for would be asked for ever.
                Parsed::NeedMore(needed_bytes) if (bytes.len() as u64) < wanted => {
                    return Err(EngineError::Truncated { len_bytes: bytes.len() as u64, needed_bytes }.into());
                }
                Parsed::NeedMore(needed) => wanted = needed.max(2 * wanted),
            }
        }
    }
}

/// Reads the headers of all parts of a model, in order, with the bytes of all files.
pub(crate) async fn headers(parts: &[Part]) -> Result<(Vec<Gguf>, u64), WorkerError> {
    let mut headers = Vec::with_capacity(parts.len());
    let mut total_bytes = 0;
    for part in parts {
        let (header, len_bytes) = part.header().await?;
        total_bytes += len_bytes.unwrap_or(header.file_len_bytes);
        headers.push(header);
    }
    Ok((headers, total_bytes))
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
        let header = |name: &str| response.headers().get(name).ok().flatten();
        let is_partial = response.status() == 206;
        let len_bytes = match header("content-encoding") {
            // The range's place in the whole, as in `bytes 0-99/1234`.
            None if is_partial => {
                header("content-range").and_then(|range| range.rsplit_once('/').and_then(|(_, len)| len.parse().ok()))
            }
            None => header("content-length").and_then(|len| len.parse().ok()),
            // With a content coding the header counts coded bytes.
            Some(_) => None,
        };
        let etag = header("x-linked-etag").or_else(|| header("etag"));
        // Large files on Hugging Face have their checksum as their version's name.
        let sha256 =
            etag.as_deref().map(|etag| etag.trim_matches('"')).filter(|etag| is_checksum(etag)).map(str::to_owned);
        let body = response.body().ok_or_else(|| WorkerError::Network(format!("{url} has no content")))?;
        Ok(Fetched { stream: Self::new(&body)?, len_bytes, is_partial, etag, sha256 })
    }

    fn new(stream: &ReadableStream) -> Result<Self, WorkerError> {
        let reader = ReadableStreamDefaultReader::new(stream).map_err(|error| WorkerError::network(&error))?;
        Ok(Self { reader })
    }
}

/// Whether a text may be a SHA-256 in hexadecimal digits.
pub(crate) fn is_checksum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
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
