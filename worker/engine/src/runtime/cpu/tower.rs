//! The CPU implementation of [`Tower`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::activations::Activations;
use super::attention::{AttentionShape, LayerCache, attend};
use super::layers::{project, rotate_heads, store_heads};
use super::ops::{activate, layer_norm, multiply, normalise, rms_norm};
use super::sound::Convolutions;
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::{EngineError, Result};
use crate::models::{
    LinearPlan, Merge, NormPlan, ProjectionPlan, ProjectorConfig, ProjectorPlan, StepPlan, TowerLayerPlan,
    TowerTensors, VectorId,
};
use crate::runtime::backend::{Tower, TowerInput, TowerOutput};

/// A projector with its weights.
pub(in crate::runtime) struct CpuTower {
    pacer: Pacer,
    config: ProjectorConfig,
    plan: ProjectorPlan,
    weights: Arc<CpuWeights>,
    /// See [`TowerTensors`].
    bounds: HashMap<String, [f32; 4]>,
    head_norms: HashMap<String, Vec<f32>>,
}

impl CpuTower {
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        (config, plan): (&ProjectorConfig, &ProjectorPlan),
        weights: Arc<CpuWeights>,
        tensors: &TowerTensors,
    ) -> Self {
        Self {
            pacer: cpu.pacer(),
            config: config.clone(),
            plan: plan.clone(),
            weights,
            bounds: tensors.bounds.clone(),
            head_norms: tensors.head_norms.clone(),
        }
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
        if let Some(bias) = bias {
            let bias = self.weights.vector(bias);
            y.chunks_exact_mut(bias.len()).for_each(|row| add(row, bias));
        }
        y
    }

    /// A product with what follows it: `[tokens][stride]`, padded with zeros.
    fn linear(&self, plan: &LinearPlan, x: &[f32]) -> Vec<f32> {
        self.part(plan, x, plan.stride() as usize)
    }

    /// A product within rows of `stride`, the rest of which is zero.
    fn part(&self, plan: &LinearPlan, x: &[f32], stride: usize) -> Vec<f32> {
        let bounds = plan.bounds.as_ref().and_then(|name| self.bounds.get(name));
        let bounded: Option<Vec<f32>> =
            bounds.map(|[low, high, ..]| x.iter().map(|value| value.max(*low).min(*high)).collect());
        let x = bounded.as_deref().unwrap_or(x);
        let mut y = project(&self.weights, &plan.product, x, plan.cols as usize, stride, None);
        for row in y.chunks_exact_mut(stride) {
            let own = &mut row[plan.first_row as usize..][..plan.rows as usize];
            if let Some(bias) = plan.bias {
                add(own, self.weights.vector(bias));
            }
            if let Some([_, _, low, high]) = bounds {
                for value in own {
                    *value = value.max(*low).min(*high);
                }
            }
        }
        if let Some(activation) = plan.activation {
            activate(&mut y, activation);
        }
        y
    }

    /// Queries, keys and values, normalised if the family does so: `[tokens][3 width]`.
    fn qkv(&self, layer: &TowerLayerPlan, x: &[f32]) -> Vec<f32> {
        let (width, eps) = (self.width(), self.config.norm_eps);
        let mut parts = layer.qkv.iter().map(|part| self.part(part, x, 3 * width));
        let mut projected = parts.next().unwrap_or_default();
        parts.for_each(|part| add(&mut projected, &part));
        if let Some(norms) = &layer.head_norms {
            for row in projected.chunks_exact_mut(3 * width) {
                for (part, name) in row.chunks_exact_mut(width).zip(norms) {
                    let normed = rms_norm(part, &self.head_norms[name], eps);
                    part.copy_from_slice(&normed);
                }
                let values = row[2 * width..].chunks_exact_mut(self.config.heads.head_dim as usize);
                values.for_each(|head| normalise(head, eps));
            }
        }
        projected
    }

    /// Adds the output of attention to the hidden state.
    fn attention(&self, index: u32, hidden: &mut [f32], input: &TowerInput<'_>) -> Result<()> {
        let (layer, heads, width) = (&self.plan.layers[index as usize], self.config.heads, self.width());
        let normed = self.norm(hidden.to_vec(), Some(layer.norms[0]));
        let mut projected = self.qkv(layer, &normed);
        rotate_heads(&mut projected, 3 * width, &heads, input.angles, 0);
        let shape = AttentionShape {
            heads,
            scale: self.config.attention_scale(),
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: true,
            ahead: None,
            alibi: false,
        };
        let rows = (hidden.len() / width) as u32;
        let mut windows = match self.config.windows_of(index) {
            Some(_) => input.windows.to_vec(),
            None => vec![[0, rows]],
        };
        windows.dedup();
        let mut attended = Vec::with_capacity(hidden.len());
        for window in windows {
            let [start, end] = window.map(|row| row as usize * 3 * width);
            let mut cache = LayerCache::new((window[1] - window[0]) as usize, [width; 2], None)?;
            let query = store_heads(projected[start..end].to_vec(), &heads, Some(&mut cache));
            attended.extend(attend(&query, &cache, &[], &shape));
        }
        let output = self.linear(&layer.attention_output, &attended);
        self.add(hidden, output, layer.scales[0], layer.post_norms[0]);
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
        self.add(hidden, output, layer.scales[1], layer.post_norms[1]);
    }

    /// Adds an output, scaled if there are factors and normalised if there is a norm, to the hidden state.
    fn add(&self, hidden: &mut [f32], mut output: Vec<f32>, scale: Option<VectorId>, norm: Option<NormPlan>) {
        if let Some(scale) = scale {
            let scale = self.weights.vector(scale);
            output.chunks_exact_mut(scale.len()).for_each(|row| multiply(row, scale));
        }
        add(hidden, &self.norm(output, norm));
    }

    /// Combined patches less a mean, times a factor, if the file has them.
    fn standardised(&self, plan: &ProjectionPlan, mut merged: Vec<f32>) -> Vec<f32> {
        if let Some(standard) = plan.standard {
            let [means, factors] = standard.map(|vector| self.weights.vector(vector));
            for row in merged.chunks_exact_mut(means.len()) {
                row.iter_mut().zip(means).for_each(|(value, mean)| *value -= mean);
                multiply(row, factors);
            }
        }
        merged
    }

    /// Combined rows as embeddings: `[embeddings][embedding_len]`.
    fn project(&self, plan: &ProjectionPlan, hidden: &[f32], embeddings: usize) -> Vec<f32> {
        let (config, width) = (&self.config, self.width());
        let patches = config.merged_rows() as usize;
        // Without the class, or positions that are too few for another embedding.
        let rows = &hidden[..embeddings * patches * width];
        let merged = match config.merged {
            Merge::Joined => rows.to_vec(),
            Merge::Averaged => {
                let means = rows.chunks_exact(patches * width).flat_map(|rows| mean(rows, width));
                means.map(|mean| mean * config.merged_scale()).collect()
            }
        };
        let mut normed = self.standardised(plan, merged);
        if let Some(norm) = plan.norm {
            normed = self.normed(&normed, norm, config.merged_rms, config.merged_eps);
        } else if plan.plain_norm {
            let rows = normed.chunks_exact_mut(config.merged_len() as usize);
            rows.for_each(|row| normalise(row, config.merged_eps));
        }
        plan.steps.iter().fold(normed, |x, step| self.step(step, x))
    }

    /// A step of a projection: `[embeddings][stride]`.
    fn step(&self, step: &StepPlan, x: Vec<f32>) -> Vec<f32> {
        let x = match step.norm {
            Some(norm) => self.normed(&x, norm, true, self.config.merged_eps),
            None => x,
        };
        let mut y = self.linear(&step.linear, &x);
        if let Some(gate) = &step.gate {
            multiply(&mut y, &self.linear(gate, &x));
        }
        y
    }

    /// What the convolutions make of a spectrogram: `[positions][width]`.
    async fn convolved(&self, mel: &[f32]) -> Vec<f32> {
        let convolutions = Convolutions { weights: &self.weights, pacer: &self.pacer, width: self.width() };
        let mut x = mel.to_vec();
        let mut channels = self.config.sound().map_or(1, |sound| sound.mels);
        // The second one has half as many positions as there are frames.
        for (stride, plan) in (1..).zip(&self.plan.convolutions) {
            x = convolutions.convolve(&x, channels, stride, plan).await;
            channels = self.config.width;
        }
        x
    }
}

/// Adds to a sum.
fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// The mean of rows of `width`.
fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        add(&mut sums, row);
    }
    let count = (rows.len() / width) as f32;
    for sum in &mut sums {
        *sum /= count;
    }
    sums
}

#[async_trait(?Send)]
impl Tower for CpuTower {
    async fn embeddings(
        &mut self,
        input: &TowerInput<'_>,
        on_layer: &mut dyn FnMut(usize) -> bool,
    ) -> Result<TowerOutput> {
        let (count, len) = (input.embeddings as usize, self.config.embedding_len as usize);
        let for_layers = self.config.deepstack.len();
        let mut hidden = input.added.to_vec();
        for patches in &self.plan.patches {
            let x = Activations::new(input.values, patches.cols as usize);
            let embedded = self.weights.product(&patches.product, patches.rows as usize, &x, None);
            add(&mut hidden, &embedded);
        }
        if !self.plan.convolutions.is_empty() {
            add(&mut hidden, &self.convolved(input.values).await);
        }
        hidden = self.norm(hidden, self.plan.pre_norm);
        let (mut output, mut projected) = (TowerOutput::default(), 0);
        for (index, layer) in (0..).zip(&self.plan.layers) {
            if !on_layer(index as usize) {
                return Err(EngineError::Interrupted);
            }
            self.attention(index, &mut hidden, input)?;
            self.pacer.pause_if_due().await;
            self.feed_forward(layer, &mut hidden);
            self.pacer.pause_if_due().await;
            if let Some(plan) = &layer.deepstack {
                output.put_layer((projected, for_layers), &self.project(plan, &hidden, count), len);
                projected += 1;
            }
        }
        hidden = self.norm(hidden, self.plan.post_norm);
        output.rows = self.project(&self.plan.projection, &hidden, count);
        self.weights.check()?;
        Ok(output)
    }

    async fn pause(&self) -> Result<()> {
        self.pacer.pause_if_due().await;
        Ok(())
    }
}
