//! The tensors of a projector, by their names in the file.

use super::checks::MAX_WIDTH;
use super::encoder_plan::NormPlan;
use super::family::Activation;
use super::pictures::Sizing;
use super::plan::{Arrangement, Product, VectorId, WeightPlan};
use super::planner::{Planner, SPLIT_ROWS};
use super::projector::{Family, PatchPositions, ProjectorConfig, StepOrder, StepStyle, family};
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Position embeddings of patches, which stay on the host: `[patches][width]`.
pub const POSITIONS: &str = "v.position_embd.weight";
/// Bias of the patch embedding, which stays on the host.
pub const PATCH_BIAS: &str = "v.patch_embd.bias";
/// The row that follows the patches.
pub const CLASS: &str = "v.class_embd";
/// What follows a row of embeddings.
pub const BREAK: &str = "v.token_embd.img_break";

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
    /// Applied to the result.
    pub activation: Option<Activation>,
}

impl LinearPlan {
    /// Elements from one result to the next, so that it can be the input of another product.
    pub fn stride(&self) -> u32 {
        self.rows.next_multiple_of(32)
    }
}

/// A layer of the tower.
#[derive(Debug, Clone, PartialEq)]
pub struct TowerLayerPlan {
    /// Norms before attention and before the feed-forward part.
    pub norms: [NormPlan; 2],
    /// Query, key and value projections.
    pub qkv: Product,
    /// Their biases.
    pub qkv_bias: Option<VectorId>,
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
    /// Projects the hidden state after this layer.
    pub deepstack: Option<ProjectionPlan>,
}

/// From combined patches to an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionPlan {
    /// Norm before it.
    pub norm: Option<NormPlan>,
    /// Products in order.
    pub steps: Vec<LinearPlan>,
}

/// The tensors of a projector.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectorPlan {
    /// All matrices and vectors.
    pub weights: WeightPlan,
    /// Patch embeddings. Several are added; those of videos have one for each of two frames.
    pub patches: Vec<LinearPlan>,
    /// Number of position embeddings.
    pub positions: Option<u32>,
    /// Norm before the layers.
    pub pre_norm: Option<NormPlan>,
    /// Layers in order.
    pub layers: Vec<TowerLayerPlan>,
    /// Norm of each patch after the layers.
    pub post_norm: Option<NormPlan>,
    /// The projection of the last hidden state.
    pub projection: ProjectionPlan,
}

impl ProjectorPlan {
    /// Plans the file's tensors for bindings of up to `max_binding_bytes`, as [`super::ModelPlan::new`] does.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn new(gguf: &Gguf, config: &ProjectorConfig, max_binding_bytes: u64) -> Result<Self> {
        let unknown = || EngineError::UnsupportedArchitecture(config.kind.to_owned());
        let family = family(config.kind).ok_or_else(unknown)?;
        let mut tower = TowerPlanner { planner: Planner::new(gguf, max_binding_bytes)?, config, gguf };
        let width = config.width;
        let mut patches = vec![tower.patches("v.patch_embd.weight")?];
        if tower.planner.has("v.patch_embd.weight.1") {
            patches.push(tower.patches("v.patch_embd.weight.1")?);
        }
        let positions =
            tower.planner.has(POSITIONS).then(|| tower.planner.host_matrix(POSITIONS, width)).transpose()?;
        check_positions(config, positions)?;
        tower.planner.optional_host_vector(PATCH_BIAS, width)?;
        tower.planner.optional_host_vector(CLASS, width)?;
        tower.planner.optional_host_vector(BREAK, config.embedding_len)?;
        let pre_norm = tower.optional_norm("v.pre_ln", width)?;
        let layers = (0..config.layers).map(|layer| tower.layer(layer)).collect::<Result<_>>()?;
        let mut post_norm = tower.optional_norm("v.post_ln", width)?;
        if let Some(name) = family.row_norm.filter(|_| post_norm.is_none()) {
            post_norm = tower.optional_norm(name, width)?;
        }
        let projection = tower.projection(family)?;
        tower.planner.check_complete(&format!("{} of {}", ProjectorConfig::ARCHITECTURE, config.kind))?;
        let weights = tower.planner.weights;
        Ok(Self { weights, patches, positions, pre_norm, layers, post_norm, projection })
    }
}

/// Maximum number of rows of a tower's hidden state, so that attention stays affordable.
const MAX_ROWS: u32 = 1 << 14;

impl ProjectorPlan {
    /// Elements per row between the halves of a feed-forward part.
    pub(crate) fn activated_len(&self) -> u32 {
        self.layers.iter().map(|layer| layer.up.stride()).max().unwrap_or(32)
    }

    /// Elements per embedding between steps of a projection.
    pub(crate) fn step_len(&self) -> u32 {
        let deepstack = self.layers.iter().filter_map(|layer| layer.deepstack.as_ref());
        let steps = deepstack.chain([&self.projection]).flat_map(|plan| &plan.steps);
        steps.map(LinearPlan::stride).max().unwrap_or(32)
    }

    /// Elements per row in the widest activation.
    pub(crate) fn widest(&self, config: &ProjectorConfig) -> u32 {
        let projected = self.step_len().max(config.embedding_len).div_ceil(config.merged_patches());
        let patch = config.patch_len().next_multiple_of(32);
        self.activated_len().max(config.width).max(patch).max(projected)
    }

    /// Maximum number of rows of a picture: each activation fits a binding. A multiple of a tile's.
    pub(crate) fn max_rows(&self, config: &ProjectorConfig, max_binding_bytes: u64) -> u32 {
        let fitting = max_binding_bytes / 4 / u64::from(self.widest(config));
        (fitting.min(MAX_ROWS.into()) as u32 / 64 * 64).max(64)
    }

    /// Size of the activations for this many rows in bytes.
    pub(crate) fn scratch_bytes(&self, config: &ProjectorConfig, rows: u32) -> u64 {
        let patch = config.patch_len().next_multiple_of(32);
        // Hidden state, its norm, queries, attention's result, keys and values in half of the precision.
        let row = 5 * config.width + self.activated_len() + patch + config.heads.rope_dim;
        let outputs = (config.deepstack.len() as u32 + 1) * config.embedding_len;
        let embedding = config.merged_len() + 2 * self.step_len() + outputs;
        let embeddings = rows / config.merged_patches();
        4 * (u64::from(rows) * u64::from(row) + u64::from(embeddings) * u64::from(embedding))
    }
}

/// Checks the number of position embeddings.
fn check_positions(config: &ProjectorConfig, count: Option<u32>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    let expected = match (config.positions, config.pictures.sizing) {
        (PatchPositions::Fixed, Sizing::Square(side) | Sizing::Squares { side, .. } | Sizing::Grid { side, .. }) => {
            (side / config.patch).pow(2) + u32::from(config.has_class)
        }
        _ => count.isqrt().pow(2),
    };
    if count == expected {
        return Ok(());
    }
    Err(EngineError::malformed(format!("{count} position embeddings for {expected} patches")))
}

struct TowerPlanner<'a> {
    planner: Planner<'a>,
    config: &'a ProjectorConfig,
    gguf: &'a Gguf,
}

impl TowerPlanner<'_> {
    fn optional_norm(&mut self, name: &str, len: u32) -> Result<Option<NormPlan>> {
        self.planner.has(&format!("{name}.weight")).then(|| self.norm(name, len)).transpose()
    }

    fn norm(&mut self, name: &str, len: u32) -> Result<NormPlan> {
        let planner = &mut self.planner;
        Ok((planner.vector(format!("{name}.weight"), len)?, planner.optional_vector(format!("{name}.bias"), len)?))
    }

    /// A patch embedding, which is a convolution in the file: `[width][3][patch][patch]`.
    fn patches(&mut self, name: &str) -> Result<LinearPlan> {
        let (rows, len) = (self.config.width, self.config.patch_len());
        let product = vec![self.planner.arranged(name.to_owned(), [rows, len], Arrangement::Rows)?];
        Ok(LinearPlan { product, bias: None, rows, cols: len.next_multiple_of(32), activation: None })
    }

    /// A product of `cols` inputs, whose number of outputs the file tells.
    fn linear(&mut self, name: &str, cols: u32, style: StepStyle) -> Result<LinearPlan> {
        let weight = format!("{name}.weight");
        let tensor = self.gguf.require_tensor(&weight)?;
        let is_turned = style.order == StepOrder::Columns;
        let rows = if is_turned { tensor.cols() } else { tensor.rows() };
        let too_wide = || EngineError::malformed(format!("the tensor “{weight}” has {rows} outputs"));
        let rows = u32::try_from(rows).ok().filter(|rows| *rows <= MAX_WIDTH).ok_or_else(too_wide)?;
        let product = if style.order == StepOrder::Rows && cols.is_multiple_of(32) {
            self.planner.matrix(weight, rows, cols)?
        } else {
            let arrangement = style.order.arrangement(self.config.merged_patches());
            vec![self.planner.arranged(weight, [rows, cols], arrangement)?]
        };
        let bias = self.planner.optional_vector(format!("{name}.bias"), rows)?;
        let activation = style.gelu.then_some(Activation::GeluTanh);
        Ok(LinearPlan { product, bias, rows, cols: cols.next_multiple_of(32), activation })
    }

    fn layer(&mut self, layer: u32) -> Result<TowerLayerPlan> {
        let (config, width) = (self.config, self.config.width);
        let name = |part: &str| format!("v.blk.{layer}.{part}");
        let plain = StepStyle { name: "", order: StepOrder::Rows, gelu: false };
        // In old files the two have each other's names.
        let is_swapped = self.gguf.require_tensor(&name("ffn_down.weight"))?.cols() == u64::from(width)
            && self.gguf.require_tensor(&name("ffn_up.weight"))?.cols() != u64::from(width);
        let [up, down] = if is_swapped { ["ffn_down", "ffn_up"] } else { ["ffn_up", "ffn_down"] };
        let has_gate = self.planner.has(&name("ffn_gate.weight"));
        let gate = has_gate.then(|| self.linear(&name("ffn_gate"), width, plain)).transpose()?;
        let up = self.linear(&name(up), width, plain)?;
        let down = self.linear(&name(down), up.rows, plain)?;
        let widths = [down.rows, gate.as_ref().map_or(up.rows, |gate| gate.rows)];
        if widths != [width, up.rows] {
            return Err(EngineError::malformed(format!(
                "layer {layer} is {widths:?} wide, not {width} and {}",
                up.rows
            )));
        }
        let activated = |plan: LinearPlan| LinearPlan { activation: Some(config.activation), ..plan };
        let (gate, up) = match gate {
            Some(gate) => (Some(activated(gate)), up),
            None => (None, activated(up)),
        };
        let attention_output = self.linear(&name("attn_out"), width, plain)?;
        if attention_output.rows != width {
            return Err(EngineError::malformed(format!("attention's output is {} wide", attention_output.rows)));
        }
        Ok(TowerLayerPlan {
            norms: [self.norm(&name("ln1"), width)?, self.norm(&name("ln2"), width)?],
            qkv: self.qkv(&name("attn"))?,
            qkv_bias: self.qkv_bias(&name("attn"))?,
            attention_output,
            gate,
            up,
            down,
            scales: [
                self.planner.optional_vector(name("ls1.weight"), width)?,
                self.planner.optional_vector(name("ls2.weight"), width)?,
            ],
            deepstack: config.deepstack.contains(&layer).then(|| self.deepstack(layer)).transpose()?,
        })
    }

    fn qkv(&mut self, name: &str) -> Result<Product> {
        let (width, planner) = (self.config.width, &mut self.planner);
        let fused = format!("{name}_qkv.weight");
        let segments = if planner.has(&fused) {
            vec![planner.segment(fused, 3 * width, width)?]
        } else {
            let parts = ["q", "k", "v"].map(|part| format!("{name}_{part}.weight"));
            parts.into_iter().map(|part| planner.segment(part, width, width)).collect::<Result<_>>()?
        };
        planner.stack(&segments, width, self.config.heads.head_dim.max(SPLIT_ROWS))
    }

    fn qkv_bias(&mut self, name: &str) -> Result<Option<VectorId>> {
        let (width, planner) = (self.config.width, &mut self.planner);
        let fused = format!("{name}_qkv.bias");
        if planner.has(&fused) {
            return planner.vector(fused, 3 * width).map(Some);
        }
        let parts = ["q", "k", "v"].map(|part| (format!("{name}_{part}.bias"), width));
        planner.has(&parts[0].0).then(|| planner.vectors_of(&parts)).transpose()
    }

    fn projection(&mut self, family: &Family) -> Result<ProjectionPlan> {
        let mut len = self.config.merged_len();
        let norm = match family.norm {
            Some(norm) if norm.optional => self.optional_norm(norm.name, len)?,
            Some(norm) => Some(self.norm(norm.name, len)?),
            None => None,
        };
        let mut steps = Vec::new();
        for step in family.steps {
            if self.planner.has(&format!("{}.weight", step.name)) {
                let linear = self.linear(step.name, len, *step)?;
                len = linear.rows;
                steps.push(linear);
            }
        }
        self.finish(norm, steps)
    }

    fn deepstack(&mut self, layer: u32) -> Result<ProjectionPlan> {
        let (name, len) = (|part: &str| format!("v.deepstack.{layer}.{part}"), self.config.merged_len());
        let norm = Some(self.norm(&name("norm"), len)?);
        let plain = StepStyle { name: "", order: StepOrder::Rows, gelu: false };
        let first = self.linear(&name("fc1"), len, StepStyle { gelu: true, ..plain })?;
        let second = self.linear(&name("fc2"), first.rows, plain)?;
        self.finish(norm, vec![first, second])
    }

    fn finish(&self, norm: Option<NormPlan>, steps: Vec<LinearPlan>) -> Result<ProjectionPlan> {
        match steps.last() {
            Some(last) if last.rows == self.config.embedding_len => Ok(ProjectionPlan { norm, steps }),
            _ => Err(EngineError::malformed("the projection has another width than the embeddings")),
        }
    }
}
