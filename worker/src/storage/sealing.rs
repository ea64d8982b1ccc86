//! The checksum of a file, taken while it is downloaded, so that its first load need not read it through wasm.

use std::cell::RefCell;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::entry::{Entry, Record, Writer, hex};
use crate::error::WorkerError;

/// Segments that are read at once at most: a download is to get its turn.
const SEGMENTS_AT_ONCE: usize = 2;

/// Goes through a file's segments in order, each as soon as it and all before it are whole.
pub(super) struct Sealing<'a> {
    entry: &'a Entry,
    writer: &'a Writer,
    state: RefCell<State>,
}

struct State {
    /// Whether each segment is here.
    has: Vec<bool>,
    /// The next segment.
    next: u64,
    checksum: Sha256,
}

impl<'a> Sealing<'a> {
    /// Begins with a file of which `has` tells the segments that are here.
    pub(super) fn new(entry: &'a Entry, writer: &'a Writer, has: Vec<bool>) -> Self {
        Self { entry, writer, state: RefCell::new(State { has, next: 0, checksum: Sha256::new() }) }
    }

    /// Notes that a segment is whole.
    pub(super) fn note(&self, index: u64) -> Result<(), WorkerError> {
        let mut state = self.state.borrow_mut();
        state.has[index as usize] = true;
        for _ in 0..SEGMENTS_AT_ONCE {
            if !state.read_next(&self.entry.record, self.writer)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads what is left of a file that is whole and keeps its checksum; an error if its source told another.
    pub(super) async fn finish(self) -> Result<(), WorkerError> {
        let Self { entry, writer, state } = self;
        let mut state = state.into_inner();
        while state.read_next(&entry.record, writer)? {
            gloo_timers::future::sleep(Duration::ZERO).await;
        }
        entry.set_seal(&hex(&state.checksum.finalize())).await
    }
}

impl State {
    /// Reads the next segment, if it is here.
    fn read_next(&mut self, record: &Record, writer: &Writer) -> Result<bool, WorkerError> {
        if self.has.get(self.next as usize) != Some(&true) {
            return Ok(false);
        }
        let (start, len) = record.segment(self.next);
        self.checksum.update(writer.read_at(start, len)?);
        self.next += 1;
        Ok(true)
    }
}
