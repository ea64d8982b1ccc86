//! Buffers of a speech recogniser.

use super::buffers::State;
use crate::kernels::CacheLayout;
use crate::kernels::transcript::{PROGRESS_WORDS, Transcript};
use crate::models::{SpeechConfig, taps_len};
use crate::runtime::device::Gpu;

/// Hidden states and activations of `rows` positions.
pub(super) struct Rows {
    pub(super) state: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) hidden: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) normed: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) query: wgpu::Buffer,
    /// `[rows][width]`
    pub(super) attended: wgpu::Buffer,
    /// `[rows][feed_forward_len]`
    pub(super) activated: wgpu::Buffer,
    /// Indices in the table of positions: `[rows]`
    pub(super) positions: wgpu::Buffer,
}

/// Keys, then values, in f16: `[positions][width]` each.
pub(super) struct Cache(pub(super) wgpu::Buffer);

pub(super) struct Buffers {
    /// Frames of a window as tokens.
    pub(super) frame_state: wgpu::Buffer,
    /// `[frames][mels]`
    pub(super) mel: wgpu::Buffer,
    /// Inputs of a convolution, see [`Taps`](crate::kernels::taps::Taps).
    pub(super) taps: wgpu::Buffer,
    /// `[frames][width]`
    pub(super) convolved: wgpu::Buffer,
    pub(super) sound: Rows,
    pub(super) sound_cache: Cache,
    pub(super) text: Rows,
    /// In place of the text's own: the last position of what was heard is the text's, so that it attends to all of it.
    pub(super) cross_state: wgpu::Buffer,
    /// Tokens: `[rows]`
    pub(super) ids: wgpu::Buffer,
    /// For each layer of the decoder.
    pub(super) text_caches: Vec<Cache>,
    /// For each layer of the decoder.
    pub(super) heard_caches: Vec<Cache>,
    /// The last token.
    pub(super) last: Rows,
    /// `[vocab]`
    pub(super) logits: wgpu::Buffer,
    /// Tokens chosen in this window, with the logarithms of their likelihoods: `[context]`
    pub(super) ring: wgpu::Buffer,
    /// What was said so far, in the layout of `kernels/transcript/progress.wgsl`.
    pub(super) progress: wgpu::Buffer,
    /// Likeliest tokens of parts of the vocabulary.
    pub(super) parts: wgpu::Buffer,
    /// One bit per token that is never said.
    pub(super) never: wgpu::Buffer,
    /// No position is rotated.
    pub(super) rope: wgpu::Buffer,
}

impl Rows {
    pub(super) fn new(gpu: &Gpu, config: &SpeechConfig, rows: u32) -> Self {
        // Kernels read whole groups of tokens.
        let padded = rows.next_multiple_of(gpu.tuning().prefill.tokens);
        let floats = |label, len: u32| gpu.storage_buffer(label, u64::from(padded) * u64::from(len) * 4);
        let width = config.embedding_len;
        let positions: Vec<u32> = (0..padded).collect();
        Self {
            state: state_buffer(gpu, 0, rows),
            hidden: floats("hidden", width),
            normed: floats("normed", width),
            query: floats("query", width),
            attended: floats("attended", width),
            activated: floats("activated", config.feed_forward_len()),
            positions: gpu.storage_buffer_with("positions", &positions),
        }
    }
}

impl Cache {
    pub(super) fn new(gpu: &Gpu, config: &SpeechConfig, positions: u32) -> Self {
        let padded = positions.next_multiple_of(gpu.tuning().prefill.tokens);
        Self(gpu.storage_buffer("keys and values", u64::from(padded) * u64::from(config.embedding_len) * 4))
    }

    pub(super) fn layout(&self) -> CacheLayout {
        CacheLayout::f16((self.0.size() / 8) as u32)
    }
}

/// The state of a batch.
fn state_buffer(gpu: &Gpu, position: u32, token_count: u32) -> wgpu::Buffer {
    let buffer = gpu.buffer("state", 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM);
    write_state(gpu, &buffer, position, token_count);
    buffer
}

pub(super) fn write_state(gpu: &Gpu, buffer: &wgpu::Buffer, position: u32, token_count: u32) {
    gpu.queue().write_buffer(buffer, 0, bytemuck::bytes_of(&State { position, token_count, step: 0, row: 0 }));
}

impl Buffers {
    pub(super) fn new(gpu: &Gpu, config: &SpeechConfig, (transcript, never): (&Transcript, &[u32])) -> Self {
        let (positions, frames) = (config.encoder.context, config.window_frames());
        // Also enough for whole groups of positions, which are half as many.
        let padded = frames.next_multiple_of(2 * gpu.tuning().prefill.tokens);
        let floats = |label, len: u32| gpu.storage_buffer(label, u64::from(padded) * u64::from(len) * 4);
        let row_len = taps_len(config.mels).max(taps_len(config.embedding_len).div_ceil(2));
        let caches =
            |positions| (0..config.decoder.layers).map(|_| Cache::new(gpu, config, positions)).collect::<Vec<_>>();
        let batch = text_batch(gpu, config);
        Self {
            frame_state: state_buffer(gpu, 0, frames),
            mel: floats("spectrogram", config.mels),
            taps: floats("inputs of a convolution", row_len),
            convolved: floats("convolved", config.embedding_len),
            sound: Rows::new(gpu, config, positions),
            sound_cache: Cache::new(gpu, config, positions),
            text: Rows::new(gpu, config, batch),
            cross_state: state_buffer(gpu, 0, 0),
            ids: gpu.storage_buffer("ids", u64::from(batch) * 4),
            text_caches: caches(config.decoder.context),
            heard_caches: caches(positions),
            last: Rows::new(gpu, config, 1),
            logits: gpu.storage_buffer("logits", u64::from(config.vocab) * 4),
            ring: gpu.storage_buffer("ring", u64::from(transcript.ring_len) * 8),
            progress: gpu.storage_buffer("progress", PROGRESS_WORDS as u64 * 4),
            parts: gpu.storage_buffer("parts of the vocabulary", u64::from(transcript.part_words()) * 4),
            never: gpu.storage_buffer_with("never said", never),
            rope: gpu.storage_buffer_with("rope", &[[1.0f32, 0.0]]),
        }
    }
}

/// Maximum number of tokens to feed at once. They must not outnumber the positions of what was heard, see
/// [`Buffers::cross_state`].
pub(super) fn text_batch(gpu: &Gpu, config: &SpeechConfig) -> u32 {
    gpu.tuning().prefill_batch.min(config.decoder.context).min(config.encoder.context)
}
