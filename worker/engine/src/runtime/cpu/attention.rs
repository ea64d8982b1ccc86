//! Attention on the CPU, and the cache that it reads.

use std::ops::Range;

use wide::f32x4;

use super::matrix::{dot_floats, reserved};
use crate::error::Result;
use crate::models::HeadShape;

/// Keys and values of a layer, in f32: `[positions][kv_heads][head_dim]` each.
pub(super) struct LayerCache {
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    /// Elements of a position.
    row_len: usize,
}

impl LayerCache {
    /// Takes the memory for `positions`.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`]
    pub(super) fn new(positions: usize, row_len: usize) -> Result<Self> {
        // Not filled: what no position has come to takes no memory of the device's.
        Ok(Self { keys: reserved(positions * row_len)?, values: reserved(positions * row_len)?, row_len })
    }

    /// Forgets what stands from `position` on.
    pub(super) fn truncate(&mut self, position: usize) {
        self.keys.truncate(position * self.row_len);
        self.values.truncate(position * self.row_len);
    }

    fn positions(&self) -> usize {
        self.keys.len() / self.row_len
    }
}

/// What differs between layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttentionShape {
    pub(super) heads: HeadShape,
    /// Factor of the dot products.
    pub(super) scale: f32,
    /// Bound that scores approach by tanh.
    pub(super) softcap: Option<f32>,
    /// Positions that a token sees, itself included; all before it if absent.
    pub(super) window: Option<u32>,
    /// Tokens see what follows, too.
    pub(super) bidirectional: bool,
}

/// Attention of queries `[tokens][heads][head_dim]`, whose keys and values are the cache's last ones; the result has their shape.
///
/// Heads that share keys and values are computed together, up to four: reading the cache is what takes the time.
pub(super) fn attend(query: &[f32], cache: &LayerCache, shape: &AttentionShape) -> Vec<f32> {
    let HeadShape { heads, kv_heads, head_dim, .. } = shape.heads;
    let (heads, group, dim) = (heads as usize, (heads / kv_heads) as usize, head_dim as usize);
    let first_position = cache.positions() - query.len() / (heads * dim);
    let mut result = vec![0.0; query.len()];
    let mut scores = [const { Vec::new() }; TOGETHER];
    let groups = query.chunks_exact(group * dim).zip(result.chunks_exact_mut(group * dim)).enumerate();
    for (index, (query, result)) in groups {
        let (token, kv_head) = (index / kv_heads as usize, index % kv_heads as usize);
        let end = if shape.bidirectional { cache.positions() } else { first_position + token + 1 };
        let start = shape.window.map_or(0, |window| end.saturating_sub(window as usize));
        let seen = Seen { cache, positions: start..end, at: kv_head * dim };
        for (query, result) in query.chunks(TOGETHER * dim).zip(result.chunks_mut(TOGETHER * dim)) {
            match query.len() / dim {
                4 => seen.attend::<4>(query, shape, &mut scores, result),
                3 => seen.attend::<3>(query, shape, &mut scores, result),
                2 => seen.attend::<2>(query, shape, &mut scores, result),
                _ => seen.attend::<1>(query, shape, &mut scores, result),
            }
        }
    }
    result
}

/// Most heads that are computed together.
const TOGETHER: usize = 4;
/// Elements of heads whose sums stay in registers while all positions go by.
const CHUNK: usize = 16;

/// What a token sees of the keys and values of a head.
struct Seen<'c> {
    cache: &'c LayerCache,
    positions: Range<usize>,
    /// The head's first element in a row of the cache.
    at: usize,
}

impl Seen<'_> {
    /// Attention of `N` heads: queries and result are `[N][head_dim]`.
    fn attend<const N: usize>(
        &self,
        query: &[f32],
        shape: &AttentionShape,
        scores: &mut [Vec<f32>; TOGETHER],
        result: &mut [f32],
    ) {
        let dim = query.len() / N;
        scores.iter_mut().for_each(Vec::clear);
        for position in self.positions.clone() {
            let key = &self.cache.keys[position * self.cache.row_len + self.at..][..dim];
            for (scores, query) in scores.iter_mut().zip(query.chunks_exact(dim)) {
                let score = dot_floats(query, key) * shape.scale;
                scores.push(shape.softcap.map_or(score, |cap| cap * (score / cap).tanh()));
            }
        }
        let mut inverses = [0.0; N];
        for (inverse, scores) in inverses.iter_mut().zip(scores.iter_mut()) {
            *inverse = exponentials(scores).recip();
        }
        let weights: [&[f32]; N] = std::array::from_fn(|head| scores[head].as_slice());
        let whole = dim / CHUNK * CHUNK;
        for first in (0..whole).step_by(CHUNK) {
            self.add_values::<N, { CHUNK / 4 }>(&weights, inverses, first, result);
        }
        // Heads are multiples of eight.
        for first in (whole..dim).step_by(8) {
            self.add_values::<N, 2>(&weights, inverses, first, result);
        }
    }

    /// `VECTORS` times four elements of the result from `first` on: sums of values, each times its weight.
    #[inline]
    fn add_values<const N: usize, const VECTORS: usize>(
        &self,
        weights: &[&[f32]; N],
        inverses: [f32; N],
        first: usize,
        result: &mut [f32],
    ) {
        let (dim, row_len) = (result.len() / N, self.cache.row_len);
        let rows = &self.cache.values[self.positions.start * row_len..self.positions.end * row_len];
        let mut sums = [[f32x4::ZERO; VECTORS]; N];
        for (i, row) in rows.chunks_exact(row_len).enumerate() {
            let (values, _) = row[self.at + first..].as_chunks::<4>();
            let values: [f32x4; VECTORS] = std::array::from_fn(|vector| f32x4::new(values[vector]));
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let weight = f32x4::splat(weights[i]);
                sums.iter_mut().zip(values).for_each(|(sum, values)| *sum += weight * values);
            }
        }
        for ((sums, inverse), result) in sums.iter().zip(inverses).zip(result.chunks_exact_mut(dim)) {
            for (place, sum) in result[first..].as_chunks_mut::<4>().0.iter_mut().zip(sums) {
                *place = (*sum * f32x4::splat(inverse)).to_array();
            }
        }
    }
}

/// Puts the exponentials of scores, relative to the highest, in their place; gives their sum.
fn exponentials(scores: &mut [f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (vectors, rest) = scores.as_chunks_mut::<4>();
    let mut total = f32x4::ZERO;
    for vector in vectors {
        let exponential = (f32x4::new(*vector) - f32x4::splat(highest)).exp();
        total += exponential;
        *vector = exponential.to_array();
    }
    for score in rest.iter_mut() {
        *score = (*score - highest).exp();
    }
    total.reduce_add() + rest.iter().sum::<f32>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use crate::kernels::attention::{Attention, AttentionLayout};
    use crate::reference::attention::attention;

    #[test]
    fn attention_agrees_with_the_twin() {
        // Groups of three heads, and of seven: more than are computed together.
        for heads in [6, 14] {
            agrees_with_the_twin(heads);
        }
    }

    fn agrees_with_the_twin(heads: u32) {
        let query_len = heads as usize * 24;
        let heads = HeadShape { heads, kv_heads: 2, head_dim: 24, rope_dim: 24, rope_half: false };
        let wave = |len: usize, step: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * step).sin() * 2.0).collect() };
        let (tokens, positions, row_len) = (3, 11, 48);
        let (query, keys, values) =
            (wave(tokens * query_len, 0.7), wave(positions * row_len, 1.3), wave(positions * row_len, 0.4));
        let cases = [(None, None, false), (Some(4), None, false), (None, Some(3.0), false), (None, None, true)];
        for (window, softcap, bidirectional) in cases {
            let shape = AttentionShape { heads, scale: 0.2, softcap, window, bidirectional };
            let mut cache = LayerCache::new(positions, row_len).unwrap();
            cache.keys.extend(&keys);
            cache.values.extend(&values);
            let twin = Attention {
                heads,
                value_offset: 0,
                scale: 0.2,
                softcap,
                window,
                bidirectional,
                layout: AttentionLayout::Batch,
                splits: 1,
                workgroup: 32,
            };
            let expected = attention(&query, &keys, &values, positions - tokens, &twin);
            for (own, expected) in attend(&query, &cache, &shape).iter().zip(&expected) {
                assert!((own - expected).abs() < 1e-5, "{shape:?}: {own}, {expected}");
            }
        }
    }
}
