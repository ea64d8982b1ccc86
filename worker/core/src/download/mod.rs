//! Downloading a file, as a state machine: [`Event`]s go in, [`Command`]s come out.
//!
//! The file comes in ranges over several connections. Bytes are kept on this device as they come, and delivered in order, from memory: whoever makes
//! something of them does not wait for the disk, and nothing is read that was just written. What an earlier download left is read from this device
//! when its turn comes, and not requested. How many bytes may be in memory is bounded, see `ranges.rs`.
//!
//! Responses of different versions of a file never mix: each must state the same length, and no other `ETag`. (`If-Range` would say so in the
//! request, but hosts would have to allow it to other sites.) Where the host turns out to have a different file than what is kept, the download
//! starts over, once; once bytes were delivered, it fails with [`FileError::Changed`]. A file that cannot be kept is delivered all the same.
//!
//! The driver executes commands in order. If one says that it fails the download, the driver drops the rest of the commands.

mod append;
mod commits;
mod messages;
mod ranges;
mod responses;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::Duration;

pub use append::{Append, End, Placed};
pub use commits::Commits;
pub use messages::{Bytes, Command, Event, Outcome};

use crate::FileError;
use crate::address::FileAddress;
use crate::http::Answer;
use crate::kept::{KeptFile, Record, Usage, check_room};
use ranges::{RANGE_BYTES, Ranges, missing_ranges};
use responses::{Header, is_same, next_pause};

/// A download.
pub struct Download<B> {
    file: FileAddress,
    /// The file's length, once it is known; otherwise 0.
    len_bytes: u64,
    keeping: Keeping,
    /// Whether there is a file of this download on this device.
    is_open: bool,
    has_restarted: bool,
    next_request: u64,
    state: State<B>,
}

/// Whether what comes is kept.
enum Keeping {
    Yes,
    /// This device has no storage.
    No,
    Failed(FileError),
}

enum State<B> {
    /// Waits for the first response.
    Asking { kept: Option<KeptFile>, asked: u64, range: Range<u64>, tries: u32 },
    /// The first response is here; waits for the file to be opened.
    Opening(Opening),
    /// Takes ranges.
    Ranges(Box<Ranges<B>>),
    /// Takes the whole file from a host that ignores ranges, up to now this many bytes.
    Whole { record: Record, offset: u64, header: Header },
    /// Nothing more is expected.
    Ended,
}

struct Opening {
    file: KeptFile,
    /// The number of the request that was answered.
    request: u64,
    /// Whether the response is the range that was requested, rather than the whole file.
    is_partial: bool,
}

impl<B: Bytes> Download<B> {
    /// Begins to download `file`. `kept` is what is here of it already, unless that is complete or contradicts the file's pin; `can_keep` says
    /// whether this device has any storage.
    pub fn start(file: FileAddress, kept: Option<KeptFile>, can_keep: bool) -> (Self, Vec<Command<B>>) {
        let mut download = Self {
            file,
            len_bytes: 0,
            keeping: if can_keep { Keeping::Yes } else { Keeping::No },
            is_open: false,
            has_restarted: false,
            next_request: 0,
            state: State::Ended,
        };
        let commands = download.ask(kept.filter(|kept| can_keep && !kept.is_complete()));
        (download, commands)
    }

    /// Takes an event and says what to do about it.
    pub fn handle(&mut self, event: Event<B>) -> Vec<Command<B>> {
        let is_keeping = self.is_keeping();
        match (&mut self.state, event) {
            (State::Ended, _) => Vec::new(),
            (_, Event::ReadFailed(error)) => self.fail(error),
            (_, Event::NotAModel) => self.end(Outcome::NotAModel, true),
            (State::Opening(_), Event::StorageFailed(error)) => self.cannot_open(error),
            (_, Event::StorageFailed(error)) => {
                self.keep_no_more(error);
                Vec::new()
            }
            (State::Asking { asked, .. }, Event::Answered { request, answer }) if *asked == request => {
                self.first_answer(answer)
            }
            (State::Asking { asked, .. }, Event::RequestFailed { request, error, is_online }) if *asked == request => {
                self.ask_again(error, is_online)
            }
            (State::Opening(_), Event::Room(usage)) => self.room(usage),
            (State::Opening(_), Event::Opened) => {
                self.is_open = true;
                self.begin()
            }
            (State::Ranges(_), Event::Concluded) => self.complete(),
            (State::Ranges(ranges), event) => {
                let was_finished = ranges.is_finished();
                match ranges.handle(event, is_keeping) {
                    Ok(mut commands) => {
                        // Whether the last bytes can be kept is not known yet.
                        commands.extend((ranges.is_finished() && !was_finished).then_some(Command::Conclude));
                        commands
                    }
                    Err(error) => self.fail(error),
                }
            }
            (State::Whole { .. }, event) => self.whole(event, is_keeping),
            // What was aborted may still be heard of.
            (State::Asking { .. } | State::Opening(_), _) => Vec::new(),
        }
    }

    fn is_keeping(&self) -> bool {
        matches!(self.keeping, Keeping::Yes)
    }

    /// Requests the first missing range. The answer tells whether what is here can be completed.
    fn ask(&mut self, kept: Option<KeptFile>) -> Vec<Command<B>> {
        let asked = self.next_request;
        self.next_request += 1;
        let missing = kept.as_ref().and_then(|kept| missing_ranges(kept).pop_front());
        let range = missing.unwrap_or(0..RANGE_BYTES);
        self.state = State::Asking { kept, asked, range: range.clone(), tries: 1 };
        vec![Command::Fetch { request: asked, range, after: Duration::ZERO }]
    }

    fn ask_again(&mut self, error: FileError, is_online: bool) -> Vec<Command<B>> {
        let State::Asking { kept, asked, range, tries } = &mut self.state else { return Vec::new() };
        if let Some(after) = next_pause(*tries, &error, is_online) {
            *tries += 1;
            return vec![Command::Fetch { request: *asked, range: range.clone(), after }];
        }
        // A shorter file has no such range.
        let is_beyond = kept.is_some() && matches!(error, FileError::Status { status: 416, .. });
        if is_beyond { self.changed() } else { self.fail(error) }
    }

    fn first_answer(&mut self, answer: Answer) -> Vec<Command<B>> {
        let State::Asking { kept, asked, .. } = std::mem::replace(&mut self.state, State::Ended) else {
            return Vec::new();
        };
        let Some(len_bytes) = answer.len_bytes else { return self.end(Outcome::UnknownLength, false) };
        let is_partial = answer.is_partial;
        let (file, command) = match kept {
            Some(kept) if is_same(&kept.record, &answer) => (kept, Command::Open),
            Some(_) => return self.changed(),
            None => {
                let sha256 = self.file.pin.clone().or(answer.sha256);
                let record = Record { url: self.file.url.clone(), len_bytes, etag: answer.etag, sha256 };
                (KeptFile::new(record, &[]), Command::EstimateRoom)
            }
        };
        self.len_bytes = len_bytes;
        self.state = State::Opening(Opening { file, request: asked, is_partial });
        if self.is_keeping() { vec![command] } else { self.begin() }
    }

    /// Creates the file if there is room for it.
    fn room(&mut self, usage: Option<Usage>) -> Vec<Command<B>> {
        let State::Opening(opening) = &self.state else { return Vec::new() };
        match check_room(usage, self.len_bytes) {
            Ok(()) => vec![Command::Create(opening.file.record.clone())],
            Err(error) => {
                self.keep_no_more(error);
                self.begin()
            }
        }
    }

    /// Goes on without storage. What is kept of the file cannot be read either.
    fn cannot_open(&mut self, error: FileError) -> Vec<Command<B>> {
        let State::Opening(opening) = &self.state else { return Vec::new() };
        let is_needed = opening.file.done_bytes() > 0;
        self.keep_no_more(error);
        if is_needed { self.start_over() } else { self.begin() }
    }

    fn keep_no_more(&mut self, error: FileError) {
        if self.is_keeping() {
            self.keeping = Keeping::Failed(match error {
                FileError::StorageFull { free_bytes, .. } => {
                    FileError::StorageFull { needed_bytes: self.len_bytes, free_bytes }
                }
                error => error,
            });
        }
    }

    fn begin(&mut self) -> Vec<Command<B>> {
        let State::Opening(Opening { file, request, is_partial }) = std::mem::replace(&mut self.state, State::Ended)
        else {
            return Vec::new();
        };
        let done_bytes = if is_partial { file.done_bytes() } else { 0 };
        let mut commands = vec![
            Command::Begin(file.record.clone()),
            Command::Report { done_bytes, len_bytes: self.len_bytes },
            Command::ReadOn { request },
        ];
        self.state = if is_partial {
            let mut ranges = Ranges::new(file, request);
            commands.extend(ranges.begin());
            State::Ranges(Box::new(ranges))
        } else {
            State::Whole { record: file.record, offset: 0, header: Header::default() }
        };
        commands
    }

    /// Takes a response that brings the whole file. It is not tried again: it would start from the beginning.
    fn whole(&mut self, event: Event<B>, is_keeping: bool) -> Vec<Command<B>> {
        let State::Whole { record, offset, header } = &mut self.state else { return Vec::new() };
        match event {
            Event::Chunk { request, bytes } => {
                let (from, to) = (*offset, *offset + bytes.len_bytes());
                if to > record.len_bytes {
                    return self.fail(FileError::Changed);
                }
                *offset = to;
                let mut commands: Vec<Command<B>> = header.check(&bytes, from).into_iter().collect();
                if is_keeping {
                    commands.push(Command::Write { offset: from, bytes: bytes.clone() });
                    commands.extend(record.completed(from, to).map(|segment| Command::Commit { segment }));
                }
                commands.push(Command::Report { done_bytes: to, len_bytes: record.len_bytes });
                commands.push(Command::ReadOn { request });
                commands.push(Command::Deliver(bytes));
                commands
            }
            Event::BodyEnd { .. } if *offset == record.len_bytes => self.complete(),
            Event::BodyEnd { .. } => {
                let (len_bytes, needed_bytes) = (*offset, record.len_bytes);
                self.fail(FileError::CutShort { len_bytes, needed_bytes })
            }
            Event::RequestFailed { error, .. } => self.fail(error),
            _ => Vec::new(),
        }
    }

    /// The host has a different file now: what is here of the old one is useless.
    fn changed(&mut self) -> Vec<Command<B>> {
        if std::mem::replace(&mut self.has_restarted, true) {
            return self.fail(FileError::Changed);
        }
        self.start_over()
    }

    fn start_over(&mut self) -> Vec<Command<B>> {
        let mut commands = vec![Command::Abort];
        commands.extend(self.ask(None));
        commands
    }

    /// Ends once all bytes were delivered.
    fn complete(&mut self) -> Vec<Command<B>> {
        let outcome = match &self.keeping {
            Keeping::Yes | Keeping::No => Outcome::Complete,
            Keeping::Failed(error) => Outcome::Unkept(error.clone()),
        };
        self.end(outcome, false)
    }

    /// Ends with an error. What can never become a model must not take up space.
    fn fail(&mut self, error: FileError) -> Vec<Command<B>> {
        let is_useless = matches!(error, FileError::CutShort { .. });
        self.end(Outcome::Failed(error), is_useless)
    }

    /// Ends. A part of a file where the storage is full must not take up space either.
    fn end(&mut self, outcome: Outcome, is_useless: bool) -> Vec<Command<B>> {
        self.state = State::Ended;
        let is_full = matches!(self.keeping, Keeping::Failed(FileError::StorageFull { .. }));
        let is_removed = self.is_open && (is_useless || is_full);
        let remove = is_removed.then_some(Command::Remove);
        remove.into_iter().chain([Command::Finish(outcome)]).collect()
    }
}
