//! The checksum of a file, taken while its segments are downloaded, so that its first load need not read it through wasm.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::entry::{Entry, Writer, hex};
use crate::error::WorkerError;

/// Segments that are read at once at most: a download is to get its turn.
const SEGMENTS_AT_ONCE: usize = 2;

/// Goes through a file's segments in order, each as soon as it and all before it are whole.
pub(super) struct Sealing<'a> {
    entry: &'a Entry,
    writer: &'a Writer,
    /// Whether each segment is here.
    has: Vec<bool>,
    /// The next segment.
    next: u64,
    checksum: Sha256,
}

impl<'a> Sealing<'a> {
    /// Begins with what is here of a file.
    pub(super) fn new(entry: &'a Entry, writer: &'a Writer) -> Self {
        Self { entry, writer, has: entry.has.clone(), next: 0, checksum: Sha256::new() }
    }

    /// Notes that a segment is whole.
    pub(super) fn note(&mut self, index: u64) -> Result<(), WorkerError> {
        if let Some(has) = self.has.get_mut(index as usize) {
            *has = true;
        }
        for _ in 0..SEGMENTS_AT_ONCE {
            if !self.read_next()? {
                break;
            }
        }
        Ok(())
    }

    /// Reads what is left of a file that is whole and keeps its checksum; an error if its source told another.
    pub(super) async fn finish(mut self) -> Result<(), WorkerError> {
        while self.read_next()? {
            gloo_timers::future::sleep(Duration::ZERO).await;
        }
        self.entry.set_seal(&hex(&self.checksum.finalize())).await
    }

    /// Reads the next segment, if it is here.
    fn read_next(&mut self) -> Result<bool, WorkerError> {
        if self.has.get(self.next as usize) != Some(&true) {
            return Ok(false);
        }
        let (start, len) = self.entry.record.segment(self.next);
        self.checksum.update(self.writer.read_at(start, len)?);
        self.next += 1;
        Ok(true)
    }
}
