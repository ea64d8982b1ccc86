//! Speech recognisers: Whisper (Radford et al. 2022), an encoder of sound and a decoder that attends to its output.

use super::checks::{Check, MAX_WIDTH, check_ranges};
use super::heads::HeadShape;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Metadata};

/// The value of `general.architecture`.
pub(crate) const SPEECH_ARCHITECTURE: &str = "whisper";

/// Frames of the spectrogram that a convolution sees.
pub(crate) const TAPS: u32 = 3;
/// Frames of the spectrogram per position of the encoder.
pub(crate) const FRAMES_PER_POSITION: u32 = 2;
/// Epsilon of the layer norms.
pub(crate) const SPEECH_NORM_EPS: f32 = 1e-5;

/// Elements of a row of inputs of a convolution over frames of `channels`, `[channels][TAPS]`, in whole blocks.
pub(crate) fn taps_len(channels: u32) -> u32 {
    (channels * TAPS).next_multiple_of(32)
}

/// Hyperparameters of a speech recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechConfig {
    /// Human-readable name, from `general.name`.
    pub name: String,
    /// Bands of the spectrogram.
    pub mels: u32,
    /// Width of the hidden states.
    pub embedding_len: u32,
    /// Number of tokens in the vocabulary.
    pub vocab: u32,
    /// The encoder. Its context is a window of sound, two frames of the spectrogram per position.
    pub encoder: StackConfig,
    /// The decoder. Its context is the text of a window, with what precedes it.
    pub decoder: StackConfig,
}

/// Hyperparameters of the encoder's or the decoder's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackConfig {
    /// Number of positions.
    pub context: u32,
    /// Number of layers.
    pub layers: u32,
    /// Shapes of the attention heads.
    pub heads: HeadShape,
}

impl SpeechConfig {
    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// A missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let metadata = &gguf.metadata;
        let [encoder, decoder] = ["encoder", "decoder"].map(|side| StackConfig::read(metadata, side));
        let (encoder, decoder) = (encoder?, decoder?);
        let embedding = gguf.require_tensor("decoder.token_embedding.weight")?;
        let config = Self {
            name: metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            mels: metadata.require_u32("whisper.encoder.mels_count")?,
            embedding_len: encoder.heads.query_len(),
            vocab: u32::try_from(embedding.rows()).unwrap_or(u32::MAX),
            encoder,
            decoder,
        };
        config.check()?;
        Ok(config)
    }

    /// Width of the hidden layer of a feed-forward part.
    pub fn feed_forward_len(&self) -> u32 {
        4 * self.embedding_len
    }

    /// Number of frames of a window.
    pub fn window_frames(&self) -> u32 {
        FRAMES_PER_POSITION * self.encoder.context
    }

    /// Size of the decoder's keys and values on a GPU in bytes: those of the text, and those of what was heard.
    pub fn kv_bytes(&self) -> u64 {
        let rows = u64::from(self.decoder.layers) * u64::from(self.decoder.context + self.encoder.context);
        rows * u64::from(self.embedding_len) * 4
    }

    /// Size of the activations in bytes.
    pub fn scratch_bytes(&self) -> u64 {
        let width = u64::from(self.embedding_len);
        let frames = u64::from(self.window_frames()) * (u64::from(TAPS * self.mels) + width);
        // Hidden state, its norm, queries, attention's result, keys and values, inputs of the second convolution or the
        // hidden layer of a feed-forward part.
        let positions = u64::from(self.encoder.context.max(self.decoder.context)) * (6 * width + 4 * width);
        (frames + positions + u64::from(self.vocab)) * 4
    }

    fn check(&self) -> Result<()> {
        let checks: [Check; 11] = [
            ("the bands", self.mels, 1, 1024, 1),
            ("the embedding length", self.embedding_len, 32, MAX_WIDTH, 32),
            (
                "the decoder's embedding length",
                self.decoder.heads.query_len(),
                self.embedding_len,
                self.embedding_len,
                1,
            ),
            ("the vocabulary", self.vocab, 16, 1 << 21, 1),
            ("the encoder's positions", self.encoder.context, 1, 1500, 1),
            ("the decoder's positions", self.decoder.context, 16, 4096, 1),
            ("the encoder's layers", self.encoder.layers, 1, 512, 1),
            ("the decoder's layers", self.decoder.layers, 1, 512, 1),
            ("the encoder's head size", self.encoder.heads.head_dim, 8, 256, 8),
            ("the decoder's head size", self.decoder.heads.head_dim, 8, 256, 8),
            ("the embedding length", self.feed_forward_len(), 128, MAX_WIDTH, 32),
        ];
        check_ranges(&checks)
    }
}

impl StackConfig {
    fn read(metadata: &Metadata, side: &str) -> Result<Self> {
        let number = |key: &str| metadata.require_u32(&format!("{SPEECH_ARCHITECTURE}.{side}.{key}"));
        let (width, heads) = (number("embedding_length")?, number("attention.head_count")?);
        // Bounded before anything is multiplied.
        check_ranges(&[("the embedding length", width, 32, MAX_WIDTH, 32)])?;
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(EngineError::malformed(format!("{heads} heads in a width of {width}")));
        }
        let head_dim = width / heads;
        let heads = HeadShape { heads, kv_heads: heads, head_dim, value_dim: head_dim, rope_dim: 0, rope_half: false };
        Ok(Self { context: number("context_length")?, layers: number("block_count")?, heads })
    }
}
