//! Reads the hyperparameters of a generative model's attention: heads, windows, RoPE, scales.

use super::config::AttentionTemperature;
use super::entries::Reader;
use super::family::{Family, HeadNorm, Windows};
use super::heads::HeadShape;
use super::mixer::{AttentionConfig, LatentConfig, LayerRope};
use super::rope::{Growth, RopeConfig, Sections};
use crate::error::{EngineError, Result};

/// Sizes of heads.
#[derive(Clone, Copy)]
struct HeadDims {
    key: u32,
    value: u32,
    /// Elements of a key that RoPE rotates.
    rope: u32,
}

impl Reader<'_, Family> {
    /// Norms of queries and keys.
    pub(super) fn head_norm(&self) -> HeadNorm {
        let is_missing = self.family.optional_head_norm && self.gguf.tensor("blk.0.attn_q_norm.weight").is_none();
        if is_missing { HeadNorm::None } else { self.family.head_norm }
    }

    /// RoPE of layers without a window.
    pub(super) fn rope(&self, heads: &[HeadShape], windowed: &[bool]) -> Result<RopeConfig> {
        let family = self.family;
        let main = heads.iter().zip(windowed).find(|(_, windowed)| !**windowed).map(|(heads, _)| heads);
        let rope_dim = main.or(heads.first()).map_or(2, |heads| heads.rope_dim);
        let scales_products = family.latent && self.factor("rope.scaling.yarn_log_multiplier").is_some();
        let growth = if scales_products { Growth::Products } else { Growth::Angles };
        let mut rope = RopeConfig::from_gguf(self.gguf, family.name, rope_dim, growth)?;
        if family.head_norm == HeadNorm::HeadAfterRope && (rope.magnitude - 1.0).abs() > f32::EPSILON {
            // A kernel computes the mean squares before RoPE.
            let what = format!("{} with RoPE that scales", family.name);
            return Err(EngineError::UnsupportedArchitecture(what));
        }
        if let Some(order) = family.multimodal_rope {
            rope.sections = Sections::from_gguf(self.gguf, family.name, rope_dim, order)?;
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
    pub(super) fn attention_scale(&self, embedding_len: u32, heads: &[HeadShape], rope: &RopeConfig) -> Result<f32> {
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
    pub(super) fn attention_temperature(&self) -> Result<Option<AttentionTemperature>> {
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

    /// Whether each layer has a sliding window.
    pub(super) fn windowed(&self, layers: u32) -> Result<Vec<bool>> {
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
    pub(super) fn heads(&self, embedding_len: u32, windowed: &[bool]) -> Result<Vec<HeadShape>> {
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
    pub(super) fn latent(&self) -> Result<Option<LatentConfig>> {
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

    pub(super) fn attention(&self, layer: u32, heads: HeadShape, window: Option<u32>) -> AttentionConfig {
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

    /// The layer whose keys and values a layer uses instead of its own: the last one of the same kind that has any.
    pub(super) fn cache_of(&self, layer: u32, heads: &[HeadShape], windowed: &[bool]) -> Result<Option<u32>> {
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

    /// Whether the file has a sliding window.
    fn has_window(&self) -> bool {
        self.u32("attention.sliding_window").is_some()
    }

    /// The size of the sliding window, in families that have one.
    pub(super) fn window(&self) -> Result<Option<u32>> {
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
}
