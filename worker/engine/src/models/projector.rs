//! Projectors, which turn pictures or sounds into embeddings for a generative model: a tower of layers over the patches of
//! a picture or the positions of a window of sound, then a projection of groups of these rows to the model's width. Files
//! have the architecture `clip`; they differ as `projector_family` says. Sources: the families' papers, `clip.cpp` and
//! `mtmd.cpp`.

use super::checks::check_ranges;
use super::config::ModelConfig;
use super::family::Activation;
use super::heads::HeadShape;
use super::pictures::PictureConfig;
use super::projector_family::{FAMILIES, GridRope, Merge, PatchPositions, SOUND_FAMILIES};
use super::sounds::{SOUND_POSITIONS, SoundConfig};
use crate::error::{EngineError, Result};

/// Attention within windows, in most layers of a tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TowerWindows {
    /// Side of a window in embeddings.
    pub side: u32,
    /// Every n-th layer attends to the whole picture.
    pub global_interval: u32,
}

/// What a projector turns into embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sense {
    /// Pictures.
    Sight(PictureConfig),
    /// Sounds.
    Hearing(SoundConfig),
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
    /// Side of a patch in pixels; 0 if it is for sounds.
    pub patch: u32,
    /// Number of patches per side, or of positions of a sound, that are combined to an embedding.
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
    /// What it is for, and how that becomes inputs.
    pub sense: Sense,
    /// Embeddings of a picture attend to each other in both directions.
    pub two_way: bool,
    /// Embeddings have the positions of a grid (M-RoPE).
    pub grid: bool,
}

impl ProjectorConfig {
    /// The value of `general.architecture`.
    pub const ARCHITECTURE: &'static str = "clip";

    /// The names of the supported families of projectors of pictures.
    pub fn families() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().map(|family| family.name)
    }

    /// The names of the supported families of projectors of sounds.
    pub fn sound_families() -> impl Iterator<Item = &'static str> {
        SOUND_FAMILIES.iter().map(|family| family.name)
    }

    /// How pictures become inputs, if it is for pictures.
    pub fn pictures(&self) -> Option<&PictureConfig> {
        match &self.sense {
            Sense::Sight(pictures) => Some(pictures),
            Sense::Hearing(_) => None,
        }
    }

    /// How sounds become inputs, if it is for sounds.
    pub fn sound(&self) -> Option<&SoundConfig> {
        match &self.sense {
            Sense::Sight(_) => None,
            Sense::Hearing(sound) => Some(sound),
        }
    }

    /// Beginning of the names of the tower's tensors.
    pub(super) fn prefix(&self) -> &'static str {
        match self.sense {
            Sense::Sight(_) => "v",
            Sense::Hearing(_) => "a",
        }
    }

    /// Checks that it belongs to a model.
    ///
    /// # Errors
    /// [`EngineError::WrongProjector`].
    pub fn check_for(&self, model: &ModelConfig) -> Result<()> {
        let has_grid = model.rope.sections.is_some();
        let is_for_pictures = self.pictures().is_some();
        let wrong = if self.embedding_len != model.embedding_len {
            format!("its embeddings are {} wide, the model's {}", self.embedding_len, model.embedding_len)
        } else if is_for_pictures && self.deepstack.len() != model.deepstack_layers as usize {
            format!("it is for {} of the model's layers, not {}", self.deepstack.len(), model.deepstack_layers)
        } else if is_for_pictures && self.grid != has_grid {
            let [own, models] = [self.grid, has_grid].map(|is_grid| if is_grid { 2 } else { 1 });
            format!("its positions have {own} dimensions, the model's {models}")
        } else {
            return Ok(());
        };
        Err(EngineError::WrongProjector(wrong))
    }

    /// Number of patches, or of positions of a sound, that are combined to an embedding.
    pub fn merged_rows(&self) -> u32 {
        match self.sense {
            Sense::Sight(_) => self.merge * self.merge,
            Sense::Hearing(_) => self.merge,
        }
    }

    /// Number of elements in a patch: three colours of its pixels. 0 if it is for sounds.
    pub fn patch_len(&self) -> u32 {
        3 * self.patch * self.patch
    }

    /// Elements that are combined before the projection.
    pub fn merged_len(&self) -> u32 {
        match self.merged {
            Merge::Joined => self.width * self.merged_rows(),
            Merge::Averaged => self.width,
        }
    }

    /// Number of rows of the tower's hidden state for a square part of a picture, or for a window of sound; 0 if there is
    /// neither.
    pub(crate) fn whole_rows(&self) -> u32 {
        match &self.sense {
            Sense::Sight(pictures) => {
                let side = pictures.square().unwrap_or(0) / self.patch;
                if side > 0 { side * side + u32::from(self.has_class) } else { 0 }
            }
            Sense::Hearing(_) => SOUND_POSITIONS,
        }
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

    pub(super) fn check(&self) -> Result<()> {
        check_ranges(&[
            ("layers", self.layers, 1, 512, 1),
            ("the tower's width", self.width, 32, 1 << 14, 32),
            ("the head size", self.heads.head_dim, 8, 256, 8),
            ("the rows of an embedding", self.merge, 1, 16, 1),
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
        match &self.sense {
            Sense::Sight(pictures) => {
                check_ranges(&[("the patch size", self.patch, 1, 256, 1)])?;
                pictures.check(self.patch, self.merge)
            }
            Sense::Hearing(sound) => sound.check(),
        }
    }
}
