//! The GPU implementation of [`Listener`].

use std::sync::Arc;

use async_trait::async_trait;

use super::listener_buffers::{Buffers, Cache, Rows, text_batch, write_state};
use super::product::{Input, Output, ProductBuilder};
use super::self_test;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::attention::{Attention, AttentionLayout};
use crate::kernels::linear::{Epilogue, LinearTuning};
use crate::kernels::norm::LayerNorm;
use crate::kernels::taps::Taps;
use crate::kernels::transcript::{PROGRESS_WORDS, Transcript};
use crate::models::{
    Activation, BiasedProduct, CrossAttentionPlan, HeadShape, NormPlan, Product, SPEECH_NORM_EPS, SelfAttentionPlan,
    SpeechConfig, SpeechLayerPlan, SpeechPlan, TAPS, taps_len,
};
use crate::runtime::backend::Listener;
use crate::runtime::device::{Dispatch, Gpu, Task};
use crate::speech::Rules;

/// Number of tokens that are written before the host sees them. Tokens past the end are discarded.
const WRITTEN_AT_ONCE: usize = 16;
/// Nothing was said in this window yet, see `kernels/transcript/progress.wgsl`.
const NOTHING_SAID: [u32; PROGRESS_WORDS] = [0, u32::MAX, u32::MAX, 0];

/// Dispatches and buffers of a speech recogniser.
pub(in crate::runtime) struct GpuListener {
    gpu: Gpu,
    config: SpeechConfig,
    /// The token that ends a transcript.
    end: u32,
    buffers: Buffers,
    /// The first convolution, over the frames of a window.
    frames: Vec<Dispatch>,
    /// What is computed for each position of the encoder, in parts that are submitted one after the other.
    encoder: Vec<Vec<Dispatch>>,
    /// Keys and values of what was heard.
    heard: Vec<Dispatch>,
    /// The decoder's layers, for several tokens.
    several: Vec<Dispatch>,
    /// From the hidden state of the last of them to logits.
    head: Vec<Dispatch>,
    /// From one token to logits.
    one: Vec<Dispatch>,
    /// From logits to the next token.
    choice: Vec<Dispatch>,
    /// Keeps the buffers alive that the dispatches' bind groups use in a browser.
    _weights: Arc<Weights>,
}

impl GpuListener {
    /// Allocates the buffers and builds the dispatches.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`](crate::EngineError::UnsupportedFormat) for a format without kernels.
    pub(in crate::runtime) fn new(
        gpu: &Gpu,
        (config, plan): (&SpeechConfig, &SpeechPlan),
        rules: &Rules,
        weights: Arc<Weights>,
    ) -> Result<Self> {
        let (transcript, never) = rules.on_device(config.decoder.context);
        let buffers = Buffers::new(gpu, config, (&transcript, &never));
        let (tuning, for_sound) = (gpu.tuning(), gpu.with_tuning(gpu.tuning().for_many_tokens()));
        let builder = |gpu, rows, tuning| Builder { gpu, config, weights: &weights, buffers: &buffers, rows, tuning };
        let sound = builder(&for_sound, &buffers.sound, tuning.prefill);
        let of_one = builder(gpu, &buffers.text, tuning.decode);
        let mut one = of_one.decoder(plan)?;
        one.extend(of_one.head(plan)?);
        Ok(Self {
            frames: sound.first_convolution(plan)?,
            encoder: sound.encoder(plan)?,
            heard: sound.heard(plan)?,
            several: builder(gpu, &buffers.text, tuning.prefill).decoder(plan)?,
            head: builder(gpu, &buffers.last, tuning.decode).head(plan)?,
            choice: choice(gpu, &buffers, &transcript),
            one,
            gpu: gpu.clone(),
            config: config.clone(),
            end: transcript.end,
            buffers,
            _weights: weights,
        })
    }

    /// Feeds tokens that are at most a batch, and computes the logits after the last.
    fn feed(&self, position: usize, ids: &[u32]) {
        let (buffers, queue, count) = (&self.buffers, self.gpu.queue(), ids.len() as u32);
        let positions: Vec<u32> = (position as u32..).take(ids.len()).collect();
        queue.write_buffer(&buffers.ids, 0, bytemuck::cast_slice(ids));
        queue.write_buffer(&buffers.text.positions, 0, bytemuck::cast_slice(&positions));
        write_state(&self.gpu, &buffers.text.state, position as u32, count);
        write_state(&self.gpu, &buffers.cross_state, self.config.encoder.context - count, count);
        if count == 1 {
            return self.submit(&self.one, 1);
        }
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder, &self.several, count);
        let row_bytes = u64::from(self.config.embedding_len) * 4;
        let start = u64::from(count - 1) * row_bytes;
        encoder.copy_buffer_to_buffer(&buffers.text.hidden, start, &buffers.last.hidden, 0, row_bytes);
        encode(&mut encoder, &self.head, 1);
        queue.submit([encoder.finish()]);
    }

    /// Submits dispatches for a number of tokens.
    fn submit(&self, dispatches: &[Dispatch], tokens: u32) {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder, dispatches, tokens);
        self.gpu.queue().submit([encoder.finish()]);
    }
}

/// From logits to the next token, which is fed next.
fn choice(gpu: &Gpu, buffers: &Buffers, transcript: &Transcript) -> Vec<Dispatch> {
    let Buffers { logits, never, progress, parts, ring, ids, text, .. } = buffers;
    let (scan, scan_grid) = transcript.scan();
    let bound = [("logits", logits), ("never", never), ("progress", progress), ("parts", parts)];
    let scan = Dispatch::new(gpu, &scan, &bound, scan_grid);
    let (choice, choice_grid) = transcript.choice();
    let bound = [
        ("parts", parts),
        ("progress", progress),
        ("ring", ring),
        ("state", &text.state),
        ("ids", ids),
        ("positions", &text.positions),
    ];
    vec![scan, Dispatch::new(gpu, &choice, &bound, choice_grid)]
}

/// Encodes dispatches as one pass.
fn encode(encoder: &mut wgpu::CommandEncoder, dispatches: &[Dispatch], tokens: u32) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for dispatch in dispatches {
        dispatch.encode(&mut pass, tokens);
    }
}

#[async_trait(?Send)]
impl Listener for GpuListener {
    async fn listen(&mut self, mel: &[f32]) -> Result<()> {
        let positions = self.config.encoder.context;
        self.gpu.queue().write_buffer(&self.buffers.mel, 0, bytemuck::cast_slice(mel));
        self.submit(&self.frames, self.config.window_frames());
        // Not all at once: on a slow device the browser would take it for hung.
        for part in &self.encoder {
            self.submit(part, positions);
        }
        self.submit(&self.heard, positions);
        self.gpu.check()
    }

    async fn read(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        let batch = text_batch(&self.gpu, &self.config) as usize;
        for (index, ids) in ids.chunks(batch).enumerate() {
            self.feed(position + index * batch, ids);
        }
        self.gpu.read_buffer(&self.buffers.logits, u64::from(self.config.vocab) * 4).await
    }

    async fn pause(&self) -> Result<()> {
        // Reading from the GPU is what makes a browser's thread wait for events.
        self.gpu.read_buffer::<u32>(&self.buffers.text.state, 4).await.map(drop)
    }

    async fn write(&mut self, position: usize, limit: usize) -> Result<Option<Vec<(u32, f32)>>> {
        let buffers = &self.buffers;
        // The first choice moves on to `position`, from the token before.
        let before = position as u32 - 1;
        self.gpu.queue().write_buffer(&buffers.progress, 0, bytemuck::cast_slice(&NOTHING_SAID));
        write_state(&self.gpu, &buffers.text.state, before, 1);
        write_state(&self.gpu, &buffers.cross_state, self.config.encoder.context - 1, 1);
        let mut written = Vec::new();
        while written.len() < limit {
            let count = WRITTEN_AT_ONCE.min(limit - written.len());
            let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for index in 1..=count {
                encode(&mut encoder, &self.choice, 1);
                if written.len() + index < limit {
                    encode(&mut encoder, &self.one, 1);
                }
            }
            self.gpu.queue().submit([encoder.finish()]);
            let entries: Vec<[u32; 2]> =
                self.gpu.read_range(&buffers.ring, 8 * written.len() as u64, 8 * count as u64).await?;
            for [id, bits] in entries {
                written.push((id, f32::from_bits(bits)));
                if id == self.end {
                    return Ok(Some(written));
                }
            }
        }
        Ok(Some(written))
    }

    fn kernels_id(&self) -> Result<u64> {
        Ok(self_test::kernels_id(self.tested()))
    }

    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        self.gpu.compile().await;
        let Buffers { sound_cache, text_caches, .. } = &self.buffers;
        let largest = text_caches.iter().chain([sound_cache]).max_by_key(|cache| cache.0.size());
        let largest = largest.map_or(&sound_cache.0, |cache| &cache.0);
        self_test::wrong_kernels(&self.gpu, largest, self.tested(), None).await
    }
}

impl GpuListener {
    /// The dispatches whose kernels the self-test knows: the keys and values of what was heard have no queries, but are
    /// products like the others.
    fn tested(&self) -> impl Iterator<Item = &Dispatch> {
        let encoder = self.frames.iter().chain(self.encoder.iter().flatten());
        encoder.chain(&self.several).chain(&self.one).chain(&self.head)
    }
}

/// Builds the dispatches for `rows`.
struct Builder<'a> {
    gpu: &'a Gpu,
    config: &'a SpeechConfig,
    weights: &'a Weights,
    buffers: &'a Buffers,
    rows: &'a Rows,
    tuning: LinearTuning,
}

/// What is attended to.
struct Attended<'a> {
    heads: HeadShape,
    cache: &'a Cache,
    state: &'a wgpu::Buffer,
    /// All of it, not only what precedes a position.
    two_way: bool,
}

impl Builder<'_> {
    /// The first convolution.
    fn first_convolution(&self, plan: &SpeechPlan) -> Result<Vec<Dispatch>> {
        let Buffers { frame_state, mel, convolved, .. } = self.buffers;
        let mut program = Vec::new();
        let (channels, frames) = (self.config.mels, self.config.window_frames());
        let taps = Taps { frames, channels, taps: TAPS, stride: 1, row_len: taps_len(channels) };
        self.convolve(&mut program, &plan.convolutions[0], taps, [frame_state, mel, convolved])?;
        Ok(program)
    }

    /// From the first convolution's output to the encoder's output, in parts.
    fn encoder(&self, plan: &SpeechPlan) -> Result<Vec<Vec<Dispatch>>> {
        let Buffers { convolved, sound_cache, .. } = self.buffers;
        let Rows { state, hidden, .. } = self.rows;
        let mut start = Vec::new();
        let (channels, frames) = (self.config.embedding_len, self.config.window_frames());
        let taps = Taps { frames, channels, taps: TAPS, stride: 2, row_len: taps_len(channels) };
        self.convolve(&mut start, &plan.convolutions[1], taps, [state, convolved, hidden])?;
        self.add_positions(&mut start, &plan.encoder.positions)?;
        let mut parts = vec![start];
        for layer in &plan.encoder.layers {
            let mut part = Vec::new();
            let heads = self.config.encoder.heads;
            let attended = Attended { heads, cache: sound_cache, state, two_way: true };
            self.self_attention(&mut part, &layer.attention, &attended)?;
            self.feed_forward(&mut part, layer)?;
            parts.push(part);
        }
        // Where the keys and values of what was heard are computed from.
        parts.push(vec![self.norm(plan.encoder.norm)]);
        Ok(parts)
    }

    /// Keys and values of what was heard, for each layer of the decoder.
    fn heard(&self, plan: &SpeechPlan) -> Result<Vec<Dispatch>> {
        let mut program = Vec::new();
        let heads = HeadShape { heads: 0, ..self.config.decoder.heads };
        let layers = plan.decoder.layers.iter().filter_map(|layer| layer.cross.as_ref());
        for (cross, cache) in layers.zip(&self.buffers.heard_caches) {
            self.project_heads(&mut program, &cross.kv, heads, cache)?;
        }
        Ok(program)
    }

    /// The decoder's layers.
    fn decoder(&self, plan: &SpeechPlan) -> Result<Vec<Dispatch>> {
        let (buffers, heads) = (self.buffers, self.config.decoder.heads);
        let mut program = Vec::new();
        self.products().embed(&mut program, &plan.embedding, &buffers.ids, &self.rows.hidden, 1.0, false)?;
        self.add_positions(&mut program, &plan.decoder.positions)?;
        let caches = buffers.text_caches.iter().zip(&buffers.heard_caches);
        for (layer, (text, heard)) in plan.decoder.layers.iter().zip(caches) {
            let attended = Attended { heads, cache: text, state: &self.rows.state, two_way: false };
            self.self_attention(&mut program, &layer.attention, &attended)?;
            if let Some(cross) = &layer.cross {
                let attended = Attended { heads, cache: heard, state: &buffers.cross_state, two_way: true };
                self.cross_attention(&mut program, cross, &attended)?;
            }
            self.feed_forward(&mut program, layer)?;
        }
        Ok(program)
    }

    /// From the hidden state of a token to logits.
    fn head(&self, plan: &SpeechPlan) -> Result<Vec<Dispatch>> {
        let mut program = vec![self.norm(plan.decoder.norm)];
        let (y, rows) = (&self.buffers.logits, self.config.vocab);
        let output = Output { epilogue: Epilogue::STORE, y, rows, extra: &[] };
        self.products().push(&mut program, &plan.embedding, &Input::new(&self.rows.normed), &output)?;
        Ok(program)
    }

    /// A convolution with its activation, from `x` to `y`.
    fn convolve(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &BiasedProduct,
        taps: Taps,
        [state, x, y]: [&wgpu::Buffer; 3],
    ) -> Result<()> {
        let inputs = &self.buffers.taps;
        let bound = [("state", state), ("x", x), ("y", inputs)];
        program.push(Dispatch::new(self.gpu, &taps.shader(), &bound, Grid::TokensInX));
        let input = Input { bias: Some(plan.bias), ..Input::new(inputs) };
        let epilogue = Epilogue::Activate(Activation::GeluErf);
        let output = Output { epilogue, y, rows: self.config.embedding_len, extra: &[] };
        ProductBuilder { state, ..self.products() }.push(program, &plan.product, &input, &output)
    }

    /// Adds the embeddings of positions to the hidden states.
    fn add_positions(&self, program: &mut Vec<Dispatch>, table: &Product) -> Result<()> {
        self.products().embed(program, table, &self.rows.positions, &self.rows.hidden, 1.0, true)
    }

    fn self_attention(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &SelfAttentionPlan,
        attended: &Attended<'_>,
    ) -> Result<()> {
        program.push(self.norm(plan.norm));
        self.project_heads(program, &plan.qkv, attended.heads, attended.cache)?;
        program.push(self.attention(attended));
        self.add_to_hidden(program, &plan.output, &self.rows.attended)
    }

    fn cross_attention(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &CrossAttentionPlan,
        attended: &Attended<'_>,
    ) -> Result<()> {
        program.push(self.norm(plan.norm));
        let (y, rows) = (&self.rows.query, self.config.embedding_len);
        let output = Output { epilogue: Epilogue::STORE, y, rows, extra: &[] };
        self.biased(program, &plan.query, &self.rows.normed, &output)?;
        program.push(self.attention(attended));
        self.add_to_hidden(program, &plan.output, &self.rows.attended)
    }

    fn feed_forward(&self, program: &mut Vec<Dispatch>, layer: &SpeechLayerPlan) -> Result<()> {
        program.push(self.norm(layer.feed_forward_norm));
        let epilogue = Epilogue::Activate(Activation::GeluErf);
        let (y, rows) = (&self.rows.activated, self.config.feed_forward_len());
        self.biased(program, &layer.up, &self.rows.normed, &Output { epilogue, y, rows, extra: &[] })?;
        self.add_to_hidden(program, &layer.down, &self.rows.activated)
    }

    /// Queries, keys and values of the normed hidden states.
    fn project_heads(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &BiasedProduct,
        heads: HeadShape,
        cache: &Cache,
    ) -> Result<()> {
        let epilogue = Epilogue::Qkv { heads, cache: cache.layout() };
        let rows = heads.query_len() + heads.key_len() + heads.value_len();
        let extra = [("kv", &cache.0), ("rope", &self.buffers.rope)];
        let output = Output { epilogue, y: &self.rows.query, rows, extra: &extra };
        self.biased(program, plan, &self.rows.normed, &output)
    }

    fn attention(&self, attended: &Attended<'_>) -> Dispatch {
        let Attended { heads, cache, state, two_way } = *attended;
        let attention = Attention {
            heads,
            cache: cache.layout(),
            scale: (heads.head_dim as f32).sqrt().recip(),
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: two_way,
            ahead: None,
            alibi: false,
            sinks: false,
            layout: AttentionLayout::Batch,
            splits: 1,
            workgroup: self.gpu.tuning().attention_workgroup,
            halves: false,
        };
        let bound = [("state", state), ("q", &self.rows.query), ("kv", &cache.0), ("y", &self.rows.attended)];
        let dispatch = Dispatch::new(self.gpu, &attention.shader(), &bound, attention.grids()[0]);
        dispatch.computing(Task::Attention(attention))
    }

    fn add_to_hidden(&self, program: &mut Vec<Dispatch>, plan: &BiasedProduct, x: &wgpu::Buffer) -> Result<()> {
        let (y, rows) = (&self.rows.hidden, self.config.embedding_len);
        self.biased(program, plan, x, &Output { epilogue: Epilogue::ADD, y, rows, extra: &[] })
    }

    /// A product with its bias.
    fn biased(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &BiasedProduct,
        x: &wgpu::Buffer,
        output: &Output<'_>,
    ) -> Result<()> {
        self.products().push(program, &plan.product, &Input { bias: Some(plan.bias), ..Input::new(x) }, output)
    }

    /// The norm of the hidden states.
    fn norm(&self, (weight, bias): NormPlan) -> Dispatch {
        let Rows { state, hidden, normed, .. } = self.rows;
        let mut bound = vec![("state", state), ("x", hidden), ("y", normed)];
        bound.push(("norm_weight", self.weights.vector(weight)));
        bound.extend(bias.map(|bias| ("norm_bias", self.weights.vector(bias))));
        let norm = LayerNorm {
            len: self.config.embedding_len,
            rms: false,
            bias: bias.is_some(),
            residual: false,
            in_place: false,
            halves: false,
            eps: SPEECH_NORM_EPS,
        };
        Dispatch::new(self.gpu, &norm.shader(), &bound, Grid::TokensInX).computing(Task::LayerNorm(norm))
    }

    fn products(&self) -> ProductBuilder<'_> {
        ProductBuilder {
            gpu: self.gpu,
            weights: self.weights,
            state: &self.rows.state,
            norm_eps: SPEECH_NORM_EPS,
            tuning: self.tuning,
            experts: self.tuning,
            prepared: None,
            groups: None,
        }
    }
}
