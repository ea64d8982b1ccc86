//! Stands in for the GPU backend in builds without the feature `gpu`. No value of a GPU exists, so none of this runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::gguf::TensorType;
use crate::kernels::repack::Piece;
use crate::models::{
    EncoderConfig, EncoderPlan, MatrixId, ModelConfig, ModelPlan, ProjectorConfig, ProjectorPlan, SpeechConfig,
    SpeechPlan, TowerTensors, WeightPlan,
};
use crate::runtime::backend::{Decoder, Embedder, Listener, Tower};
use crate::runtime::device::{Buffer, Dispatch, Gpu};
use crate::runtime::memory::Room;
use crate::speech::Rules;

/// Size of the activations on a GPU in bytes.
pub fn scratch_bytes(_config: &ModelConfig) -> u64 {
    0
}

/// Maximum number of tokens in a prompt batch on a GPU.
pub(in crate::runtime) fn usual_batch(_config: &ModelConfig) -> u32 {
    0
}

/// A model's weights on a GPU.
pub(in crate::runtime) enum Weights {}

impl Weights {
    pub(in crate::runtime) fn allocate(gpu: &Gpu, _plan: &WeightPlan) -> Result<Self> {
        match *gpu {}
    }

    pub(in crate::runtime) fn repacking(
        &self,
        _gpu: &Gpu,
        _file: &Buffer,
        _piece: Piece,
        _to: (usize, u64),
    ) -> Result<Dispatch> {
        match *self {}
    }

    pub(in crate::runtime) fn copying(
        &self,
        _gpu: &Gpu,
        _file: &Buffer,
        _piece: Piece,
        _to: (usize, u64),
    ) -> Result<Dispatch> {
        match *self {}
    }

    pub(in crate::runtime) fn write(&self, _gpu: &Gpu, _id: MatrixId, _bytes: &[u8], _first_block: u64) -> Result<()> {
        match *self {}
    }
}

pub(in crate::runtime) fn ask_for_repacking(gpu: &Gpu, _tensor_type: TensorType) -> Result<()> {
    match *gpu {}
}

pub(in crate::runtime) fn new_decoder(
    gpu: &Gpu,
    _model: (&ModelConfig, &ModelPlan),
    _room: Room,
    _weights: &Arc<Weights>,
    _host: &HashMap<String, Vec<f32>>,
) -> Box<dyn Decoder> {
    match *gpu {}
}

pub(in crate::runtime) fn new_encoder(
    gpu: &Gpu,
    _config: &EncoderConfig,
    _plan: &EncoderPlan,
    _weights: &Arc<Weights>,
) -> Result<Box<dyn Embedder>> {
    match *gpu {}
}

pub(in crate::runtime) fn new_listener(
    gpu: &Gpu,
    _model: (&SpeechConfig, &SpeechPlan),
    _rules: &Rules,
    _weights: &Arc<Weights>,
) -> Result<Box<dyn Listener>> {
    match *gpu {}
}

pub(in crate::runtime) fn new_tower(
    gpu: &Gpu,
    _projector: (&ProjectorConfig, &ProjectorPlan),
    _weights: &Arc<Weights>,
    _tensors: &TowerTensors,
) -> Box<dyn Tower> {
    match *gpu {}
}
