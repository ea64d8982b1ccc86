//! A model that answers, computed on the CPU.

use std::collections::HashMap;
use std::sync::Arc;

use web_time::Instant;

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::layers::{gate_up, project, store_heads};
use super::sampler::Sampler;
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::Result;
use crate::models::{
    ExpertConfig, FeedForwardPlan, HeadNorm, HeadShape, LayerRope, MatrixId, ModelConfig, ModelPlan, Product, VectorId,
    rope_angles,
};
use crate::reference::experts::{expert_sum, route};
use crate::reference::linear::{activate, rms_norm};
use crate::sampling::{SamplingParams, SamplingPlan};

/// Seconds that a batch of a prompt should take: few enough that a stop takes effect soon.
const BATCH_SECONDS: f64 = 0.15;
/// Most tokens in a batch.
const MAX_BATCH: usize = 64;

/// A decoder's weights, cache and sampler.
pub(in crate::runtime) struct CpuModel {
    pacer: Pacer,
    config: ModelConfig,
    plan: ModelPlan,
    weights: Arc<CpuWeights>,
    /// RoPE's angles: `[context][rope_dim / 2]`
    rope: Vec<[f32; 2]>,
    /// The same of layers with a window.
    window_rope: Vec<[f32; 2]>,
    caches: Vec<LayerCache>,
    /// Of the last token computed: `[vocab]`
    logits: Vec<f32>,
    sampler: Sampler,
    seconds_per_token: Option<f64>,
}

impl CpuModel {
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`]
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        config: &ModelConfig,
        plan: &ModelPlan,
        context: u32,
        weights: Arc<CpuWeights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Self> {
        let (rope, window_rope) = rope_angles(config, context, host);
        let cache = |_| LayerCache::new(context as usize, config.kv_len() as usize);
        Ok(Self {
            pacer: cpu.pacer(),
            config: config.clone(),
            plan: plan.clone(),
            weights,
            window_rope: window_rope.unwrap_or_else(|| rope.clone()),
            rope,
            caches: config.layers.iter().map(cache).collect::<Result<_>>()?,
            logits: Vec::new(),
            sampler: Sampler::new(&(&SamplingParams::GREEDY).into(), vec![0; config.vocab as usize]),
            seconds_per_token: None,
        })
    }

    /// How many tokens of a prompt to compute at once.
    pub(in crate::runtime) fn batch_len(&self) -> usize {
        self.seconds_per_token.map_or(4, |seconds| ((BATCH_SECONDS / seconds) as usize).clamp(4, MAX_BATCH))
    }

    /// Puts tokens into the cache, the first at `position`.
    ///
    /// # Errors
    /// That another thread is gone.
    pub(in crate::runtime) async fn run_batch(&mut self, position: usize, ids: &[u32]) -> Result<()> {
        let start = Instant::now();
        self.layers(position, ids).await;
        self.seconds_per_token = Some(start.elapsed().as_secs_f64() / ids.len() as f64);
        self.weights.check()
    }

    /// The same, and the logits after each of them: `[tokens][vocab]`.
    ///
    /// # Errors
    /// That another thread is gone.
    pub(in crate::runtime) async fn batch_logits(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        let hidden = self.layers(position, ids).await;
        let logits = self.head(&hidden);
        self.weights.check()?;
        Ok(logits)
    }

    /// Computes the logits after a token at `position`.
    ///
    /// # Errors
    /// That another thread is gone.
    pub(in crate::runtime) async fn decode(&mut self, position: usize, id: u32) -> Result<&[f32]> {
        let hidden = self.layers(position, &[id]).await;
        self.logits = self.head(&hidden);
        self.weights.check()?;
        Ok(&self.logits)
    }

    /// The logits computed last, which may be changed.
    pub(in crate::runtime) fn logits(&mut self) -> &mut Vec<f32> {
        &mut self.logits
    }

    /// Begins an answer. `history` tells what was seen of each token.
    pub(in crate::runtime) fn begin_answer(&mut self, plan: &SamplingPlan<'_>, history: Vec<u32>) {
        self.sampler = Sampler::new(plan, history);
    }

    /// Chooses a token by the logits computed last.
    pub(in crate::runtime) fn choose(&mut self, allowed: Option<&[u32]>) -> u32 {
        self.sampler.choose(&self.logits, allowed)
    }

    /// Chooses a token by `logits`.
    pub(in crate::runtime) fn choose_by(&mut self, logits: &[f32]) -> u32 {
        self.sampler.choose(logits, None)
    }

    /// Keys and values of `positions` for each layer.
    pub(in crate::runtime) fn cache_bytes(&self, positions: usize) -> impl Iterator<Item = [&[u8]; 2]> {
        let len = positions * self.config.kv_len() as usize;
        self.caches
            .iter()
            .map(move |cache| [&cache.keys, &cache.values].map(|floats| bytemuck::cast_slice(&floats[..len])))
    }

    /// Puts a layer's keys and values in the place of what the cache holds.
    pub(in crate::runtime) fn restore_layer(&mut self, layer: usize, [keys, values]: [&[u8]; 2]) {
        let floats =
            |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect::<Vec<_>>();
        let cache = &mut self.caches[layer];
        cache.truncate(0);
        cache.keys.extend(floats(keys));
        cache.values.extend(floats(values));
    }

    /// From token ids to the hidden state after the last layer: `[tokens][embedding_len]`.
    async fn layers(&mut self, position: usize, ids: &[u32]) -> Vec<f32> {
        let mut hidden = self.weights.embed(&self.plan.embedding, ids);
        for value in &mut hidden {
            *value *= self.config.embedding_scale;
        }
        for layer in 0..self.plan.layers.len() {
            self.attention(layer, position, &mut hidden);
            self.pacer.pause_if_due().await;
            self.feed_forward(layer, &mut hidden);
            self.pacer.pause_if_due().await;
        }
        hidden
    }

    /// From the hidden state to logits.
    fn head(&self, hidden: &[f32]) -> Vec<f32> {
        let config = &self.config;
        let normed = self.normed(hidden, Some(self.plan.output_norm));
        let width = config.embedding_len as usize;
        let mut logits = project(&self.weights, &self.plan.output, &normed, width, config.vocab as usize, None);
        for logit in &mut logits {
            *logit *= config.logit_scale;
            if let Some(cap) = config.logit_softcap {
                *logit = cap * (*logit / cap).tanh();
            }
        }
        logits
    }

    fn attention(&mut self, index: usize, position: usize, hidden: &mut [f32]) {
        let (config, plan, layer) = (&self.config, &self.plan.layers[index], self.config.layers[index]);
        let input = self.normed(hidden, plan.attention_norm);
        let (width, rows) = (config.embedding_len as usize, config.qkv_rows() as usize);
        let mut projected = project(&self.weights, &plan.qkv, &input, width, rows, plan.qkv_bias);
        if let Some(norms) = plan.head_norms {
            debug_assert_ne!(config.head_norm, HeadNorm::None, "the plan has norms");
            projected.chunks_exact_mut(rows).for_each(|row| self.norm_heads(row, norms));
        }
        let heads = match layer.rope {
            LayerRope::None => HeadShape { rope_dim: 0, ..config.heads },
            LayerRope::Main | LayerRope::Window => config.heads,
        };
        let angles = if layer.rope == LayerRope::Window { &self.window_rope } else { &self.rope };
        let cache = &mut self.caches[index];
        cache.truncate(position);
        let query = store_heads(projected, &heads, angles, position, cache);
        let shape = AttentionShape {
            heads,
            scale: config.attention_scale,
            softcap: config.attention_softcap,
            window: layer.window,
            bidirectional: false,
        };
        let attended = attend(&query, cache, &shape);
        let bias = plan.attention_output_bias;
        let output =
            project(&self.weights, &plan.attention_output, &attended, config.attention_len() as usize, width, bias);
        self.add(hidden, output, plan.attention_post_norm);
    }

    fn feed_forward(&self, index: usize, hidden: &mut [f32]) {
        let (config, plan) = (&self.config, &self.plan.layers[index]);
        let input = self.normed(hidden, plan.feed_forward_norm);
        let (width, len) = (config.embedding_len as usize, config.feed_forward_len as usize);
        let x = Activations::new(&input, width);
        let output = match &plan.feed_forward {
            FeedForwardPlan::Dense { gate_up: both, down } => {
                let activated = gate_up(&self.weights, both, len, &x, config.activation);
                project(&self.weights, down, &activated, len, width, None)
            }
            FeedForwardPlan::Experts { experts, router, gate, up, down } => {
                self.experts(*experts, &input, router, [*gate, *up, *down])
            }
        };
        self.add(hidden, output, plan.feed_forward_post_norm);
    }

    /// The mixture of experts; `matrices` are gate, up and down.
    fn experts(&self, experts: ExpertConfig, input: &[f32], router: &Product, matrices: [MatrixId; 3]) -> Vec<f32> {
        let (width, hidden) = (self.config.embedding_len as usize, experts.feed_forward_len as usize);
        let [gate, up, down] = matrices;
        let weights = &self.weights;
        let scores = project(&self.weights, router, input, width, experts.count as usize, None);
        let (chosen, shares) = route(&scores, &experts);
        let mut outputs = Vec::with_capacity(chosen.len() * width);
        for (input, chosen) in input.chunks_exact(width).zip(chosen.chunks_exact(experts.used as usize)) {
            let x = Activations::new(input, width);
            for expert in chosen.iter().map(|expert| *expert as usize) {
                let rows = expert * hidden..(expert + 1) * hidden;
                let mut activated = vec![0.0; hidden];
                let store =
                    |_, row: usize, value| activated[row - rows.start] = activate(value, self.config.activation);
                weights.multiply(gate, rows.clone(), &x, store);
                weights.multiply(up, rows.clone(), &x, |_, row, value| activated[row - rows.start] *= value);
                let activated = Activations::new(&activated, hidden);
                let (first, at) = (expert * width, outputs.len());
                outputs.resize(at + width, 0.0);
                let store = |_, row: usize, value| outputs[at + row - first] = value;
                weights.multiply(down, first..first + width, &activated, store);
            }
        }
        expert_sum(&outputs, &shares, &experts, width)
    }

    fn norm_heads(&self, row: &mut [f32], (query_norm, key_norm): (VectorId, VectorId)) {
        let (query, rest) = row.split_at_mut(self.config.attention_len() as usize);
        let (key, _) = rest.split_at_mut(self.config.kv_len() as usize);
        for (part, norm) in [(query, query_norm), (key, key_norm)] {
            let normed = rms_norm(part, self.weights.vector(norm), self.config.norm_eps);
            part.copy_from_slice(&normed);
        }
    }

    fn normed(&self, hidden: &[f32], norm: Option<VectorId>) -> Vec<f32> {
        match norm {
            Some(norm) => rms_norm(hidden, self.weights.vector(norm), self.config.norm_eps),
            None => hidden.to_vec(),
        }
    }

    /// Adds what a layer gives to the hidden state.
    fn add(&self, hidden: &mut [f32], output: Vec<f32>, post_norm: Option<VectorId>) {
        let output = match post_norm {
            Some(_) => self.normed(&output, post_norm),
            None => output,
        };
        hidden.iter_mut().zip(&output).for_each(|(sum, value)| *sum += self.config.residual_scale * value);
    }
}
