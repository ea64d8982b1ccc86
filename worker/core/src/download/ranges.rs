//! The ranges of a file that comes over several connections: which are requested, which bytes are held until those before them came, and what is
//! read from this device instead.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use super::messages::{Bytes, Command, Event};
use super::responses::{Header, is_same, next_pause};
use crate::FileError;
use crate::kept::{KeptFile, SEGMENT_BYTES};

/// Requests at once: more make hosts suspicious and help little.
const CONNECTIONS: usize = 4;
/// Bytes of a request: enough that the time until a host answers counts little, and few enough that one slow connection is made up for.
pub(super) const RANGE_BYTES: u64 = 2 * SEGMENT_BYTES;
/// How far requests go beyond the bytes that were delivered. So many bytes are in memory at most; a file that is continued may add one range.
pub(super) const AHEAD_BYTES: u64 = 6 * RANGE_BYTES;

/// A file that is being fetched by ranges.
pub(super) struct Ranges<B> {
    /// The file as it was found: what is here of it is read from this device.
    file: KeptFile,
    /// Requests under way, by number.
    active: BTreeMap<u64, Active>,
    next_request: u64,
    /// Ranges that were not requested yet, in order.
    waiting: VecDeque<Range<u64>>,
    /// Pieces that came before their turn, by the place of their first byte.
    held: BTreeMap<u64, B>,
    /// The place of the first byte that was not delivered.
    next: u64,
    /// Whether bytes are being read from this device.
    is_reading: bool,
    /// Bytes that are here.
    done_bytes: u64,
    header: Header,
}

/// The rest of a range.
struct Active {
    /// The place of the next byte, and that of the first one after the range.
    rest: Range<u64>,
    /// Requests since a segment was completed; 0 for the one by which the host was asked about the file.
    tries: u32,
    /// Whether the rest was requested anew because the others had to wait for it.
    is_hastened: bool,
}

/// The ranges that are missing of a file, in order. Each begins with a segment.
pub(super) fn missing_ranges(file: &KeptFile) -> VecDeque<Range<u64>> {
    let mut ranges: VecDeque<Range<u64>> = VecDeque::new();
    for segment in file.missing() {
        let (start, len_bytes) = file.record.segment(segment);
        match ranges.back_mut() {
            Some(last) if last.end == start && last.end - last.start < RANGE_BYTES => last.end += len_bytes,
            _ => ranges.push_back(start..start + len_bytes),
        }
    }
    ranges
}

impl<B: Bytes> Ranges<B> {
    /// Begins with the first missing range, whose response, to this request, is here.
    pub(super) fn new(file: KeptFile, request: u64) -> Self {
        let mut waiting = missing_ranges(&file);
        let first = waiting.pop_front().map(|rest| (request, Active { rest, tries: 0, is_hastened: false }));
        Self {
            active: first.into_iter().collect(),
            next_request: request + 1,
            waiting,
            held: BTreeMap::new(),
            next: 0,
            is_reading: false,
            done_bytes: file.done_bytes(),
            header: Header::default(),
            file,
        }
    }

    /// What follows at once.
    pub(super) fn begin(&mut self) -> Vec<Command<B>> {
        let mut commands = self.fill();
        commands.extend(self.deliver());
        commands
    }

    /// Whether all bytes were delivered.
    pub(super) fn is_finished(&self) -> bool {
        self.next == self.file.record.len_bytes
    }

    /// Takes an event; what comes is kept if `is_keeping`. [`FileError::Changed`] says that the host has a different file now.
    pub(super) fn handle(&mut self, event: Event<B>, is_keeping: bool) -> Result<Vec<Command<B>>, FileError> {
        let mut commands = match event {
            Event::Answered { request, answer } if self.active.contains_key(&request) => {
                if !answer.is_partial || !is_same(&self.file.record, &answer) {
                    return Err(FileError::Changed);
                }
                vec![Command::ReadOn { request }]
            }
            Event::Chunk { request, bytes } => self.chunk(request, bytes, is_keeping)?,
            Event::BodyEnd { request } => self.body_end(request)?,
            Event::RequestFailed { request, error, is_online } => self.retry(request, error, is_online)?,
            Event::Read(bytes) => self.read(bytes),
            _ => Vec::new(),
        };
        // Requests come first: whoever takes what is delivered may take long.
        let delivered = self.deliver();
        commands.extend(self.fill());
        commands.extend(self.hasten());
        commands.extend(delivered);
        Ok(commands)
    }

    fn chunk(&mut self, request: u64, bytes: B, is_keeping: bool) -> Result<Vec<Command<B>>, FileError> {
        let Some(active) = self.active.get_mut(&request) else { return Ok(Vec::new()) };
        let count = bytes.len_bytes();
        // A host that sends more than was requested sends something else.
        if count > active.rest.end - active.rest.start {
            let error = FileError::Network("the server sent more than was requested".to_owned());
            return self.retry(request, error, true);
        }
        let offset = active.rest.start;
        active.rest.start += count;
        let completed = self.file.record.completed(offset, active.rest.start);
        if !completed.is_empty() {
            active.tries = active.tries.min(1);
        }
        self.done_bytes += count;
        let mut commands: Vec<Command<B>> = self.header.check(&bytes, offset).into_iter().collect();
        if is_keeping {
            commands.push(Command::Write { offset, bytes: bytes.clone() });
            commands.extend(completed.map(|segment| Command::Commit { segment }));
        }
        commands.push(Command::Report { done_bytes: self.done_bytes, len_bytes: self.file.record.len_bytes });
        commands.push(Command::ReadOn { request });
        if count > 0 {
            self.held.insert(offset, bytes);
        }
        Ok(commands)
    }

    fn body_end(&mut self, request: u64) -> Result<Vec<Command<B>>, FileError> {
        let Some(active) = self.active.get(&request) else { return Ok(Vec::new()) };
        if !active.rest.is_empty() {
            return self.retry(request, FileError::Network("the connection ended early".to_owned()), true);
        }
        self.active.remove(&request);
        Ok(Vec::new())
    }

    /// Requests the rest of a range again, or gives up.
    fn retry(&mut self, request: u64, error: FileError, is_online: bool) -> Result<Vec<Command<B>>, FileError> {
        let Some(active) = self.active.get_mut(&request) else { return Ok(Vec::new()) };
        // All of it came before the connection broke.
        if active.rest.is_empty() {
            self.active.remove(&request);
            return Ok(vec![Command::Cancel { request }]);
        }
        let Some(after) = next_pause(active.tries, &error, is_online) else {
            // A shorter file has no such range.
            let is_beyond = matches!(error, FileError::Status { status: 416, .. });
            return Err(if is_beyond { FileError::Changed } else { error });
        };
        active.tries += 1;
        Ok(vec![Command::Fetch { request, range: active.rest.clone(), after }])
    }

    /// Takes bytes that were read from this device.
    fn read(&mut self, bytes: B) -> Vec<Command<B>> {
        self.is_reading = false;
        self.next += bytes.len_bytes();
        vec![Command::Deliver(bytes)]
    }

    /// Delivers what is in order, and asks for what is here already.
    fn deliver(&mut self) -> Vec<Command<B>> {
        let mut commands = Vec::new();
        while let Some(bytes) = self.held.remove(&self.next) {
            self.next += bytes.len_bytes();
            commands.push(Command::Deliver(bytes));
        }
        let segment = self.next / SEGMENT_BYTES;
        if !self.is_reading && self.file.has(segment) && self.next.is_multiple_of(SEGMENT_BYTES) {
            self.is_reading = true;
            let (offset, len_bytes) = self.file.record.segment(segment);
            commands.push(Command::Read { offset, len_bytes });
        }
        commands
    }

    /// Requests as many ranges as there may be.
    fn fill(&mut self) -> Vec<Command<B>> {
        let mut commands = Vec::new();
        let limit = self.next + AHEAD_BYTES;
        while self.active.len() < CONNECTIONS
            && let Some(range) = self.waiting.pop_front_if(|range| range.end <= limit)
        {
            commands.push(self.request(range, false));
        }
        commands
    }

    fn request(&mut self, range: Range<u64>, is_hastened: bool) -> Command<B> {
        let request = self.next_request;
        self.next_request += 1;
        self.active.insert(request, Active { rest: range.clone(), tries: 1, is_hastened });
        Command::Fetch { request, range, after: Duration::ZERO }
    }

    /// Requests the rest of a range over another connection, once, if all others came meanwhile and wait for it: that connection is slow.
    fn hasten(&mut self) -> Vec<Command<B>> {
        let mut all = self.active.iter();
        let (Some((&request, slow)), None, false) = (all.next(), all.next(), self.waiting.is_empty()) else {
            return Vec::new();
        };
        // After a failure there is a pause, which means no slow connection.
        if slow.rest.start != self.next || slow.is_hastened || slow.tries > 1 || slow.rest.is_empty() {
            return Vec::new();
        }
        let rest = slow.rest.clone();
        self.active.remove(&request);
        vec![Command::Cancel { request }, self.request(rest, true)]
    }
}
