//! The dispatches of a tower in stages, between which it reports progress.

use super::tower_buffers::{Counts, Over};
use super::tower_builder::Builder;
use crate::error::Result;
use crate::runtime::device::{Dispatch, Gpu};

/// Dispatches for the same tokens.
pub(super) struct Stage {
    pub(super) dispatches: Vec<Dispatch>,
    /// What the tokens are.
    pub(super) over: Over,
    /// The output that they compute, if the tokens are embeddings.
    pub(super) output: Option<usize>,
    /// A layer ends.
    pub(super) ends_layer: bool,
}

impl Stage {
    /// Dispatches that neither compute an output nor end a layer.
    fn new(over: Over, dispatches: Vec<Dispatch>) -> Self {
        Self { dispatches, over, output: None, ends_layer: false }
    }

    /// Runs it for so many tokens.
    pub(super) fn submit(&self, gpu: &Gpu, counts: Counts) {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let count = counts.of(self.over);
            for dispatch in &self.dispatches {
                dispatch.encode(&mut pass, count);
            }
        }
        gpu.queue().submit([encoder.finish()]);
    }
}

/// The stages that compute a projector.
pub(super) fn stages(builder: &Builder<'_>) -> Result<Vec<Stage>> {
    let (plan, buffers) = (builder.plan, builder.buffers);
    let output = |projection, output: usize| -> Result<Stage> {
        let dispatches = builder.project(projection, &buffers.outputs[output])?;
        Ok(Stage { output: Some(output), ..Stage::new(Over::Embeddings, dispatches) })
    };
    let (mut stages, mut start) = (Vec::new(), Vec::new());
    for patches in &plan.patches {
        builder.add(&mut start, patches, (&buffers.patches, false), (None, None))?;
    }
    if let (Some(sound), Some(own)) = (builder.config.sound(), &buffers.sound) {
        stages.push(Stage::new(Over::Frames, builder.of_frames(sound, own)?));
        start.extend(builder.of_positions(own)?);
    }
    start.extend(plan.pre_norm.map(|norm| builder.norm(norm, &buffers.hidden, None)));
    stages.push(Stage::new(Over::Rows, start));
    // Those of deepstack follow the main one.
    let mut outputs = 0;
    for (index, layer) in (0..).zip(&plan.layers) {
        let mut dispatches = Vec::new();
        builder.attention(&mut dispatches, index, layer)?;
        builder.feed_forward(&mut dispatches, layer)?;
        stages.push(Stage { ends_layer: true, ..Stage::new(Over::Rows, dispatches) });
        if let Some(projection) = &layer.deepstack {
            outputs += 1;
            stages.push(output(projection, outputs)?);
        }
    }
    let post_norm = plan.post_norm.map(|norm| builder.norm(norm, &buffers.hidden, None));
    stages.push(Stage::new(Over::Rows, post_norm.into_iter().collect()));
    stages.push(output(&plan.projection, 0)?);
    Ok(stages)
}
