//! Model bytes from a URL or a file, as a stream of chunks.

use js_sys::{Reflect, Uint8Array};
use parlance_protocol::ModelSource;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, File, ReadableStream, ReadableStreamDefaultReader, Response};

use crate::error::WorkerError;

/// A stream of a model's bytes. Dropping it cancels the transfer.
pub(crate) struct ByteStream {
    reader: ReadableStreamDefaultReader,
    /// Length of the file, if known.
    pub(crate) len_bytes: Option<u64>,
}

impl ByteStream {
    /// Opens the source; `file` is the one that came with [`ModelSource::File`].
    pub(crate) async fn open(source: &ModelSource, file: Option<File>) -> Result<Self, WorkerError> {
        match (source, file) {
            (ModelSource::Url { url }, _) => Self::fetch(url).await,
            (ModelSource::File { .. }, Some(file)) => Self::new(&file.stream(), Some(file.size() as u64)),
            (ModelSource::File { .. }, None) => {
                Err(WorkerError::BadRequest("the request names a file but brings none"))
            }
        }
    }

    /// The next chunk, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        let result = JsFuture::from(self.reader.read()).await.map_err(|error| WorkerError::network(&error))?;
        let field = |name: &str| Reflect::get(&result, &name.into()).map_err(|error| WorkerError::network(&error));
        if field("done")?.is_truthy() {
            return Ok(None);
        }
        Ok(Some(field("value")?.unchecked_into::<Uint8Array>().to_vec()))
    }

    async fn fetch(url: &str) -> Result<Self, WorkerError> {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let response: Response = JsFuture::from(scope.fetch_with_str(url))
            .await
            .map_err(|error| WorkerError::network(&error))?
            .unchecked_into();
        if !response.ok() {
            return Err(WorkerError::Status { status: response.status(), url: url.to_owned() });
        }
        let header = |name: &str| response.headers().get(name).ok().flatten();
        // With a content coding the header counts coded bytes.
        let len_bytes = match header("content-encoding") {
            None => header("content-length").and_then(|len| len.parse().ok()),
            Some(_) => None,
        };
        let body = response.body().ok_or_else(|| WorkerError::Network(format!("{url} has no content")))?;
        Self::new(&body, len_bytes)
    }

    fn new(stream: &ReadableStream, len_bytes: Option<u64>) -> Result<Self, WorkerError> {
        let reader = ReadableStreamDefaultReader::new(stream).map_err(|error| WorkerError::network(&error))?;
        Ok(Self { reader, len_bytes })
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
