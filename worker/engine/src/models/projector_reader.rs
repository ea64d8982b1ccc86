//! Reads the hyperparameters of projectors. A file may have one for each sense.

use super::family::Activation;
use super::heads::HeadShape;
use super::pictures::{PictureConfig, Sizing};
use super::projector::{ProjectorConfig, Sense, TowerWindows};
use super::projector_family::{
    Family, GridRope, NormStyle, PatchPositions, SizingStyle, SoundFamily, StepOrder, StepStyle, family, sound_family,
};
use super::sounds::SoundConfig;
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Metadata};

/// Side of Qwen 2.5's windows in pixels.
const WINDOW_PIXELS: u32 = 112;
/// Maximum number of layers that are looked for.
const MAX_LAYERS: u32 = 513;
/// The type of files with both projectors of Qwen 2.5 Omni, and what these are.
const QWEN25_OMNI: (&str, &str, &str) = ("qwen2.5o", "qwen2.5vl_merger", "qwen2a");

impl ProjectorConfig {
    /// Reads and checks the hyperparameters of the projectors of a file: at most one for each sense, at least one. If it
    /// has one that is not supported, it is left out as long as there is another.
    ///
    /// # Errors
    /// An unsupported family or feature, a missing entry, or values that contradict each other.
    pub fn all_from_gguf(gguf: &Gguf) -> Result<Vec<Self>> {
        let metadata = &gguf.metadata;
        let has = |sense: &str| metadata.bool(&format!("clip.has_{sense}_encoder")).unwrap_or(false);
        let hears = has("audio");
        let senses = [(has("vision") || !hears).then(|| sight(gguf)), hears.then(|| hearing(gguf))];
        let (mut configs, mut unsupported) = (Vec::new(), None);
        for config in senses.into_iter().flatten() {
            let checked = config.and_then(|config| config.check().map(|()| config));
            match checked {
                Ok(config) => configs.push(config),
                Err(error @ EngineError::UnsupportedArchitecture(_)) => unsupported = Some(error),
                Err(error) => return Err(error),
            }
        }
        match unsupported {
            Some(error) if configs.is_empty() => Err(error),
            _ => Ok(configs),
        }
    }
}

/// The type of a file's projector for a sense.
fn kind<'g>(metadata: &'g Metadata, sense: &str) -> Result<&'g str> {
    let own = || metadata.string(&format!("clip.{sense}.projector_type"));
    let kind = metadata.string("clip.projector_type").or_else(own);
    let kind = kind.ok_or_else(|| EngineError::MissingMetadata("clip.projector_type".to_owned()))?;
    Ok(match kind {
        _ if kind != QWEN25_OMNI.0 => kind,
        _ if sense == "vision" => QWEN25_OMNI.1,
        _ => QWEN25_OMNI.2,
    })
}

fn unsupported(kind: &str) -> EngineError {
    EngineError::UnsupportedArchitecture(format!("{} of {kind}", ProjectorConfig::ARCHITECTURE))
}

/// What the files say of any tower.
struct TowerEntries<'g> {
    metadata: &'g Metadata,
    sense: &'static str,
}

impl TowerEntries<'_> {
    fn key(&self, name: &str) -> String {
        format!("clip.{}.{name}", self.sense)
    }

    fn u32(&self, name: &str) -> Option<u32> {
        self.metadata.u32(&self.key(name))
    }

    fn require(&self, name: &str) -> Result<u32> {
        self.metadata.require_u32(&self.key(name))
    }

    fn layers(&self) -> Result<u32> {
        Ok(self.require("block_count")?.min(MAX_LAYERS))
    }

    /// The width, and the shapes of heads without RoPE.
    fn heads(&self) -> Result<(u32, HeadShape)> {
        let (width, heads) = (self.require("embedding_length")?, self.require("attention.head_count")?);
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(EngineError::malformed(format!("{heads} heads in a width of {width}")));
        }
        let head_dim = width / heads;
        let heads = HeadShape { heads, kv_heads: heads, head_dim, value_dim: head_dim, rope_dim: 0, rope_half: false };
        Ok((width, heads))
    }

    fn norm_eps(&self) -> Result<f32> {
        let key = self.key("attention.layer_norm_epsilon");
        self.metadata.f32(&key).ok_or(EngineError::MissingMetadata(key))
    }

    fn name(&self) -> String {
        self.metadata.string("general.name").unwrap_or("unnamed projector").to_owned()
    }
}

/// Width of the result of a projection's last step.
fn embedding_len(gguf: &Gguf, steps: &[StepStyle]) -> Result<u32> {
    let last = steps.last().map_or("", |step| step.name);
    let tensor = gguf.require_tensor(&format!("{last}.weight"))?;
    let is_turned = steps.last().is_some_and(|step| step.order == StepOrder::Columns);
    Ok(u32::try_from(if is_turned { tensor.cols() } else { tensor.rows() }).unwrap_or(u32::MAX))
}

fn norm_of(norm: Option<NormStyle>, norm_eps: f32) -> (f32, bool) {
    (norm.and_then(|norm| norm.eps).unwrap_or(norm_eps), norm.is_some_and(|norm| norm.rms))
}

fn sight(gguf: &Gguf) -> Result<ProjectorConfig> {
    let metadata = &gguf.metadata;
    let kind = kind(metadata, "vision")?;
    let family = family(kind).ok_or_else(|| unsupported(kind))?;
    let entries = TowerEntries { metadata, sense: "vision" };
    let ((width, heads), patch) = (entries.heads()?, entries.require("patch_size")?);
    let layers = entries.layers()?;
    let merge = entries.u32(family.merge.0).unwrap_or(family.merge.1);
    let norm_eps = entries.norm_eps()?;
    let interval = entries.u32("n_wa_pattern").filter(|interval| *interval > 0);
    let windows = interval.map(|global_interval| TowerWindows {
        side: WINDOW_PIXELS / patch.saturating_mul(merge).max(1),
        global_interval,
    });
    let deepstack = (0..layers).filter(|layer| gguf.tensor(&format!("v.deepstack.{layer}.fc1.weight")).is_some());
    let (merged_eps, merged_rms) = norm_of(family.norm, norm_eps);
    Ok(ProjectorConfig {
        name: entries.name(),
        kind: family.name,
        layers,
        width,
        heads: HeadShape {
            rope_dim: if family.rope.is_some() { heads.head_dim } else { 0 },
            // Quarters are rearranged.
            rope_half: matches!(family.rope, Some(GridRope::Apart | GridRope::Quarters)),
            ..heads
        },
        norm_eps,
        merged_eps,
        merged_rms,
        rms: family.rms,
        normed: family.normed,
        activation: activation(metadata),
        patch,
        merge,
        merged: family.merged,
        rescaled: family.rescaled,
        positions: family.positions,
        rope: family.rope,
        windows,
        has_class: gguf.tensor("v.class_embd").is_some(),
        embedding_len: embedding_len(gguf, family.steps)?,
        deepstack: deepstack.collect(),
        sense: Sense::Sight(pictures(&entries, family, (patch, merge))?),
        two_way: family.two_way,
        grid: family.grid,
    })
}

fn hearing(gguf: &Gguf) -> Result<ProjectorConfig> {
    let metadata = &gguf.metadata;
    let kind = kind(metadata, "audio")?;
    let family: &SoundFamily = sound_family(kind).ok_or_else(|| unsupported(kind))?;
    let entries = TowerEntries { metadata, sense: "audio" };
    let (width, heads) = entries.heads()?;
    let norm_eps = entries.norm_eps()?;
    let (merged_eps, merged_rms) = norm_of(family.norm, norm_eps);
    Ok(ProjectorConfig {
        name: entries.name(),
        kind: family.name,
        layers: entries.layers()?,
        width,
        heads,
        norm_eps,
        merged_eps,
        merged_rms,
        rms: false,
        normed: false,
        activation: Activation::GeluErf,
        patch: 0,
        merge: family.merge.map_or_else(|| entries.require("projector.stack_factor"), Ok)?,
        merged: family.merged,
        rescaled: false,
        positions: PatchPositions::Fixed,
        rope: None,
        windows: None,
        has_class: false,
        embedding_len: embedding_len(gguf, family.steps)?,
        deepstack: Vec::new(),
        sense: Sense::Hearing(SoundConfig { mels: entries.require("num_mel_bins")?, markers: family.markers }),
        two_way: false,
        grid: false,
    })
}

fn activation(metadata: &Metadata) -> Activation {
    let is_set = |name: &str| metadata.bool(name).unwrap_or(false);
    match (is_set("clip.use_gelu"), is_set("clip.use_silu")) {
        (true, _) => Activation::GeluTanh,
        (_, true) => Activation::Silu,
        _ => Activation::QuickGelu,
    }
}

fn pictures(entries: &TowerEntries<'_>, family: &Family, (patch, merge): (u32, u32)) -> Result<PictureConfig> {
    let colours = |name: &str| -> Result<[f32; 3]> {
        let missing = || EngineError::MissingMetadata(entries.key(name));
        entries.metadata.floats(&entries.key(name)).and_then(|floats| floats.first_chunk().copied()).ok_or_else(missing)
    };
    let side = || entries.require("image_size");
    let pixels = |embeddings: u32| embeddings.saturating_mul(patch.saturating_mul(merge).saturating_pow(2));
    let tiles = |name: &str, default: u32| entries.u32(name).unwrap_or(default);
    let (mut mean, mut deviation) = (colours("image_mean")?, colours("image_std")?);
    if family.doubled {
        deviation = deviation.map(|deviation| deviation / 2.0);
        (0..3).for_each(|colour| mean[colour] += deviation[colour]);
    }
    Ok(PictureConfig {
        mean,
        deviation,
        filter: family.filter,
        sizing: match family.sizing {
            SizingStyle::Square => Sizing::Square(side()?),
            SizingStyle::Between(min, max) => Sizing::Between { min_pixels: pixels(min), max_pixels: pixels(max) },
            SizingStyle::Squares => Sizing::Squares { side: side()?, longest: entries.require("preproc_image_size")? },
            SizingStyle::Grid => Sizing::Grid {
                side: side()?,
                min_tiles: tiles("preproc_min_tiles", 1),
                max_tiles: tiles("preproc_max_tiles", 12),
            },
            SizingStyle::Tiles(min, max) => Sizing::Tiles { min_pixels: pixels(min), max_pixels: pixels(max) },
        },
        markers: family.markers,
    })
}
