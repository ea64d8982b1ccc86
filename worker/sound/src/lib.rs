//! Recordings from anywhere, for speech recognition: [`open`] takes a file apart, a piece at a time, and [`Resampler`]
//! brings samples to [`SAMPLE_RATE`].
//!
//! WAV files are read here. The packets of the others go to a decoder: the browser's, which is hardened against hostile
//! files. It decodes packets, not files, so that what is in memory does not depend on a recording's length. Files are
//! untrusted: what they claim is checked before it is believed.

mod bytes;
mod mp3;
mod mp4;
mod ogg;
mod resampler;
mod wav;
mod webm;

pub use bytes::Source;
pub use resampler::{Resampler, half, mix};
pub use wav::Wav;

use crate::bytes::Bytes;

/// Samples per second that speech recognition takes.
pub const SAMPLE_RATE: u32 = 16_000;
/// Maximum length of a recording in hours. While it is transcribed, an hour takes 115 MB.
pub const MAX_HOURS: u32 = 6;
/// The same in samples.
pub const MAX_SAMPLES: u64 = MAX_HOURS as u64 * 3600 * SAMPLE_RATE as u64;
/// Maximum number of channels of a file.
const MAX_CHANNELS: u32 = 8;
/// Maximum samples per second of a file.
const MAX_RATE: u32 = 192_000;
/// Minimum samples per second of a file: below, there is no speech.
const MIN_RATE: u32 = 4_000;
/// Maximum length of a packet.
const MAX_PACKET_BYTES: u64 = 1 << 20;

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

/// What a decoder has to know before the first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The codec, as in the WebCodecs registry: `mp3`, `mp4a.40.2`, `opus`, `vorbis` or `flac`.
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
    fn new(codec: &str, description: Vec<u8>, sample_rate: u32, channels: u32) -> Result<Self, SoundError> {
        check(sample_rate, channels)?;
        Ok(Self { codec: codec.to_owned(), description, sample_rate, channels })
    }
}

/// Compares a file's numbers with the limits.
fn check(sample_rate: u32, channels: u32) -> Result<(), SoundError> {
    if channels == 0 || channels > MAX_CHANNELS {
        return Err(SoundError::Channels(channels));
    }
    if !(MIN_RATE..=MAX_RATE).contains(&sample_rate) {
        return Err(SoundError::Rate(sample_rate));
    }
    Ok(())
}

/// A file that was recognised.
pub enum Recording<S> {
    /// Its samples.
    Samples(Wav<S>),
    /// Packets for a decoder.
    Packets(Packets<S>),
}

/// Recognises a file by its first bytes, and reads its header.
///
/// # Errors
/// A [`SoundError`] that says what is wrong with the file, and errors of the source.
pub fn open<S: Source>(source: S) -> Result<Recording<S>, S::Error> {
    let mut bytes = Bytes::new(source);
    let first = bytes.up_to(0, 12)?.to_vec();
    let starts_with = |magic: &[u8]| first.starts_with(magic);
    let is_wave = (starts_with(b"RIFF") || starts_with(b"RF64")) && first.get(8..12) == Some(b"WAVE".as_slice());
    if is_wave {
        return Ok(Recording::Samples(Wav::open(bytes)?));
    }
    let (demuxer, track) = if starts_with(b"OggS") {
        let (packets, track) = ogg::OggPackets::open(&mut bytes)?;
        (Demuxer::Ogg(packets), track)
    } else if first.get(4..8) == Some(b"ftyp".as_slice()) {
        let (packets, track) = mp4::Mp4Packets::open(&mut bytes)?;
        (Demuxer::Mp4(packets), track)
    } else if starts_with(&webm::MAGIC) {
        let (packets, track) = webm::WebmPackets::open(&mut bytes)?;
        (Demuxer::Webm(packets), track)
    } else {
        let (packets, track) = mp3::Mp3Packets::open(&mut bytes)?;
        (Demuxer::Mp3(packets), track)
    };
    Ok(Recording::Packets(Packets { bytes, demuxer, track }))
}

/// The packets of a file, in order.
pub struct Packets<S> {
    bytes: Bytes<S>,
    demuxer: Demuxer,
    track: Track,
}

enum Demuxer {
    Mp3(mp3::Mp3Packets),
    Mp4(mp4::Mp4Packets),
    Ogg(ogg::OggPackets),
    Webm(webm::WebmPackets),
}

impl<S: Source> Packets<S> {
    /// What the decoder has to know.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// The next packet, or `None` at the end.
    ///
    /// # Errors
    /// A [`SoundError`] for a damaged file, and errors of the source.
    pub fn next_packet(&mut self) -> Result<Option<Vec<u8>>, S::Error> {
        match &mut self.demuxer {
            Demuxer::Mp3(packets) => packets.next(&mut self.bytes),
            Demuxer::Mp4(packets) => packets.next(&mut self.bytes),
            Demuxer::Ogg(packets) => packets.next(&mut self.bytes),
            Demuxer::Webm(packets) => packets.next(&mut self.bytes),
        }
    }

    /// How much of the file was read, from 0 to 1.
    pub fn progress(&self) -> f64 {
        self.bytes.progress()
    }
}

#[cfg(test)]
mod tests;
