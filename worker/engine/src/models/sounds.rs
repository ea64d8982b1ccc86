//! How sounds become inputs of a projector, and what surrounds them in a prompt.

use super::checks::check_ranges;
use super::speech::FRAMES_PER_POSITION;
use crate::error::Result;

/// Positions of the encoder in a window of sound: half a minute.
pub const SOUND_POSITIONS: u32 = 1500;
/// Frames of the spectrogram in a window of sound.
pub(crate) const SOUND_FRAMES: u32 = FRAMES_PER_POSITION * SOUND_POSITIONS;
/// Maximum number of bands.
const MAX_MELS: u32 = 256;

/// How sounds become inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundConfig {
    /// Bands of the spectrogram.
    pub mels: u32,
    /// Texts before and after a sound. They consist of control tokens.
    pub markers: [&'static str; 2],
}

impl SoundConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_ranges(&[("the bands", self.mels, 1, MAX_MELS, 1)])
    }
}
