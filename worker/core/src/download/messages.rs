//! What a download is told, and what it has done.

use std::ops::Range;
use std::time::Duration;

use crate::FileError;
use crate::http::Answer;
use crate::kept::{Record, Usage};

/// Bytes of a file, wherever they are in memory. Clones share them.
pub trait Bytes: Clone {
    /// How many there are.
    fn len_bytes(&self) -> u64;

    /// A copy of the first ones, at most `count`.
    fn first(&self, count: usize) -> Vec<u8>;
}

/// What happened. `B` are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<B> {
    /// The host answered a request; the body has not been read yet.
    Answered {
        /// The number of the request.
        request: u64,
        /// The response's headers.
        answer: Answer,
    },
    /// Bytes came, in answer to [`Command::ReadOn`].
    Chunk {
        /// The number of the request.
        request: u64,
        /// The next bytes of the response.
        bytes: B,
    },
    /// The response has ended, in answer to [`Command::ReadOn`].
    BodyEnd {
        /// The number of the request.
        request: u64,
    },
    /// The request failed, or its response broke off.
    RequestFailed {
        /// The number of the request.
        request: u64,
        /// What went wrong.
        error: FileError,
        /// Whether the browser believes that there is a network.
        is_online: bool,
    },
    /// How much room there is, if the browser says so, in answer to [`Command::EstimateRoom`].
    Room(Option<Usage>),
    /// The file can be written and read, in answer to [`Command::Create`] or [`Command::Open`].
    Opened,
    /// Bytes of the file, in answer to [`Command::Read`].
    Read(B),
    /// What [`Command::CheckHeader`] looked at is not the start of a model. This fails the download.
    NotAModel,
    /// The file cannot be created, opened, written or recorded.
    StorageFailed(FileError),
    /// [`Command::Read`] failed, and so does the download.
    ReadFailed(FileError),
    /// Everything before [`Command::Conclude`] was done.
    Concluded,
}

/// What the driver has to do. `B` are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<B> {
    /// Request a range after a pause, in place of what is still coming for a request of this number.
    Fetch {
        /// The number of the request.
        request: u64,
        /// The places of the first byte and of the one after the last.
        range: Range<u64>,
        /// The pause; none if zero.
        after: Duration,
    },
    /// Read the next bytes of a response.
    ReadOn {
        /// The number of the request.
        request: u64,
    },
    /// Drop a request, and what comes of it.
    Cancel {
        /// Its number.
        request: u64,
    },
    /// Drop all requests and responses, and close the file.
    Abort,
    /// Say how much room there is.
    EstimateRoom,
    /// Create the file in place of what is kept of its address, and open it.
    Create(Record),
    /// Open the kept file.
    Open,
    /// The host has this file: its bytes follow.
    Begin(Record),
    /// Check that these bytes may be the start of a model.
    CheckHeader(Vec<u8>),
    /// Write bytes.
    Write {
        /// Where they belong.
        offset: u64,
        /// The bytes, which may be delivered afterwards.
        bytes: B,
    },
    /// Record that a segment is here, soon: what was written has to be safely stored before, see [`Commits`](super::Commits).
    Commit {
        /// Its number.
        segment: u64,
    },
    /// Read bytes of the file that were here before the download began.
    Read {
        /// The first one's place.
        offset: u64,
        /// How many.
        len_bytes: u64,
    },
    /// Hand over the next bytes of the file. No further command is executed until they were taken.
    Deliver(B),
    /// Tell the user how far it is.
    Report {
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of the file.
        len_bytes: u64,
    },
    /// Say when everything so far was done: nothing more is to come.
    Conclude,
    /// Delete the file. Nothing is requested any more.
    Remove,
    /// End the download.
    Finish(Outcome),
}

/// How a download ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All bytes were delivered, and kept if they were to be.
    Complete,
    /// All bytes were delivered, but they could not be kept.
    Unkept(FileError),
    /// The host does not say how long the file is: it cannot be kept, only streamed. Nothing was delivered.
    UnknownLength,
    /// The file does not start as a model does; nothing of it is kept.
    NotAModel,
    /// It failed. What is here stays for a later download, unless it could never become a model or the storage is full.
    Failed(FileError),
}
