//! Reads a generative model's hyperparameters from the metadata, as its family requires.

use super::cache::CacheFormat;
use super::checks::MAX_VOCAB;
use super::config::{AttentionTemperature, ExpertConfig, ExpertGroups, FeedForwardConfig, LayerConfig, ModelConfig};
use super::entries::{Named, Reader};
use super::family::{Experts, FAMILIES, Family, HeadNorm, Recurrent, Scoring, Windows};
use super::heads::HeadShape;
use super::mixer::{
    AttentionConfig, DeltaNetConfig, LatentConfig, LayerRope, MixerConfig, ShortConvolutionConfig, StateSpaceConfig,
};
use super::rope::{RopeConfig, Sections};
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

/// Sizes of heads.
#[derive(Clone, Copy)]
struct HeadDims {
    key: u32,
    value: u32,
    /// Elements of a key that RoPE rotates.
    rope: u32,
}

impl Named for Family {
    fn name(&self) -> &'static str {
        self.name
    }
}

impl Reader<'_, Family> {
    /// A number that the file may leave out; zero means the same.
    fn factor(&self, name: &str) -> Option<f32> {
        self.f32(name).filter(|factor| *factor != 0.0)
    }

    /// A number for each layer, from a list or from a single number for all.
    fn per_layer(&self, name: &str, layers: u32) -> Result<Option<Vec<u32>>> {
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
        let mixers = self.mixers(&heads, &windowed, embedding_len)?;
        let feed_forwards = self.feed_forwards(layers)?;
        let layers = mixers.into_iter().zip(feed_forwards);
        Ok(ModelConfig {
            name: self.gguf.metadata.string("general.name").unwrap_or("unnamed model").to_owned(),
            architecture: family.name,
            layers: layers.map(|(mixer, feed_forward)| LayerConfig { mixer, feed_forward }).collect(),
            drafting_layers,
            embedding_len,
            vocab: u32::try_from(embedding.rows().min(MAX_VOCAB + 1)).unwrap_or(u32::MAX),
            trained_context: self.require_u32("context_length")?,
            cache: CacheFormat::default(),
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
            activation: family.activation,
            embedding_scale: match self.factor("embedding_scale") {
                Some(scale) => scale,
                None if family.embedding_root => (embedding_len as f32).sqrt(),
                None => 1.0,
            },
            residual_scale: self.factor("residual_scale").unwrap_or(1.0),
            attention_scale,
            two_way: family.two_way,
            deepstack_layers: self.u32("n_deepstack_layers").unwrap_or(0),
            attention_temperature: self.attention_temperature()?,
            attention_softcap: self.factor("attn_logit_softcapping"),
            logit_scale: match self.factor("logit_scale") {
                Some(scale) if family.multiplies_logits => scale,
                Some(scale) => scale.recip(),
                None => 1.0,
            },
            logit_softcap: self.factor("final_logit_softcapping"),
        })
    }

    /// Epsilon of the norms.
    fn norm_eps(&self) -> Result<f32> {
        let kind = if self.family.centred_norms { "layer_norm" } else { "layer_norm_rms" };
        let name = format!("attention.{kind}_epsilon");
        self.f32(&name).ok_or_else(|| EngineError::MissingMetadata(self.key(&name)))
    }

    /// Norms of queries and keys.
    fn head_norm(&self) -> HeadNorm {
        let is_missing = self.family.optional_head_norm && self.gguf.tensor("blk.0.attn_q_norm.weight").is_none();
        if is_missing { HeadNorm::None } else { self.family.head_norm }
    }

    /// RoPE of layers without a window.
    fn rope(&self, heads: &[HeadShape], windowed: &[bool]) -> Result<RopeConfig> {
        let family = self.family;
        let main = heads.iter().zip(windowed).find(|(_, windowed)| !**windowed).map(|(heads, _)| heads);
        let rope_dim = main.or(heads.first()).map_or(2, |heads| heads.rope_dim);
        let mut rope = RopeConfig::from_gguf(self.gguf, family.name, rope_dim)?;
        if family.latent && self.factor("rope.scaling.yarn_log_multiplier").is_some() {
            // Instead, the factor of the dot products grows.
            rope.magnitude = self.f32("rope.scaling.attn_factor").unwrap_or(1.0);
        }
        if family.head_norm == HeadNorm::HeadAfterRope && (rope.magnitude - 1.0).abs() > f32::EPSILON {
            // A kernel computes the mean squares before RoPE.
            let what = format!("{} with RoPE that scales", family.name);
            return Err(EngineError::UnsupportedArchitecture(what));
        }
        if family.multimodal_rope {
            rope.sections = Sections::from_gguf(self.gguf, family.name, rope_dim, family.alternating_sections)?;
            return Ok(rope);
        }
        let sections = self.gguf.metadata.integers(&self.key("rope.dimension_sections"));
        if sections.is_some_and(|lens| lens.len() > 1 && lens[..2].iter().all(|len| *len > 0)) {
            // In GLM 4's files the rows are in another order then.
            let what = format!("{} with multimodal RoPE", family.name);
            return Err(EngineError::UnsupportedArchitecture(what));
        }
        Ok(rope)
    }

    /// Factor of the dot products of queries and keys.
    fn attention_scale(&self, embedding_len: u32, heads: &[HeadShape], rope: &RopeConfig) -> Result<f32> {
        if let Some(latent) = self.latent()? {
            // As in llama.cpp: the magnitude counts once more, and the multiplier is that of the logarithm itself.
            let multiplier = self.f32("rope.scaling.yarn_log_multiplier").unwrap_or(0.0);
            let magnitude = rope.magnitude * (1.0 + multiplier * rope.factor.ln());
            let query_dim = latent.key_dim + heads.first().map_or(0, |heads| heads.rope_dim);
            return Ok(magnitude * magnitude / (query_dim as f32).sqrt());
        }
        let (count, head_dim) = heads.first().map_or((1, 1), |heads| (heads.heads.max(1), heads.head_dim));
        let len = match self.family.wide_scale_layers {
            Some(wide) if wide as usize == heads.len() => embedding_len / count,
            _ => head_dim,
        };
        let stated = self.factor("attention.scale").or(self.family.attention_scale);
        Ok(stated.unwrap_or_else(|| (len as f32).sqrt().recip()))
    }

    /// The attention's temperature, in families that have one.
    fn attention_temperature(&self) -> Result<Option<AttentionTemperature>> {
        let name = "attention.temperature_scale";
        let Some(scale) = self.factor(name).filter(|_| self.family.has_temperature) else {
            return Ok(None);
        };
        let step = match self.u32("attention.temperature_length").filter(|_| self.family.latent) {
            Some(step) => step,
            None => self.require_u32("rope.scaling.original_context_length")?,
        };
        match step {
            0 => Err(EngineError::malformed("an original context of no tokens")),
            step => Ok(Some(AttentionTemperature { scale, step })),
        }
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

    /// Whether each layer has a sliding window.
    fn windowed(&self, layers: u32) -> Result<Vec<bool>> {
        let name = "attention.sliding_window_pattern";
        match self.family.windows {
            Windows::Ignored | Windows::Rejected => Ok(vec![false; layers as usize]),
            Windows::OptionalAllBut(_) if !self.has_window() => Ok(vec![false; layers as usize]),
            Windows::AllBut(step) | Windows::OptionalAllBut(step) => {
                Ok((0..layers).map(|layer| layer % step < step - 1).collect())
            }
            Windows::Listed => {
                if let Some(all) = self.gguf.metadata.bool(&self.key(name)) {
                    return Ok(vec![all; layers as usize]);
                }
                let listed = self.per_layer(name, layers)?;
                let listed = listed.ok_or_else(|| EngineError::MissingMetadata(self.key(name)))?;
                Ok(listed.iter().take(layers as usize).map(|windowed| *windowed != 0).collect())
            }
        }
    }

    /// The heads of each layer, with or without a window; layers without attention have no key and value heads.
    fn heads(&self, embedding_len: u32, windowed: &[bool]) -> Result<Vec<HeadShape>> {
        if self.family.latent {
            return Ok(vec![self.latent_heads()?; windowed.len()]);
        }
        let (name, layers) = ("attention.head_count", windowed.len() as u32);
        let all = self.per_layer(name, layers)?.ok_or_else(|| EngineError::MissingMetadata(self.key(name)))?;
        let all_kv = self.per_layer("attention.head_count_kv", layers)?.unwrap_or_else(|| all.clone());
        let most = all.iter().copied().max().unwrap_or(0).max(1);
        let plain = embedding_len / most;
        let dims = self.head_dims("", HeadDims { key: plain, value: plain, rope: plain });
        let window_dims = self.head_dims("_swa", dims);
        let shape = |((heads, kv_heads), windowed): ((&u32, &u32), &bool)| {
            let (heads, kv_heads) = (*heads, *kv_heads);
            let is_recurrent = kv_heads == 0 && self.family.recurrent.is_some();
            if !is_recurrent && (heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads)) {
                return Err(EngineError::malformed(format!("{heads} query heads over {kv_heads} key heads")));
            }
            let HeadDims { key, value, rope } = if *windowed { window_dims } else { dims };
            let rope_half = self.family.rope_half;
            Ok(HeadShape { heads, kv_heads, head_dim: key, value_dim: value, rope_dim: rope, rope_half })
        };
        all.iter().zip(&all_kv).zip(windowed).map(shape).collect()
    }

    /// Sizes of heads from entries whose names end with `suffix`, or `others`. If only that of keys is stated, it is
    /// that of values and of the rotated part, too.
    fn head_dims(&self, suffix: &str, others: HeadDims) -> HeadDims {
        let number = |name: &str| self.u32(&format!("{name}{suffix}"));
        let stated = number("attention.key_length");
        let others = stated.map_or(others, |key| HeadDims { key, value: key, rope: key });
        HeadDims {
            value: number("attention.value_length").unwrap_or(others.value),
            rope: number("rope.dimension_count").unwrap_or(others.rope),
            ..others
        }
    }

    /// The heads of latent attention.
    fn latent_heads(&self) -> Result<HeadShape> {
        let rank = self.require_u32("attention.kv_lora_rank")?;
        let rope_dim = self.require_u32("rope.dimension_count")?;
        Ok(HeadShape {
            heads: self.require_u32("attention.head_count")?,
            kv_heads: 1,
            head_dim: rank.saturating_add(rope_dim),
            value_dim: rank,
            rope_dim,
            rope_half: self.family.rope_half,
        })
    }

    /// What the heads of latent attention are projected from.
    fn latent(&self) -> Result<Option<LatentConfig>> {
        if !self.family.latent {
            return Ok(None);
        }
        // Old files only have the sizes of expanded heads.
        let expanded = |name: &str| match self.u32(&format!("attention.{name}_mla")) {
            None | Some(0) => self.require_u32(&format!("attention.{name}")),
            Some(len) => Ok(len),
        };
        Ok(Some(LatentConfig {
            query_rank: self.u32("attention.q_lora_rank").filter(|rank| *rank > 0),
            key_dim: expanded("key_length")?.saturating_sub(self.require_u32("rope.dimension_count")?),
            value_dim: expanded("value_length")?,
        }))
    }

    /// The mixer of each layer.
    fn mixers(&self, heads: &[HeadShape], windowed: &[bool], embedding_len: u32) -> Result<Vec<MixerConfig>> {
        let recurrent = self.family.recurrent.map(|recurrent| self.recurrent(recurrent, embedding_len)).transpose()?;
        let (window, latent) = (self.window()?, self.latent()?);
        (0u32..)
            .zip(heads.iter().zip(windowed))
            .map(|(layer, (layer_heads, is_windowed))| match recurrent {
                Some(recurrent) if self.is_recurrent(layer, layer_heads)? => Ok(recurrent),
                _ => {
                    let cache_of = self.cache_of(layer, heads, windowed)?;
                    let attention = self.attention(layer, *layer_heads, window.filter(|_| *is_windowed));
                    Ok(MixerConfig::Attention(AttentionConfig { cache_of, latent, ..attention }))
                }
            })
            .collect()
    }

    /// The layer whose keys and values a layer uses instead of its own: the last one of the same kind that has any.
    fn cache_of(&self, layer: u32, heads: &[HeadShape], windowed: &[bool]) -> Result<Option<u32>> {
        let sharing = self.u32("attention.shared_kv_layers").filter(|_| self.family.shared_caches).unwrap_or(0);
        let first = heads.len().saturating_sub(sharing as usize);
        let own = layer as usize;
        if own < first {
            return Ok(None);
        }
        let kind = |layer: usize| {
            let HeadShape { kv_heads, head_dim, value_dim, .. } = heads[layer];
            (windowed[layer], kv_heads, head_dim, value_dim)
        };
        match (0..first).rfind(|earlier| windowed[*earlier] == windowed[own]) {
            Some(earlier) if kind(earlier) == kind(own) => Ok(Some(earlier as u32)),
            _ => Err(EngineError::malformed(format!("layer {layer} has no keys, nor has an earlier one like it"))),
        }
    }

    /// Whether a layer of a hybrid has no attention: either because it has no key heads, or by its index.
    fn is_recurrent(&self, layer: u32, heads: &HeadShape) -> Result<bool> {
        match self.family.recurrent {
            Some(Recurrent::DeltaNet) => {
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
            Recurrent::DeltaNet => {
                let net = DeltaNetConfig {
                    key_heads: self.require_u32("ssm.group_count")?,
                    value_heads: self.require_u32("ssm.time_step_rank")?,
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

    /// Whether the file has a sliding window.
    fn has_window(&self) -> bool {
        self.u32("attention.sliding_window").is_some()
    }

    /// The size of the sliding window, in families that have one.
    fn window(&self) -> Result<Option<u32>> {
        let Family { windows, name, two_way, .. } = *self.family;
        match (windows, self.u32("attention.sliding_window")) {
            (Windows::Ignored, _) | (Windows::Rejected | Windows::OptionalAllBut(_), None) => Ok(None),
            (Windows::Rejected, Some(_)) => {
                Err(EngineError::UnsupportedArchitecture(format!("{name} with a sliding window")))
            }
            (_, Some(0)) => Err(EngineError::malformed("a sliding window of no tokens")),
            // Gemma 2 was trained with this; its first files lack the entry.
            (_, window) => {
                let window = window.unwrap_or(4096);
                // In both directions it is the distance between the farthest positions.
                Ok(Some(if two_way { window / 2 + 1 } else { window }))
            }
        }
    }

    fn attention(&self, layer: u32, heads: HeadShape, window: Option<u32>) -> AttentionConfig {
        let Family { window_rope_base, optional_rope, no_rope_step, rope_in_windows, is_gated, .. } = *self.family;
        let has_rope = !optional_rope || self.gguf.metadata.bool(&self.key("rope.scaling.finetuned")).unwrap_or(true);
        let rope = match no_rope_step {
            _ if !has_rope => LayerRope::None,
            Some(step) if (layer + 1).is_multiple_of(step) => LayerRope::None,
            _ if rope_in_windows && window.is_none() && self.has_window() => LayerRope::None,
            _ if window.is_some() && window_rope_base.is_some() => LayerRope::Window,
            _ => LayerRope::Main,
        };
        AttentionConfig { heads, window, rope, is_gated, cache_of: None, latent: None }
    }

    /// The feed-forward part of each layer. Some layers of a model with experts may be dense.
    fn feed_forwards(&self, layers: u32) -> Result<Vec<FeedForwardConfig>> {
        let (experts, name) = (self.experts()?, "feed_forward_length");
        let dense_lens = self.per_layer(name, layers)?;
        let leading = self.u32("leading_dense_block_count").unwrap_or(0);
        let step = self.u32("interleave_moe_layer_step").unwrap_or(1).max(1);
        let feed_forward = |layer: u32| match (experts, &dense_lens) {
            (Some(experts), _) if layer >= leading && (layer + 1).is_multiple_of(step) => {
                let shared_len = self.shared_len(layer);
                Ok(FeedForwardConfig::Experts(ExpertConfig { shared_len, ..experts }))
            }
            (_, Some(lens)) => Ok(FeedForwardConfig::Dense(lens[layer as usize])),
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

    /// The experts, without a shared one.
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
            groups: self.expert_groups()?,
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
}
