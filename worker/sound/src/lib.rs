//! Recordings from anywhere, for speech recognition: [`open`] takes a file apart, a piece at a time, and [`Resampler`]
//! brings samples to [`SAMPLE_RATE`].
//!
//! WAV files are read here. The packets of the others go to a decoder: the browser's, which is hardened against hostile
//! files. It decodes packets, not files, so that what is in memory does not depend on a recording's length. Files are
//! untrusted: what they claim is checked before it is believed.

mod bytes;
mod error;
mod limits;
mod mp3;
mod mp4;
mod ogg;
mod packets;
mod resampler;
mod track;
mod wav;
mod webm;

pub use bytes::Source;
pub use error::SoundError;
pub use limits::{MAX_HOURS, MAX_SAMPLES, SAMPLE_RATE};
pub use packets::{Packets, Recording, open};
pub use resampler::{Resampler, half, mix};
pub use track::Track;
pub use wav::Wav;

#[cfg(test)]
mod tests;
