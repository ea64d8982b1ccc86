//! Activations, caches and the decode loop's own buffers.

use std::collections::HashMap;

use super::memory::LayerMemory;
use crate::kernels::linear::Tiles;
use crate::kernels::sampling::{RING_LEN, chunk_count};
use crate::models::{HeadShape, MixerConfig, ModelConfig, rope_angles};
use crate::runtime::device::{Gpu, Tuning};
use crate::sampling::SamplingParams;

/// Step of the GPU, in the layout of `kernels/state.wgsl`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct State {
    /// Position of the batch's first token.
    pub position: u32,
    /// Tokens in the batch.
    pub token_count: u32,
    /// Tokens sampled since the generation began.
    pub step: u32,
    /// Row of the logits that the next token is chosen by.
    pub row: u32,
}

/// Offset of the two switches in the sampling buffer, in the layout of `kernels/sampling.wgsl`.
pub(super) const SAMPLING_SWITCHES: u64 = size_of::<SamplingParams>() as u64;
/// Bytes of the sampling buffer.
pub(super) const SAMPLING_BYTES: u64 = SAMPLING_SWITCHES + 16;

/// Every buffer of a decoder that is no weight.
pub(super) struct Buffers {
    pub state: wgpu::Buffer,
    /// [`SamplingParams`], then whether `allowed` and `bias` are used.
    pub sampling: wgpu::Buffer,
    /// A bit a token: which may be chosen.
    pub allowed: wgpu::Buffer,
    /// Added to logits: `[vocab]`.
    pub bias: wgpu::Buffer,
    /// Prompt tokens of a batch: `[batch]`.
    pub prompt_ids: wgpu::Buffer,
    /// The token that the next decode step embeds: `[1]`.
    pub next_id: wgpu::Buffer,
    /// Sampled tokens: `[RING_LEN]`.
    pub ring: wgpu::Buffer,
    /// What was seen of each token: `[vocab]`.
    pub history: wgpu::Buffer,
    /// Output of the head: `[logit_rows][vocab]`.
    pub logits: wgpu::Buffer,
    pub candidates: wgpu::Buffer,
    /// Hidden state: `[batch][embedding_len]`.
    pub hidden: wgpu::Buffer,
    /// Queries, or what a convolution gives to a delta net: `[batch][inner_len]`, see [`MixerConfig::inner_len`].
    pub inner: wgpu::Buffer,
    /// What a mixer projects its input to, where more than a product makes of it: `[batch][projection_rows]`.
    pub projected: wgpu::Buffer,
    /// Output of a mixer before its output projection: `[batch][output_len]`.
    pub mixed: wgpu::Buffer,
    /// Results of attention splits for one token.
    pub splits: wgpu::Buffer,
    /// Between the halves of the feed-forward layer: `[batch][slots][feed_forward_len]`.
    pub activated: wgpu::Buffer,
    /// What a layer gives before it is added: `[batch][slots][embedding_len]`, for norms after layers and for experts.
    pub output: wgpu::Buffer,
    /// Inputs of cooperative products, as f16, or of packed ones, as integers: `[batch][longest input]`.
    pub prepared: wgpu::Buffer,
    /// Scores of the experts: `[batch][experts]`.
    pub router: wgpu::Buffer,
    /// Chosen experts: `[batch][slots]`.
    pub experts: wgpu::Buffer,
    /// Their weights: `[batch][slots]`.
    pub expert_weights: wgpu::Buffer,
    /// RoPE's angles: `[context][rope_dim / 2]`.
    pub rope: wgpu::Buffer,
    /// The same of layers with a window.
    pub window_rope: wgpu::Buffer,
    /// What each layer keeps of the sequence.
    pub layers: Vec<LayerMemory>,
}

impl Buffers {
    /// Allocates for `context` positions.
    pub(super) fn new(gpu: &Gpu, config: &ModelConfig, context: u32, host: &HashMap<String, Vec<f32>>) -> Self {
        let tuning = gpu.tuning();
        let sizes = Sizes::new(config, &tuning);
        let floats = |label, len: u64| gpu.storage_buffer(label, len * 4);
        let (rope, window_rope) = rope_buffers(gpu, config, context, host);
        Self {
            state: gpu.buffer("state", 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM),
            sampling: gpu.buffer("sampling", SAMPLING_BYTES, wgpu::BufferUsages::UNIFORM),
            allowed: floats("allowed tokens", u64::from(config.vocab.div_ceil(32))),
            bias: floats("logit bias", u64::from(config.vocab)),
            prompt_ids: floats("prompt ids", u64::from(prefill_batch(config, &tuning))),
            next_id: floats("next id", 1),
            ring: floats("ring", u64::from(RING_LEN)),
            history: floats("history", u64::from(config.vocab)),
            logits: floats("logits", sizes.logits),
            candidates: floats("candidates", 2 * u64::from(chunk_count(config.vocab))),
            hidden: floats("hidden", sizes.hidden),
            inner: floats("queries", sizes.inner),
            projected: floats("projected", sizes.projected),
            mixed: floats("mixed", sizes.mixed),
            splits: floats("splits", sizes.splits),
            activated: floats("activated", sizes.activated),
            output: floats("output", sizes.output),
            prepared: floats("prepared inputs", sizes.prepared),
            router: floats("router", sizes.router),
            experts: floats("experts", sizes.slots),
            expert_weights: floats("expert weights", sizes.slots),
            rope,
            window_rope,
            layers: config.layers.iter().map(|layer| layer_memory(gpu, config, &layer.mixer, context)).collect(),
        }
    }

    /// The cache of some layer, or a buffer in its place where no layer has one.
    pub(super) fn any_rows(&self) -> &wgpu::Buffer {
        let rows = self.layers.iter().find_map(|layer| match layer {
            LayerMemory::Rows { buffer, .. } => Some(buffer),
            LayerMemory::State(_) => None,
        });
        rows.unwrap_or(&self.hidden)
    }
}

/// Allocates what a layer keeps of `context` tokens. States are zero, as before the first token.
fn layer_memory(gpu: &Gpu, config: &ModelConfig, mixer: &MixerConfig, context: u32) -> LayerMemory {
    match mixer {
        MixerConfig::Attention(attention) => {
            let row_bytes = config.layer_kv_bytes_per_token(attention) / 2;
            let half_bytes = u64::from(context) * row_bytes;
            let buffer = gpu.storage_buffer("kv cache", 2 * half_bytes);
            LayerMemory::Rows { buffer, value_offset: (half_bytes / 4) as u32, row_bytes }
        }
        MixerConfig::ShortConvolution(_) | MixerConfig::DeltaNet(_) => {
            let state = |len: u32| gpu.storage_buffer("recurrent state", u64::from(len) * 4);
            LayerMemory::State(mixer.state_lens().into_iter().map(state).collect())
        }
    }
}

/// Elements of the buffers that depend on the batch.
struct Sizes {
    logits: u64,
    hidden: u64,
    inner: u64,
    projected: u64,
    mixed: u64,
    splits: u64,
    activated: u64,
    output: u64,
    prepared: u64,
    router: u64,
    slots: u64,
}

impl Sizes {
    fn new(config: &ModelConfig, tuning: &Tuning) -> Self {
        let batch = u64::from(prefill_batch(config, tuning));
        let of = |len: u32| batch * u64::from(len);
        let hidden = config.largest(|layer| layer.feed_forward.hidden_len());
        let slots = config.largest(|layer| layer.feed_forward.slots());
        let experts = config.largest(|layer| layer.feed_forward.expert_count());
        let mixed = config.largest(|layer| layer.mixer.output_len());
        let longest = config.embedding_len.max(mixed).max(hidden);
        let needs_output = config.post_norm || experts > 0;
        let split_len = |heads: HeadShape| tuning.max_splits() * heads.heads * (heads.head_dim + 2);
        Self {
            logits: u64::from(tuning.prefill.tokens) * u64::from(config.vocab),
            hidden: of(config.embedding_len),
            inner: of(config.largest(|layer| layer.mixer.inner_len())),
            projected: of(config.largest(|layer| projected_rows(config, &layer.mixer))),
            mixed: of(mixed),
            splits: config.attentions().map(|attention| u64::from(split_len(attention.heads))).max().unwrap_or(0),
            activated: of(slots) * u64::from(hidden),
            output: if needs_output { of(slots) * u64::from(config.embedding_len) } else { 0 },
            prepared: match tuning.prefill_large.tiles {
                Tiles::Cooperative => of(longest.div_ceil(2)),
                // Eight words of integers and two of scales for each 32.
                Tiles::Packed => of(longest.div_ceil(32) * 10),
                Tiles::None | Tiles::Shared => 0,
            },
            router: of(experts),
            slots: of(slots),
        }
    }

    fn sum(&self) -> u64 {
        let mixer = self.inner + self.projected + self.mixed + self.splits;
        let feed_forward = self.activated + self.output + self.router + 2 * self.slots;
        self.logits + self.hidden + mixer + feed_forward + self.prepared
    }
}

/// Rows of a mixer's projection that are kept for more than the product.
fn projected_rows(config: &ModelConfig, mixer: &MixerConfig) -> u32 {
    match mixer {
        MixerConfig::Attention(attention) if !config.has_head_dispatch(attention) => 0,
        _ => mixer.projection_rows(),
    }
}

/// Most tokens in a batch of a prompt: no buffer of activations exceeds what every adapter binds, 128 MiB.
pub(super) fn prefill_batch(config: &ModelConfig, tuning: &Tuning) -> u32 {
    let widest = config.largest(|layer| {
        let slots = layer.feed_forward.slots();
        let feed_forward = slots * layer.feed_forward.hidden_len().max(config.embedding_len);
        feed_forward.max(layer.mixer.projection_rows())
    });
    let fitting = (128 << 20) / 4 / widest.max(1);
    // Whole tiles, where there are several.
    tuning.prefill_batch.min(if fitting < 64 { fitting.max(1) } else { fitting / 64 * 64 })
}

/// Bytes of activations on a GPU.
pub fn scratch_bytes(config: &ModelConfig) -> u64 {
    Sizes::new(config, &Tuning::for_adapter(false, None)).sum() * 4
}

/// RoPE's angles of layers without and with a window.
fn rope_buffers(
    gpu: &Gpu,
    config: &ModelConfig,
    context: u32,
    host: &HashMap<String, Vec<f32>>,
) -> (wgpu::Buffer, wgpu::Buffer) {
    let (rope, window_rope) = rope_angles(config, context, host);
    let rope = gpu.storage_buffer_with("rope", &rope);
    let window_rope = window_rope.map(|angles| gpu.storage_buffer_with("window rope", &angles));
    (rope.clone(), window_rope.unwrap_or(rope))
}
