//! Quantised matrices and their products.

use std::ops::Range;

use wide::{f32x4, i16x8};

use super::activations::{Activations, BLOCK_LEN, BLOCK_VECTORS};
use crate::error::{EngineError, Result};
use crate::gguf::dequantize::dequantize;
use crate::gguf::{IntegerFormat, TensorType, integer_blocks};

/// Number of tokens multiplied at once: each block of weights is unpacked once for all of them.
const TOKENS: usize = 4;

/// A matrix `[rows][cols]` in blocks of 32 columns.
pub(super) struct CpuMatrix {
    /// Its format in the file.
    pub(super) tensor_type: TensorType,
    /// Number of columns.
    pub(super) cols: usize,
    /// The layout of integers; `None` for floating-point formats.
    format: Option<IntegerFormat>,
    /// `[rows][blocks][1]` in 4-bit formats, where byte `i` holds weights `i` and `i + 16`; otherwise
    /// `[rows][blocks][2]`, a byte per weight.
    quants: Vec<i16x8>,
    /// `[rows][blocks]`, or `[rows][blocks][2]` if half blocks have their own scales.
    scales: Vec<f32>,
    /// Same shape as `scales`, or empty.
    offsets: Vec<f32>,
    /// `[rows][cols]` in floating-point formats.
    floats: Vec<f32>,
}

/// An empty vector with capacity for `len` elements.
///
/// # Errors
/// [`EngineError::OutOfMemory`].
pub(in crate::runtime) fn reserved<T>(len: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(len).map_err(|error| EngineError::OutOfMemory(error.to_string()))?;
    Ok(vector)
}

/// A vector of zeros.
///
/// # Errors
/// [`EngineError::OutOfMemory`].
pub(super) fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    let mut vector = reserved(len)?;
    vector.resize(len, T::default());
    Ok(vector)
}

impl CpuMatrix {
    /// Allocates a matrix; [`CpuMatrix::write`] fills it.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`] or [`EngineError::OutOfMemory`].
    pub(super) fn allocate(tensor_type: TensorType, rows: usize, cols: usize) -> Result<Self> {
        if matches!(tensor_type, TensorType::Other(_)) {
            return Err(EngineError::UnsupportedFormat { tensor: "a matrix".to_owned(), format: tensor_type });
        }
        let blocks = rows * (cols / BLOCK_LEN);
        let format = IntegerFormat::of(tensor_type);
        let scales = format.map_or(0, |format| blocks * (1 + usize::from(format.halves)));
        let offsets = format.is_some_and(|format| format.offsets || format.nibbles_from.is_some_and(|low| low != 0));
        Ok(Self {
            tensor_type,
            cols,
            format,
            quants: zeros(format.map_or(0, |format| blocks * vectors(format)))?,
            scales: zeros(scales)?,
            offsets: zeros(if offsets { scales } else { 0 })?,
            floats: zeros(if format.is_none() { rows * cols } else { 0 })?,
        })
    }

    /// Writes whole blocks in the file format. `first_block` counts blocks of 32 weights.
    pub(super) fn write(&mut self, first_block: usize, bytes: &[u8]) {
        let Some(format) = self.format else {
            let floats = dequantize(self.tensor_type, bytes).unwrap_or_default();
            self.floats[first_block * BLOCK_LEN..][..floats.len()].copy_from_slice(&floats);
            return;
        };
        let (vectors, halves) = (vectors(format), 1 + usize::from(format.halves));
        let (quants, scales, offsets) = (&mut self.quants, &mut self.scales, &mut self.offsets);
        let mut at = first_block;
        integer_blocks(self.tensor_type, bytes, |block| {
            let place: &mut [u8] = bytemuck::cast_slice_mut(&mut quants[at * vectors..][..vectors]);
            let mut shift = 0.0;
            if let Some(low) = format.nibbles_from {
                shift = f32::from(low);
                let nibble = |q: i8| (q - low).cast_unsigned();
                let (first, second) = block.quants.split_at(16);
                for ((byte, a), b) in place.iter_mut().zip(first).zip(second) {
                    *byte = nibble(*a) | nibble(*b) << 4;
                }
            } else {
                place.copy_from_slice(bytemuck::cast_slice(&block.quants));
            }
            scales[at * halves..][..halves].copy_from_slice(&block.scales[..halves]);
            for half in 0..halves.min(offsets.len()) {
                offsets[at * halves + half] = block.offsets[half] + shift * block.scales[half];
            }
            at += 1;
        });
    }

    /// A row as floats.
    pub(super) fn row(&self, row: usize) -> Vec<f32> {
        let blocks = self.cols / BLOCK_LEN;
        let Some(format) = self.format else {
            return self.floats[row * self.cols..][..self.cols].to_vec();
        };
        let halves = 1 + usize::from(format.halves);
        let weight = |index: usize| {
            let (block, i) = (row * blocks + index / BLOCK_LEN, index % BLOCK_LEN);
            let bytes: &[u8] = bytemuck::cast_slice(&self.quants[block * vectors(format)..][..vectors(format)]);
            let quant = match format.nibbles_from {
                Some(_) => f32::from((bytes[i % 16] >> (i / 16 * 4)) & 15),
                None => f32::from(bytes[i].cast_signed()),
            };
            let scale = block * halves + if format.halves { i / 16 } else { 0 };
            quant * self.scales[scale] + self.offsets.get(scale).copied().unwrap_or_default()
        };
        (0..self.cols).map(weight).collect()
    }

    /// Multiplies `rows` with `tokens` of `x`, and passes each (token, row, value) to `store`, row by row.
    pub(super) fn multiply(
        &self,
        rows: Range<usize>,
        x: &Activations<'_>,
        tokens: &Range<usize>,
        mut store: impl FnMut(usize, usize, f32),
    ) {
        for row in rows {
            let mut token = tokens.start;
            while token + TOKENS <= tokens.end {
                let values = self.dot::<TOKENS>(row, x, token);
                values.into_iter().enumerate().for_each(|(i, value)| store(token + i, row, value));
                token += TOKENS;
            }
            for token in token..tokens.end {
                let [value] = self.dot::<1>(row, x, token);
                store(token, row, value);
            }
        }
    }

    /// The dot products of a row with `T` tokens, starting at token `first`.
    fn dot<const T: usize>(&self, row: usize, x: &Activations<'_>, first: usize) -> [f32; T] {
        let Some(format) = self.format else {
            let weights = &self.floats[row * self.cols..][..self.cols];
            return std::array::from_fn(|token| dot_floats(weights, x.floats(first + token)));
        };
        let blocks = self.cols / BLOCK_LEN;
        let quants = &self.quants[row * blocks * vectors(format)..][..blocks * vectors(format)];
        let halves = 1 + usize::from(format.halves);
        let scales = &self.scales[row * blocks * halves..][..blocks * halves];
        let inputs: [_; T] = std::array::from_fn(|token| x.integers(first + token));
        let mut values = match format {
            IntegerFormat { nibbles_from: Some(_), .. } => dot_nibbles(quants, scales, inputs),
            IntegerFormat { halves: true, .. } => dot_half_blocks(quants, scales, inputs),
            IntegerFormat { halves: false, .. } => dot_bytes(quants, scales, inputs),
        };
        if !self.offsets.is_empty() {
            let offsets = &self.offsets[row * blocks * halves..][..blocks * halves];
            for (token, value) in values.iter_mut().enumerate() {
                *value += dot_floats(offsets, x.sums(first + token, format.halves));
            }
        }
        values
    }
}

/// SIMD vectors that hold a block's integers.
fn vectors(format: IntegerFormat) -> usize {
    if format.nibbles_from.is_some() { 1 } else { 2 }
}

/// Unpacks a block of 4-bit integers, in the order of [`Activations`].
fn nibbles(packed: i16x8) -> [i16x8; BLOCK_VECTORS] {
    let low = i16x8::splat(15);
    [packed & low, (packed >> 4) & low, (packed >> 8) & low, (packed >> 12) & low]
}

/// Unpacks a block of 8-bit integers, in the order of [`Activations`].
fn bytes(packed: &[i16x8; 2]) -> [i16x8; BLOCK_VECTORS] {
    let [a, b] = *packed;
    [(a << 8) >> 8, (b << 8) >> 8, a >> 8, b >> 8]
}

/// The integers and scales of a row of inputs.
type Input<'x> = (&'x [i16x8], &'x [f32]);

fn dot_nibbles<const T: usize>(quants: &[i16x8], scales: &[f32], inputs: [Input<'_>; T]) -> [f32; T] {
    dot_blocks(quants.iter().map(|packed| nibbles(*packed)), scales, inputs)
}

fn dot_bytes<const T: usize>(quants: &[i16x8], scales: &[f32], inputs: [Input<'_>; T]) -> [f32; T] {
    dot_blocks(quants.as_chunks::<2>().0.iter().map(bytes), scales, inputs)
}

/// Dot products of blocks with one scale each. A block's sum is at most 32 * 128 * 32,767, which fits 32 bits.
#[inline]
fn dot_blocks<const T: usize>(
    blocks: impl Iterator<Item = [i16x8; BLOCK_VECTORS]>,
    scales: &[f32],
    inputs: [Input<'_>; T],
) -> [f32; T] {
    let mut sums = [f32x4::ZERO; T];
    let inputs = inputs.map(|(quants, scales)| (quants.as_chunks::<BLOCK_VECTORS>().0, scales));
    for (block, (weights, scale)) in blocks.zip(scales).enumerate() {
        for (sum, (quants, scales)) in sums.iter_mut().zip(&inputs) {
            let x = &quants[block];
            let total = (weights[0].dot(x[0]) + weights[1].dot(x[1])) + (weights[2].dot(x[2]) + weights[3].dot(x[3]));
            *sum += f32x4::from_i32x4(total) * f32x4::splat(scale * scales[block]);
        }
    }
    sums.map(f32x4::reduce_add)
}

/// Dot products of blocks of bytes with a scale for each half.
fn dot_half_blocks<const T: usize>(quants: &[i16x8], scales: &[f32], inputs: [Input<'_>; T]) -> [f32; T] {
    let mut sums = [f32x4::ZERO; T];
    let inputs = inputs.map(|(quants, scales)| (quants.as_chunks::<BLOCK_VECTORS>().0, scales));
    for (block, (packed, scale)) in quants.as_chunks::<2>().0.iter().zip(scales.as_chunks::<2>().0).enumerate() {
        let weights = bytes(packed);
        for (sum, (quants, scales)) in sums.iter_mut().zip(&inputs) {
            let x = &quants[block];
            let first = f32x4::from_i32x4(weights[0].dot(x[0]) + weights[2].dot(x[2]));
            let second = f32x4::from_i32x4(weights[1].dot(x[1]) + weights[3].dot(x[3]));
            let halves = first * f32x4::splat(scale[0]) + second * f32x4::splat(scale[1]);
            *sum += halves * f32x4::splat(scales[block]);
        }
    }
    sums.map(f32x4::reduce_add)
}

/// The dot product of two slices of equal length.
pub(super) fn dot_floats(a: &[f32], b: &[f32]) -> f32 {
    // Four independent sums, so that no addition waits for the previous one.
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    let mut sums = [f32x4::ZERO; 4];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a.as_chunks::<4>().0).zip(b.as_chunks::<4>().0) {
            *sum += f32x4::new(*a) * f32x4::new(*b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    ((sums[0] + sums[1]) + (sums[2] + sums[3])).reduce_add() + rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use crate::kernels::linear::reference::matmul;
    use crate::kernels::random::Random;

    #[test]
    fn products_in_every_format_agree_with_the_reference() {
        let (rows, cols, tokens) = (6, 512, 7);
        let mut random = Random(3);
        let x = random.floats(tokens * cols);
        let mut checked = 0;
        for tensor_type in TensorType::supported() {
            let bytes = random.weights(tensor_type, rows * cols);
            let mut matrix = CpuMatrix::allocate(tensor_type, rows, cols).unwrap();
            // In two pieces, as in a download.
            let (first, second) = bytes.split_at(bytes.len() / 2);
            matrix.write(0, first);
            matrix.write(rows * cols / 2 / BLOCK_LEN, second);
            let floats = dequantize(tensor_type, &bytes).unwrap();
            let expected = matmul(&floats, &x, cols);
            let mut actual = vec![0.0; tokens * rows];
            let store = |token: usize, row, value| actual[token * rows + row] = value;
            matrix.multiply(0..rows, &Activations::new(&x, cols), &(0..tokens), store);
            let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            for (actual, expected) in actual.iter().zip(&expected) {
                assert!((actual - expected).abs() <= 1e-4 * largest, "{tensor_type}: {actual}, not {expected}");
            }
            for row in [0, rows - 1] {
                for (actual, expected) in matrix.row(row).iter().zip(&floats[row * cols..]) {
                    let bound = 1e-6 * expected.abs().max(1e-3);
                    assert!((actual - expected).abs() <= bound, "{tensor_type}: {actual}, not {expected}");
                }
            }
            checked += 1;
        }
        assert!(checked >= 28, "only {checked} formats were tested");
    }

    #[test]
    fn running_out_of_memory_is_an_error() {
        assert!(matches!(zeros::<f32>(usize::MAX / 8), Err(EngineError::OutOfMemory(_))));
    }
}
