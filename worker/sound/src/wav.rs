//! WAV files (Microsoft and IBM 1991; EBU Tech 3306 for RF64).

use crate::bytes::{Bytes, Source};
use crate::error::SoundError;
use crate::limits::MAX_HOURS;
use crate::resampler::mix;
use crate::track::check;

/// Bytes of samples to read at once.
const PIECE_BYTES: u64 = 64 << 10;
/// Maximum number of chunks before the samples.
const MAX_CHUNKS: usize = 1000;
/// The length that programs write while they do not know it.
const UNKNOWN: u32 = u32::MAX;

/// How a sample is stored, in little-endian order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
}

impl Sample {
    fn new(tag: u16, bits: u16) -> Result<Self, SoundError> {
        Ok(match (tag, bits) {
            (1, 8) => Self::Unsigned8,
            (1, 16) => Self::Signed16,
            (1, 24) => Self::Signed24,
            (1, 32) => Self::Signed32,
            (3, 32) => Self::Float32,
            (3, 64) => Self::Float64,
            _ => return Err(SoundError::Unsupported(format!("WAV with format {tag} and {bits} bits"))),
        })
    }

    fn len_bytes(self) -> usize {
        match self {
            Self::Unsigned8 => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// The value of a sample's bytes.
    fn value(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Unsigned8, [a]) => (f32::from(*a) - 128.0) / 128.0,
            (Self::Signed16, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])) / 32768.0,
            (Self::Signed24, [a, b, c]) => i32::from_le_bytes([0, *a, *b, *c]) as f32 / 2_147_483_648.0,
            (Self::Signed32, [a, b, c, d]) => i32::from_le_bytes([*a, *b, *c, *d]) as f32 / 2_147_483_648.0,
            (Self::Float32, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            (Self::Float64, bytes) => bytes.try_into().map_or(0.0, |bytes| f64::from_le_bytes(bytes) as f32),
            _ => 0.0,
        }
    }
}

/// The samples of a WAV file.
pub struct Wav<S> {
    bytes: Bytes<S>,
    sample: Sample,
    sample_rate: u32,
    channels: u32,
    /// Where the next sample is, and where the last one ends.
    position: u64,
    end: u64,
}

impl<S: Source> Wav<S> {
    pub(crate) fn open(mut bytes: Bytes<S>) -> Result<Self, S::Error> {
        let mut format = None;
        let mut position = 12;
        for _ in 0..MAX_CHUNKS {
            let id: [u8; 4] = bytes.array(position)?;
            let len = u32::from_le_bytes(bytes.array(position + 4)?);
            let start = position + 8;
            match &id {
                b"fmt " => format = Some(read_format(&mut bytes, start, len)?),
                b"data" => {
                    let (sample, sample_rate, channels) =
                        format.ok_or(SoundError::Damaged("its samples come before their format"))?;
                    let frame_bytes = sample.len_bytes() as u64 * u64::from(channels);
                    let here = bytes.len_bytes() - start;
                    // A program that was killed has not come back to write the length.
                    let len = if matches!(len, 0 | UNKNOWN) { here } else { u64::from(len) };
                    if len / frame_bytes > u64::from(MAX_HOURS) * 3600 * u64::from(sample_rate) {
                        return Err(SoundError::TooLong.into());
                    }
                    if len > here {
                        let (len_bytes, needed_bytes) = (bytes.len_bytes(), start + len);
                        return Err(SoundError::Truncated { len_bytes, needed_bytes }.into());
                    }
                    let end = start + len - len % frame_bytes;
                    return Ok(Self { bytes, sample, sample_rate, channels, position: start, end });
                }
                _ => {}
            }
            // Chunks have an even length.
            position = start + u64::from(len) + u64::from(len % 2);
        }
        Err(SoundError::Damaged("it has no samples").into())
    }

    /// Samples per second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The next samples, one channel; `None` at the end.
    ///
    /// # Errors
    /// Errors of the source.
    pub fn next_samples(&mut self) -> Result<Option<Vec<f32>>, S::Error> {
        let frame_bytes = self.sample.len_bytes() as u64 * u64::from(self.channels);
        let len = (PIECE_BYTES - PIECE_BYTES % frame_bytes).min(self.end - self.position);
        if len == 0 {
            return Ok(None);
        }
        let bytes = self.bytes.exact(self.position, len)?;
        let values = bytes.chunks_exact(self.sample.len_bytes()).map(|bytes| self.sample.value(bytes));
        let samples = mix(&values.collect::<Vec<_>>(), self.channels);
        self.position += len;
        Ok(Some(samples))
    }

    /// How much of the file was read, from 0 to 1.
    pub fn progress(&self) -> f64 {
        self.bytes.progress()
    }
}

/// Reads how samples are stored, their rate and the number of channels.
fn read_format<S: Source>(bytes: &mut Bytes<S>, start: u64, len: u32) -> Result<(Sample, u32, u32), S::Error> {
    /// The tag of formats whose own follows later.
    const EXTENSIBLE: u16 = 0xFFFE;
    if len < 16 {
        return Err(SoundError::Damaged("the format of its samples is cut off").into());
    }
    let fields: [u8; 16] = bytes.array(start)?;
    let [tag, channels, bits] = [0, 2, 14].map(|at| u16::from_le_bytes([fields[at], fields[at + 1]]));
    let sample_rate = u32::from_le_bytes([fields[4], fields[5], fields[6], fields[7]]);
    let tag = if tag == EXTENSIBLE && len >= 26 { u16::from_le_bytes(bytes.array(start + 24)?) } else { tag };
    check(sample_rate, channels.into())?;
    Ok((Sample::new(tag, bits)?, sample_rate, channels.into()))
}
