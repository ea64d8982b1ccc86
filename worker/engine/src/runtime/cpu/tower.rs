//! The CPU implementation of [`Tower`].

use std::sync::Arc;

use async_trait::async_trait;

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::layers::{project, rotate_heads, store_heads};
use super::ops::{activate, layer_norm, multiply, rms_norm};
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::{EngineError, Result};
use crate::models::{
    LinearPlan, Merge, NormPlan, ProjectionPlan, ProjectorConfig, ProjectorPlan, TowerLayerPlan, VectorId,
};
use crate::runtime::backend::Tower;
use crate::vision::PatchInput;

/// A projector with its weights.
pub(in crate::runtime) struct CpuTower {
    pacer: Pacer,
    config: ProjectorConfig,
    plan: ProjectorPlan,
    weights: Arc<CpuWeights>,
}

impl CpuTower {
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        config: &ProjectorConfig,
        plan: &ProjectorPlan,
        weights: Arc<CpuWeights>,
    ) -> Self {
        Self { pacer: cpu.pacer(), config: config.clone(), plan: plan.clone(), weights }
    }

    fn width(&self) -> usize {
        self.config.width as usize
    }

    /// A norm of the tower, if there is one.
    fn norm(&self, x: Vec<f32>, norm: Option<NormPlan>) -> Vec<f32> {
        match norm {
            Some(norm) => self.normed(&x, norm, self.config.rms, self.config.norm_eps),
            None => x,
        }
    }

    fn normed(&self, x: &[f32], (weight, bias): NormPlan, rms: bool, eps: f32) -> Vec<f32> {
        let weight = self.weights.vector(weight);
        let mut y = if rms { rms_norm(x, weight, eps) } else { layer_norm(x, weight, None, eps) };
        self.add_bias(&mut y, weight.len(), bias);
        y
    }

    /// Adds a bias, if there is one, to rows that are `stride` apart.
    fn add_bias(&self, rows: &mut [f32], stride: usize, bias: Option<VectorId>) {
        if let Some(bias) = bias {
            let bias = self.weights.vector(bias);
            for row in rows.chunks_exact_mut(stride) {
                row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
            }
        }
    }

    /// A product with what follows it: `[tokens][stride]`, padded with zeros.
    fn linear(&self, plan: &LinearPlan, x: &[f32]) -> Vec<f32> {
        let stride = plan.stride() as usize;
        let mut y = project(&self.weights, &plan.product, x, plan.cols as usize, stride, None);
        self.add_bias(&mut y, stride, plan.bias);
        if let Some(activation) = plan.activation {
            activate(&mut y, activation);
        }
        y
    }

    /// Adds the output of attention to the hidden state.
    fn attention(&self, index: u32, hidden: &mut [f32], input: &PatchInput) -> Result<()> {
        let (layer, heads, width) = (&self.plan.layers[index as usize], self.config.heads, self.width());
        let normed = self.norm(hidden.to_vec(), Some(layer.norms[0]));
        let mut projected = project(&self.weights, &layer.qkv, &normed, width, 3 * width, layer.qkv_bias);
        rotate_heads(&mut projected, 3 * width, &heads, &input.angles, 0);
        let shape = AttentionShape {
            heads,
            scale: (heads.head_dim as f32).sqrt().recip(),
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: true,
            ahead: None,
            alibi: false,
        };
        let rows = (hidden.len() / width) as u32;
        let mut windows = match self.config.windows_of(index) {
            Some(_) => input.windows.clone(),
            None => vec![[0, rows]],
        };
        windows.dedup();
        let mut attended = Vec::with_capacity(hidden.len());
        for window in windows {
            let [start, end] = window.map(|row| row as usize * 3 * width);
            let mut cache = LayerCache::new((window[1] - window[0]) as usize, [width; 2])?;
            let query = store_heads(projected[start..end].to_vec(), &heads, Some(&mut cache));
            attended.extend(attend(&query, &cache, &[], &shape));
        }
        let output = self.linear(&layer.attention_output, &attended);
        self.add(hidden, output, layer.scales[0]);
        Ok(())
    }

    /// Adds the output of a feed-forward part to the hidden state.
    fn feed_forward(&self, layer: &TowerLayerPlan, hidden: &mut [f32]) {
        let normed = self.norm(hidden.to_vec(), Some(layer.norms[1]));
        let mut activated = self.linear(&layer.up, &normed);
        if let Some(gate) = &layer.gate {
            multiply(&mut activated, &self.linear(gate, &normed));
        }
        let output = self.linear(&layer.down, &activated);
        self.add(hidden, output, layer.scales[1]);
    }

    /// Adds an output, scaled if there are factors, to the hidden state.
    fn add(&self, hidden: &mut [f32], mut output: Vec<f32>, scale: Option<VectorId>) {
        if let Some(scale) = scale {
            let scale = self.weights.vector(scale);
            output.chunks_exact_mut(scale.len()).for_each(|row| multiply(row, scale));
        }
        hidden.iter_mut().zip(&output).for_each(|(sum, value)| *sum += value);
    }

    /// Combined patches as embeddings: `[embeddings][embedding_len]`.
    fn project(&self, plan: &ProjectionPlan, hidden: &[f32], embeddings: usize) -> Vec<f32> {
        let (config, width) = (&self.config, self.width());
        let patches = config.merged_patches() as usize;
        // Without the class.
        let rows = &hidden[..embeddings * patches * width];
        let merged = match config.merged {
            Merge::Joined => rows.to_vec(),
            Merge::Averaged => rows.chunks_exact(patches * width).flat_map(|rows| mean(rows, width)).collect(),
        };
        let normed = match plan.norm {
            Some(norm) => self.normed(&merged, norm, config.merged_rms, config.merged_eps),
            None => merged,
        };
        plan.steps.iter().fold(normed, |x, step| self.linear(step, &x))
    }
}

/// The mean of rows of `width`.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let count = (rows.len() / width) as f32;
    sums.iter_mut().for_each(|sum| *sum /= count);
    sums
}

#[async_trait(?Send)]
impl Tower for CpuTower {
    async fn embeddings(
        &mut self,
        input: &PatchInput,
        on_layer: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        let count = input.places.len();
        let mut hidden = input.added.clone();
        for patches in &self.plan.patches {
            let x = Activations::new(&input.patches, patches.cols as usize);
            let embedded = self.weights.product(&patches.product, patches.rows as usize, &x, None);
            self.add(&mut hidden, embedded, None);
        }
        hidden = self.norm(hidden, self.plan.pre_norm);
        let mut deepstack = Vec::new();
        for (index, layer) in (0..).zip(&self.plan.layers) {
            if !on_layer(index as usize) {
                return Err(EngineError::Interrupted);
            }
            self.attention(index, &mut hidden, input)?;
            self.pacer.pause_if_due().await;
            self.feed_forward(layer, &mut hidden);
            self.pacer.pause_if_due().await;
            deepstack.extend(layer.deepstack.as_ref().map(|plan| self.project(plan, &hidden, count)));
        }
        hidden = self.norm(hidden, self.plan.post_norm);
        let mut embeddings = vec![self.project(&self.plan.projection, &hidden, count)];
        embeddings.append(&mut deepstack);
        self.weights.check()?;
        Ok(embeddings)
    }
}
