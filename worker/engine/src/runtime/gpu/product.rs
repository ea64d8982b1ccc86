//! Dispatches of matrix products and table lookups.

use super::weights::{Matrix, Weights};
use crate::error::{EngineError, Result};
use crate::kernels::embed::Embed;
use crate::kernels::linear::{
    Epilogue, ExpertRows, HeadRows, Linear, LinearTuning, MergedParts, Tiles, halve, has_integers, quantise,
};
use crate::kernels::norm::GateCutoff;
use crate::kernels::{Grid, Shader};
use crate::models::{Activation, GateUpPlan, MatrixId, Product, VectorId};
use crate::runtime::device::{Dispatch, Gpu, Task};

/// Inputs of a matrix product other than the matrix.
pub(super) struct Input<'a> {
    pub x: &'a wgpu::Buffer,
    pub norm: Option<VectorId>,
    pub bias: Option<VectorId>,
    pub experts: Option<ExpertRows>,
    pub heads: Option<HeadRows>,
    pub merge: Option<MergedParts>,
    /// `x` is f16, as a kernel that converts inputs for matrix units leaves it; see [`ProductBuilder::takes_halves`].
    pub halved: bool,
}

impl<'a> Input<'a> {
    pub(super) fn new(x: &'a wgpu::Buffer) -> Self {
        Self { x, norm: None, bias: None, experts: None, heads: None, merge: None, halved: false }
    }
}

/// Output of a matrix product.
pub(super) struct Output<'a> {
    pub epilogue: Epilogue,
    pub y: &'a wgpu::Buffer,
    /// Elements of `y` per token.
    pub rows: u32,
    /// Further buffers of the epilogue, by the names of the kernel's variables.
    pub extra: &'a [(&'a str, &'a wgpu::Buffer)],
}

/// Builds the dispatches of matrix products.
pub(super) struct ProductBuilder<'a> {
    pub gpu: &'a Gpu,
    pub weights: &'a Weights,
    pub state: &'a wgpu::Buffer,
    /// Epsilon of norms that are fused into products.
    pub norm_eps: f32,
    pub tuning: LinearTuning,
    /// Layout of products with the matrices of experts.
    pub experts: LinearTuning,
    /// Buffer for inputs that a kernel converts for products: `[batch][longest inputs]`, as f16 or integers. If `None`,
    /// no inputs are converted.
    pub prepared: Option<&'a wgpu::Buffer>,
    /// The slots of a batch by expert, for products that share their experts' rows in tiles. If `None`, none do.
    pub groups: Option<&'a wgpu::Buffer>,
}

impl ProductBuilder<'_> {
    /// Adds a dispatch for each matrix of the product.
    pub(super) fn push(
        &self,
        program: &mut Vec<Dispatch>,
        product: &[MatrixId],
        input: &Input<'_>,
        output: &Output<'_>,
    ) -> Result<()> {
        self.push_all(program, &[(product, input, output)])
    }

    /// The same for products whose inputs differ at most in biases, so that they are converted only once.
    pub(super) fn push_all(
        &self,
        program: &mut Vec<Dispatch>,
        products: &[(&[MatrixId], &Input<'_>, &Output<'_>)],
    ) -> Result<()> {
        let mut is_prepared = false;
        for (product, input, output) in products {
            for matrix in self.weights.product(product) {
                let tuning = match input.heads {
                    Some(_) => self.tuning.per_head(matrix.cols),
                    None => {
                        self.integers(matrix, input).unwrap_or_else(|| self.tuning_for(matrix, input.experts.is_some()))
                    }
                };
                let converted = if input.halved { Some(input.x) } else { self.prepared };
                let prepared = converted.filter(|_| tuning.prepares_inputs());
                if let Some(prepared) = prepared.filter(|_| !is_prepared && !input.halved) {
                    program.push(self.prepare(tuning.tiles, matrix.cols, input, prepared));
                    is_prepared = true;
                }
                let place = |linear: &Linear| Some((linear.shader()?, linear.grid()));
                program.push(self.dispatch(matrix, input, output, (tuning, prepared), place)?);
            }
        }
        Ok(())
    }

    /// Gate and up projections with their activation.
    pub(super) fn gate_up(
        &self,
        program: &mut Vec<Dispatch>,
        plan: &GateUpPlan,
        input: &Input<'_>,
        activation: Activation,
        (y, rows): (&wgpu::Buffer, u32),
    ) -> Result<()> {
        let output = |epilogue| Output { epilogue, y, rows, extra: &[] };
        match plan {
            GateUpPlan::Paired(product) => self.push(program, product, input, &output(Epilogue::Gated(activation))),
            GateUpPlan::Apart { gate, up, cutoff: None } => {
                let (stored, gated) = (output(Epilogue::STORE), output(Epilogue::Gate(activation)));
                self.push_all(program, &[(&gate[..], input, &stored), (&up[..], input, &gated)])
            }
            GateUpPlan::Apart { gate, up, cutoff: Some(cutoff) } => {
                self.push(program, gate, input, &output(Epilogue::STORE))?;
                let kernel = GateCutoff { len: rows, deviations: *cutoff };
                let bound = [("state", self.state), ("y", y)];
                let dispatch = Dispatch::new(self.gpu, &kernel.shader(), &bound, Grid::TokensInX);
                program.push(dispatch.computing(Task::GateCutoff(kernel)));
                self.push(program, up, input, &output(Epilogue::Gate(activation)))
            }
            GateUpPlan::Ungated(up, bias) => {
                self.push(program, up, &Input { bias: *bias, ..*input }, &output(Epilogue::Activate(activation)))
            }
        }
    }

    /// Whether all matrices of a product are multiplied on matrix units, so that an input may be f16.
    pub(super) fn takes_halves(&self, product: &[MatrixId]) -> bool {
        self.weights.product(product).all(|matrix| self.tuning_for(matrix, false).tiles == Tiles::Cooperative)
    }

    /// Whether tokens share the rows of their experts in this matrix, so that the batch has to be grouped by expert.
    pub(super) fn groups_experts(&self, matrix: &Matrix) -> bool {
        self.tuning_for(matrix, true).tiles != Tiles::None
    }

    /// A dispatch of a kernel that contains a product with `matrix`; `place` provides its shader and grid.
    pub(super) fn within(
        &self,
        matrix: &Matrix,
        input: &Input<'_>,
        output: &Output<'_>,
        place: impl FnOnce(&Linear) -> Option<(Shader, Grid)>,
    ) -> Result<Dispatch> {
        self.dispatch(matrix, input, output, (self.tuning, None), place)
    }

    /// The dispatch of a product with `matrix` in the given layout, whose converted input is `prepared`, if any.
    /// `place` provides its shader and grid.
    pub(super) fn dispatch(
        &self,
        matrix: &Matrix,
        input: &Input<'_>,
        output: &Output<'_>,
        (tuning, prepared): (LinearTuning, Option<&wgpu::Buffer>),
        place: impl FnOnce(&Linear) -> Option<(Shader, Grid)>,
    ) -> Result<Dispatch> {
        // The norm was applied when the input was converted.
        let norm = input.norm.filter(|_| prepared.is_none());
        let linear = Linear {
            tensor_type: matrix.tensor_type,
            rows: matrix.rows,
            cols: matrix.cols,
            first_row: matrix.first_row,
            out_rows: output.rows,
            norm_eps: norm.map(|_| self.norm_eps),
            bias: input.bias.is_some(),
            experts: input.experts,
            heads: input.heads,
            merge: input.merge,
            epilogue: output.epilogue,
            tuning,
        };
        let mut buffers = vec![
            ("state", self.state),
            ("quants", &matrix.quants),
            ("scales", &matrix.scales),
            (if input.merge.is_some() { "parts" } else { "x" }, prepared.unwrap_or(input.x)),
            ("y", output.y),
        ];
        buffers.extend(norm.map(|norm| ("norm_weight", self.weights.vector(norm))));
        buffers.extend(input.bias.map(|bias| ("bias", self.weights.vector(bias))));
        buffers.extend(self.groups.filter(|_| linear.is_grouped()).map(|groups| ("groups", groups)));
        buffers.extend_from_slice(output.extra);
        let (shader, grid) = supported(place(&linear), matrix)?;
        let dispatch = Dispatch::new(self.gpu, &shader, &buffers, grid);
        let task = Task::Product(linear, input.norm.map(|_| self.norm_eps));
        Ok(dispatch.reading(read_bytes(matrix, &linear)).computing(task))
    }

    /// The layout of a product of integers, if this is one.
    fn integers(&self, matrix: &Matrix, input: &Input<'_>) -> Option<LinearTuning> {
        let base = if input.experts.is_some() { self.experts } else { self.tuning };
        self.gpu.tuning().integers(base, matrix.tensor_type, matrix.rows, matrix.cols)
    }

    /// The layout of a product of floats, or of tiles.
    fn tuning_for(&self, matrix: &Matrix, has_experts: bool) -> LinearTuning {
        let base = if has_experts { self.experts } else { self.tuning };
        let tuning = self.gpu.tuning().linear(base, matrix.rows, matrix.cols);
        let can_share = !has_experts || self.groups.is_some();
        let fits = match tuning.tiles {
            Tiles::None => true,
            Tiles::Shared => can_share,
            Tiles::Packed | Tiles::Cooperative => can_share && self.prepared.is_some(),
        };
        let tuning = if fits { tuning } else { base };
        let has_no_integers = tuning.tiles == Tiles::Packed && !has_integers(matrix.tensor_type);
        let tuning = if has_no_integers { tuning.unpacked() } else { tuning };
        // Without tiles, each token has its own rows.
        if has_experts && tuning.tiles == Tiles::None { LinearTuning { tokens: 1, ..tuning } } else { tuning }
    }

    /// The dispatch that converts a product's input for tiles.
    pub(super) fn prepare(&self, tiles: Tiles, cols: u32, input: &Input<'_>, prepared: &wgpu::Buffer) -> Dispatch {
        let prepare = if tiles == Tiles::Packed { quantise } else { halve };
        let inputs = input.experts.map_or(1, |experts| experts.inputs());
        let (shader, grid) = prepare(inputs, cols, input.norm.map(|_| self.norm_eps));
        let mut buffers = vec![("state", self.state), ("x", input.x), ("y", prepared)];
        buffers.extend(input.norm.map(|norm| ("norm_weight", self.weights.vector(norm))));
        Dispatch::new(self.gpu, &shader, &buffers, grid)
    }

    /// Adds a lookup for each part of a table; `adds` to the contents of `x`, or replaces them.
    pub(super) fn embed(
        &self,
        program: &mut Vec<Dispatch>,
        table: &Product,
        ids: &wgpu::Buffer,
        x: &wgpu::Buffer,
        scale: f32,
        adds: bool,
    ) -> Result<()> {
        for part in self.weights.product(table) {
            let Matrix { tensor_type, first_row, rows, cols, .. } = *part;
            let embed = Embed { tensor_type, first_row, rows, cols, scale, adds };
            let buffers =
                [("state", self.state), ("quants", &part.quants), ("scales", &part.scales), ("ids", ids), ("x", x)];
            let dispatch = Dispatch::new(self.gpu, &supported(embed.shader(), part)?, &buffers, Grid::TokensInX);
            program.push(dispatch.computing(Task::Embed(embed)));
        }
        Ok(())
    }
}

/// Bytes of a matrix that its product reads: those of a token's experts, or all that a batch shares.
fn read_bytes(matrix: &Matrix, linear: &Linear) -> u64 {
    let all = matrix.quants.size() + matrix.scales.size();
    match linear.experts.filter(|_| !linear.is_grouped()) {
        Some(experts) => all * u64::from(experts.used * experts.rows) / u64::from(matrix.rows),
        None => all,
    }
}

fn supported<T>(kernel: Option<T>, matrix: &Matrix) -> Result<T> {
    kernel.ok_or(EngineError::UnsupportedFormat { tensor: "a matrix".to_owned(), format: matrix.tensor_type })
}
