//! A model's weights on a device, and what computes with them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::models::{
    ModelConfig, ModelPlan, ProjectorConfig, ProjectorPlan, SpeechConfig, SpeechPlan, TowerTensors, WeightPlan,
};
use crate::runtime::backend::{Decoder, Embedder, Listener, Tower};
use crate::runtime::cpu::{Cpu, CpuDecoder, CpuEncoder, CpuListener, CpuTower, CpuWeights};
use crate::runtime::device::{Device, Gpu};
use crate::runtime::fit::TextLayers;
use crate::runtime::gpu::{Weights, new_decoder, new_encoder, new_listener, new_tower};
use crate::runtime::memory::Room;
use crate::runtime::session::DecoderEmbedder;
use crate::speech::Rules;

/// A model's weights on a device.
#[derive(Clone)]
pub(super) enum Placed {
    Gpu(Gpu, Arc<Weights>),
    Cpu(Cpu, Arc<CpuWeights>),
}

impl Placed {
    pub(super) fn allocate(device: &Device, plan: &WeightPlan) -> Result<Self> {
        match device {
            Device::Gpu(gpu) => Ok(Self::Gpu(gpu.clone(), Arc::new(Weights::allocate(gpu, plan)?))),
            Device::Cpu(cpu) => Ok(Self::Cpu(cpu.clone(), Arc::new(CpuWeights::allocate(cpu, plan)?))),
        }
    }

    /// A decoder with these weights, and a memory. `host` has the tensors that stay on the host.
    pub(super) fn decoder(
        &self,
        (config, plan): (&ModelConfig, &ModelPlan),
        room: Room,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Box<dyn Decoder>> {
        Ok(match self {
            Self::Gpu(gpu, weights) => new_decoder(gpu, (config, plan), room, weights, host),
            Self::Cpu(cpu, weights) => Box::new(CpuDecoder::new(cpu, (config, plan), room, Arc::clone(weights), host)?),
        })
    }

    /// The same weights, for batches of up to `tokens`.
    fn with_batches(&self, tokens: u32) -> Self {
        let mut placed = self.clone();
        if let Self::Gpu(gpu, _) = &mut placed {
            *gpu = gpu.for_batches(tokens);
        }
        placed
    }

    /// The layers of an embedding model or a ranker with these weights, for texts of up to `context` tokens. `host` as
    /// for [`Placed::decoder`].
    pub(super) fn embedder(
        &self,
        layers: &TextLayers,
        context: u32,
        host: &HashMap<String, Vec<f32>>,
    ) -> Result<Box<dyn Embedder>> {
        Ok(match (layers, self) {
            (TextLayers::Decoder(config, plan), _) => {
                let two_way = config.two_way;
                let batched = two_way.then(|| self.with_batches(context));
                let decoder =
                    batched.as_ref().unwrap_or(self).decoder((config, plan), Room { context, sequences: 1 }, host)?;
                Box::new(DecoderEmbedder { decoder, two_way })
            }
            (TextLayers::Encoder(config, plan), Self::Gpu(gpu, weights)) => new_encoder(gpu, config, plan, weights)?,
            (TextLayers::Encoder(config, plan), Self::Cpu(cpu, weights)) => {
                Box::new(CpuEncoder::new(cpu, config, plan, Arc::clone(weights)))
            }
        })
    }

    /// The layers of a speech recogniser with these weights.
    pub(super) fn listener(
        &self,
        (config, plan): (&SpeechConfig, &SpeechPlan),
        rules: &Rules,
    ) -> Result<Box<dyn Listener>> {
        Ok(match self {
            Self::Gpu(gpu, weights) => new_listener(gpu, (config, plan), rules, weights)?,
            Self::Cpu(cpu, weights) => Box::new(CpuListener::new(cpu, config, plan, Arc::clone(weights))?),
        })
    }

    /// A projector's tower with these weights.
    pub(super) fn tower(
        &self,
        (config, plan): (&ProjectorConfig, &ProjectorPlan),
        tensors: &TowerTensors,
    ) -> Box<dyn Tower> {
        match self {
            Self::Gpu(gpu, weights) => new_tower(gpu, (config, plan), weights, tensors),
            Self::Cpu(cpu, weights) => Box::new(CpuTower::new(cpu, (config, plan), Arc::clone(weights), tensors)),
        }
    }
}
