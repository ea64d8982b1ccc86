//! The GPU backend: buffers and dispatches of the forward pass, autotuning, profiling and self-test.

mod answer;
mod autotune;
mod backend;
pub(super) mod buffers;
mod decode_loop;
mod decoder;
mod encoder;
mod experts;
mod feed_forward;
mod forward;
mod latent;
mod layer_memory;
mod listener;
mod listener_buffers;
mod memory;
mod mixers;
mod product;
mod profile;
mod programs;
mod sampler;
mod seat;
mod self_test;
mod streams;
mod together;
mod tower;
mod tower_buffers;
mod tower_builder;
mod tower_layers;
mod tower_projection;
mod tower_sound;
mod tower_stages;
mod weights;

use std::collections::HashMap;
use std::sync::Arc;

pub use buffers::scratch_bytes;
pub(super) use buffers::usual_batch;
use decoder::GpuDecoder;
use encoder::GpuEncoder;
use listener::GpuListener;
use tower::GpuTower;
pub use weights::Matrix;
pub(super) use weights::{Weights, ask_for_repacking};

use super::backend::{Decoder, Embedder, Listener, Tower};
use super::device::Gpu;
use super::memory::Room;
use crate::error::Result;
use crate::models::{
    EncoderConfig, EncoderPlan, ModelConfig, ModelPlan, ProjectorConfig, ProjectorPlan, SpeechConfig, SpeechPlan,
    TowerTensors,
};
use crate::speech::Rules;

/// A decoder with these weights, and memory with this much room. `host` has the tensors that stay on the host.
pub(super) fn new_decoder(
    gpu: &Gpu,
    model: (&ModelConfig, &ModelPlan),
    room: Room,
    weights: &Arc<Weights>,
    host: &HashMap<String, Vec<f32>>,
) -> Box<dyn Decoder> {
    Box::new(GpuDecoder::new(gpu, model, room, Arc::clone(weights), host))
}

/// An encoder with these weights.
///
/// # Errors
/// As of the kernels that it needs.
pub(super) fn new_encoder(
    gpu: &Gpu,
    config: &EncoderConfig,
    plan: &EncoderPlan,
    weights: &Arc<Weights>,
) -> Result<Box<dyn Embedder>> {
    Ok(Box::new(GpuEncoder::new(gpu, config, plan, Arc::clone(weights))?))
}

/// The layers of a speech recogniser with these weights.
///
/// # Errors
/// As of the kernels that they need.
pub(super) fn new_listener(
    gpu: &Gpu,
    model: (&SpeechConfig, &SpeechPlan),
    rules: &Rules,
    weights: &Arc<Weights>,
) -> Result<Box<dyn Listener>> {
    Ok(Box::new(GpuListener::new(gpu, model, rules, Arc::clone(weights))?))
}

/// A projector's tower with these weights.
pub(super) fn new_tower(
    gpu: &Gpu,
    projector: (&ProjectorConfig, &ProjectorPlan),
    weights: &Arc<Weights>,
    tensors: &TowerTensors,
) -> Box<dyn Tower> {
    Box::new(GpuTower::new(gpu, projector, Arc::clone(weights), tensors))
}
