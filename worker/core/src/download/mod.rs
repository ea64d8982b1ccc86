//! Downloading a file onto this device, as a state machine: [`Event`]s go in, [`Command`]s come out.
//!
//! The file is fetched in segments over several connections. Each segment is recorded once it is safely stored, so that a later download completes
//! what a broken connection or a closed tab left. Segments are hashed in order while others are still coming; the checksum is compared before the
//! file counts as complete. Where the host has a different file than before, the download starts over, once.
//!
//! The driver executes commands in order. If one fails, it drops the rest of the commands and reports the failure as an event.

mod append;
mod segments;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use append::{Append, End, Placed};

use crate::FileError;
use crate::address::{FileAddress, file_name};
use crate::http::Answer;
use crate::kept::{KeptFile, Record, Usage, check_room, expected_checksum};
use segments::Segments;

/// How often a request is made before its failure counts.
const MAX_TRIES: u32 = 6;
/// The pause before the second try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
/// Bytes at a file's start that are enough to tell a model from a web page or a pointer to a file.
const HEADER_BYTES: usize = 64;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The host answered the request for a segment; the body has not been read yet.
    Answered {
        /// The segment that was requested.
        segment: u64,
        /// The response's headers.
        answer: Answer,
    },
    /// Bytes came, in answer to [`Command::ReadOn`].
    Chunk {
        /// The segment that was requested.
        segment: u64,
        /// The next bytes of the response.
        bytes: Vec<u8>,
    },
    /// The response has ended, in answer to [`Command::ReadOn`].
    BodyEnd {
        /// The segment that was requested.
        segment: u64,
    },
    /// The request failed, or its response broke off.
    RequestFailed {
        /// The segment that was requested.
        segment: u64,
        /// What went wrong.
        error: FileError,
        /// Whether the browser believes that there is a network.
        is_online: bool,
    },
    /// How much room there is, if the browser says so, in answer to [`Command::EstimateRoom`].
    Room(Option<Usage>),
    /// The file can be written, in answer to [`Command::Create`] or [`Command::Open`].
    Opened,
    /// Bytes of the file, in answer to [`Command::Read`].
    Read(Vec<u8>),
    /// Others had their turn, in answer to [`Command::Yield`].
    Yielded,
    /// What [`Command::CheckHeader`] looked at is not the start of a model.
    NotAModel,
    /// A command that touches this device's storage failed.
    StorageFailed(FileError),
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Request a segment after a pause, in place of what is still coming for it.
    Fetch {
        /// Its number.
        segment: u64,
        /// The pause; none if zero.
        after: Duration,
    },
    /// Read the next bytes of a response.
    ReadOn {
        /// The segment that was requested.
        segment: u64,
    },
    /// Drop all requests and responses, and close the file.
    Abort,
    /// Say how much room there is.
    EstimateRoom,
    /// Create the file in place of what is kept of its address, and open it.
    Create(Record),
    /// Open the kept file.
    Open,
    /// Check that these bytes may be the start of a model.
    CheckHeader(Vec<u8>),
    /// Write bytes.
    Write {
        /// Where they belong.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Make sure that what was written is safely stored, then record that a segment is here.
    Commit {
        /// Its number.
        segment: u64,
    },
    /// Read bytes that were written.
    Read {
        /// The first one's place.
        offset: u64,
        /// How many.
        len_bytes: u64,
    },
    /// Let other tasks run.
    Yield,
    /// Tell the user how far it is.
    Report {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of the file.
        len_bytes: u64,
    },
    /// Record the file's checksum: it is what it should be.
    Seal(String),
    /// Delete the file. Nothing is requested any more.
    Remove,
    /// End the download.
    Finish(Outcome),
}

/// How a download ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The file is complete.
    Complete,
    /// The host does not say how long the file is: it cannot be kept, only streamed.
    UnknownLength,
    /// The file does not start as a model does; nothing of it is kept.
    NotAModel,
    /// It failed. What is here stays for a later download, unless it could never become a model or the storage is full.
    Failed(FileError),
}

/// A download.
pub struct Download {
    file: FileAddress,
    /// The file's length, once it is known; otherwise 0.
    len_bytes: u64,
    /// The checksum that the file must have, once its record is known.
    expected: Option<String>,
    has_restarted: bool,
    is_removed: bool,
    state: State,
}

enum State {
    /// Waits for the first response.
    Asking { kept: Option<KeptFile>, tries: u32 },
    /// The first response is here; waits for the file to be opened.
    Opening(Opening),
    /// Takes segments.
    Segments(Box<Segments>),
    /// Takes the whole file from a host that ignores ranges.
    Whole { append: Append, header: Header, segment: u64 },
    /// Nothing more is expected.
    Ended,
}

struct Opening {
    file: KeptFile,
    /// The segment that the response starts with; the file's start if it is not partial.
    segment: u64,
    is_partial: bool,
}

/// The first bytes of a file, as far as they came.
#[derive(Default)]
struct Header(Vec<u8>);

impl Header {
    /// Adds bytes from `offset` on, and has them checked as long as more of the header may follow.
    fn check(&mut self, bytes: &[u8], offset: u64) -> Option<Command> {
        if offset >= HEADER_BYTES as u64 || self.0.len() >= HEADER_BYTES {
            return None;
        }
        self.0.extend_from_slice(&bytes[..bytes.len().min(HEADER_BYTES)]);
        Some(Command::CheckHeader(self.0.clone()))
    }
}

impl Download {
    /// Begins to complete `file`. `kept` is what is here of it already, unless that contradicts the file's pin.
    pub fn start(file: FileAddress, kept: Option<KeptFile>) -> (Self, Vec<Command>) {
        let state = State::Ended;
        let mut download = Self { file, len_bytes: 0, expected: None, has_restarted: false, is_removed: false, state };
        let commands = match kept {
            Some(kept) if kept.is_complete() => vec![Command::Finish(Outcome::Complete)],
            kept => download.ask(kept),
        };
        (download, commands)
    }

    /// Takes an event and says what to do about it.
    pub fn handle(&mut self, event: Event) -> Vec<Command> {
        match (&mut self.state, event) {
            (_, Event::StorageFailed(error)) => self.fail(error),
            (State::Ended, _) => Vec::new(),
            (_, Event::NotAModel) => {
                let mut commands = vec![Command::Remove];
                commands.extend(self.end(Outcome::NotAModel));
                commands
            }
            (State::Asking { .. }, Event::Answered { segment, answer }) => self.first_answer(segment, answer),
            (State::Asking { tries, .. }, Event::RequestFailed { segment, error, is_online }) => {
                match next_pause(*tries, &error, is_online) {
                    Some(after) => {
                        *tries += 1;
                        vec![Command::Fetch { segment, after }]
                    }
                    None => self.fail(error),
                }
            }
            (State::Opening(opening), Event::Room(usage)) => match check_room(usage, self.len_bytes) {
                Ok(()) => vec![Command::Create(opening.file.record.clone())],
                Err(error) => self.end(Outcome::Failed(error)),
            },
            (State::Opening(_), Event::Opened) => self.opened(),
            (State::Segments(segments), event) => {
                let step = segments.handle(event);
                self.follow(step)
            }
            (State::Whole { .. }, event) => self.whole(event),
            // What was aborted may still be heard of.
            (State::Asking { .. } | State::Opening(_), _) => Vec::new(),
        }
    }

    /// Requests the first missing segment. The answer tells whether what is here can be completed.
    fn ask(&mut self, kept: Option<KeptFile>) -> Vec<Command> {
        let segment = first_missing(kept.as_ref());
        self.state = State::Asking { kept, tries: 1 };
        vec![Command::Fetch { segment, after: Duration::ZERO }]
    }

    fn first_answer(&mut self, segment: u64, answer: Answer) -> Vec<Command> {
        let State::Asking { kept, .. } = std::mem::replace(&mut self.state, State::Ended) else { return Vec::new() };
        let Some(len_bytes) = answer.len_bytes else { return self.end(Outcome::UnknownLength) };
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
        self.expected = expected_checksum(self.file.pin.as_ref(), &file.record).cloned();
        self.state = State::Opening(Opening { file, segment, is_partial });
        vec![command]
    }

    fn opened(&mut self) -> Vec<Command> {
        let State::Opening(Opening { file, segment, is_partial }) = std::mem::replace(&mut self.state, State::Ended)
        else {
            return Vec::new();
        };
        let report = Command::Report { done_bytes: file.done_bytes(), len_bytes: self.len_bytes };
        self.state = if is_partial {
            State::Segments(Box::new(Segments::new(file, segment)))
        } else {
            State::Whole { append: Append::new(self.len_bytes), header: Header::default(), segment }
        };
        vec![report, Command::ReadOn { segment }]
    }

    /// Takes a response that brings the whole file. It is not tried again: it would start from the beginning.
    fn whole(&mut self, event: Event) -> Vec<Command> {
        let State::Whole { append, header, segment } = &mut self.state else { return Vec::new() };
        match event {
            Event::Chunk { bytes, .. } => {
                let check = header.check(&bytes, append.done_bytes());
                let Ok(placed) = append.push(&bytes) else { return self.changed() };
                let mut commands: Vec<Command> = check.into_iter().collect();
                commands.push(Command::Write { offset: placed.offset, bytes });
                commands.extend(placed.completed.map(|segment| Command::Commit { segment }));
                commands.push(Command::Report { done_bytes: append.done_bytes(), len_bytes: self.len_bytes });
                commands.push(Command::ReadOn { segment: *segment });
                commands
            }
            Event::BodyEnd { .. } => {
                let State::Whole { append, .. } = std::mem::replace(&mut self.state, State::Ended) else {
                    return Vec::new();
                };
                match append.finish() {
                    Ok(End { completed, checksum }) => {
                        let mut commands: Vec<Command> =
                            completed.map(|segment| Command::Commit { segment }).into_iter().collect();
                        commands.extend(self.seal(checksum));
                        commands
                    }
                    Err(error) => self.fail(error),
                }
            }
            Event::RequestFailed { error, .. } => self.fail(error),
            _ => Vec::new(),
        }
    }

    fn follow(&mut self, step: Result<segments::Step, FileError>) -> Vec<Command> {
        match step {
            Ok(segments::Step::Continue(commands)) => commands,
            Ok(segments::Step::Hashed(checksum)) => self.seal(checksum),
            Err(FileError::Changed) => self.changed(),
            Err(error) => self.fail(error),
        }
    }

    /// Compares the file's checksum.
    fn seal(&mut self, checksum: String) -> Vec<Command> {
        if self.expected.as_ref().is_some_and(|expected| *expected != checksum) {
            return self.fail(FileError::WrongChecksum { file: file_name(&self.file.url).to_owned() });
        }
        self.state = State::Ended;
        vec![Command::Seal(checksum), Command::Finish(Outcome::Complete)]
    }

    /// The host has a different file now: what is here of the old one is useless.
    fn changed(&mut self) -> Vec<Command> {
        if self.has_restarted {
            return self.end(Outcome::Failed(FileError::Changed));
        }
        self.has_restarted = true;
        let mut commands = vec![Command::Abort];
        commands.extend(self.ask(None));
        commands
    }

    /// Ends with an error. What can never become a model must not take up space, and neither may a part of a file where the storage is full.
    fn fail(&mut self, error: FileError) -> Vec<Command> {
        let (error, is_useless) = match error {
            FileError::StorageFull { free_bytes, .. } => {
                (FileError::StorageFull { needed_bytes: self.len_bytes, free_bytes }, true)
            }
            FileError::WrongChecksum { .. } | FileError::CutShort { .. } => (error, true),
            error => (error, false),
        };
        let mut commands = Vec::new();
        // Removing may be what failed.
        if is_useless && !self.is_removed {
            self.is_removed = true;
            commands.push(Command::Remove);
        }
        commands.extend(self.end(Outcome::Failed(error)));
        commands
    }

    fn end(&mut self, outcome: Outcome) -> Vec<Command> {
        self.state = State::Ended;
        vec![Command::Finish(outcome)]
    }
}

fn first_missing(kept: Option<&KeptFile>) -> u64 {
    kept.and_then(|kept| kept.missing().next()).unwrap_or_default()
}

/// Whether a response belongs to the file that a record describes.
fn is_same(record: &Record, answer: &Answer) -> bool {
    let is_other_version = matches!((&record.etag, &answer.etag), (Some(old), Some(new)) if old != new);
    answer.len_bytes == Some(record.len_bytes) && !is_other_version
}

/// How long to wait before a request that failed is made again, if it should be; `tries` counts the requests for the same bytes so far.
fn next_pause(tries: u32, error: &FileError, is_online: bool) -> Option<Duration> {
    let pause = || if tries == 0 { Duration::ZERO } else { FIRST_PAUSE * 2u32.pow(tries - 1) };
    (tries < MAX_TRIES && error.is_transient(is_online)).then(pause)
}
