//! Inputs of matrix products, quantised to 16 bits.

use std::ops::Range;

use wide::i16x8;

/// Weights in a block.
pub(super) const BLOCK_LEN: usize = 32;
/// SIMD vectors of eight integers per block.
pub(super) const BLOCK_VECTORS: usize = BLOCK_LEN / 8;

/// Rows of inputs as floats, and as integers with a scale for each block of 32.
pub(super) struct Activations<'x> {
    /// `[tokens][cols]`
    floats: &'x [f32],
    cols: usize,
    /// `[tokens][blocks][4]`; the order within a block is that of [`interleaved`].
    quants: Vec<i16x8>,
    /// `[tokens][blocks]`
    scales: Vec<f32>,
    /// Sum of the floats in each block: `[tokens][blocks]`
    sums: Vec<f32>,
    /// Sum of the floats in each half block: `[tokens][2 blocks]`
    half_sums: Vec<f32>,
}

/// A block in the order in which unpacking yields a weight block's integers: the even elements of the first half, the
/// even elements of the second half, then the odd elements of both halves.
fn interleaved(block: &[i16; BLOCK_LEN]) -> [i16x8; BLOCK_VECTORS] {
    [0, 16, 1, 17].map(|first| i16x8::new(std::array::from_fn(|i| block[first + 2 * i])))
}

impl<'x> Activations<'x> {
    /// Quantises `[tokens][cols]`; `cols` is a multiple of 32.
    pub(super) fn new(floats: &'x [f32], cols: usize) -> Self {
        let blocks = floats.len() / BLOCK_LEN;
        let mut activations = Self {
            floats,
            cols,
            quants: Vec::with_capacity(blocks * BLOCK_VECTORS),
            scales: Vec::with_capacity(blocks),
            sums: Vec::with_capacity(blocks),
            half_sums: Vec::with_capacity(2 * blocks),
        };
        for block in floats.as_chunks::<BLOCK_LEN>().0 {
            let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = largest / f32::from(i16::MAX);
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            // Rounds half away from zero without a library call: adds 0.5 with the value's sign, then truncates.
            let quants = block.map(|value| (value * inverse + 0.5f32.copysign(value)) as i16);
            activations.quants.extend(interleaved(&quants));
            activations.scales.push(scale);
            let halves = [&block[..16], &block[16..]].map(|half| half.iter().sum::<f32>());
            activations.half_sums.extend(halves);
            activations.sums.push(halves[0] + halves[1]);
        }
        activations
    }

    /// The number of rows.
    pub(super) fn tokens(&self) -> usize {
        self.floats.len() / self.cols
    }

    /// The integers of a row and their scales.
    pub(super) fn integers(&self, token: usize) -> (&[i16x8], &[f32]) {
        let blocks = self.cols / BLOCK_LEN;
        (
            &self.quants[token * blocks * BLOCK_VECTORS..][..blocks * BLOCK_VECTORS],
            &self.scales[token * blocks..][..blocks],
        )
    }

    /// The floats of consecutive rows.
    pub(super) fn rows(&self, tokens: &Range<usize>) -> &[f32] {
        &self.floats[tokens.start * self.cols..tokens.end * self.cols]
    }

    /// The floats of a row.
    pub(super) fn floats(&self, token: usize) -> &[f32] {
        &self.floats[token * self.cols..][..self.cols]
    }

    /// The sums of a row's blocks, or of its half blocks.
    pub(super) fn sums(&self, token: usize, halves: bool) -> &[f32] {
        let blocks = self.cols / BLOCK_LEN;
        if halves {
            &self.half_sums[2 * token * blocks..][..2 * blocks]
        } else {
            &self.sums[token * blocks..][..blocks]
        }
    }
}
