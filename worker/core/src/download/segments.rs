//! The segments of a file: which are requested, which are complete, and their checksum.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Command, Event, Header, is_same, next_pause};
use crate::FileError;
use crate::checksum::hex;
use crate::kept::KeptFile;

/// Requests at once: more make hosts suspicious and help little.
const CONNECTIONS: usize = 4;
/// Segments that are hashed at most when one has come, so that the download is not held up.
const HASHED_AT_ONCE: usize = 2;

/// What comes of an event.
pub(super) enum Step {
    /// The download goes on.
    Continue(Vec<Command>),
    /// All segments are here and hashed: the file's SHA-256 in hexadecimal digits.
    Hashed(String),
}

/// A file that is being fetched by segments.
pub(super) struct Segments {
    file: KeptFile,
    /// Segments that are being requested, or will be after a pause.
    active: BTreeMap<u64, Active>,
    /// Segments that were not requested yet, in order.
    waiting: VecDeque<u64>,
    /// Bytes that are here, those of incomplete segments included.
    done_bytes: u64,
    hashing: Hashing,
}

#[derive(Default)]
struct Active {
    /// Requests for it so far; 0 for the one by which the host was asked about the file.
    tries: u32,
    /// Bytes of it that came.
    done_bytes: u64,
    header: Header,
}

/// Segments are hashed in order.
#[derive(Default)]
struct Hashing {
    /// Segments that were read, or are being read.
    read: u64,
    hashed: u64,
    sha256: Sha256,
}

impl Segments {
    /// Begins with segment `first`, whose response is here.
    pub(super) fn new(file: KeptFile, first: u64) -> Self {
        Self {
            active: BTreeMap::from([(first, Active::default())]),
            waiting: file.missing().filter(|segment| *segment != first).collect(),
            done_bytes: file.done_bytes(),
            hashing: Hashing::default(),
            file,
        }
    }

    /// Takes an event. [`FileError::Changed`] says that the host has a different file now.
    pub(super) fn handle(&mut self, event: Event) -> Result<Step, FileError> {
        match event {
            Event::Answered { segment, answer } => {
                if !answer.is_partial || !is_same(&self.file.record, &answer) {
                    return Err(FileError::Changed);
                }
                Ok(Step::Continue(vec![Command::ReadOn { segment }]))
            }
            Event::Chunk { segment, bytes } => self.chunk(segment, bytes).map(Step::Continue),
            Event::BodyEnd { segment } => self.body_end(segment).map(Step::Continue),
            Event::RequestFailed { segment, error, is_online } => {
                self.retry(segment, error, is_online).map(Step::Continue)
            }
            Event::Read(bytes) => Ok(self.hash(&bytes)),
            Event::Yielded => Ok(Step::Continue(self.read_next().into_iter().collect())),
            _ => Ok(Step::Continue(Vec::new())),
        }
    }

    fn chunk(&mut self, segment: u64, bytes: Vec<u8>) -> Result<Vec<Command>, FileError> {
        let (start, len_bytes) = self.file.record.segment(segment);
        let Some(active) = self.active.get_mut(&segment) else { return Ok(Vec::new()) };
        let mut commands = Vec::new();
        if start == 0 {
            commands.extend(active.header.check(&bytes, active.done_bytes));
        }
        let count = bytes.len() as u64;
        // A host that sends more than was requested sends something else.
        if active.done_bytes + count > len_bytes {
            let error = FileError::Network("the server sent more than was requested".to_owned());
            commands.extend(self.retry(segment, error, true)?);
            return Ok(commands);
        }
        commands.push(Command::Write { offset: start + active.done_bytes, bytes });
        active.done_bytes += count;
        self.done_bytes += count;
        commands.push(Command::Report { done_bytes: self.done_bytes, len_bytes: self.file.record.len_bytes });
        commands.push(Command::ReadOn { segment });
        Ok(commands)
    }

    fn body_end(&mut self, segment: u64) -> Result<Vec<Command>, FileError> {
        let (_, len_bytes) = self.file.record.segment(segment);
        let Some(active) = self.active.get(&segment) else { return Ok(Vec::new()) };
        if active.done_bytes < len_bytes {
            let error = FileError::Network("the connection ended early".to_owned());
            return self.retry(segment, error, true);
        }
        self.active.remove(&segment);
        self.file.note(segment);
        let mut commands = vec![Command::Commit { segment }];
        while self.active.len() < CONNECTIONS
            && let Some(segment) = self.waiting.pop_front()
        {
            self.active.insert(segment, Active { tries: 1, ..Active::default() });
            commands.push(Command::Fetch { segment, after: Duration::ZERO });
        }
        for _ in 0..HASHED_AT_ONCE {
            commands.extend(self.read_next());
        }
        Ok(commands)
    }

    /// Requests a segment again from its start, or gives up.
    fn retry(&mut self, segment: u64, error: FileError, is_online: bool) -> Result<Vec<Command>, FileError> {
        let Some(active) = self.active.get_mut(&segment) else { return Ok(Vec::new()) };
        let Some(after) = next_pause(active.tries, &error, is_online) else { return Err(error) };
        self.done_bytes -= active.done_bytes;
        *active = Active { tries: active.tries + 1, ..Active::default() };
        Ok(vec![Command::Fetch { segment, after }])
    }

    /// Reads the next segment to hash, if it is here.
    fn read_next(&mut self) -> Option<Command> {
        let next = self.hashing.read;
        if !self.file.has(next) {
            return None;
        }
        self.hashing.read += 1;
        let (offset, len_bytes) = self.file.record.segment(next);
        Some(Command::Read { offset, len_bytes })
    }

    fn hash(&mut self, bytes: &[u8]) -> Step {
        let hashing = &mut self.hashing;
        hashing.sha256.update(bytes);
        hashing.hashed += 1;
        if !self.file.is_complete() || hashing.hashed < hashing.read {
            return Step::Continue(Vec::new());
        }
        if hashing.hashed < self.file.record.segment_count() {
            return Step::Continue(vec![Command::Yield]);
        }
        Step::Hashed(hex(&hashing.sha256.clone().finalize()))
    }
}
