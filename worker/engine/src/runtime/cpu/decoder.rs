//! A generative model on the CPU: its weights and what it keeps of sequences. `backend.rs` implements the `Decoder` trait
//! for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::layer_memory::SequenceMemory;
use super::sampler::Sampler;
use super::weights::CpuWeights;
use super::{Cpu, Pacer};
use crate::error::Result;
use crate::models::{ModelConfig, ModelPlan, RopeAngles};
use crate::runtime::memory::{Copies, Room};
use crate::sampling::SamplingParams;

/// Maximum number of tokens in a batch.
pub(super) const MAX_BATCH: usize = 64;

/// The answer in progress.
#[derive(Default)]
pub(super) struct Answer {
    /// Position and ID of the next token to feed.
    pub(super) position: usize,
    pub(super) last: u32,
    pub(super) seconds_per_token: Option<f64>,
}

/// A generative model with its weights, KV cache and sampler.
pub(in crate::runtime) struct CpuDecoder {
    pub(super) pacer: Pacer,
    pub(super) config: ModelConfig,
    pub(super) plan: ModelPlan,
    pub(super) weights: Arc<CpuWeights>,
    pub(super) angles: RopeAngles,
    /// The memory of each sequence.
    pub(super) memories: Vec<SequenceMemory>,
    /// Index of the selected sequence.
    pub(super) selected: usize,
    /// Copies of parts of sequences.
    pub(super) copies: Copies<Vec<Vec<f32>>>,
    /// Logits of the answer's last token: `[vocab]`; or of the last tokens of several: `[tokens][vocab]`
    pub(super) logits: Vec<f32>,
    pub(super) sampler: Sampler,
    /// The samplers of answers that are computed together, by sequence.
    pub(super) seats: Vec<Option<Sampler>>,
    pub(super) answer: Answer,
    /// Seconds per prompt token in the previous batch.
    pub(super) seconds_per_token: Option<f64>,
}

impl CpuDecoder {
    /// Allocates the memory.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(in crate::runtime) fn new(
        cpu: &Cpu,
        (config, plan): (&ModelConfig, &ModelPlan),
        room: Room,
        weights: Arc<CpuWeights>,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Self> {
        let angles = RopeAngles::new(config, room.context, host);
        let positions = [room.context, MAX_BATCH as u32];
        let memories = (0..room.sequences).map(|_| SequenceMemory::new(config, &angles, positions));
        Ok(Self {
            pacer: cpu.pacer(),
            config: config.clone(),
            plan: plan.clone(),
            weights,
            memories: memories.collect::<Result<_>>()?,
            angles,
            selected: 0,
            copies: Copies::default(),
            logits: Vec::new(),
            sampler: Sampler::new(&(&SamplingParams::GREEDY).into(), vec![0; config.vocab as usize]),
            seats: (0..room.sequences).map(|_| None).collect(),
            answer: Answer::default(),
            seconds_per_token: None,
        })
    }
}
