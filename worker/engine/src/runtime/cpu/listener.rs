//! The CPU implementation of [`Listener`].

use std::sync::Arc;

use async_trait::async_trait;

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::layers::{project, store_heads};
use super::ops::{activate, layer_norm};
use super::sound::Convolutions;
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::Result;
use crate::models::{
    Activation, BiasedProduct, CrossAttentionPlan, HeadShape, NormPlan, Product, SPEECH_NORM_EPS, SelfAttentionPlan,
    SpeechConfig, SpeechLayerPlan, SpeechPlan,
};
use crate::runtime::backend::Listener;

/// Positions of the encoder that are computed between two pauses.
const BATCH: usize = 64;

/// A speech recogniser with its weights.
pub(in crate::runtime) struct CpuListener {
    pacer: Pacer,
    plan: SpeechPlan,
    config: SpeechConfig,
    steps: Steps,
    /// For each layer of the decoder, keys and values of what was heard.
    heard: Vec<LayerCache>,
    /// For each layer of the decoder, keys and values of the text.
    text: Vec<LayerCache>,
}

impl CpuListener {
    /// Allocates the caches.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        config: &SpeechConfig,
        plan: &SpeechPlan,
        weights: Arc<CpuWeights>,
    ) -> Result<Self> {
        let width = config.embedding_len as usize;
        let caches = |positions: u32| -> Result<Vec<LayerCache>> {
            (0..config.decoder.layers).map(|_| LayerCache::new(positions as usize, [width; 2], None)).collect()
        };
        Ok(Self {
            pacer: cpu.pacer(),
            plan: plan.clone(),
            config: config.clone(),
            steps: Steps { weights, width },
            heard: caches(config.encoder.context)?,
            text: caches(config.decoder.context)?,
        })
    }

    /// The encoder's output: `[positions][width]`.
    async fn encode(&self, mel: &[f32]) -> Result<Vec<f32>> {
        let (steps, stack, config) = (&self.steps, &self.plan.encoder, self.config.encoder);
        let positions = config.context as usize;
        let batch = BATCH * steps.width;
        let [first, second] = &self.plan.convolutions;
        let convolutions = Convolutions { weights: &steps.weights, pacer: &self.pacer, width: steps.width };
        let frames = convolutions.convolve(mel, self.config.mels, 1, first).await;
        let mut hidden = convolutions.convolve(&frames, self.config.embedding_len, 2, second).await;
        steps.add_positions(&mut hidden, &stack.positions, 0);
        for layer in &stack.layers {
            let mut cache = LayerCache::new(positions, [steps.width; 2], None)?;
            let mut query = Vec::with_capacity(hidden.len());
            for rows in hidden.chunks(batch) {
                query.extend(steps.heads(rows, &layer.attention, config.heads, &mut cache));
                self.pacer.pause_if_due().await;
            }
            let attended = self.attend_by_head(&query, &cache, config.heads).await?;
            for (rows, attended) in hidden.chunks_mut(batch).zip(attended.chunks(batch)) {
                steps.add_biased(rows, attended, &layer.attention.output);
                steps.feed_forward(rows, layer);
                self.pacer.pause_if_due().await;
            }
        }
        Ok(steps.norm(&hidden, stack.norm))
    }

    /// Attention of all positions to all, head by head: `[positions][heads][head_dim]`.
    async fn attend_by_head(&self, query: &[f32], cache: &LayerCache, heads: HeadShape) -> Result<Vec<f32>> {
        let (dim, count) = (heads.head_dim as usize, heads.heads as usize);
        let shape = attention_shape(HeadShape { heads: 1, kv_heads: 1, ..heads }, true);
        let batch = BATCH * self.steps.width;
        let mut attended = vec![0.0; query.len()];
        for head in 0..count {
            let cache = cache.of_head(head, &heads)?;
            for (query, attended) in query.chunks(batch).zip(attended.chunks_mut(batch)) {
                let own: Vec<f32> = query.chunks(dim).skip(head).step_by(count).flatten().copied().collect();
                let places = attended.chunks_mut(dim).skip(head).step_by(count);
                let results = attend(&own, &cache, &[], &shape);
                places.zip(results.chunks(dim)).for_each(|(place, result)| place.copy_from_slice(result));
                self.pacer.pause_if_due().await;
            }
        }
        Ok(attended)
    }
}

#[async_trait(?Send)]
impl Listener for CpuListener {
    async fn listen(&mut self, mel: &[f32]) -> Result<()> {
        let output = self.encode(mel).await?;
        let heads = HeadShape { heads: 0, ..self.config.decoder.heads };
        let layers = self.plan.decoder.layers.iter().filter_map(|layer| layer.cross.as_ref());
        for (cross, cache) in layers.zip(&mut self.heard) {
            cache.begin(0);
            for rows in output.chunks(BATCH * self.steps.width) {
                // There are no queries among them.
                store_heads(self.steps.biased(rows, &cross.kv, 2 * self.steps.width), &heads, Some(&mut *cache));
                self.pacer.pause_if_due().await;
            }
        }
        self.text.iter_mut().for_each(|cache| cache.begin(0));
        self.steps.weights.check()
    }

    async fn pause(&self) -> Result<()> {
        self.pacer.pause_if_due().await;
        Ok(())
    }

    async fn read(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>> {
        let (steps, stack, heads) = (&self.steps, &self.plan.decoder, self.config.decoder.heads);
        let mut hidden = steps.weights.embed(&self.plan.embedding, ids);
        steps.add_positions(&mut hidden, &stack.positions, position);
        for ((layer, text), heard) in stack.layers.iter().zip(&mut self.text).zip(&self.heard) {
            text.begin(position);
            let query = steps.heads(&hidden, &layer.attention, heads, text);
            let attended = attend(&query, text, &[], &attention_shape(heads, false));
            steps.add_biased(&mut hidden, &attended, &layer.attention.output);
            if let Some(cross) = &layer.cross {
                let query = steps.cross_query(&hidden, cross);
                let attended = attend(&query, heard, &[], &attention_shape(heads, true));
                steps.add_biased(&mut hidden, &attended, &cross.output);
            }
            steps.feed_forward(&mut hidden, layer);
            self.pacer.pause_if_due().await;
        }
        let last = &hidden[hidden.len() - steps.width..];
        let normed = steps.norm(last, stack.norm);
        let x = Activations::new(&normed, steps.width);
        let logits = steps.weights.product(&self.plan.embedding, self.config.vocab as usize, &x, None);
        steps.weights.check()?;
        Ok(logits)
    }
}

/// The steps of the layers, on hidden states `[positions][width]`.
struct Steps {
    weights: Arc<CpuWeights>,
    width: usize,
}

impl Steps {
    /// Adds the embeddings of positions from `first` on.
    fn add_positions(&self, hidden: &mut [f32], table: &Product, first: usize) {
        let ids: Vec<u32> = (first as u32..).take(hidden.len() / self.width).collect();
        add(hidden, &self.weights.embed(table, &ids));
    }

    /// The queries of a layer's attention to its own input, whose keys and values are appended to the cache.
    fn heads(&self, hidden: &[f32], plan: &SelfAttentionPlan, heads: HeadShape, cache: &mut LayerCache) -> Vec<f32> {
        let projected = self.biased(&self.norm(hidden, plan.norm), &plan.qkv, 3 * self.width);
        store_heads(projected, &heads, Some(cache))
    }

    /// The queries of a layer's attention to the encoder's output.
    fn cross_query(&self, hidden: &[f32], plan: &CrossAttentionPlan) -> Vec<f32> {
        self.biased(&self.norm(hidden, plan.norm), &plan.query, self.width)
    }

    /// Adds the product of a matrix of `width` columns, with its bias, to the hidden states.
    fn add_biased(&self, hidden: &mut [f32], x: &[f32], plan: &BiasedProduct) {
        add(hidden, &self.biased(x, plan, self.width));
    }

    /// Adds the result of a layer's feed-forward part to the hidden states.
    fn feed_forward(&self, hidden: &mut [f32], layer: &SpeechLayerPlan) {
        let len = 4 * self.width;
        let mut activated = self.biased(&self.norm(hidden, layer.feed_forward_norm), &layer.up, len);
        activate(&mut activated, Activation::GeluErf);
        let bias = Some(layer.down.bias);
        add(hidden, &project(&self.weights, &layer.down.product, &activated, len, self.width, bias));
    }

    /// The product of a matrix of `width` columns, with its bias.
    fn biased(&self, x: &[f32], plan: &BiasedProduct, rows: usize) -> Vec<f32> {
        project(&self.weights, &plan.product, x, self.width, rows, Some(plan.bias))
    }

    fn norm(&self, x: &[f32], (weight, bias): NormPlan) -> Vec<f32> {
        let bias = bias.map(|bias| self.weights.vector(bias));
        layer_norm(x, self.weights.vector(weight), bias, SPEECH_NORM_EPS)
    }
}

/// Attention to the whole cache, or only to positions up to each query's own.
fn attention_shape(heads: HeadShape, two_way: bool) -> AttentionShape {
    AttentionShape {
        heads,
        scale: (heads.head_dim as f32).sqrt().recip(),
        temperature: None,
        softcap: None,
        window: None,
        bidirectional: two_way,
        ahead: None,
        alibi: false,
    }
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
