//! Model bytes from URLs or files, as streams of chunks.

use js_sys::{Reflect, Uint8Array};
use parlance_engine::gguf::{Gguf, Parsed, part_names};
use parlance_protocol::ModelSource;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DedicatedWorkerGlobalScope, File, Headers, ReadableStream, ReadableStreamDefaultReader, RequestInit, Response,
};

use crate::error::WorkerError;

/// Bytes of a header that are asked for at first: most are a few megabytes, because of the vocabulary.
const HEADER_BYTES: u64 = 4 << 20;

/// One file of a model.
pub(crate) enum Part {
    Url(String),
    File(File),
}

impl Part {
    /// The files of a model, in order; `files` are those that came with [`ModelSource::File`].
    pub(crate) fn of(source: &ModelSource, files: Vec<File>) -> Result<Vec<Self>, WorkerError> {
        match source {
            ModelSource::Url { url } => {
                let (path, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
                let urls = part_names(path).map_or_else(
                    || vec![url.clone()],
                    |paths| paths.iter().map(|path| format!("{path}{rest}")).collect(),
                );
                Ok(urls.into_iter().map(Self::Url).collect())
            }
            ModelSource::File { .. } => Self::in_order(files),
        }
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

    /// Opens the whole file.
    pub(crate) async fn open(&self) -> Result<ByteStream, WorkerError> {
        match self {
            Self::Url(url) => ByteStream::fetch(url, None).await,
            Self::File(file) => ByteStream::new(&file.stream(), Some(file.size() as u64), false),
        }
    }

    /// Reads the header and no more than that, with the length of the file, if known.
    async fn header(&self) -> Result<(Gguf, Option<u64>), WorkerError> {
        let mut bytes = Vec::new();
        let mut wanted = HEADER_BYTES;
        loop {
            let mut stream = match self {
                Self::Url(url) => ByteStream::fetch(url, Some((bytes.len() as u64, wanted))).await?,
                Self::File(_) => self.open().await?,
            };
            if !stream.is_partial {
                bytes.clear();
            }
            // A server that knows no ranges sends everything; then reading stops where the header ends.
            while let Some(chunk) = stream.next().await? {
                bytes.extend(chunk);
                if !stream.is_partial && bytes.len() as u64 >= wanted {
                    break;
                }
            }
            match Gguf::parse(&bytes, stream.len_bytes)? {
                Parsed::Complete(gguf) => return Ok((*gguf, stream.len_bytes)),
                // A server that sends less than was asked for would be asked for ever.
                Parsed::NeedMore(needed) if (bytes.len() as u64) < wanted => {
                    let len_bytes = bytes.len() as u64;
                    return Err(parlance_engine::EngineError::Truncated { len_bytes, needed_bytes: needed }.into());
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

/// A stream of bytes. Dropping it cancels the transfer.
pub(crate) struct ByteStream {
    reader: ReadableStreamDefaultReader,
    /// Length of the whole file, if known.
    pub(crate) len_bytes: Option<u64>,
    /// Whether it holds only the range that was asked for.
    is_partial: bool,
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

    /// Fetches a URL, or the bytes from the first number of `range` up to the second of it.
    async fn fetch(url: &str, range: Option<(u64, u64)>) -> Result<Self, WorkerError> {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let init = RequestInit::new();
        if let Some((start, end)) = range {
            let network = |error: JsValue| WorkerError::network(&error);
            let headers = Headers::new().map_err(network)?;
            headers.set("Range", &format!("bytes={start}-{}", end - 1)).map_err(network)?;
            init.set_headers(&headers);
        }
        let response: Response = JsFuture::from(scope.fetch_with_str_and_init(url, &init))
            .await
            .map_err(|error| WorkerError::network(&error))?
            .unchecked_into();
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
        let body = response.body().ok_or_else(|| WorkerError::Network(format!("{url} has no content")))?;
        Self::new(&body, len_bytes, is_partial)
    }

    fn new(stream: &ReadableStream, len_bytes: Option<u64>, is_partial: bool) -> Result<Self, WorkerError> {
        let reader = ReadableStreamDefaultReader::new(stream).map_err(|error| WorkerError::network(&error))?;
        Ok(Self { reader, len_bytes, is_partial })
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
