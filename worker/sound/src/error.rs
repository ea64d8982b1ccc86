//! The crate's error type.

use crate::limits::{MAX_CHANNELS, MAX_HOURS, MAX_RATE, MIN_RATE};

/// Why a file is no recording that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoundError {
    /// It is of another kind, or has no sound.
    #[error("it is not a recording in WAV, MP3, M4A, Ogg or WebM")]
    Unknown,
    /// Its kind is known, but not what is in it.
    #[error("its sound is stored in a way that cannot be read here: {0}")]
    Unsupported(String),
    /// It has too many channels, or none.
    #[error("it has {0} channels, and 1 to {MAX_CHANNELS} are read")]
    Channels(u32),
    /// It has too many samples per second, or too few.
    #[error("it has {0} samples per second, and {MIN_RATE} to {MAX_RATE} are read")]
    Rate(u32),
    /// It is too long.
    #[error("it is longer than {MAX_HOURS} hours; cut it into several files")]
    TooLong,
    /// The end of the file is missing.
    #[error("it is cut off: it has {len_bytes} bytes, and says that it has at least {needed_bytes}")]
    Truncated {
        /// Length of the file.
        len_bytes: u64,
        /// Length that it would need.
        needed_bytes: u64,
    },
    /// It contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// It has no samples.
    #[error("there is no sound in it")]
    Empty,
}
