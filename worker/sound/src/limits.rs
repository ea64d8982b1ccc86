//! What is read at most.

/// Samples per second that speech recognition takes.
pub const SAMPLE_RATE: u32 = 16_000;
/// Maximum length of a recording in hours. While it is transcribed, an hour takes 115 MB.
pub const MAX_HOURS: u32 = 6;
/// The same in samples.
pub const MAX_SAMPLES: u64 = MAX_HOURS as u64 * 3600 * SAMPLE_RATE as u64;
/// Maximum number of channels of a file.
pub(crate) const MAX_CHANNELS: u32 = 8;
/// Maximum samples per second of a file.
pub(crate) const MAX_RATE: u32 = 192_000;
/// Minimum samples per second of a file: below, there is no speech.
pub(crate) const MIN_RATE: u32 = 4_000;
/// Maximum length of a packet.
pub(crate) const MAX_PACKET_BYTES: u64 = 1 << 20;
