//! Buffers for activations, caches and the decode loop.

use super::experts::ExpertBuffers;
use super::layer_memory::LayerMemory;
use super::sampler::SamplerBuffers;
use crate::kernels::linear::Tiles;
use crate::kernels::{MAX_SEQUENCES, grouped_len};
use crate::models::{FeedForwardConfig, HeadShape, MixerConfig, ModelConfig, RopeAngles};
use crate::runtime::device::{Gpu, Tuning};
use crate::runtime::memory::Room;

/// State of the decode loop, in the layout of `kernels/shared/state.wgsl`.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct State {
    /// Position of the batch's first token.
    pub position: u32,
    /// Tokens in the batch.
    pub token_count: u32,
    /// Tokens sampled since the start of the answer.
    pub step: u32,
    /// Row of the logits to sample from.
    pub row: u32,
}

/// Size in bytes of the state with the places of tokens, see `kernels/shared/place.wgsl`.
pub(super) const STATE_BYTES: u64 = size_of::<State>() as u64 + 16 * MAX_SEQUENCES as u64;

/// All buffers of a decoder except weights.
pub(super) struct Buffers {
    /// Number of sequences that there is memory for.
    pub sequences: u32,
    /// [`State`], then sequence and position of tokens: `[MAX_SEQUENCES][4]`, see `kernels/shared/place.wgsl`.
    pub state: wgpu::Buffer,
    /// The sampler of the decode loop.
    pub sampler: SamplerBuffers,
    /// Token IDs of a prompt batch: `[batch]`.
    pub prompt_ids: wgpu::Buffer,
    /// Output of the output head: `[logit_rows][vocab]`, see [`Tuning::step_rows`].
    pub logits: wgpu::Buffer,
    /// Hidden state: `[batch][embedding_len]`.
    pub hidden: wgpu::Buffer,
    /// The hidden state after a norm, in models that compute it apart from products: `[batch][embedding_len]`.
    pub normed: wgpu::Buffer,
    /// Queries, or the inputs that a convolution computes for a delta net: `[batch][inner_len]`, see
    /// [`MixerConfig::inner_len`].
    pub inner: wgpu::Buffer,
    /// Projections of a mixer that needs more than a product's epilogue: `[batch][projection_rows]`; in latent
    /// attention first the projected queries, then what is attended to.
    pub projected: wgpu::Buffer,
    /// Output of attention before the output projection: `[batch][output_len]`; in latent attention before that
    /// compressed queries, then latent vectors.
    pub mixed: wgpu::Buffer,
    /// The same of a mixer with a state, which may work beside attention.
    pub recurrent: wgpu::Buffer,
    /// Partial results of split attention, for one token.
    pub splits: wgpu::Buffer,
    /// Activations between the two halves of the feed-forward part: `[batch][slots][feed_forward_len]`, or of the shared
    /// expert: `[batch][shared_len]`.
    pub activated: wgpu::Buffer,
    /// Output of a layer before it is added to the hidden state: `[batch][slots][embedding_len]`, or `latent_len`, for
    /// post-norms and experts.
    pub output: wgpu::Buffer,
    /// Inputs of the layers: `[batch][layers][layer_input_len]`, see [`ModelConfig::layer_input_len`].
    pub layer_inputs: wgpu::Buffer,
    /// The part of them that is computed from the embedding.
    pub projected_inputs: wgpu::Buffer,
    /// What embeddings add to the results of the first layers: `[batch][layers][embedding_len]`, see
    /// [`ModelConfig::deepstack_layers`].
    pub deepstack: wgpu::Buffer,
    /// The vectors of the hidden state but the first: `[batch][streams - 1][embedding_len]`.
    pub streams: wgpu::Buffer,
    /// The prediction of the first, `[batch][embedding_len]`; after the last layer the others, projected.
    pub prediction: wgpu::Buffer,
    /// Outputs of the router of these vectors: `[batch][streams]`.
    pub routes: wgpu::Buffer,
    /// Inputs converted to f16 for cooperative products or to integers for packed ones: `[batch][longest inputs]`, see
    /// [`FeedForwardConfig::activated_len`].
    pub prepared: wgpu::Buffer,
    /// Sums of the experts' outputs, unless they are added to the hidden state at once: `[batch][embedding_len]`, or
    /// `latent_len` if they work in another space; then it holds their inputs before.
    pub expert_sums: wgpu::Buffer,
    /// Outputs of the shared expert: `[batch][embedding_len]`.
    pub shared_output: wgpu::Buffer,
    /// Scores, choice and weights of experts; their outputs are `output`.
    pub experts: ExpertBuffers,
    /// Slots of a batch by expert, for tiles: [`grouped_len`] entries.
    pub groups: wgpu::Buffer,
    /// RoPE angles: `[sequences][context][rope_dim / 2]`.
    pub rope: wgpu::Buffer,
    /// RoPE angles of layers with a window.
    pub window_rope: wgpu::Buffer,
    /// Cache or state of each layer.
    pub layers: Vec<LayerMemory>,
}

impl Buffers {
    /// Allocates the buffers.
    pub(super) fn new(gpu: &Gpu, config: &ModelConfig, room: Room, angles: &RopeAngles) -> Self {
        let tuning = gpu.tuning();
        let sizes = Sizes::new(config, &tuning, room.sequences);
        let batch = prefill_batch(config, &tuning);
        let floats = |label, len: u64| gpu.storage_buffer(label, len * 4);
        let (rope, window_rope) = rope_buffers(gpu, angles, room.sequences as usize);
        let output = floats("output", sizes.output);
        Self {
            sequences: room.sequences,
            state: gpu.buffer("state", STATE_BYTES, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM),
            sampler: SamplerBuffers::new(gpu, config.vocab),
            prompt_ids: floats("prompt ids", u64::from(batch)),
            logits: floats("logits", sizes.logits),
            hidden: floats("hidden", sizes.hidden),
            normed: floats("normed", sizes.normed),
            inner: floats("queries", sizes.inner),
            projected: floats("projected", sizes.projected),
            mixed: floats("mixed", sizes.mixed),
            recurrent: floats("recurrent", sizes.recurrent),
            splits: floats("splits", sizes.splits),
            activated: floats("activated", sizes.activated),
            layer_inputs: floats("layer inputs", sizes.layer_inputs),
            projected_inputs: floats("projected layer inputs", sizes.layer_inputs),
            deepstack: floats("deepstack", sizes.deepstack),
            streams: floats("streams", sizes.streams),
            prediction: floats("prediction", sizes.streams),
            routes: floats("routes", sizes.routes),
            prepared: floats("prepared inputs", sizes.prepared),
            expert_sums: floats("sums of experts", sizes.expert_sums),
            shared_output: floats("shared output", sizes.shared_output),
            experts: ExpertBuffers {
                scores: floats("router", sizes.router),
                chosen: floats("experts", sizes.slots),
                weights: floats("expert weights", sizes.expert_weights),
                outputs: output.clone(),
            },
            output,
            groups: floats("groups of experts", sizes.groups),
            rope,
            window_rope,
            layers: config.layers.iter().map(|layer| LayerMemory::new(gpu, config, layer, room, batch)).collect(),
        }
    }

    /// The largest cache of a layer, or another buffer if no layer has one.
    pub(super) fn largest_rows(&self) -> &wgpu::Buffer {
        let rows = self.layers.iter().filter_map(|layer| layer.rows.as_ref());
        rows.map(|rows| &rows.buffer).max_by_key(|buffer| buffer.size()).unwrap_or(&self.hidden)
    }
}

/// Lengths, in elements, of the buffers that depend on the batch size.
struct Sizes {
    logits: u64,
    hidden: u64,
    normed: u64,
    inner: u64,
    projected: u64,
    mixed: u64,
    recurrent: u64,
    splits: u64,
    activated: u64,
    output: u64,
    layer_inputs: u64,
    deepstack: u64,
    streams: u64,
    routes: u64,
    prepared: u64,
    expert_sums: u64,
    shared_output: u64,
    router: u64,
    slots: u64,
    groups: u64,
    expert_weights: u64,
}

impl Sizes {
    fn new(config: &ModelConfig, tuning: &Tuning, sequences: u32) -> Self {
        let batch = u64::from(prefill_batch(config, tuning));
        let of = |len: u32| batch * u64::from(len);
        let activated = largest(config.feed_forwards().map(FeedForwardConfig::activated_len));
        let activated = activated.max(config.layer_input_len.unwrap_or(0)).max(config.low_rank.unwrap_or(0));
        let slots = largest(config.feed_forwards().map(FeedForwardConfig::slots));
        let experts = largest(config.feed_forwards().map(FeedForwardConfig::expert_count));
        let [mixed, recurrent] = [true, false].map(|is_attention| {
            let mixers = config.mixers().filter(|mixer| mixer.attention().is_some() == is_attention);
            largest(mixers.map(MixerConfig::output_len))
        });
        let latent = largest(config.feed_forwards().filter_map(FeedForwardConfig::latent_len));
        let longest = config.embedding_len.max(mixed).max(recurrent).max(activated).max(latent);
        let has_shared_expert = config.feed_forwards().any(FeedForwardConfig::has_shared_expert);
        let needs_output = config.post_norm || experts > 0;
        let split_len = |heads: HeadShape| tuning.max_splits() * heads.heads * (heads.value_dim + 2);
        Self {
            logits: u64::from(tuning.step_rows(sequences)) * u64::from(config.vocab),
            hidden: of(config.embedding_len),
            normed: if config.has_norm_dispatch() { of(config.embedding_len) } else { 0 },
            inner: of(largest(config.mixers().map(MixerConfig::inner_len))),
            projected: of(largest(config.mixers().map(|mixer| projected_rows(config, mixer)))),
            mixed: of(mixed),
            recurrent: of(recurrent),
            splits: config.attentions().map(|attention| u64::from(split_len(attention.heads))).max().unwrap_or(0),
            activated: of(activated),
            output: if needs_output { of(slots.max(1)) * u64::from(config.embedding_len.max(latent)) } else { 0 },
            layer_inputs: of(config.layer_inputs_len()),
            deepstack: of(config.deepstack_layers * config.embedding_len),
            streams: of(config.other_streams_len()),
            routes: of(config.streams.unwrap_or(0)),
            prepared: match tuning.prefill_large.tiles {
                Tiles::Cooperative => of(longest.div_ceil(2)),
                Tiles::Packed | Tiles::Shared if tuning.untried_units => of(longest.div_ceil(2)),
                // Eight words of integers and two of scales per 32 elements.
                Tiles::Packed => of(longest.div_ceil(32) * 10),
                Tiles::None | Tiles::Shared => 0,
            },
            expert_sums: of(if experts > 0 && config.post_norm { config.embedding_len.max(latent) } else { latent }),
            shared_output: if has_shared_expert { of(config.embedding_len) } else { 0 },
            router: of(experts + 1),
            slots: of(slots),
            groups: groups_len(config, tuning),
            expert_weights: of(slots + 1),
        }
    }

    fn sum(&self) -> u64 {
        let mixer = self.inner + self.projected + self.mixed + self.recurrent + self.splits;
        let choice = self.router + self.slots + self.groups + self.expert_weights;
        let experts = self.expert_sums + self.shared_output + choice;
        let feed_forward = self.activated + self.output + experts;
        let inputs = 2 * self.layer_inputs + self.deepstack + self.prepared;
        let streams = 2 * self.streams + self.routes;
        self.logits + self.hidden + self.normed + mixer + feed_forward + streams + inputs
    }
}

/// The largest of the numbers, or 0.
fn largest(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.max().unwrap_or(0)
}

/// Entries of the list of a batch's slots by expert; 0 if no layer has experts, or no product has tiles.
fn groups_len(config: &ModelConfig, tuning: &Tuning) -> u64 {
    if tuning.prefill_large.tiles == Tiles::None {
        return 0;
    }
    let batch = prefill_batch(config, tuning);
    let len = |part: &FeedForwardConfig| match part {
        FeedForwardConfig::Experts(experts) => grouped_len(batch * experts.used, experts.count),
        FeedForwardConfig::Dense(_) => 0,
    };
    largest(config.feed_forwards().map(len)).into()
}

/// Rows of a mixer's projection that have to be stored because more than a product's epilogue processes them.
fn projected_rows(config: &ModelConfig, mixer: &MixerConfig) -> u32 {
    match mixer {
        MixerConfig::Attention(attention) if attention.latent.is_none() && !config.has_head_dispatch(attention) => 0,
        _ => mixer.projection_rows(),
    }
}

/// Maximum number of tokens in a prompt batch: no activation buffer exceeds [`Tuning::activation_mib`].
pub(super) fn prefill_batch(config: &ModelConfig, tuning: &Tuning) -> u32 {
    let output_len = |part: &FeedForwardConfig| part.slots() * part.output_len(config.embedding_len);
    let feed_forward = |part: &FeedForwardConfig| part.activated_len().max(output_len(part));
    let mixer = |mixer: &MixerConfig| mixer.projection_rows().max(mixer.inner_len());
    let widest = largest(config.feed_forwards().map(feed_forward))
        .max(largest(config.mixers().map(mixer)))
        .max(config.layer_inputs_len())
        .max(config.other_streams_len())
        .max(config.deepstack_layers * config.embedding_len);
    let fitting = (tuning.activation_mib << 18) / widest.max(1);
    // A multiple of the tile size, if it exceeds that.
    let picture_len = config.picture_len.next_multiple_of(64);
    // Adapters on a CPU have smaller ones, whatever the model.
    let wanted = if tuning.prefill_batch < 64 { tuning.prefill_batch } else { tuning.prefill_batch.max(picture_len) };
    wanted.min(if fitting < 64 { fitting.max(1) } else { fitting / 64 * 64 })
}

/// Size of the activations on a GPU in bytes.
pub fn scratch_bytes(config: &ModelConfig) -> u64 {
    Sizes::new(config, &Tuning::for_adapter(false, None), config.sequences).sum() * 4
}

/// Maximum number of tokens in a prompt batch on a GPU.
pub(in crate::runtime) fn usual_batch(config: &ModelConfig) -> u32 {
    prefill_batch(config, &Tuning::for_adapter(false, None))
}

/// RoPE angles of layers without and with a window, the same for each of the sequences.
fn rope_buffers(gpu: &Gpu, angles: &RopeAngles, sequences: usize) -> (wgpu::Buffer, wgpu::Buffer) {
    let (rope, window_rope) = angles.rows(&[], 0);
    let rope = gpu.storage_buffer_with("rope", &rope.repeat(sequences));
    let window_rope = window_rope.map(|angles| gpu.storage_buffer_with("window rope", &angles.repeat(sequences)));
    (rope.clone(), window_rope.unwrap_or(rope))
}
