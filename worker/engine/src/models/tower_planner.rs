//! Plans the tensors of the projectors of a file.

use super::checks::MAX_WIDTH;
use super::encoder_plan::NormPlan;
use super::pictures::{PictureConfig, Sizing};
use super::plan::{Arrangement, Segment, WeightPlan};
use super::planner::{Planner, SPLIT_ROWS};
use super::projector::{ProjectorConfig, Sense};
use super::projector_family::{
    GridRope, NormStyle, PatchPositions, ProjectionStyle, StepOrder, StepStyle, gelu, projection, step,
};
use super::projector_plan::{
    BOUNDS, BREAK, CLASS, HEARD_POSITIONS, LinearPlan, PATCH_BIAS, POSITIONS, ProjectionPlan, ProjectorPlan, StepPlan,
    TowerLayerPlan, quarters,
};
use super::sounds::SOUND_POSITIONS;
use super::speech::TAPS;
use super::speech_plan::BiasedProduct;
use crate::error::{EngineError, Result};
use crate::gguf::Gguf;

/// Whether a tensor belongs to the projector of sounds.
fn is_heard(name: &str) -> bool {
    name.starts_with("a.") || name.starts_with("mm.a.")
}

impl ProjectorPlan {
    /// Plans the tensors of a file for these projectors, in order, and bindings of up to `max_binding_bytes`, as
    /// [`super::ModelPlan::new`] does. Their matrices and vectors are planned together.
    ///
    /// # Errors
    /// The first tensor that is missing, misshapen, unsupported or unknown.
    pub fn all(gguf: &Gguf, configs: &[ProjectorConfig], max_binding_bytes: u64) -> Result<(Vec<Self>, WeightPlan)> {
        let mut planner = Planner::new(gguf, max_binding_bytes)?;
        let mut plans = Vec::new();
        for config in configs {
            plans.push(TowerPlanner { planner: &mut planner, config, gguf }.plan()?);
        }
        // What the file has for a sense that is left out.
        if configs.iter().all(|config| config.sound().is_none()) {
            planner.ignore_where(is_heard);
        }
        if configs.iter().all(|config| config.pictures().is_none()) {
            planner.ignore_where(|name| (name.starts_with("v.") || name.starts_with("mm.")) && !is_heard(name));
        }
        let kinds: Vec<&str> = configs.iter().map(|config| config.kind).collect();
        planner.check_complete(&format!("{} of {}", ProjectorConfig::ARCHITECTURE, kinds.join(" and ")))?;
        Ok((plans, planner.weights))
    }
}

/// Checks the number of position embeddings.
fn check_positions(config: &ProjectorConfig, pictures: &PictureConfig, count: Option<u32>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    let unsupported = || EngineError::UnsupportedArchitecture(config.kind.to_owned());
    let expected = match (config.positions, pictures.sizing) {
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

struct TowerPlanner<'p, 'a> {
    planner: &'p mut Planner<'a>,
    config: &'p ProjectorConfig,
    gguf: &'a Gguf,
}

impl TowerPlanner<'_, '_> {
    fn plan(mut self) -> Result<ProjectorPlan> {
        let (config, width) = (self.config, self.config.width);
        let style = projection(config.kind);
        let style = style.ok_or_else(|| EngineError::UnsupportedArchitecture(config.kind.to_owned()))?;
        let name = |part: &str| format!("{}.{part}", config.prefix());
        let (mut patches, mut convolutions) = (Vec::new(), Vec::new());
        let positions = match &config.sense {
            Sense::Sight(pictures) => {
                patches = self.all_patches()?;
                let positions = self.planner.has(POSITIONS).then(|| self.planner.host_matrix(POSITIONS, width));
                let positions = positions.transpose()?;
                check_positions(config, pictures, positions)?;
                self.planner.optional_host_vector(PATCH_BIAS, width)?;
                self.planner.optional_host_vector(CLASS, width)?;
                self.planner.optional_host_vector(BREAK, config.embedding_len)?;
                positions
            }
            Sense::Hearing(sound) => {
                convolutions = vec![self.convolution(1, sound.mels)?, self.convolution(2, width)?];
                let positions = self.planner.host_matrix(HEARD_POSITIONS, width)?;
                if positions < SOUND_POSITIONS {
                    let message = format!("{positions} position embeddings for {SOUND_POSITIONS} positions");
                    return Err(EngineError::malformed(message));
                }
                Some(positions)
            }
        };
        let pre_norm = self.optional_norm(&name("pre_ln"), width)?;
        let layers = (0..config.layers).map(|layer| self.layer(layer)).collect::<Result<_>>()?;
        // That of sounds has a place of its own.
        let is_sight = config.pictures().is_some();
        let mut post_norm = if is_sight { self.optional_norm("v.post_ln", width)? } else { None };
        if let Some(name) = style.row_norm.filter(|_| post_norm.is_none()) {
            post_norm = if is_sight { self.optional_norm(name, width)? } else { Some(self.norm(name, width)?) };
        }
        let projection = self.projection(&style)?;
        Ok(ProjectorPlan { patches, convolutions, positions, pre_norm, layers, post_norm, projection })
    }

    fn all_patches(&mut self) -> Result<Vec<LinearPlan>> {
        let mut patches = vec![self.patches("v.patch_embd.weight")?];
        if self.planner.has("v.patch_embd.weight.1") {
            patches.push(self.patches("v.patch_embd.weight.1")?);
        }
        Ok(patches)
    }

    /// A convolution over frames of `channels`.
    fn convolution(&mut self, number: u32, channels: u32) -> Result<BiasedProduct> {
        let (name, width) = (format!("a.conv1d.{number}"), self.config.width);
        let product = self.planner.convolution(format!("{name}.weight"), width, [channels, TAPS])?;
        Ok(BiasedProduct { product, bias: self.planner.elements(format!("{name}.bias"), width)? })
    }

    fn optional_norm(&mut self, name: &str, len: u32) -> Result<Option<NormPlan>> {
        self.planner.has(&format!("{name}.weight")).then(|| self.norm(name, len)).transpose()
    }

    fn norm(&mut self, name: &str, len: u32) -> Result<NormPlan> {
        let planner = &mut *self.planner;
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
            let arrangement = style.order.arrangement(self.config.merged_rows());
            vec![self.planner.arranged(weight, [rows, cols], arrangement)?]
        };
        let bias = self.planner.optional_vector(format!("{name}.bias"), rows)?;
        let activation = style.activation;
        let (cols, bounds) = (cols.next_multiple_of(32), self.bounds(name)?);
        if activation.is_some() && bounds.is_some() {
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
        let name = |part: &str| format!("{}.blk.{layer}.{part}", config.prefix());
        let plain = step("");
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
            // Keys may have none, as in Whisper's encoder.
            let has_bias = self.planner.has(&biases[0].0);
            let bias = if has_bias { Some(self.planner.optional_vectors_of(&biases)?) } else { None };
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
        let (config, planner) = (self.config, &mut *self.planner);
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

    fn projection(&mut self, style: &ProjectionStyle) -> Result<ProjectionPlan> {
        let mut len = self.config.merged_len();
        let norm = match style.norm {
            Some(NormStyle { name: Some(name), optional: true, .. }) => self.optional_norm(name, len)?,
            Some(NormStyle { name: Some(name), .. }) => Some(self.norm(name, len)?),
            _ => None,
        };
        let plain_norm = matches!(style.norm, Some(NormStyle { name: None, .. }));
        let has_standard = style.rescaled && self.planner.has("v.std_bias") && self.planner.has("v.std_scale");
        let vectors = ["v.std_bias", "v.std_scale"];
        let standard = if has_standard {
            Some([self.planner.vector(vectors[0].to_owned(), len)?, self.planner.vector(vectors[1].to_owned(), len)?])
        } else {
            None
        };
        let mut steps = Vec::new();
        for style in style.steps {
            if self.planner.has(&format!("{}.weight", style.name)) {
                let step = self.step(*style, len)?;
                len = step.linear.rows;
                steps.push(step);
            }
        }
        self.finish(ProjectionPlan { standard, norm, plain_norm, steps })
    }

    /// A step with `cols` inputs.
    fn step(&mut self, style: StepStyle, cols: u32) -> Result<StepPlan> {
        let kind = self.config.kind;
        let unsupported = || EngineError::UnsupportedArchitecture(format!("{kind} of this shape"));
        // Norms take rows without padding.
        if style.norm.is_some() && !cols.is_multiple_of(32) {
            return Err(unsupported());
        }
        let norm = style.norm.map(|name| self.norm(name, cols)).transpose()?;
        if !style.gated {
            return Ok(StepPlan { norm, gate: None, linear: self.linear(style.name, cols, style)? });
        }
        let weight = format!("{}.weight", style.name);
        let rows = self.gguf.require_tensor(&weight)?.rows();
        let rows = u32::try_from(rows).ok().filter(|rows| *rows <= MAX_WIDTH && rows.is_multiple_of(2));
        let half = rows.ok_or_else(unsupported)? / 2;
        // Otherwise parts of a tensor could not be repacked on their own.
        if !cols.is_multiple_of(32) || !(u64::from(half) * u64::from(cols / 32)).is_multiple_of(8) {
            return Err(unsupported());
        }
        let mut part = |first_row: u32, activation| -> Result<LinearPlan> {
            let segment = Segment { tensor: weight.clone(), first_row, rows: half };
            let product = self.planner.stack(&[segment], cols, SPLIT_ROWS)?;
            Ok(LinearPlan { product, bias: None, rows: half, cols, first_row: 0, bounds: None, activation })
        };
        let linear = part(0, None)?;
        Ok(StepPlan { norm, gate: Some(part(half, style.activation)?), linear })
    }

    fn deepstack(&mut self, layer: u32) -> Result<ProjectionPlan> {
        let (name, len) = (|part: &str| format!("v.deepstack.{layer}.{part}"), self.config.merged_len());
        let norm = Some(self.norm(&name("norm"), len)?);
        let first = self.linear(&name("fc1"), len, gelu(""))?;
        let second = self.linear(&name("fc2"), first.rows, step(""))?;
        let steps = [first, second].map(|linear| StepPlan { norm: None, gate: None, linear });
        self.finish(ProjectionPlan { standard: None, norm, plain_norm: false, steps: steps.into() })
    }

    fn finish(&self, plan: ProjectionPlan) -> Result<ProjectionPlan> {
        match plan.steps.last() {
            Some(last) if last.linear.rows == self.config.embedding_len => Ok(plan),
            _ => Err(EngineError::malformed("the projection has another width than the embeddings")),
        }
    }
}
