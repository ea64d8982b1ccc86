//! What a download makes of responses, whether they are ranges of a file or all of it.

use std::time::Duration;

use super::messages::{Bytes, Command};
use crate::FileError;
use crate::http::Answer;
use crate::kept::Record;

/// How often a request is made before its failure counts.
const MAX_TRIES: u32 = 6;
/// The pause before the second try; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
/// Bytes at a file's start that are enough to tell a model from a web page or a pointer to a file.
const HEADER_BYTES: usize = 64;

/// The first bytes of a file, as far as they came.
#[derive(Default)]
pub(super) struct Header(Vec<u8>);

impl Header {
    /// Adds bytes from `offset` on, and has them checked as long as more of the header may follow.
    pub(super) fn check<B: Bytes>(&mut self, bytes: &B, offset: u64) -> Option<Command<B>> {
        if offset >= HEADER_BYTES as u64 || self.0.len() >= HEADER_BYTES {
            return None;
        }
        self.0.extend(bytes.first(HEADER_BYTES));
        Some(Command::CheckHeader(self.0.clone()))
    }
}

/// Whether a response belongs to the file that a record describes.
pub(super) fn is_same(record: &Record, answer: &Answer) -> bool {
    let is_other_version = matches!((&record.etag, &answer.etag), (Some(old), Some(new)) if old != new);
    answer.len_bytes == Some(record.len_bytes) && !is_other_version
}

/// How long to wait before a request that failed is made again, if it should be; `tries` counts the requests for the same bytes so far.
pub(super) fn next_pause(tries: u32, error: &FileError, is_online: bool) -> Option<Duration> {
    let pause = || if tries == 0 { Duration::ZERO } else { FIRST_PAUSE * 2u32.pow(tries - 1) };
    (tries < MAX_TRIES && error.is_transient(is_online)).then(pause)
}
