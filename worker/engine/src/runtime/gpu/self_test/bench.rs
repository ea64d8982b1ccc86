//! Runs kernels on test inputs and compares the results with what is expected.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use half::f16;

use crate::error::{EngineError, Result};
use crate::gguf::dequantize::dequantize;
use crate::gguf::{KERNEL_BLOCK_LEN, TensorType};
use crate::kernels::attention::cache::from_cache;
use crate::kernels::attention::reference::merge;
use crate::kernels::experts::reference::group;
use crate::kernels::linear::reference::{matmul, rms_norm, rounded_to_bytes};
use crate::kernels::linear::{Linear, LinearTuning, Tiles};
use crate::kernels::random::Random;
use crate::kernels::repack::Piece;
use crate::kernels::{Grid, Shader};
use crate::models::{CacheFormat, MatrixPlan, VectorId};
use crate::runtime::device::{Dispatch, Gpu, Readback};
use crate::runtime::gpu::buffers::{STATE_BYTES, State};
use crate::runtime::gpu::product::{Input, Output, ProductBuilder};
use crate::runtime::gpu::weights::{Matrix, Weights};

/// Maximum relative error: the norm of the difference divided by the norm of the expected results. Keys and values in
/// f16, and integers whose ties round the other way, account for a quarter of it.
const TOLERANCE: f64 = 1e-3;
/// Number of rows that fill whole words in every format.
pub(super) const UNIT_ROWS: u32 = 8;
/// Initial contents of output buffers.
pub(super) const BEFORE: f32 = 0.5;

/// Products by (token, row); with experts or heads, by (slot, row), a slot being a token's place with one of them.
pub(super) type Products = BTreeMap<(usize, u32), f32>;

/// Runs kernels and collects their results.
pub(super) struct Bench<'a> {
    pub(super) gpu: &'a Gpu,
    /// The cache of a layer, whose contents may be overwritten.
    pub(super) kv: &'a wgpu::Buffer,
    pub(super) random: Random,
    /// Kernels already tested.
    pub(super) tested: HashSet<usize>,
    /// Dispatches to run before the next kernel.
    before: Vec<Dispatch>,
    /// Test buffers, destroyed at the end: a browser would keep their memory until garbage collection.
    buffers: Vec<wgpu::Buffer>,
    results: Vec<Compared>,
}

/// A result being read back, with what is expected.
struct Compared {
    kernel: String,
    readback: Readback,
    form: Form,
    expected: Vec<(usize, f32)>,
}

/// How results are stored in a buffer.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Floats,
    Halves,
    /// Unsigned integers, read as one more: zeros have no relative error. The largest is read as zero.
    Integers,
    /// Rows of an 8-bit cache, `row_len` elements each.
    Bytes {
        row_len: usize,
    },
    /// Attention in parts: for each head `splits` parts of `value_dim` sums, the highest score, and the sum of weights.
    Parts {
        splits: usize,
        value_dim: usize,
    },
    /// A token, read as 1 if it is this one and 0 otherwise.
    Token(u32),
}

/// Expected contents of a buffer, by index.
pub(super) struct Expected<'b> {
    pub(super) buffer: &'b wgpu::Buffer,
    start_bytes: u64,
    form: Form,
    pub(super) values: Vec<(usize, f32)>,
}

/// What a tested product writes, and where.
pub(super) struct Target<'t> {
    /// The rows to compare.
    pub(super) rows: BTreeSet<u32>,
    pub(super) y: &'t wgpu::Buffer,
    pub(super) extra: &'t [(&'t str, &'t wgpu::Buffer)],
    pub(super) position: usize,
    pub(super) tokens: usize,
    pub(super) place: &'t dyn Fn(&Linear) -> Option<(Shader, Grid)>,
}

impl<'b> Expected<'b> {
    /// Expected from the start of the buffer.
    pub(super) fn new(buffer: &'b wgpu::Buffer, form: Form, values: impl IntoIterator<Item = f32>) -> Self {
        Self { buffer, start_bytes: 0, form, values: values.into_iter().enumerate().collect() }
    }

    /// The same, from this word on.
    pub(super) fn at_word(self, word: u64) -> Self {
        Self { start_bytes: word * 4, ..self }
    }
}

impl Form {
    /// Size in bytes of the first `len` results.
    fn len_bytes(self, len: usize) -> u64 {
        let bytes = match self {
            Self::Halves => (len * 2).next_multiple_of(4),
            Self::Floats | Self::Integers => len * 4,
            Self::Bytes { row_len } => len.div_ceil(row_len) * CacheFormat::Q8.row_words(row_len as u32) as usize * 4,
            Self::Parts { splits, value_dim } => len.div_ceil(value_dim) * splits * (value_dim + 2) * 4,
            Self::Token(_) => 4,
        };
        bytes as u64
    }

    async fn read(self, gpu: &Gpu, readback: Readback) -> Result<(Vec<f32>, wgpu::Buffer)> {
        match self {
            Self::Floats => readback.finish::<f32>(gpu).await,
            Self::Halves => {
                let (halves, staging) = readback.finish::<f16>(gpu).await?;
                Ok((halves.into_iter().map(f16::to_f32).collect(), staging))
            }
            Self::Integers => {
                let (integers, staging) = readback.finish::<u32>(gpu).await?;
                Ok((integers.into_iter().map(|integer| integer.wrapping_add(1) as f32).collect(), staging))
            }
            Self::Bytes { row_len } => {
                let (words, staging) = readback.finish::<u32>(gpu).await?;
                Ok((from_cache(&words, row_len, CacheFormat::Q8), staging))
            }
            Self::Parts { splits, value_dim } => {
                let (parts, staging) = readback.finish::<f32>(gpu).await?;
                Ok((merge(&parts, splits, value_dim), staging))
            }
            Self::Token(right) => {
                let (tokens, staging) = readback.finish::<u32>(gpu).await?;
                Ok((tokens.iter().map(|token| f32::from(u8::from(*token == right))).collect(), staging))
            }
        }
    }
}

/// Whether the results agree with what is expected.
fn agree(actual: &[f32], expected: &[(usize, f32)]) -> bool {
    let (mut difference, mut whole) = (0.0, 0.0);
    for (at, expected) in expected {
        let expected = f64::from(*expected);
        difference += (actual.get(*at).map_or(f64::NAN, |actual| f64::from(*actual)) - expected).powi(2);
        whole += expected.powi(2);
    }
    // NaN is not less than anything.
    (difference / whole).sqrt() < TOLERANCE
}

impl<'a> Bench<'a> {
    pub(super) fn new(gpu: &'a Gpu, kv: &'a wgpu::Buffer) -> Self {
        Self {
            gpu,
            kv,
            random: Random(1),
            tested: HashSet::new(),
            before: Vec::new(),
            buffers: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Waits for all results and returns the names of kernels with wrong ones.
    pub(super) async fn finish(self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for Compared { kernel, readback, form, expected } in self.results {
            let (actual, staging) = form.read(self.gpu, readback).await?;
            staging.destroy();
            if !agree(&actual, &expected) && !wrong.contains(&kernel) {
                wrong.push(kernel);
            }
        }
        self.buffers.iter().for_each(wgpu::Buffer::destroy);
        Ok(wrong)
    }

    /// The dispatch of a product like `linear`, with a test matrix and test input, and the products by its reference.
    pub(super) fn multiplied(
        &mut self,
        linear: &Linear,
        norm_eps: Option<f32>,
        target: &Target<'_>,
    ) -> Result<(Dispatch, Products)> {
        let (cols, expert_rows) = (linear.cols as usize, linear.product_rows());
        let used = linear.slots() as usize;
        let shares_input = linear.heads.is_none() && linear.experts.is_none_or(|experts| experts.shares_input);
        // Two experts suffice to show whether each token gets its own. Heads have their rows in order.
        let (first, experts) = linear.heads.map_or((1, (linear.rows / expert_rows).min(2)), |heads| (0, heads.heads));
        let chosen: Vec<u32> = (0..(target.tokens * used) as u32).map(|slot| (slot + first) % experts).collect();
        let of_expert = |expert: u32| target.rows.iter().map(move |row| expert * expert_rows + row);
        let shape = (linear.tensor_type, linear.rows, linear.cols, linear.first_row);
        let (matrix, weights) = self.matrix(shape, &(0..experts).flat_map(of_expert).collect())?;
        let (x, mut inputs) = self.input(linear, if shares_input { target.tokens } else { chosen.len() });
        let bias_len = linear.out_rows.max(experts * expert_rows);
        let (norm, bias) = (self.random.floats(cols), self.random.floats(bias_len as usize));
        let vectors = Weights { matrices: Vec::new(), vectors: vec![self.buffer(&norm), self.buffer(&bias)] };
        let chosen_buffer = self.buffer(&chosen);
        let groups = linear.is_grouped().then(|| self.buffer(&group(&chosen, linear.rows / expert_rows)));
        let state = self.state(target.position, target.tokens);

        let input = Input {
            x: &x,
            norm: norm_eps.map(|_| VectorId(0)),
            bias: linear.bias.then_some(VectorId(1)),
            experts: linear.experts,
            heads: linear.heads,
            merge: linear.merge,
            halved: false,
        };
        let mut extra = target.extra.to_vec();
        extra.extend(linear.experts.map(|_| ("experts", &chosen_buffer)));
        extra.extend(groups.iter().map(|groups| ("groups", groups)));
        let output = Output { epilogue: linear.epilogue, y: target.y, rows: linear.out_rows, extra: &extra };
        // A block takes 40 bytes as integers, 64 as halves.
        let prepared = linear.tuning.prepares_inputs().then(|| self.buffer(&vec![0u32; inputs.len() / 2]));
        let products = self.builder(&vectors, &state, norm_eps, linear.tuning);
        let prepare =
            prepared.as_ref().map(|prepared| products.prepare(linear.tuning.tiles, linear.cols, &input, prepared));
        let layout = (linear.tuning, prepared.as_ref());
        let dispatch = products.dispatch(&matrix, &input, &output, layout, target.place)?;
        self.before.extend(prepare);

        if let Some(eps) = norm_eps {
            inputs = rms_norm(&inputs, &norm, eps);
        }
        match linear.tuning.tiles {
            Tiles::None if linear.tuning.integers => inputs = rounded_to_bytes(&inputs),
            Tiles::None | Tiles::Shared => {}
            Tiles::Packed => inputs = rounded_to_bytes(&inputs),
            Tiles::Cooperative => inputs.iter_mut().for_each(|value| *value = f16::from_f32(*value).to_f32()),
        }
        let mut results = Products::new();
        for (slot, expert) in chosen.iter().enumerate() {
            let at = if shares_input { slot / used } else { slot };
            let own: Vec<f32> = of_expert(*expert).flat_map(|row| &weights[&row]).copied().collect();
            let values = matmul(&own, &inputs[at * cols..][..cols], cols);
            for (row, value) in target.rows.iter().zip(values) {
                let bias_at = linear.first_row + expert * expert_rows + row;
                let bias = if linear.bias { bias[bias_at as usize] } else { 0.0 };
                results.insert((slot, *row), value + bias);
            }
        }
        Ok((dispatch, results))
    }

    /// `count` inputs of a product. On the GPU they are padded to whole groups of tokens, and those of heads may be
    /// apart; inputs in parts are returned merged.
    fn input(&mut self, linear: &Linear, count: usize) -> (wgpu::Buffer, Vec<f32>) {
        let cols = linear.cols as usize;
        if let Some(merged) = linear.merge {
            let (splits, value_dim) = (merged.splits as usize, merged.value_dim as usize);
            let mut parts = self.random.floats(count * cols / value_dim * splits * (value_dim + 2));
            for part in parts.chunks_exact_mut(value_dim + 2) {
                // Sums of weights are positive.
                part[value_dim + 1] = 1.0 + part[value_dim + 1].abs();
            }
            return (self.buffer(&parts), merge(&parts, splits, value_dim));
        }
        let (per_token, stride) = linear.heads.map_or((1, cols), |heads| (heads.heads, heads.input_stride as usize));
        let mut inputs = self.random.floats(count * stride);
        let own = inputs.chunks_exact(stride).flat_map(|input| &input[..cols]).copied().collect();
        inputs.resize(inputs.len().next_multiple_of((linear.tuning.tokens * per_token) as usize * stride), 0.0);
        (self.buffer(&inputs), own)
    }

    /// A test matrix that claims the given format, rows, columns and first row, but only has the `wanted` rows filled;
    /// and the weights in these rows.
    pub(super) fn matrix(
        &mut self,
        (tensor_type, rows, cols, first_row): (TensorType, u32, u32, u32),
        wanted: &BTreeSet<u32>,
    ) -> Result<(Matrix, BTreeMap<u32, Vec<f32>>)> {
        let held = wanted.last().map_or(1, |last| (last + 1).next_multiple_of(UNIT_ROWS)).min(rows);
        let plan = MatrixPlan { segments: Vec::new(), tensor_type, rows: held, cols, first_row };
        let matrix = Matrix::allocate(self.gpu, &plan)?;
        self.buffers.extend([matrix.quants.clone(), matrix.scales.clone()]);
        let unsupported = || EngineError::UnsupportedFormat { tensor: "a matrix".to_owned(), format: tensor_type };
        let row_bytes = (u64::from(cols) / tensor_type.block_len() * tensor_type.block_bytes()) as usize;
        let (mut file, mut pieces, mut values) = (Vec::new(), Vec::new(), BTreeMap::new());
        for unit in wanted.iter().map(|row| row / UNIT_ROWS).collect::<BTreeSet<_>>() {
            let unit_rows = unit * UNIT_ROWS..((unit + 1) * UNIT_ROWS).min(held);
            let bytes = self.random.weights(tensor_type, unit_rows.len() * cols as usize);
            for (row, own) in unit_rows.clone().zip(bytes.chunks_exact(row_bytes)) {
                if wanted.contains(&row) {
                    values.insert(row, dequantize(tensor_type, own).ok_or_else(unsupported)?);
                }
            }
            let first_block = u64::from(unit_rows.start) * u64::from(cols) / KERNEL_BLOCK_LEN;
            pieces.push((first_block, Piece { start: file.len() as u64, len_bytes: bytes.len() as u64 }));
            file.extend(bytes);
        }
        file.resize(file.len().next_multiple_of(4) + 4, 0);
        let file = self.buffer(&file);
        for (first_block, piece) in pieces {
            self.before.push(matrix.repacking(self.gpu, &file, piece, first_block)?);
        }
        Ok((Matrix { rows, ..matrix }, values))
    }

    /// Builds dispatches with test weights.
    pub(super) fn builder<'b>(
        &self,
        weights: &'b Weights,
        state: &'b wgpu::Buffer,
        norm_eps: Option<f32>,
        tuning: LinearTuning,
    ) -> ProductBuilder<'b>
    where
        'a: 'b,
    {
        ProductBuilder {
            gpu: self.gpu,
            weights,
            state,
            norm_eps: norm_eps.unwrap_or_default(),
            tuning,
            experts: tuning,
            prepared: None,
            groups: None,
        }
    }

    pub(super) fn state(&mut self, position: usize, tokens: usize) -> wgpu::Buffer {
        let state = State { position: position as u32, token_count: tokens as u32, step: 0, row: 0 };
        let buffer = self.gpu.buffer("self-test", STATE_BYTES, wgpu::BufferUsages::UNIFORM);
        self.gpu.queue().write_buffer(&buffer, 0, bytemuck::bytes_of(&state));
        self.buffers.push(buffer.clone());
        buffer
    }

    pub(super) fn buffer<T: bytemuck::Pod>(&mut self, contents: &[T]) -> wgpu::Buffer {
        let buffer = self.gpu.storage_buffer_with("self-test", contents);
        self.buffers.push(buffer.clone());
        buffer
    }

    /// Runs the pending dispatches, then `dispatches`, and starts to read back the results.
    pub(super) fn run(&mut self, dispatches: &[&Dispatch], tokens: usize, expected: &[Expected<'_>]) {
        let before = std::mem::take(&mut self.before);
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for dispatch in before.iter().chain(dispatches.iter().copied()) {
            dispatch.encode(&mut pass, tokens as u32);
        }
        drop(pass);
        let staged: Vec<_> = expected
            .iter()
            .filter_map(|Expected { buffer, start_bytes, form, values }| {
                let len = values.iter().map(|(at, _)| at + 1).max()?;
                let len_bytes = form.len_bytes(len);
                let staging = self.gpu.staging_buffer(len_bytes);
                encoder.copy_buffer_to_buffer(buffer, *start_bytes, &staging, 0, len_bytes);
                Some((staging, len_bytes, *form, values.clone()))
            })
            .collect();
        let submission = self.gpu.queue().submit([encoder.finish()]);
        let kernel = dispatches.iter().map(|dispatch| dispatch.kernel()).collect::<Vec<_>>().join(" + ");
        for (staging, len_bytes, form, expected) in staged {
            let readback = self.gpu.read(staging, len_bytes, submission.clone());
            self.results.push(Compared { kernel: kernel.clone(), readback, form, expected });
        }
    }
}
