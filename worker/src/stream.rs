//! Streams of bytes: responses of servers, and files of the user's.

use std::time::Duration;

use js_sys::{Reflect, Uint8Array};
use parlance_worker_core::FileError;
use parlance_worker_core::http::Answer;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DedicatedWorkerGlobalScope, File, Headers, ReadableStream, ReadableStreamDefaultReader, RequestCache, RequestInit,
    Response,
};
use web_time::Instant;

use crate::bytes::JsBytes;
use crate::error::network_error;
use crate::{policy, tokens};

/// Bytes that are gathered before they are passed on: each piece is written at once, and browsers' chunks are small.
const PIECE_BYTES: u32 = 1 << 20;
/// How long the first of them waits for the others: people watch the progress.
const PIECE_TIME: Duration = Duration::from_millis(100);

/// A server's response.
pub(crate) struct Fetched {
    pub(crate) stream: ByteStream,
    /// What its headers say.
    pub(crate) answer: Answer,
}

/// A stream of bytes. Dropping it cancels the transfer.
pub(crate) struct ByteStream {
    reader: ReadableStreamDefaultReader,
    /// What did not fit into the last piece.
    rest: Option<Uint8Array>,
}

impl ByteStream {
    /// The next chunk, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, FileError> {
        Ok(self.next_chunk().await?.map(|chunk| chunk.to_vec()))
    }

    /// The next chunks, gathered into a piece that is worth writing at once, or `None` at the end.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<JsBytes>, FileError> {
        let start = Instant::now();
        let piece = Uint8Array::new_with_length(PIECE_BYTES);
        let mut filled = 0;
        while filled < PIECE_BYTES && (filled == 0 || start.elapsed() < PIECE_TIME) {
            let Some(chunk) = self.next_chunk().await? else { break };
            let taken = chunk.length().min(PIECE_BYTES - filled);
            piece.set(&chunk.subarray(0, taken), filled);
            filled += taken;
            if taken < chunk.length() {
                self.rest = Some(chunk.subarray(taken, chunk.length()));
            }
        }
        // A small piece would occupy a large buffer.
        let piece = if filled > PIECE_BYTES / 2 { piece.subarray(0, filled) } else { piece.slice(0, filled) };
        Ok((filled > 0).then(|| JsBytes::new(piece)))
    }

    async fn next_chunk(&mut self) -> Result<Option<Uint8Array>, FileError> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let network = |error: JsValue| network_error(&error);
        let result = JsFuture::from(self.reader.read()).await.map_err(network)?;
        let field = |name: &str| Reflect::get(&result, &name.into()).map_err(network);
        if field("done")?.is_truthy() {
            return Ok(None);
        }
        Ok(Some(field("value")?.unchecked_into()))
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
        Ok(Self { reader, rest: None })
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
