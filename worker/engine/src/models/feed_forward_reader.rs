//! Reads the hyperparameters of a generative model's feed-forward parts.

use super::config::{ExpertConfig, ExpertGroups, FeedForwardConfig};
use super::entries::Reader;
use super::family::{Arrangement, Experts, Family, Scoring};
use crate::error::{EngineError, Result};

impl Reader<'_, Family> {
    /// The feed-forward part of each layer, if it has one. Some layers of a model with experts may be dense.
    pub(super) fn feed_forwards(&self, layers: u32) -> Result<Vec<Option<FeedForwardConfig>>> {
        let (experts, name) = (self.experts()?, "feed_forward_length");
        let dense_lens = self.per_layer(name, layers)?;
        let leading = self.u32("leading_dense_block_count").unwrap_or(0);
        let step = self.u32("interleave_moe_layer_step").unwrap_or(1).max(1);
        let is_single = self.family.arrangement == Arrangement::Single;
        let feed_forward = |layer: u32| match (experts, &dense_lens) {
            (_, Some(lens)) if is_single && lens[layer as usize] == 0 => Ok(None),
            (Some(experts), _) if layer >= leading && (layer + 1).is_multiple_of(step) => {
                let shared_len = match &dense_lens {
                    Some(lens) if self.family.expert_norms => Some(lens[layer as usize]),
                    _ => self.shared_len(layer),
                };
                Ok(Some(FeedForwardConfig::Experts(ExpertConfig { shared_len, ..experts })))
            }
            (_, Some(lens)) => Ok(Some(lens[layer as usize]).filter(|len| *len > 0).map(FeedForwardConfig::Dense)),
            (_, None) => Err(EngineError::MissingMetadata(self.key(name))),
        };
        (0..layers).map(feed_forward).collect()
    }

    /// The width of a layer's shared expert, if there is one; not all families have it in the metadata.
    fn shared_len(&self, layer: u32) -> Option<u32> {
        let up = self.gguf.tensor(&format!("blk.{layer}.ffn_up_shexp.weight"))?;
        let stated = self.u32("expert_shared_feed_forward_length").filter(|len| *len > 0);
        Some(stated.unwrap_or_else(|| u32::try_from(up.rows()).unwrap_or(u32::MAX)))
    }

    /// The experts, without the shared one.
    fn experts(&self) -> Result<Option<ExpertConfig>> {
        let count = self.u32("expert_count").unwrap_or(0);
        match self.family.experts {
            Experts::None | Experts::Optional if count == 0 => return Ok(None),
            Experts::None => {
                return Err(EngineError::UnsupportedArchitecture(format!("{} with experts", self.family.name)));
            }
            Experts::Optional | Experts::Always => {}
        }
        let normalise = self.gguf.metadata.bool(&self.key("expert_weights_norm"));
        Ok(Some(ExpertConfig {
            count,
            used: self.require_u32("expert_used_count")?,
            feed_forward_len: match self.u32("expert_feed_forward_length") {
                Some(len) => len,
                None => self.require_u32("feed_forward_length")?,
            },
            scoring: self.scoring()?,
            normalise: normalise.unwrap_or(self.family.normalise_experts),
            weight_scale: self.factor("expert_weights_scale").unwrap_or(1.0),
            shared_len: None,
            latent_len: self.u32("moe_latent_size").filter(|len| *len > 0),
            groups: self.expert_groups()?,
            has_norms: self.family.expert_norms,
        }))
    }

    /// The groups of experts, if there are several.
    fn expert_groups(&self) -> Result<Option<ExpertGroups>> {
        let count = self.u32("expert_group_count").filter(|count| *count > 1);
        count.map(|count| Ok(ExpertGroups { count, used: self.require_u32("expert_group_used_count")? })).transpose()
    }

    /// llama.cpp's numbers of the functions.
    fn scoring(&self) -> Result<Scoring> {
        match self.u32("expert_gating_func") {
            None | Some(0) => Ok(self.family.scoring),
            Some(1) => Ok(Scoring::Softmax),
            Some(2) => Ok(Scoring::Sigmoid),
            Some(other) => {
                let what = format!("{} with experts weighted by function {other}", self.family.name);
                Err(EngineError::UnsupportedArchitecture(what))
            }
        }
    }

    /// The cutoffs of the layers' gates, in files that have any.
    pub(super) fn gate_cutoffs(&self, layers: usize) -> Result<Option<&[f32]>> {
        let name = "activation_sparsity_scale";
        match self.gguf.metadata.floats(&self.key(name)) {
            Some(cutoffs) if cutoffs.len() < layers => {
                Err(EngineError::malformed(format!("{name} has {} entries for {layers} layers", cutoffs.len())))
            }
            cutoffs => Ok(cutoffs),
        }
    }
}
