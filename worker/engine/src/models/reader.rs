//! Reads a generative model's hyperparameters from the metadata, as its family requires.

use super::cache::CacheFormat;
use super::checks::MAX_VOCAB;
use super::config::{FeedForwardConfig, LayerConfig, ModelConfig};
use super::entries::{Named, Reader};
use super::family::{Arrangement, FAMILIES, Family, Recurrent};
use super::heads::HeadShape;
use super::mixer::{AttentionConfig, DeltaNetConfig, MixerConfig, ShortConvolutionConfig, StateSpaceConfig};
use super::rope::RopeConfig;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Maximum number of layers, so that damaged files cannot cause large allocations.
const MAX_LAYERS: u32 = 512;
/// In hybrids with delta nets every n-th layer has attention; this is n unless the file specifies it.
const DEFAULT_ATTENTION_INTERVAL: u32 = 4;

impl ModelConfig {
    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// An unsupported architecture or feature, a missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let architecture = gguf.metadata.require_string("general.architecture")?;
        let family = FAMILIES
            .iter()
            .find(|family| family.name == architecture)
            .ok_or_else(|| EngineError::UnsupportedArchitecture(architecture.to_owned()))?;
        let config = Reader { gguf, family }.read()?;
        config.check()?;
        Ok(config)
    }

    /// The names of the supported architectures.
    pub fn architectures() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family.name)
    }
}

impl Named for Family {
    fn name(&self) -> &'static str {
        self.name
    }
}

impl Reader<'_, Family> {
    /// A number that the file may leave out; zero means the same.
    pub(super) fn factor(&self, name: &str) -> Option<f32> {
        self.f32(name).filter(|factor| *factor != 0.0)
    }

    /// A number for each layer, from a list or from a single number for all.
    pub(super) fn per_layer(&self, name: &str, layers: u32) -> Result<Option<Vec<u32>>> {
        if let Some(number) = self.u32(name) {
            return Ok(Some(vec![number; layers as usize]));
        }
        let Some(integers) = self.gguf.metadata.integers(&self.key(name)) else { return Ok(None) };
        let numbers: Vec<u32> = integers.iter().filter_map(|number| u32::try_from(*number).ok()).collect();
        // The list may include layers for multi-token prediction.
        if numbers.len() < layers as usize || numbers.len() != integers.len() {
            return Err(EngineError::malformed(format!("{name} has {} entries for {layers} layers", integers.len())));
        }
        Ok(Some(numbers))
    }

    /// Reads all hyperparameters.
    fn read(&self) -> Result<ModelConfig> {
        let family = self.family;
        let embedding_len = self.require_u32("embedding_length")?;
        let embedding = self.gguf.require_tensor("token_embd.weight")?;
        let (layers, drafting_layers) = self.layer_counts()?;
        let windowed = self.windowed(layers)?;
        let heads = self.heads(embedding_len, &windowed)?;
        let rope = self.rope(&heads, &windowed)?;
        let window_rope = match family.window_rope_base {
            Some(base) => RopeConfig::plain(self.f32("rope.freq_base_swa").unwrap_or(base)),
            None => rope.clone(),
        };
        let attention_scale = self.attention_scale(embedding_len, &heads, &rope)?;
        Ok(ModelConfig {
            name: self.gguf.metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            architecture: family.name,
            layers: self.layers(&heads, &windowed, embedding_len)?,
            drafting_layers,
            embedding_len,
            vocab: u32::try_from(embedding.rows().min(MAX_VOCAB + 1)).unwrap_or(u32::MAX),
            trained_context: self.require_u32("context_length")?,
            cache: CacheFormat::default(),
            sequences: 1,
            rope,
            window_rope,
            norm_eps: self.norm_eps()?,
            pre_norm: family.pre_norm,
            post_norm: family.post_norm,
            centred_norms: family.centred_norms,
            parallel: family.parallel,
            feed_forward_norm: family.feed_forward_norm,
            output_norm: family.output_norm,
            head_norm: self.head_norm(),
            value_norm: family.value_norm,
            tied_values: family.tied_values,
            layer_input_len: self.u32("embedding_length_per_layer_input").filter(|len| family.layer_inputs && *len > 0),
            streams: self.streams()?,
            low_rank: self.low_rank()?,
            activation: family.activation,
            feed_forward_gates: family.feed_forward_gates,
            embedding_scale: match self.factor("embedding_scale") {
                Some(scale) => scale,
                None if family.embedding_root => (embedding_len as f32).sqrt(),
                None => 1.0,
            },
            residual_scale: self.factor("residual_scale").unwrap_or(1.0),
            attention_scale,
            two_way: family.two_way,
            picture_len: family.picture_len,
            deepstack_layers: self.u32("n_deepstack_layers").unwrap_or(0),
            attention_temperature: self.attention_temperature()?,
            attention_softcap: self.factor("attn_logit_softcapping"),
            logit_scale: match self.factor("logit_scale") {
                Some(scale) if family.multiplies_logits => scale,
                Some(scale) => scale.recip(),
                None => 1.0,
            },
            logit_softcap: self.factor("final_logit_softcapping").or(family.logit_softcap),
        })
    }

    /// Number of vectors of the hidden state, in families that have several.
    fn streams(&self) -> Result<Option<u32>> {
        if !self.family.alternating {
            return Ok(None);
        }
        match self.u32("altup.active_idx") {
            None | Some(0) => self.require_u32("altup.num_inputs").map(Some),
            Some(other) => {
                let what = format!("{} whose layers compute vector {other}", self.family.name);
                Err(EngineError::UnsupportedArchitecture(what))
            }
        }
    }

    /// Rank of the projection beside the mixers, which is not in the metadata.
    fn low_rank(&self) -> Result<Option<u32>> {
        if !self.family.alternating {
            return Ok(None);
        }
        let projection = self.gguf.require_tensor("blk.0.laurel_l.weight")?;
        Ok(Some(u32::try_from(projection.rows()).unwrap_or(u32::MAX)))
    }

    /// Epsilon of the norms.
    fn norm_eps(&self) -> Result<f32> {
        let kind = if self.family.centred_norms { "layer_norm" } else { "layer_norm_rms" };
        let name = format!("attention.{kind}_epsilon");
        self.f32(&name).ok_or_else(|| EngineError::MissingMetadata(self.key(&name)))
    }

    /// Number of layers, and number of further layers for multi-token prediction.
    fn layer_counts(&self) -> Result<(u32, u32)> {
        let all = self.require_u32("block_count")?;
        if all == 0 || all > MAX_LAYERS {
            return Err(EngineError::malformed(format!("{all} layers, but only 1 to {MAX_LAYERS} are supported")));
        }
        let drafting = self.u32("nextn_predict_layers").unwrap_or(0);
        if drafting >= all {
            return Err(EngineError::malformed(format!("{drafting} of {all} layers are for multi-token prediction")));
        }
        Ok((all - drafting, drafting))
    }

    /// Mixers and feed-forward part of each layer.
    fn layers(&self, heads: &[HeadShape], windowed: &[bool], embedding_len: u32) -> Result<Vec<LayerConfig>> {
        let recurrent = self.family.recurrent.map(|recurrent| self.recurrent(recurrent, embedding_len)).transpose()?;
        let (window, latent) = (self.window()?, self.latent()?);
        let cutoffs = self.gate_cutoffs(heads.len())?;
        let attention = |layer: u32| -> Result<MixerConfig> {
            let (own, is_windowed) = (heads[layer as usize], windowed[layer as usize]);
            let cache_of = self.cache_of(layer, heads, windowed)?;
            let attention = self.attention(layer, own, window.filter(|_| is_windowed));
            Ok(MixerConfig::Attention(AttentionConfig { cache_of, latent, ..attention }))
        };
        let layer = |(layer, feed_forward): (u32, Option<FeedForwardConfig>)| -> Result<LayerConfig> {
            let mixers = match (self.family.arrangement, recurrent) {
                (Arrangement::Single, _) if feed_forward.is_some() => Vec::new(),
                (Arrangement::Parallel, Some(recurrent)) => vec![attention(layer)?, recurrent],
                (_, Some(recurrent)) if self.is_recurrent(layer, &heads[layer as usize])? => vec![recurrent],
                _ => vec![attention(layer)?],
            };
            let gate_cutoff = cutoffs.map(|cutoffs| cutoffs[layer as usize]);
            // That of all gates.
            let gate_cutoff = gate_cutoff.filter(|cutoff| *cutoff != f32::NEG_INFINITY);
            Ok(LayerConfig { mixers, feed_forward, gate_cutoff })
        };
        (0u32..).zip(self.feed_forwards(heads.len() as u32)?).map(layer).collect()
    }

    /// Whether a layer has no attention: either because it has no key heads, or by its index.
    fn is_recurrent(&self, layer: u32, heads: &HeadShape) -> Result<bool> {
        match self.family.recurrent {
            Some(Recurrent::DeltaNet { .. }) => {
                let interval = self.u32("full_attention_interval").unwrap_or(DEFAULT_ATTENTION_INTERVAL);
                if interval == 0 {
                    return Err(EngineError::malformed("attention in every 0th layer"));
                }
                Ok(!(layer + 1).is_multiple_of(interval))
            }
            _ => Ok(heads.kv_heads == 0),
        }
    }

    fn recurrent(&self, recurrent: Recurrent, embedding_len: u32) -> Result<MixerConfig> {
        Ok(match recurrent {
            Recurrent::ShortConvolution => MixerConfig::ShortConvolution(ShortConvolutionConfig {
                channels: embedding_len,
                taps: self.require_u32("shortconv.l_cache")?,
            }),
            Recurrent::DeltaNet { grouped } => {
                let net = DeltaNetConfig {
                    key_heads: self.require_u32("ssm.group_count")?,
                    value_heads: self.require_u32("ssm.time_step_rank")?,
                    grouped,
                    head_dim: self.require_u32("ssm.state_size")?,
                    taps: self.require_u32("ssm.conv_kernel")?,
                };
                let inner_len = self.require_u32("ssm.inner_size")?;
                if net.value_heads.checked_mul(net.head_dim) != Some(inner_len) {
                    return Err(EngineError::malformed(format!(
                        "{} value heads of {} in {inner_len}",
                        net.value_heads, net.head_dim
                    )));
                }
                MixerConfig::DeltaNet(net)
            }
            Recurrent::StateSpace => {
                let heads = self.require_u32("ssm.time_step_rank")?;
                let inner_len = self.require_u32("ssm.inner_size")?;
                if heads == 0 || !inner_len.is_multiple_of(heads) {
                    return Err(EngineError::malformed(format!("{heads} heads in {inner_len}")));
                }
                MixerConfig::StateSpace(StateSpaceConfig {
                    heads,
                    head_dim: inner_len / heads,
                    groups: self.require_u32("ssm.group_count")?,
                    state_len: self.require_u32("ssm.state_size")?,
                    taps: self.require_u32("ssm.conv_kernel")?,
                })
            }
        })
    }
}
