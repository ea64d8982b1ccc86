//! The tensors of a projector, by their names in the file.

use std::collections::HashMap;

use super::checks::MAX_WIDTH;
use super::encoder_plan::NormPlan;
use super::family::Activation;
use super::pictures::Sizing;
use super::plan::{Arrangement, Product, Segment, VectorId, WeightPlan};
use super::planner::{Planner, SPLIT_ROWS};
use super::projector::ProjectorConfig;
use super::projector_family::{Family, GridRope, NormStyle, PatchPositions, StepOrder, StepStyle, family};
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

/// Names of the bounds of a product, after its own.
const BOUNDS: [&str; 4] = ["input_min", "input_max", "output_min", "output_max"];

/// The quarters of a head in an order where the pairs of [`GridRope::Quarters`] are half a head apart.
fn quarters(head: u32) -> [u32; 4] {
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

    fn is_bounded(&self) -> bool {
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

/// From combined patches to an embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionPlan {
    /// What is subtracted from the combined patches, and what they are then multiplied by: `[width]` each.
    pub standard: Option<[VectorId; 2]>,
    /// Norm before it.
    pub norm: Option<NormPlan>,
    /// An RMS norm without weights, instead.
    pub plain_norm: bool,
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
        // What other projectors of the file need.
        for prefix in ["a.", "mm.a."] {
            tower.planner.ignore(prefix);
        }
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
        for layer in &plan.layers {
            let shared = layer.qkv.iter().chain(&layer.gate);
            let linears = shared.chain([&layer.attention_output, &layer.up, &layer.down]).chain(&plan.projection.steps);
            for name in linears.filter_map(|linear| linear.bounds.as_ref()) {
                let own = |part: &str| host.get(&format!("{name}.{part}"))?.first().copied();
                let bounds = [0, 1, 2, 3].map(|part| own(BOUNDS[part]).unwrap_or([f32::MIN, f32::MAX][part % 2]));
                tensors.bounds.insert(name.clone(), bounds);
            }
            for name in layer.head_norms.iter().flatten() {
                let weights = host.get(name).map(|weights| turned_head(weights)).unwrap_or_default();
                tensors.head_norms.insert(name.clone(), weights);
            }
        }
        tensors
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

    /// Whether inputs that several products share, or gated outputs, have bounds.
    pub(crate) fn has_bounds(&self) -> bool {
        let of =
            |layer: &TowerLayerPlan| layer.qkv.iter().chain(&layer.gate).chain([&layer.up]).any(LinearPlan::is_bounded);
        self.layers.iter().any(of)
    }

    /// Elements per row in the widest activation.
    pub(crate) fn widest(&self, config: &ProjectorConfig) -> u32 {
        let projected = self.step_len().max(config.embedding_len).div_ceil(config.merged_patches());
        let patch = config.patch_len().next_multiple_of(32);
        let heads = if config.normed { 3 * config.width } else { config.width };
        self.activated_len().max(heads).max(patch).max(projected)
    }

    /// Maximum number of rows of a picture: each activation fits a binding. A multiple of a tile's.
    pub(crate) fn max_rows(&self, config: &ProjectorConfig, max_binding_bytes: u64) -> u32 {
        let fitting = max_binding_bytes / 4 / u64::from(self.widest(config));
        (fitting.min(MAX_ROWS.into()) as u32 / 64 * 64).max(64)
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
        let outputs = (config.deepstack.len() as u32 + 1) * config.embedding_len;
        let embedding = config.merged_len() + 2 * self.step_len() + outputs;
        let embeddings = rows / config.merged_patches();
        4 * (u64::from(rows) * u64::from(row) + u64::from(embeddings) * u64::from(embedding))
    }
}

/// Checks the number of position embeddings.
fn check_positions(config: &ProjectorConfig, count: Option<u32>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    let unsupported = || EngineError::UnsupportedArchitecture(config.kind.to_owned());
    let expected = match (config.positions, config.pictures.sizing) {
        (PatchPositions::Fixed, Sizing::Square(side) | Sizing::Squares { side, .. } | Sizing::Grid { side, .. }) => {
            (side / config.patch).pow(2) + u32::from(config.has_class)
        }
        (PatchPositions::Summed, sizing) => {
            // The longest side is that of a picture with one row of embeddings.
            let Sizing::Between { max_pixels, .. } = sizing else { return Err(unsupported()) };
            let longest = max_pixels / (config.patch.pow(2) * config.merge);
            if count.is_multiple_of(2) && count / 2 >= longest { count } else { 2 * longest }
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
        Ok(LinearPlan {
            product,
            bias: None,
            rows,
            cols: len.next_multiple_of(32),
            first_row: 0,
            bounds: None,
            activation: None,
        })
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
        let (cols, bounds) = (cols.next_multiple_of(32), self.bounds(name)?);
        if style.gelu && bounds.is_some() {
            return Err(EngineError::UnsupportedArchitecture(format!("{} with bounds", self.config.kind)));
        }
        Ok(LinearPlan { product, bias, rows, cols, first_row: 0, bounds, activation })
    }

    /// The name, if the file has bounds for it.
    fn bounds(&mut self, name: &str) -> Result<Option<String>> {
        let mut has_any = false;
        for part in BOUNDS {
            has_any |= self.planner.optional_host_vector(&format!("{name}.{part}"), 1)?.is_some();
        }
        Ok(has_any.then(|| name.to_owned()))
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
        if gate.is_none() && up.is_bounded() {
            return Err(EngineError::UnsupportedArchitecture(format!("{} with bounds but no gate", config.kind)));
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
            head_norms: config.normed.then(|| self.head_norms(&name("attn"))).transpose()?,
            attention_output,
            gate,
            up,
            down,
            scales: [
                self.planner.optional_vector(name("ls1.weight"), width)?,
                self.planner.optional_vector(name("ls2.weight"), width)?,
            ],
            post_norms: [
                self.optional_norm(&name("attn_post_norm"), width)?,
                self.optional_norm(&name("ffn_post_norm"), width)?,
            ],
            deepstack: config.deepstack.contains(&layer).then(|| self.deepstack(layer)).transpose()?,
        })
    }

    fn qkv(&mut self, name: &str) -> Result<Vec<LinearPlan>> {
        let width = self.config.width;
        let fused = format!("{name}_qkv");
        let is_fused = self.planner.has(&format!("{fused}.weight"));
        let parts = if is_fused { vec![fused] } else { ["q", "k", "v"].map(|part| format!("{name}_{part}")).to_vec() };
        let mut segments = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let rows = if is_fused { 3 * width } else { width };
            let segment = self.planner.segment(format!("{part}.weight"), rows, width)?;
            segments.push(if index < 2 { self.turned(segment)? } else { vec![segment] });
        }
        if !self.config.normed || !self.planner.has(&format!("{}.{}", parts[0], BOUNDS[0])) {
            let biases = parts.iter().map(|part| (format!("{part}.bias"), 3 * width / parts.len() as u32));
            let biases: Vec<(String, u32)> = biases.collect();
            let bias = self.planner.has(&biases[0].0).then(|| self.planner.vectors_of(&biases)).transpose()?;
            return Ok(vec![LinearPlan { bias, ..self.heads(&segments.concat(), 0)? }]);
        }
        let mut plans = Vec::new();
        for (part, segments) in parts.iter().zip(&segments) {
            let bounds = self.bounds(part)?;
            plans.push(LinearPlan { bounds, ..self.heads(segments, plans.len() as u32 * width)? });
        }
        Ok(plans)
    }

    /// A product of these rows, whose results begin at `first_row`.
    fn heads(&mut self, segments: &[Segment], first_row: u32) -> Result<LinearPlan> {
        let (config, planner) = (self.config, &mut self.planner);
        let product = planner.stack(segments, config.width, config.heads.head_dim.max(SPLIT_ROWS))?;
        for id in &product {
            planner.weights.matrices[id.0].first_row += first_row;
        }
        let rows = segments.iter().map(|segment| segment.rows).sum();
        Ok(LinearPlan { product, bias: None, rows, cols: config.width, first_row, bounds: None, activation: None })
    }

    /// The rows of queries or keys in an order where pairs are half a head apart.
    fn turned(&self, all: Segment) -> Result<Vec<Segment>> {
        if self.config.rope != Some(GridRope::Quarters) {
            return Ok(vec![all]);
        }
        let rows = self.config.heads.head_dim / 4;
        // Otherwise parts of a tensor could not be repacked on their own.
        if all.rows != self.config.width || !(rows * self.config.width / 32).is_multiple_of(8) {
            return Err(EngineError::UnsupportedArchitecture(format!("{} of this shape", self.config.kind)));
        }
        let part = |index: u32| Segment { tensor: all.tensor.clone(), first_row: index * rows, rows };
        Ok((0..all.rows / rows / 4).flat_map(quarters).map(part).collect())
    }

    fn head_norms(&mut self, name: &str) -> Result<[String; 2]> {
        let names = ["q", "k"].map(|part| format!("{name}_{part}_norm.weight"));
        for name in &names {
            let missing = || EngineError::malformed(format!("the tensor “{name}” is missing"));
            self.planner.optional_host_vector(name, self.config.heads.head_dim)?.ok_or_else(missing)?;
        }
        Ok(names)
    }

    fn projection(&mut self, family: &Family) -> Result<ProjectionPlan> {
        let mut len = self.config.merged_len();
        let norm = match family.norm {
            Some(NormStyle { name: Some(name), optional: true, .. }) => self.optional_norm(name, len)?,
            Some(NormStyle { name: Some(name), .. }) => Some(self.norm(name, len)?),
            _ => None,
        };
        let plain_norm = matches!(family.norm, Some(NormStyle { name: None, .. }));
        let has_standard = family.rescaled && self.planner.has("v.std_bias") && self.planner.has("v.std_scale");
        let vectors = ["v.std_bias", "v.std_scale"];
        let standard = if has_standard {
            Some([self.planner.vector(vectors[0].to_owned(), len)?, self.planner.vector(vectors[1].to_owned(), len)?])
        } else {
            None
        };
        let mut steps = Vec::new();
        for step in family.steps {
            if self.planner.has(&format!("{}.weight", step.name)) {
                let linear = self.linear(step.name, len, *step)?;
                len = linear.rows;
                steps.push(linear);
            }
        }
        self.finish(ProjectionPlan { standard, norm, plain_norm, steps })
    }

    fn deepstack(&mut self, layer: u32) -> Result<ProjectionPlan> {
        let (name, len) = (|part: &str| format!("v.deepstack.{layer}.{part}"), self.config.merged_len());
        let norm = Some(self.norm(&name("norm"), len)?);
        let plain = StepStyle { name: "", order: StepOrder::Rows, gelu: false };
        let first = self.linear(&name("fc1"), len, StepStyle { gelu: true, ..plain })?;
        let second = self.linear(&name("fc2"), first.rows, plain)?;
        self.finish(ProjectionPlan { standard: None, norm, plain_norm: false, steps: vec![first, second] })
    }

    fn finish(&self, plan: ProjectionPlan) -> Result<ProjectionPlan> {
        match plan.steps.last() {
            Some(last) if last.rows == self.config.embedding_len => Ok(plan),
            _ => Err(EngineError::malformed("the projection has another width than the embeddings")),
        }
    }
}
