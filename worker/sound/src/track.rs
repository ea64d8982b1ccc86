//! What a decoder has to know of a recording.

use crate::error::SoundError;
use crate::limits::{MAX_CHANNELS, MAX_RATE, MIN_RATE};

/// What a decoder has to know before the first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The codec, as in the `WebCodecs` registry: `mp3`, `mp4a.40.2`, `opus`, `vorbis` or `flac`.
    pub codec: String,
    /// What the codec needs besides, in the form of the same registry; empty if it needs nothing.
    pub description: Vec<u8>,
    /// Samples per second.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u32,
}

impl Track {
    /// A track with numbers that are worth believing.
    pub(crate) fn new(codec: &str, description: Vec<u8>, sample_rate: u32, channels: u32) -> Result<Self, SoundError> {
        check(sample_rate, channels)?;
        Ok(Self { codec: codec.to_owned(), description, sample_rate, channels })
    }
}

/// Compares a file's numbers with the limits.
pub(crate) fn check(sample_rate: u32, channels: u32) -> Result<(), SoundError> {
    if channels == 0 || channels > MAX_CHANNELS {
        return Err(SoundError::Channels(channels));
    }
    if !(MIN_RATE..=MAX_RATE).contains(&sample_rate) {
        return Err(SoundError::Rate(sample_rate));
    }
    Ok(())
}
