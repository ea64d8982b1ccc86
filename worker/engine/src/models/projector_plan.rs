//! The tensors of a projector, by their names in the file, and what they need of memory.

use std::collections::HashMap;

use super::encoder_plan::NormPlan;
use super::family::Activation;
use super::plan::{Product, VectorId};
use super::projector::ProjectorConfig;
use super::speech::{FRAMES_PER_POSITION, taps_len};
use super::speech_plan::BiasedProduct;

/// Position embeddings of patches, which stay on the host: `[patches][width]`.
pub const POSITIONS: &str = "v.position_embd.weight";
/// Bias of the patch embedding, which stays on the host.
pub const PATCH_BIAS: &str = "v.patch_embd.bias";
/// The row that follows the patches.
pub const CLASS: &str = "v.class_embd";
/// What follows a row of embeddings.
pub const BREAK: &str = "v.token_embd.img_break";
/// Position embeddings of a window of sound, which stay on the host: `[positions][width]`.
pub const HEARD_POSITIONS: &str = "a.position_embd.weight";

/// Names of the bounds of a product, after its own.
pub(super) const BOUNDS: [&str; 4] = ["input_min", "input_max", "output_min", "output_max"];

/// The quarters of a head in an order where the pairs of [`super::GridRope::Quarters`] are half a head apart.
pub(super) fn quarters(head: u32) -> [u32; 4] {
    [0, 2, 1, 3].map(|quarter| 4 * head + quarter)
}

/// The weights of a norm of such a head.
fn turned_head(weights: &[f32]) -> Vec<f32> {
    let len = weights.len() / 4;
    quarters(0).into_iter().flat_map(|quarter| &weights[quarter as usize * len..][..len]).copied().collect()
}

/// A product with its bias and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearPlan {
    /// The matrix; its columns are padded to [`LinearPlan::cols`].
    pub product: Product,
    /// Added to the product.
    pub bias: Option<VectorId>,
    /// Number of outputs.
    pub rows: u32,
    /// Elements of an input, a multiple of 32.
    pub cols: u32,
    /// The first output, where several products share a result.
    pub first_row: u32,
    /// The tensors' name, if there are bounds for inputs and outputs: `input_min`, `input_max`, `output_min` and
    /// `output_max`, which stay on the host.
    pub bounds: Option<String>,
    /// Applied to the result.
    pub activation: Option<Activation>,
}

impl LinearPlan {
    /// Elements from one result to the next, so that it can be the input of another product.
    pub fn stride(&self) -> u32 {
        self.rows.next_multiple_of(32)
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.bounds.is_some()
    }
}

/// A layer of the tower.
#[derive(Debug, Clone, PartialEq)]
pub struct TowerLayerPlan {
    /// Norms before attention and before the feed-forward part.
    pub norms: [NormPlan; 2],
    /// Query, key and value projections: together, or each if they have bounds.
    pub qkv: Vec<LinearPlan>,
    /// Names of the weights of the norms of queries and keys, which stay on the host: `[head_dim]`.
    pub head_norms: Option<[String; 2]>,
    /// Output projection of attention.
    pub attention_output: LinearPlan,
    /// Gate of the feed-forward part, with the activation.
    pub gate: Option<LinearPlan>,
    /// Its up projection, with the activation unless there is a gate.
    pub up: LinearPlan,
    /// Its down projection.
    pub down: LinearPlan,
    /// Factors of the outputs of attention and feed-forward part: a vector each.
    pub scales: [Option<VectorId>; 2],
    /// Norms of these outputs.
    pub post_norms: [Option<NormPlan>; 2],
    /// Projects the hidden state after this layer.
    pub deepstack: Option<ProjectionPlan>,
}

/// A step of a projection.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// RMS norm of its input.
    pub norm: Option<NormPlan>,
    /// A product, with its activation, that gates the other.
    pub gate: Option<LinearPlan>,
    /// The product.
    pub linear: LinearPlan,
}

impl StepPlan {
    /// Its products.
    pub(crate) fn linears(&self) -> impl Iterator<Item = &LinearPlan> {
        self.gate.iter().chain([&self.linear])
    }
}

/// From combined rows to an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionPlan {
    /// What is subtracted from the combined rows, and what they are then multiplied by: `[width]` each.
    pub standard: Option<[VectorId; 2]>,
    /// Norm before it.
    pub norm: Option<NormPlan>,
    /// An RMS norm without weights, instead.
    pub plain_norm: bool,
    /// Steps in order.
    pub steps: Vec<StepPlan>,
}

/// The tensors of a projector.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectorPlan {
    /// Patch embeddings. Several are added; those of videos have one for each of two frames. None for sounds.
    pub patches: Vec<LinearPlan>,
    /// The two convolutions of a sound, as those of [`super::SpeechPlan`]; none for pictures.
    pub convolutions: Vec<BiasedProduct>,
    /// Number of position embeddings.
    pub positions: Option<u32>,
    /// Norm before the layers.
    pub pre_norm: Option<NormPlan>,
    /// Layers in order.
    pub layers: Vec<TowerLayerPlan>,
    /// Norm of each row after the layers.
    pub post_norm: Option<NormPlan>,
    /// The projection of the last hidden state.
    pub projection: ProjectionPlan,
}

/// What a tower needs of the tensors that stay on the host, by the names in its plan.
#[derive(Debug, Default)]
pub(crate) struct TowerTensors {
    /// Lowest and highest inputs, lowest and highest outputs.
    pub(crate) bounds: HashMap<String, [f32; 4]>,
    /// Weights of the norms of queries and keys, in the order of their rows: `[head_dim]`.
    pub(crate) head_norms: HashMap<String, Vec<f32>>,
}

impl TowerTensors {
    pub(crate) fn new(plan: &ProjectorPlan, host: &HashMap<String, Vec<f32>>) -> Self {
        let mut tensors = Self::default();
        let of_layers = plan.layers.iter().flat_map(|layer| {
            let shared = layer.qkv.iter().chain(&layer.gate);
            shared.chain([&layer.attention_output, &layer.up, &layer.down])
        });
        let linears = of_layers.chain(plan.steps().flat_map(StepPlan::linears));
        for name in linears.filter_map(|linear| linear.bounds.as_ref()) {
            let own = |part: &str| host.get(&format!("{name}.{part}"))?.first().copied();
            let bounds = [0, 1, 2, 3].map(|part| own(BOUNDS[part]).unwrap_or([f32::MIN, f32::MAX][part % 2]));
            tensors.bounds.insert(name.clone(), bounds);
        }
        for name in plan.layers.iter().flat_map(|layer| layer.head_norms.iter().flatten()) {
            let weights = host.get(name).map(|weights| turned_head(weights)).unwrap_or_default();
            tensors.head_norms.insert(name.clone(), weights);
        }
        tensors
    }
}

/// Maximum number of rows of a tower's hidden state, so that attention stays affordable.
const MAX_ROWS: u32 = 1 << 14;
/// Fewest rows that a tower has room for, so that small pictures share its buffers.
const MIN_ROWS: u32 = 256;

/// Rows that there is room for once an input has `rows`, if activations of `most` fit a binding.
fn room_rows(rows: u32, most: u32) -> u32 {
    // Kernels read whole tiles.
    rows.next_power_of_two().max(MIN_ROWS).min(most).max(rows).next_multiple_of(64)
}

impl ProjectorPlan {
    /// Elements per row between the halves of a feed-forward part.
    pub(crate) fn activated_len(&self) -> u32 {
        self.layers.iter().map(|layer| layer.up.stride()).max().unwrap_or(32)
    }

    /// Elements per embedding between steps of a projection.
    pub(crate) fn step_len(&self) -> u32 {
        self.steps().map(|step| step.linear.stride()).max().unwrap_or(32)
    }

    /// The steps of all projections.
    fn steps(&self) -> impl Iterator<Item = &StepPlan> {
        let deepstack = self.layers.iter().filter_map(|layer| layer.deepstack.as_ref());
        deepstack.chain([&self.projection]).flat_map(|plan| &plan.steps)
    }

    /// Whether inputs that several products share, or gated outputs, have bounds.
    pub(crate) fn has_bounds(&self) -> bool {
        let of =
            |layer: &TowerLayerPlan| layer.qkv.iter().chain(&layer.gate).chain([&layer.up]).any(LinearPlan::is_bounded);
        self.layers.iter().any(of)
    }

    /// Elements per row in the widest activation.
    pub(crate) fn widest(&self, config: &ProjectorConfig) -> u32 {
        let projected = self.step_len().max(config.embedding_len).div_ceil(config.merged_rows());
        let patch = config.patch_len().next_multiple_of(32);
        let heads = if config.normed { 3 * config.width } else { config.width };
        let heard = config.sound().map_or(0, |sound| convolved_len(sound.mels, config.width));
        self.activated_len().max(heads).max(patch).max(projected).max(heard)
    }

    /// Maximum number of rows of a tower: each activation fits a binding. A multiple of a tile's.
    pub(crate) fn max_rows(&self, config: &ProjectorConfig, max_binding_bytes: u64) -> u32 {
        let fitting = max_binding_bytes / 4 / u64::from(self.widest(config));
        (fitting.min(MAX_ROWS.into()) as u32 / 64 * 64).max(64)
    }

    /// Number of rows for which a tower allocates its activations, if an input has `rows`.
    pub(crate) fn room_rows(&self, config: &ProjectorConfig, rows: u32, max_binding_bytes: u64) -> u32 {
        room_rows(rows, self.max_rows(config, max_binding_bytes))
    }

    /// Size of the activations for this many rows in bytes.
    pub(crate) fn scratch_bytes(&self, config: &ProjectorConfig, rows: u32) -> u64 {
        let patch = config.patch_len().next_multiple_of(32);
        // Hidden state, what is added at first, its norm, queries, attention's result, keys and values in half of the
        // precision.
        let mut row = 6 * config.width + self.activated_len() + patch + config.heads.rope_dim;
        if config.normed {
            row += 3 * config.width;
        }
        if self.has_bounds() {
            row += config.width + self.activated_len();
        }
        if let Some(sound) = config.sound() {
            // The spectrogram, inputs of the convolutions, and what is between them.
            let frames = FRAMES_PER_POSITION * (sound.mels + config.width);
            row += frames + convolved_len(sound.mels, config.width);
        }
        let outputs = (config.deepstack.len() as u32 + 1) * config.embedding_len;
        let embedding = config.merged_len() + 2 * self.step_len() + outputs;
        let embeddings = rows / config.merged_rows();
        4 * (u64::from(rows) * u64::from(row) + u64::from(embeddings) * u64::from(embedding))
    }
}

/// Elements per position of the inputs of the convolution that has more of them.
pub(crate) fn convolved_len(mels: u32, width: u32) -> u32 {
    (FRAMES_PER_POSITION * taps_len(mels)).max(taps_len(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_whole_tiles_of_rows_and_for_similar_inputs() {
        // A window of sound has 1500.
        for (rows, most, expected) in [(1, MAX_ROWS, 256), (1500, MAX_ROWS, 2048), (1500, 1536, 1536), (1, 64, 64)] {
            assert_eq!(room_rows(rows, most), expected, "{rows} of {most}");
        }
        assert_eq!(room_rows(MAX_ROWS, MAX_ROWS), MAX_ROWS);
    }
}
