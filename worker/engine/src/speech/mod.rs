//! Speech recognition apart from the model's layers (Whisper; Radford et al. 2022): from sound to what the encoder hears,
//! and from the decoder's tokens to segments of text with times.

mod dft;
mod languages;
mod mel;
mod rules;
mod segments;
mod sound;
mod tokens;

pub use languages::{LANGUAGES, language_index};
pub(crate) use mel::{Ending, HOP, MEASURED_FRAMES, MelFilters, Spectrogram};
pub use mel::{FRAMES_PER_SECOND, MEL_BINS, SAMPLE_RATE};
pub(crate) use rules::Rules;
pub(crate) use segments::{compression_ratio, split};
pub use sound::Sound;
pub use tokens::SpeechTokens;
