//! Inputs of matrix products, rounded to 16 bits.

use std::ops::Range;

use wide::i16x8;

use super::matrix::BLOCK_LEN;

/// Vectors of eight integers in a block.
pub(super) const BLOCK_VECTORS: usize = BLOCK_LEN / 8;

/// Rows of inputs: as floats, and as integers with a scale for each block of 32.
pub(super) struct Activations<'x> {
    /// `[tokens][cols]`
    floats: &'x [f32],
    cols: usize,
    /// `[tokens][blocks][4]`; the order within a block is that of [`interleaved`].
    quants: Vec<i16x8>,
    /// `[tokens][blocks]`
    scales: Vec<f32>,
    /// Sums of blocks: `[tokens][blocks]`
    sums: Vec<f32>,
    /// Sums of half blocks: `[tokens][2 blocks]`
    half_sums: Vec<f32>,
}

/// Thirty-two elements in the order in which a weight's integers come out of their bytes: the even ones of the first half,
/// those of the second, and the odd ones in the same way.
fn interleaved(block: &[i16; BLOCK_LEN]) -> [i16x8; BLOCK_VECTORS] {
    [0, 16, 1, 17].map(|first| i16x8::new(std::array::from_fn(|i| block[first + 2 * i])))
}

impl<'x> Activations<'x> {
    /// Rounds `[tokens][cols]`; `cols` is a multiple of 32.
    pub(super) fn new(floats: &'x [f32], cols: usize) -> Self {
        let blocks = floats.len() / BLOCK_LEN;
        let mut rounded = Self {
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
            // Rounding half away from zero without a call: the sign's half is added, then the fraction cut off.
            rounded.quants.extend(interleaved(&block.map(|value| (value * inverse + 0.5f32.copysign(value)) as i16)));
            rounded.scales.push(scale);
            let halves = [&block[..16], &block[16..]].map(|half| half.iter().sum::<f32>());
            rounded.half_sums.extend(halves);
            rounded.sums.push(halves[0] + halves[1]);
        }
        rounded
    }

    /// Rows.
    pub(super) fn tokens(&self) -> usize {
        self.floats.len() / self.cols
    }

    /// A row's integers and their scales.
    pub(super) fn integers(&self, token: usize) -> (&[i16x8], &[f32]) {
        let blocks = self.cols / BLOCK_LEN;
        (
            &self.quants[token * blocks * BLOCK_VECTORS..][..blocks * BLOCK_VECTORS],
            &self.scales[token * blocks..][..blocks],
        )
    }

    /// Floats of neighbouring rows.
    pub(super) fn rows(&self, tokens: &Range<usize>) -> &[f32] {
        &self.floats[tokens.start * self.cols..tokens.end * self.cols]
    }

    /// A row's floats.
    pub(super) fn floats(&self, token: usize) -> &[f32] {
        &self.floats[token * self.cols..][..self.cols]
    }

    /// Sums of a row's blocks, or of their halves.
    pub(super) fn sums(&self, token: usize, halves: bool) -> &[f32] {
        let blocks = self.cols / BLOCK_LEN;
        if halves {
            &self.half_sums[2 * token * blocks..][..2 * blocks]
        } else {
            &self.sums[token * blocks..][..blocks]
        }
    }
}
