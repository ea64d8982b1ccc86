//! The CPU implementation of [`Embedder`].

use std::sync::Arc;

use async_trait::async_trait;

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::layers::{gate_up, project, store_heads};
use super::ops::{activate, layer_norm};
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::Result;
use crate::models::{EncoderConfig, EncoderLayerPlan, EncoderPlan, NormPlan, UpPlan};
use crate::runtime::backend::Embedder;

/// An embedding model with its weights.
pub(in crate::runtime) struct CpuEncoder {
    pacer: Pacer,
    plan: EncoderPlan,
    config: EncoderConfig,
    weights: Arc<CpuWeights>,
    /// RoPE angles: `[context][rope_dim / 2]`, or empty.
    rope: Vec<[f32; 2]>,
}

impl CpuEncoder {
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        config: &EncoderConfig,
        plan: &EncoderPlan,
        weights: Arc<CpuWeights>,
    ) -> Self {
        let angles = config.rope.as_ref().map(|rope| rope.angles(config.heads.rope_dim, config.context, None));
        Self {
            pacer: cpu.pacer(),
            config: config.clone(),
            plan: plan.clone(),
            weights,
            rope: angles.unwrap_or_default(),
        }
    }

    fn attention(&self, config: &EncoderConfig, layer: &EncoderLayerPlan, hidden: &[f32]) -> Result<Vec<f32>> {
        let (heads, width) = (config.heads, config.embedding_len as usize);
        let projected = project(&self.weights, &layer.qkv, hidden, width, 3 * width, layer.qkv_bias);
        let mut cache = LayerCache::new(hidden.len() / width, width)?;
        let query = store_heads(projected, &heads, &self.rope, 0, &mut cache);
        let scale = (heads.head_dim as f32).sqrt().recip();
        let shape =
            AttentionShape { heads, scale, temperature: None, softcap: None, window: None, bidirectional: true };
        let attended = attend(&query, &cache, &shape);
        let bias = layer.attention_output_bias;
        let mut output = project(&self.weights, &layer.attention_output, &attended, width, width, bias);
        output.iter_mut().zip(hidden).for_each(|(sum, value)| *sum += value);
        Ok(self.norm(config, &output, layer.attention_norm))
    }

    fn feed_forward(&self, config: &EncoderConfig, layer: &EncoderLayerPlan, hidden: &[f32]) -> Vec<f32> {
        let (width, len) = (config.embedding_len as usize, config.feed_forward_len as usize);
        let x = Activations::new(hidden, width);
        let activated = match &layer.up {
            UpPlan::Plain(up, bias) => {
                let mut values = self.weights.product(up, len, &x, *bias);
                activate(&mut values, config.activation);
                values
            }
            UpPlan::Gated(both) => gate_up(&self.weights, both, len, &x, config.activation),
        };
        let mut output = project(&self.weights, &layer.down, &activated, len, width, layer.down_bias);
        output.iter_mut().zip(hidden).for_each(|(sum, value)| *sum += value);
        self.norm(config, &output, layer.output_norm)
    }

    fn norm(&self, config: &EncoderConfig, x: &[f32], (weight, bias): NormPlan) -> Vec<f32> {
        layer_norm(x, self.weights.vector(weight), self.weights.vector(bias), config.norm_eps)
    }
}

#[async_trait(?Send)]
impl Embedder for CpuEncoder {
    async fn hidden(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let config = &self.config;
        let mut hidden = self.weights.embed(&self.plan.embedding, ids);
        let positions: Vec<u32> = (0..ids.len() as u32).collect();
        for (table, ids) in [(&self.plan.positions, &positions), (&self.plan.types, &vec![0; ids.len()])] {
            if let Some(table) = table {
                let rows = self.weights.embed(table, ids);
                hidden.iter_mut().zip(&rows).for_each(|(sum, value)| *sum += value);
            }
        }
        hidden = self.norm(config, &hidden, self.plan.embedding_norm);
        for layer in &self.plan.layers {
            hidden = self.attention(config, layer, &hidden)?;
            self.pacer.pause_if_due().await;
            hidden = self.feed_forward(config, layer, &hidden);
            self.pacer.pause_if_due().await;
        }
        self.weights.check()?;
        Ok(hidden)
    }
}
