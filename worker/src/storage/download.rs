//! Bringing a file onto this device: by segments over several connections, so that whatever breaks it, it goes on later.

use std::cell::Cell;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use parlance_engine::gguf::Gguf;

use super::entry::{Appender, Entry, Record, SEGMENT_BYTES, Writer};
use super::sealing::Sealing;
use super::{Store, check_room};
use crate::address::FileAddress;
use crate::error::WorkerError;
use crate::source::{ByteStream, Fetched};

/// Connections at once: more make servers suspicious and help little.
const CONNECTIONS: usize = 4;
/// How often a segment is tried.
const MAX_TRIES: u32 = 6;
/// The first pause between two tries; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(400);

/// A download under way.
pub(crate) struct Download<'a> {
    pub(crate) store: &'a Store,
    pub(crate) file: &'a FileAddress,
    /// Hears of bytes that are here, and of all.
    pub(crate) report: &'a dyn Fn(u64, u64),
}

impl Download<'_> {
    /// Completes the file and returns it, or `None` where the server does not say how long it is. One that is whole already takes no request;
    /// one that is another than the address pins is replaced, once there is an answer.
    pub(crate) async fn run(&self) -> Result<Option<Entry>, WorkerError> {
        match self.store.find(self.file).await {
            Some(entry) if entry.is_complete() => Ok(Some(entry)),
            known => match self.complete(known).await {
                // The file at the source is another one now; what is here of the old one is of no use.
                Err(WorkerError::Changed) => self.complete(None).await,
                result => result,
            },
        }
    }

    async fn complete(&self, known: Option<Entry>) -> Result<Option<Entry>, WorkerError> {
        let first = known.as_ref().and_then(|entry| entry.has.iter().position(|has| !has)).unwrap_or(0) as u64;
        let response = retried(|| ByteStream::fetch(&self.file.url, Some(range(first)))).await?;
        let Some(len_bytes) = response.len_bytes else { return Ok(None) };
        let entry = match known {
            Some(entry) if is_same(&entry.record, &response, len_bytes) => entry,
            Some(_) => return Err(WorkerError::Changed),
            None => {
                check_room(len_bytes).await?;
                let record = Record {
                    url: self.file.url.clone(),
                    len_bytes,
                    etag: response.etag.clone(),
                    sha256: self.file.pin.clone().or_else(|| response.sha256.clone()),
                };
                match self.store.create(record).await {
                    Ok(entry) => entry,
                    Err(error) => return Err(self.given_up(error, len_bytes).await?),
                }
            }
        };
        match self.fill(&entry, first, response).await {
            Ok(()) => self.store.find_complete(self.file).await.map(Some).ok_or(WorkerError::Damaged),
            Err(error) => Err(self.given_up(error, len_bytes).await?),
        }
    }

    /// The error of a download of `len_bytes` that failed. What cannot become a model must not keep the room.
    async fn given_up(&self, error: WorkerError, len_bytes: u64) -> Result<WorkerError, WorkerError> {
        if matches!(
            &error,
            WorkerError::StorageFull { .. } | WorkerError::Engine(_) | WorkerError::WrongChecksum { .. }
        ) {
            self.store.remove_file(&self.file.url).await?;
        }
        Ok(match error {
            WorkerError::StorageFull { free_bytes, .. } => {
                WorkerError::StorageFull { needed_bytes: len_bytes, free_bytes }
            }
            error => error,
        })
    }

    /// Fetches what is missing; `response` brings segment `first`, or everything.
    async fn fill(&self, entry: &Entry, first: u64, response: Fetched) -> Result<(), WorkerError> {
        let writer = entry.writer().await?;
        let progress =
            Progress { done: Cell::new(entry.done_bytes()), download: self, len_bytes: entry.record.len_bytes };
        progress.add(0);
        if !response.is_partial {
            return self.take_all(entry, &writer, response, &progress).await;
        }
        let mut sealing = Sealing::new(entry, &writer);
        if let Err(error) = take_segment(&entry.record, &writer, first, response, &progress).await {
            if !is_worth_another_try(&error) {
                return Err(error);
            }
            self.fetch_segment(entry, &writer, first, &progress).await?;
        }
        sealing.note(first)?;
        let missing = (0u64..).zip(&entry.has).filter(|(index, has)| !**has && *index != first).map(|(index, _)| index);
        let (writer, progress) = (&writer, &progress);
        stream::iter(missing)
            .map(async |index| self.fetch_segment(entry, writer, index, progress).await.map(|()| index))
            .buffer_unordered(CONNECTIONS)
            .try_for_each(|index| std::future::ready(sealing.note(index)))
            .await?;
        sealing.finish().await
    }

    async fn fetch_segment(
        &self,
        entry: &Entry,
        writer: &Writer,
        index: u64,
        progress: &Progress<'_>,
    ) -> Result<(), WorkerError> {
        retried(|| async move {
            let response = ByteStream::fetch(&self.file.url, Some(range(index))).await?;
            let is_same = response.len_bytes.is_some_and(|len_bytes| is_same(&entry.record, &response, len_bytes));
            if !is_same || !response.is_partial {
                return Err(WorkerError::Changed);
            }
            take_segment(&entry.record, writer, index, response, progress).await
        })
        .await
    }

    /// Takes the whole file from a server that knows no ranges.
    async fn take_all(
        &self,
        entry: &Entry,
        writer: &Writer,
        mut response: Fetched,
        progress: &Progress<'_>,
    ) -> Result<(), WorkerError> {
        let mut appender = Appender::new(writer, entry.record.len_bytes);
        progress.done.set(0);
        let mut start = Start::default();
        while let Some(chunk) = response.stream.next().await? {
            start.check(&chunk, appender.offset())?;
            appender.push(&chunk)?;
            progress.add(chunk.len() as u64);
        }
        entry.set_seal(&appender.end()?).await
    }
}

/// Counts bytes.
struct Progress<'a> {
    done: Cell<u64>,
    download: &'a Download<'a>,
    len_bytes: u64,
}

impl Progress<'_> {
    fn add(&self, bytes: u64) {
        self.done.set(self.done.get().saturating_add(bytes));
        (self.download.report)(self.done.get(), self.len_bytes);
    }

    fn take_back(&self, bytes: u64) {
        self.done.set(self.done.get().saturating_sub(bytes));
    }
}

/// Puts a segment in place.
async fn take_segment(
    record: &Record,
    writer: &Writer,
    index: u64,
    mut response: Fetched,
    progress: &Progress<'_>,
) -> Result<(), WorkerError> {
    let (start, len) = record.segment(index);
    let mut taken = 0;
    let mut beginning = Start::default();
    let result = loop {
        match response.stream.next().await {
            Ok(Some(chunk)) => {
                if start == 0 {
                    beginning.check(&chunk, taken)?;
                }
                // A server that sends more than was asked for sends something else.
                if taken + chunk.len() as u64 > len {
                    break Err(WorkerError::Network("the server sent more than was asked for".to_owned()));
                }
                writer.write_at(&chunk, start + taken)?;
                taken += chunk.len() as u64;
                progress.add(chunk.len() as u64);
            }
            Ok(None) if taken == len => break writer.complete(index),
            Ok(None) => break Err(WorkerError::Network("the connection ended early".to_owned())),
            Err(error) => break Err(error),
        }
    };
    if result.is_err() {
        progress.take_back(taken);
    }
    result
}

/// Looks at the first bytes of a file, so that a web page or a pointer to a file is not taken for a model.
#[derive(Default)]
struct Start(Vec<u8>);

impl Start {
    fn check(&mut self, chunk: &[u8], offset: u64) -> Result<(), WorkerError> {
        if offset < 64 && self.0.len() < 64 {
            self.0.extend_from_slice(&chunk[..chunk.len().min(64)]);
            // Too little is no fault yet; what is no model is.
            Gguf::parse(&self.0, None)?;
        }
        Ok(())
    }
}

/// First and last byte of a segment, the last one excluded.
fn range(index: u64) -> (u64, u64) {
    (index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES)
}

fn is_same(record: &Record, response: &Fetched, len_bytes: u64) -> bool {
    let etags = (&record.etag, &response.etag);
    record.len_bytes == len_bytes && !matches!(etags, (Some(old), Some(new)) if old != new)
}

/// Tries until it works, is hopeless, or was tried often enough.
async fn retried<T, F: Future<Output = Result<T, WorkerError>>>(work: impl Fn() -> F) -> Result<T, WorkerError> {
    let mut tries = 1;
    loop {
        match work().await {
            Err(error) if tries < MAX_TRIES && is_worth_another_try(&error) => {
                gloo_timers::future::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

fn is_worth_another_try(error: &WorkerError) -> bool {
    match error {
        WorkerError::Network(_) => !is_offline(),
        WorkerError::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
        _ => false,
    }
}

/// Whether the browser knows that there is no network.
pub(crate) fn is_offline() -> bool {
    use wasm_bindgen::JsCast as _;
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    !scope.navigator().on_line()
}
