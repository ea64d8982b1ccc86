//! Projectors, which turn pictures into embeddings for a generative model: a tower of layers over the patches of a
//! picture, then a projection of groups of patches to the model's width. Files have the architecture `clip`; they differ
//! as `projector_family` says. Sources: the families' papers, `clip.cpp` and `mtmd.cpp`.

use super::checks::check_ranges;
use super::config::ModelConfig;
use super::family::Activation;
use super::heads::HeadShape;
use super::pictures::{PictureConfig, Sizing};
use super::projector_family::{FAMILIES, Family, GridRope, Merge, PatchPositions, SizingStyle, StepOrder, family};
use crate::error::{EngineError, Result};
use crate::gguf::{Gguf, Metadata};

/// Attention within windows, in most layers of a tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TowerWindows {
    /// Side of a window in embeddings.
    pub side: u32,
    /// Every n-th layer attends to the whole picture.
    pub global_interval: u32,
}

/// Hyperparameters of a projector.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent, and always set by name")]
pub struct ProjectorConfig {
    /// Human-readable name, from `general.name`.
    pub name: String,
    /// The family, `clip.projector_type`.
    pub kind: &'static str,
    /// Number of layers in the tower.
    pub layers: u32,
    /// Width of the tower's hidden state.
    pub width: u32,
    /// Shapes of the attention heads.
    pub heads: HeadShape,
    /// Epsilon of the tower's norms.
    pub norm_eps: f32,
    /// Epsilon of the norm of combined patches.
    pub merged_eps: f32,
    /// That norm is an RMS norm.
    pub merged_rms: bool,
    /// Norms of the tower are RMS norms, not layer norms.
    pub rms: bool,
    /// Heads are normalised, values without weights; that replaces the scale of attention.
    pub normed: bool,
    /// Activation function of the feed-forward parts.
    pub activation: Activation,
    /// Side of a patch in pixels.
    pub patch: u32,
    /// Number of patches, per side, that are combined to an embedding.
    pub merge: u32,
    /// How they are combined.
    pub merged: Merge,
    /// Combined patches are multiplied by the square root of the width.
    pub rescaled: bool,
    /// How position embeddings fit the picture.
    pub positions: PatchPositions,
    /// RoPE by rows and columns.
    pub rope: Option<GridRope>,
    /// Windows of attention.
    pub windows: Option<TowerWindows>,
    /// A learned row follows the patches.
    pub has_class: bool,
    /// Width of an embedding, which is that of the model.
    pub embedding_len: u32,
    /// Layers whose hidden states are projected, too, for the model's first layers (`DeepStack`, Meng et al. 2024).
    pub deepstack: Vec<u32>,
    /// How pictures become inputs.
    pub pictures: PictureConfig,
    /// Embeddings of a picture attend to each other in both directions.
    pub two_way: bool,
    /// Embeddings have the positions of a grid (M-RoPE).
    pub grid: bool,
}

/// Side of Qwen 2.5's windows in pixels.
const WINDOW_PIXELS: u32 = 112;

impl ProjectorConfig {
    /// The value of `general.architecture`.
    pub const ARCHITECTURE: &'static str = "clip";

    /// The names of the supported families.
    pub fn families() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family.name)
    }

    /// Reads and checks the hyperparameters.
    ///
    /// # Errors
    /// An unsupported family or feature, a missing entry, or values that contradict each other.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self> {
        let metadata = &gguf.metadata;
        let kind = metadata.string("clip.projector_type").or_else(|| metadata.string("clip.vision.projector_type"));
        let kind = kind.ok_or_else(|| EngineError::MissingMetadata("clip.projector_type".to_owned()))?;
        let unsupported = || EngineError::UnsupportedArchitecture(format!("{} of {kind}", Self::ARCHITECTURE));
        let config = read(gguf, family(kind).ok_or_else(unsupported)?)?;
        config.check()?;
        Ok(config)
    }

    /// Checks that it belongs to a model.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`].
    pub fn check_for(&self, model: &ModelConfig) -> Result<()> {
        let has_grid = model.rope.sections.is_some();
        let wrong = if self.embedding_len != model.embedding_len {
            format!("its embeddings are {} wide, the model's {}", self.embedding_len, model.embedding_len)
        } else if self.deepstack.len() != model.deepstack_layers as usize {
            format!("it is for {} of the model's layers, not {}", self.deepstack.len(), model.deepstack_layers)
        } else if self.grid != has_grid {
            let [own, models] = [self.grid, has_grid].map(|is_grid| if is_grid { 2 } else { 1 });
            format!("its positions have {own} dimensions, the model's {models}")
        } else {
            return Ok(());
        };
        Err(EngineError::WrongProjector(wrong))
    }

    /// Number of patches that are combined to an embedding.
    pub fn merged_patches(&self) -> u32 {
        self.merge * self.merge
    }

    /// Number of elements in a patch: three colours of its pixels.
    pub fn patch_len(&self) -> u32 {
        3 * self.patch * self.patch
    }

    /// Elements that are combined before the projection.
    pub fn merged_len(&self) -> u32 {
        match self.merged {
            Merge::Joined => self.width * self.merged_patches(),
            Merge::Averaged => self.width,
        }
    }

    /// Number of rows of the tower's hidden state for a square part of a picture; 0 if there are none.
    pub(crate) fn square_rows(&self) -> u32 {
        let side = self.pictures.square().unwrap_or(0) / self.patch;
        if side > 0 { side * side + u32::from(self.has_class) } else { 0 }
    }

    /// Factor of attention scores.
    pub(crate) fn attention_scale(&self) -> f32 {
        if self.normed { 1.0 } else { (self.heads.head_dim as f32).sqrt().recip() }
    }

    /// Factor of combined patches.
    pub(crate) fn merged_scale(&self) -> f32 {
        if self.rescaled { (self.width as f32).sqrt() } else { 1.0 }
    }

    /// The windows of a layer, if it has any.
    pub fn windows_of(&self, layer: u32) -> Option<TowerWindows> {
        self.windows.filter(|windows| !(layer + 1).is_multiple_of(windows.global_interval))
    }

    /// Cosine and sine of each pair's angle for patches at these columns and rows: `[patches][rope_dim / 2]`; without RoPE
    /// one that rotates nothing.
    pub(crate) fn angles(&self, patches: &[[u32; 2]]) -> Vec<[f32; 2]> {
        let Some(rope) = self.rope else { return vec![[1.0, 0.0]] };
        let half = self.heads.head_dim / 4;
        let end = patches.iter().flatten().max().map_or(0, |last| last + 1);
        // Those of all positions along an axis: `[positions][half]`.
        let axis = |shift: f64| -> Vec<[f32; 2]> {
            let exponent = |pair: u32| -(4.0 * f64::from(pair) + shift) / f64::from(self.heads.head_dim);
            let speeds: Vec<f64> = (0..half).map(|pair| f64::from(rope.base()).powf(exponent(pair))).collect();
            let angle = |position: u32, speed: &f64| {
                let (sin, cos) = (f64::from(position) * speed).sin_cos();
                [cos as f32, sin as f32]
            };
            (0..end).flat_map(|position| speeds.iter().map(move |speed| angle(position, speed))).collect()
        };
        let (first_is_row, shift) = match rope {
            GridRope::Apart => (true, 0.0),
            GridRope::Adjacent => (true, 2.0),
            GridRope::Quarters => (false, 0.0),
        };
        let (firsts, seconds, half) = (axis(0.0), axis(shift), half as usize);
        let mut angles = Vec::with_capacity(patches.len() * 2 * half);
        for [column, row] in patches {
            let (first, second) = if first_is_row { (row, column) } else { (column, row) };
            for (table, position) in [(&firsts, first), (&seconds, second)] {
                angles.extend_from_slice(&table[*position as usize * half..][..half]);
            }
        }
        angles
    }

    fn check(&self) -> Result<()> {
        check_ranges(&[
            ("layers", self.layers, 1, 512, 1),
            ("the tower's width", self.width, 32, 1 << 14, 32),
            ("the head size", self.heads.head_dim, 8, 256, 8),
            ("the patch size", self.patch, 1, 256, 1),
            ("the patches of an embedding", self.merge, 1, 16, 1),
            ("the width of embeddings", self.embedding_len, 32, 1 << 16, 32),
        ])?;
        if let Some(windows) = self.windows {
            check_ranges(&[
                ("the windows", windows.side, 1, 1 << 10, 1),
                ("the interval of windows", windows.global_interval, 1, 512, 1),
            ])?;
        }
        if self.has_class && (self.rope.is_some() || self.windows.is_some()) {
            return Err(EngineError::UnsupportedArchitecture(format!("{} with a class", self.kind)));
        }
        let epsilons = [self.norm_eps, self.merged_eps];
        if epsilons.iter().any(|eps| !(eps.is_finite() && *eps >= 0.0)) {
            return Err(EngineError::malformed(format!("the epsilons of the norms are {epsilons:?}")));
        }
        self.pictures.check(self.patch, self.merge)
    }
}

fn key(name: &str) -> String {
    format!("clip.vision.{name}")
}

fn read(gguf: &Gguf, family: &'static Family) -> Result<ProjectorConfig> {
    let metadata = &gguf.metadata;
    let require = |name: &str| metadata.require_u32(&key(name));
    let (width, heads, patch) =
        (require("embedding_length")?, require("attention.head_count")?, require("patch_size")?);
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(EngineError::malformed(format!("{heads} heads in a width of {width}")));
    }
    let (head_dim, layers) = (width / heads, require("block_count")?.min(513));
    let merge = metadata.u32(&key(family.merge.0)).unwrap_or(family.merge.1);
    let rope_dim = if family.rope.is_some() { head_dim } else { 0 };
    let eps = key("attention.layer_norm_epsilon");
    let norm_eps = metadata.f32(&eps).ok_or(EngineError::MissingMetadata(eps))?;
    let interval = metadata.u32(&key("n_wa_pattern")).filter(|interval| *interval > 0);
    let windows = interval.map(|global_interval| TowerWindows {
        side: WINDOW_PIXELS / patch.saturating_mul(merge).max(1),
        global_interval,
    });
    let deepstack = (0..layers).filter(|layer| gguf.tensor(&format!("v.deepstack.{layer}.fc1.weight")).is_some());
    let last = family.steps.last().map_or("", |step| step.name);
    let last = gguf.require_tensor(&format!("{last}.weight"))?;
    let is_turned = family.steps.last().is_some_and(|step| step.order == StepOrder::Columns);
    Ok(ProjectorConfig {
        name: metadata.string("general.name").unwrap_or("unnamed projector").to_owned(),
        kind: family.name,
        layers,
        width,
        heads: HeadShape {
            heads,
            kv_heads: heads,
            head_dim,
            value_dim: head_dim,
            rope_dim,
            // Quarters are rearranged.
            rope_half: matches!(family.rope, Some(GridRope::Apart | GridRope::Quarters)),
        },
        norm_eps,
        merged_eps: family.norm.and_then(|norm| norm.eps).unwrap_or(norm_eps),
        merged_rms: family.norm.is_some_and(|norm| norm.rms),
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
        embedding_len: u32::try_from(if is_turned { last.cols() } else { last.rows() }).unwrap_or(u32::MAX),
        deepstack: deepstack.collect(),
        pictures: pictures(metadata, family, (patch, merge))?,
        two_way: family.two_way,
        grid: family.grid,
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

fn pictures(metadata: &Metadata, family: &Family, (patch, merge): (u32, u32)) -> Result<PictureConfig> {
    let colours = |name: &str| -> Result<[f32; 3]> {
        let missing = || EngineError::MissingMetadata(key(name));
        metadata.floats(&key(name)).and_then(|floats| floats.first_chunk().copied()).ok_or_else(missing)
    };
    let side = || metadata.require_u32(&key("image_size"));
    let pixels = |embeddings: u32| embeddings.saturating_mul(patch.saturating_mul(merge).saturating_pow(2));
    let tiles = |name: &str, default: u32| metadata.u32(&key(name)).unwrap_or(default);
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
            SizingStyle::Squares => {
                Sizing::Squares { side: side()?, longest: metadata.require_u32(&key("preproc_image_size"))? }
            }
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
