//! The checksum of a file, taken as it comes by and compared at its end: before what was made of it is used.

use sha2::{Digest as _, Sha256};

use crate::error::WorkerError;
use crate::storage::{Entry, hex};

/// A checksum that is being taken.
pub(crate) struct Checksum<'a> {
    sha256: Sha256,
    /// What the file was planned by.
    beginning: Option<Beginning>,
    goal: Goal<'a>,
}

/// What a checksum is taken for.
enum Goal<'a> {
    /// It must be this one, in lower-case hexadecimal digits.
    Compare { file: &'a str, expected: String },
    /// A kept file came without one being taken (by an older version, or a kill at the end): it is compared, and kept for later.
    Seal(&'a Entry),
}

/// The first bytes of a file whose header was read by a request of its own: what comes with the weights must begin the same, or a host could have
/// a model planned by a header that is none of the pinned file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// How many are still to come.
    left_bytes: usize,
    sha256: String,
}

impl Beginning {
    /// Of a file that begins so.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { left_bytes: bytes.len(), sha256: hex(&Sha256::digest(bytes)) }
    }
}

impl<'a> Checksum<'a> {
    /// Of a file that must have a checksum.
    pub(crate) fn comparing(file: &'a str, expected: String) -> Self {
        Self { sha256: Sha256::new(), beginning: None, goal: Goal::Compare { file, expected } }
    }

    /// Of a kept file, as it is read for the first time.
    pub(crate) fn sealing(entry: &'a Entry) -> Self {
        Self { sha256: Sha256::new(), beginning: None, goal: Goal::Seal(entry) }
    }

    /// The same of a file that was planned by its beginning.
    pub(crate) fn with_beginning(self, beginning: Option<Beginning>) -> Self {
        Self { beginning, ..self }
    }

    /// Takes the next bytes; an error if the file does not begin as it did.
    pub(crate) fn update(&mut self, bytes: &[u8]) -> Result<(), WorkerError> {
        let mut rest = bytes;
        if let Some(beginning) = &mut self.beginning {
            let (first, others) = bytes.split_at(beginning.left_bytes.min(bytes.len()));
            self.sha256.update(first);
            beginning.left_bytes -= first.len();
            if beginning.left_bytes == 0 {
                if hex(&self.sha256.clone().finalize()) != beginning.sha256 {
                    return Err(self.refusal());
                }
                self.beginning = None;
            }
            rest = others;
        }
        self.sha256.update(rest);
        Ok(())
    }

    /// Compares it, at the file's end.
    pub(crate) async fn finish(self) -> Result<(), WorkerError> {
        if self.beginning.is_some() {
            return Err(self.refusal());
        }
        let found = hex(&self.sha256.clone().finalize());
        match &self.goal {
            Goal::Seal(entry) => entry.set_seal(&found).await,
            Goal::Compare { expected, .. } if found == *expected => Ok(()),
            Goal::Compare { .. } => Err(self.refusal()),
        }
    }

    fn refusal(&self) -> WorkerError {
        let file = match &self.goal {
            Goal::Compare { file, .. } => *file,
            Goal::Seal(entry) => entry.file_name(),
        };
        WorkerError::WrongChecksum { file: file.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Takes a file in chunks of some length, and tells whether it is accepted; `None` if anything else happens.
    fn take(mut checksum: Checksum<'_>, bytes: &[u8], chunk_bytes: usize) -> Option<bool> {
        let taken = bytes.chunks(chunk_bytes).try_for_each(|chunk| checksum.update(chunk));
        // Nothing waits where nothing is kept.
        match taken.map_or_else(|error| Some(Err(error)), |()| checksum.finish().now_or_never()) {
            Some(Ok(())) => Some(true),
            Some(Err(WorkerError::WrongChecksum { file })) if file == "model.gguf" => Some(false),
            _ => None,
        }
    }

    #[test]
    fn a_file_with_another_checksum_is_refused_at_its_end() {
        let bytes: Vec<u8> = (0..=255).collect();
        let comparing = |pinned: &[u8]| Checksum::comparing("model.gguf", hex(&Sha256::digest(pinned)));
        assert_eq!(take(comparing(&bytes), &bytes, 100), Some(true));
        assert_eq!(take(comparing(&bytes[1..]), &bytes, 100), Some(false));
        assert_eq!(take(comparing(&bytes), &bytes[1..], 100), Some(false));
        assert_eq!(take(Checksum::comparing("model.gguf", "0".repeat(64)), &[], 100), Some(false));
    }

    #[test]
    fn a_file_that_begins_otherwise_than_its_header_was_read_is_refused() {
        let bytes: Vec<u8> = (0..=255).collect();
        for chunk_bytes in [1, 64, 100, 256] {
            let planned_by = |beginning: &[u8]| {
                let checksum = Checksum::comparing("model.gguf", hex(&Sha256::digest(&bytes)));
                take(checksum.with_beginning(Some(Beginning::of(beginning))), &bytes, chunk_bytes)
            };
            assert_eq!(planned_by(&bytes[..64]), Some(true));
            assert_eq!(planned_by(&bytes), Some(true));
            assert_eq!(planned_by(&bytes[1..65]), Some(false), "another header");
            assert_eq!(planned_by(&[&bytes[..], &[0]].concat()), Some(false), "a header that is longer than the file");
        }
    }
}
