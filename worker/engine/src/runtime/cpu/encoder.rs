//! The CPU implementation of [`Embedder`].

use std::sync::Arc;

use async_trait::async_trait;

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::layers::{self, by_expert, project, rotate_heads, store_heads};
use super::ops::{activate, expert_sum, layer_norm, route};
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::Result;
use crate::models::{
    EncoderConfig, EncoderFeedForward, EncoderLayerPlan, EncoderPlan, ExpertConfig, MatrixId, NormPlan, PositionKind,
    Product, VectorId,
};
use crate::runtime::backend::Embedder;

/// An encoder with its weights.
pub(in crate::runtime) struct CpuEncoder {
    pacer: Pacer,
    plan: EncoderPlan,
    config: EncoderConfig,
    weights: Arc<CpuWeights>,
    /// RoPE angles: `[context][rope_dim / 2]`, or empty.
    rope: Vec<[f32; 2]>,
    /// The same for layers with a window.
    window_rope: Vec<[f32; 2]>,
}

impl CpuEncoder {
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        config: &EncoderConfig,
        plan: &EncoderPlan,
        weights: Arc<CpuWeights>,
    ) -> Self {
        let [rope, window_rope] = config.angles(config.context);
        Self { pacer: cpu.pacer(), config: config.clone(), plan: plan.clone(), weights, rope, window_rope }
    }

    /// Attention, with its norms and its input added.
    fn attention(&self, index: usize, hidden: &[f32]) -> Result<Vec<f32>> {
        let (config, layer) = (&self.config, &self.plan.layers[index]);
        let (heads, width) = (config.heads, config.embedding_len as usize);
        let input = self.before(hidden, layer.attention_norm);
        let mut projected = project(&self.weights, &layer.qkv, &input, width, 3 * width, layer.qkv_bias);
        if let Some(norms) = layer.head_norms {
            projected.chunks_exact_mut(3 * width).for_each(|row| self.norm_heads(row, norms));
        }
        let window = config.window_of(index as u32);
        let angles = if window.is_some() { &self.window_rope } else { &self.rope };
        let mut cache = LayerCache::new(hidden.len() / width, [width; 2], None)?;
        rotate_heads(&mut projected, 3 * width, &heads, angles, 0);
        let query = store_heads(projected, &heads, Some(&mut cache));
        let shape = AttentionShape {
            heads,
            scale: (heads.head_dim as f32).sqrt().recip(),
            temperature: None,
            softcap: None,
            window: window.map(|window| window.reach + 1),
            bidirectional: true,
            ahead: window.map(|window| window.reach),
            alibi: config.positions == PositionKind::Alibi,
        };
        let attended = attend(&query, &cache, &[], &shape);
        let bias = layer.attention_output_bias;
        let output = project(&self.weights, &layer.attention_output, &attended, width, width, bias);
        let normed = self.after(sum(output, hidden), layer.attention_norm);
        Ok(match layer.second_norm {
            Some(norm) => self.norm(&sum(normed, hidden), norm),
            None => normed,
        })
    }

    /// Norms of the queries and the keys of a token.
    fn norm_heads(&self, row: &mut [f32], norms: [(VectorId, VectorId); 2]) {
        let width = self.config.embedding_len as usize;
        for (part, (weight, bias)) in row.chunks_exact_mut(width).zip(norms) {
            part.copy_from_slice(&self.norm(part, (weight, Some(bias))));
        }
    }

    /// A feed-forward part, with its norm and its input added.
    fn feed_forward(&self, layer: &EncoderLayerPlan, hidden: &[f32]) -> Vec<f32> {
        let config = &self.config;
        let (width, len) = (config.embedding_len as usize, config.feed_forward_len as usize);
        let input = self.before(hidden, Some(layer.feed_forward_norm));
        let output = match &layer.feed_forward {
            EncoderFeedForward::Dense { gate_up, down, down_bias } => {
                let x = Activations::new(&input, width);
                let activated = layers::gate_up(&self.weights, gate_up, len, &x, config.activation);
                project(&self.weights, down, &activated, len, width, *down_bias)
            }
            EncoderFeedForward::Experts { config, router, up, down } => {
                self.experts(config, router, [*up, *down], &input)
            }
        };
        self.after(sum(output, hidden), Some(layer.feed_forward_norm))
    }

    /// Mixture of experts with up and down projections.
    fn experts(&self, config: &ExpertConfig, router: &Product, [up, down]: [MatrixId; 2], input: &[f32]) -> Vec<f32> {
        let weights = &self.weights;
        let (width, hidden) = (self.config.embedding_len as usize, config.feed_forward_len as usize);
        let scores = weights.product(router, config.count as usize, &Activations::new(input, width), None);
        let (chosen, factors) = route(&scores, [None; 2], config, false);
        let outputs = by_expert(input, width, &chosen, config, |expert, x| {
            let mut activated = weights.expert_product(up, expert, hidden, x);
            activate(&mut activated, self.config.activation);
            weights.expert_product(down, expert, width, &Activations::new(&activated, hidden))
        });
        expert_sum(&outputs, None, &factors, config, width)
    }

    /// The input of a part, in families with norms before parts.
    fn before(&self, hidden: &[f32], norm: Option<NormPlan>) -> Vec<f32> {
        match norm.filter(|_| self.config.pre_norm) {
            Some(norm) => self.norm(hidden, norm),
            None => hidden.to_vec(),
        }
    }

    /// The output of a part, in families with norms after parts.
    fn after(&self, output: Vec<f32>, norm: Option<NormPlan>) -> Vec<f32> {
        match norm.filter(|_| !self.config.pre_norm) {
            Some(norm) => self.norm(&output, norm),
            None => output,
        }
    }

    fn norm(&self, x: &[f32], (weight, bias): NormPlan) -> Vec<f32> {
        let weight = self.weights.vector(weight);
        layer_norm(x, weight, bias.map(|bias| self.weights.vector(bias)), self.config.norm_eps)
    }
}

/// The sum of two vectors.
fn sum(mut a: Vec<f32>, b: &[f32]) -> Vec<f32> {
    a.iter_mut().zip(b).for_each(|(sum, value)| *sum += value);
    a
}

#[async_trait(?Send)]
impl Embedder for CpuEncoder {
    async fn hidden(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let mut hidden = self.weights.embed(&self.plan.embedding, ids);
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        for (table, ids) in [(&self.plan.positions, &positions), (&self.plan.types, &vec![0; ids.len()])] {
            if let Some(table) = table {
                hidden = sum(hidden, &self.weights.embed(table, ids));
            }
        }
        hidden = self.norm(&hidden, self.plan.embedding_norm);
        for (index, layer) in self.plan.layers.iter().enumerate() {
            hidden = self.attention(index, &hidden)?;
            self.pacer.pause_if_due().await;
            hidden = self.feed_forward(layer, &hidden);
            self.pacer.pause_if_due().await;
        }
        if let Some(norm) = self.plan.output_norm {
            hidden = self.norm(&hidden, norm);
        }
        self.weights.check()?;
        Ok(hidden)
    }
}
