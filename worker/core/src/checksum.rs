//! Checksums of files, computed as their bytes arrive and compared before anything made of the file is used.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::FileError;

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first half of a text's SHA-256, in hexadecimal digits: a name for a file or folder that stands for the text.
pub fn short_digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes())[..16])
}

/// A SHA-256 in lower-case hexadecimal digits, if `text` is one in any case.
pub fn parse_sha256(text: &str) -> Option<String> {
    let is_sha256 = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sha256.then(|| text.to_ascii_lowercase())
}

/// The start of a file whose header was read by a separate request. The request for the weights must start with the same bytes; otherwise a host
/// could have a model planned from a header that the pinned file does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Bytes of it that have not been seen again yet.
    left_bytes: usize,
    sha256: String,
}

impl Beginning {
    /// Of a file that starts with `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { left_bytes: bytes.len(), sha256: hex(&Sha256::digest(bytes)) }
    }
}

/// The checksum of a file that is being read from its start to its end.
pub struct FileChecksum {
    /// The file's name, for errors.
    file: String,
    /// What it must come to, in lower-case hexadecimal digits; anything if absent.
    expected: Option<String>,
    beginning: Option<Beginning>,
    /// Of the beginning, as far as it has been seen again.
    seen: Sha256,
    sha256: Sha256,
}

impl FileChecksum {
    /// The checksum of `file`, which must be `expected` if that is known.
    pub fn new(file: &str, expected: Option<String>) -> Self {
        Self { file: file.to_owned(), expected, beginning: None, seen: Sha256::new(), sha256: Sha256::new() }
    }

    /// The same, of a file that must also start with the bytes that its header was read from.
    #[must_use]
    pub fn with_beginning(self, beginning: Option<Beginning>) -> Self {
        Self { beginning, ..self }
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// The file does not start as its header did.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.see(bytes)?;
        self.sha256.update(bytes);
        Ok(())
    }

    /// How many of the next bytes [`FileChecksum::see`] has to see.
    pub fn unseen_bytes(&self) -> usize {
        self.beginning.as_ref().map_or(0, |beginning| beginning.left_bytes)
    }

    /// Takes the next bytes of the beginning, where the checksum itself is computed elsewhere.
    ///
    /// # Errors
    /// As [`FileChecksum::update`].
    pub fn see(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let Some(beginning) = &mut self.beginning else { return Ok(()) };
        let first = &bytes[..beginning.left_bytes.min(bytes.len())];
        self.seen.update(first);
        beginning.left_bytes -= first.len();
        if beginning.left_bytes > 0 {
            return Ok(());
        }
        if hex(&self.seen.clone().finalize()) != beginning.sha256 {
            return Err(self.wrong());
        }
        self.beginning = None;
        Ok(())
    }

    /// The checksum of the whole file.
    ///
    /// # Errors
    /// It is not the expected one, or the file is shorter than its header was.
    pub fn finish(self) -> Result<String, FileError> {
        let found = hex(&self.sha256.clone().finalize());
        self.finish_with(found)
    }

    /// The same, where the checksum was computed elsewhere: it is `found`.
    ///
    /// # Errors
    /// As [`FileChecksum::finish`].
    pub fn finish_with(self, found: String) -> Result<String, FileError> {
        if self.beginning.is_some() {
            return Err(self.wrong());
        }
        match &self.expected {
            Some(expected) if *expected != found => Err(self.wrong()),
            _ => Ok(found),
        }
    }

    fn wrong(&self) -> FileError {
        FileError::WrongChecksum { file: self.file.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file in chunks and says whether it is accepted.
    fn is_accepted(mut checksum: FileChecksum, bytes: &[u8], chunk_bytes: usize) -> bool {
        let read = bytes.chunks(chunk_bytes).try_for_each(|chunk| checksum.update(chunk));
        match read.and_then(|()| checksum.finish()) {
            Ok(found) => found == hex(&Sha256::digest(bytes)),
            Err(error) => {
                assert_eq!(error, FileError::WrongChecksum { file: "model.gguf".to_owned() });
                false
            }
        }
    }

    fn expecting(bytes: &[u8]) -> FileChecksum {
        FileChecksum::new("model.gguf", Some(hex(&Sha256::digest(bytes))))
    }

    #[test]
    fn a_file_with_another_checksum_is_refused_at_its_end() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert!(is_accepted(expecting(&bytes), &bytes, 100));
        assert!(is_accepted(FileChecksum::new("model.gguf", None), &bytes, 100), "nothing is known of it");
        assert!(!is_accepted(expecting(&bytes[1..]), &bytes, 100));
        assert!(!is_accepted(expecting(&bytes), &bytes[1..], 100));
        assert!(!is_accepted(FileChecksum::new("model.gguf", Some("0".repeat(64))), &[], 100));
    }

    #[test]
    fn a_file_that_starts_differently_from_its_header_is_refused() {
        let bytes: Vec<u8> = (0..=255).collect();
        for chunk_bytes in [1, 64, 100, 256] {
            let planned_by = |beginning: &[u8]| {
                is_accepted(expecting(&bytes).with_beginning(Some(Beginning::of(beginning))), &bytes, chunk_bytes)
            };
            assert!(planned_by(&bytes[..64]));
            assert!(planned_by(&bytes));
            assert!(!planned_by(&bytes[1..65]), "another header");
            assert!(!planned_by(&[&bytes[..], &[0]].concat()), "a header that is longer than the file");
        }
    }

    #[test]
    fn a_checksum_that_is_computed_elsewhere_counts_as_much() {
        let bytes: Vec<u8> = (0..=255).collect();
        for (beginning, found, is_right) in [(64, &bytes[..], true), (64, &bytes[1..], false), (256, &bytes[..], true)]
        {
            let mut checksum = expecting(&bytes).with_beginning(Some(Beginning::of(&bytes[..beginning])));
            for chunk in bytes.chunks(100) {
                let unseen_bytes = checksum.unseen_bytes().min(chunk.len());
                assert_eq!(checksum.see(&chunk[..unseen_bytes]), Ok(()));
            }
            assert_eq!(checksum.unseen_bytes(), 0);
            assert_eq!(checksum.finish_with(hex(&Sha256::digest(found))).is_ok(), is_right);
        }
        let mut other = expecting(&bytes).with_beginning(Some(Beginning::of(&bytes[1..65])));
        assert!(other.see(&bytes[..64]).is_err(), "another header");
        let unseen = expecting(&bytes).with_beginning(Some(Beginning::of(&bytes[..64])));
        assert!(unseen.finish_with(hex(&Sha256::digest(&bytes))).is_err(), "nobody has seen the beginning");
    }

    #[test]
    fn only_a_sha256_is_taken_for_one() {
        assert_eq!(parse_sha256(&"AB".repeat(32)), Some("ab".repeat(32)));
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"ß".repeat(32)] {
            assert_eq!(parse_sha256(text), None, "{text}");
        }
    }
}
