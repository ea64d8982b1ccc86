//! Attention on the CPU, and the KV cache it reads.

use std::ops::Range;

use wide::f32x4;

use super::matrix::{dot_floats, reserved};
use crate::error::Result;
use crate::models::{AttentionTemperature, HeadShape};
use crate::runtime::memory::Window;

/// Number of positions beside those of a window from which on some are dropped, and of those that stay, so that tokens
/// can be taken back.
pub(super) const MAX_SPARE_POSITIONS: u32 = 128;
const MIN_SPARE_POSITIONS: usize = 64;

/// A layer's KV cache in f32.
pub(super) struct LayerCache {
    /// From position `first` on: `[positions][kv_heads][head_dim]`
    pub(super) keys: Vec<f32>,
    /// `[positions][kv_heads][value_dim]`, or empty if a value is the first elements of its key.
    pub(super) values: Vec<f32>,
    /// Elements of a position's keys, and of its values.
    row_lens: [usize; 2],
    /// The first position that is kept.
    first: usize,
    /// If given, positions before it are dropped when there are many.
    window: Option<Window>,
}

impl LayerCache {
    /// An empty cache with memory reserved for `positions`.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(super) fn new(positions: usize, row_lens: [usize; 2], window: Option<Window>) -> Result<Self> {
        let [key_len, value_len] = row_lens;
        // Not zeroed: memory that was never written is not committed.
        let (keys, values) = (reserved(positions * key_len)?, reserved(positions * value_len)?);
        Ok(Self { keys, values, row_lens, first: 0, window })
    }

    /// Prepares for rows from `position` on: removes those that are there, and early ones if there are many. The others
    /// move up, which takes less time than attention to rows that are not in order.
    pub(super) fn begin(&mut self, position: usize) {
        self.truncate(position);
        if let Some(window) = self.window.filter(|window| self.positions() - self.first > window.kept) {
            let first = window.before(position).start.saturating_sub(MIN_SPARE_POSITIONS);
            let dropped = first.saturating_sub(self.first);
            let [key_len, value_len] = self.row_lens;
            self.keys.drain(..dropped * key_len);
            self.values.drain(..dropped * value_len);
            self.first += dropped;
        }
    }

    /// Removes `position` and all later ones.
    fn truncate(&mut self, position: usize) {
        let [key_len, value_len] = self.row_lens;
        let kept = position.saturating_sub(self.first);
        self.keys.truncate(kept * key_len);
        self.values.truncate(kept * value_len);
        self.first = self.first.min(position);
    }

    /// Keys and values at some positions, which must be there.
    pub(super) fn rows(&self, positions: Range<usize>) -> [&[f32]; 2] {
        let (start, end) = (positions.start - self.first, positions.end - self.first);
        let [key_len, value_len] = self.row_lens;
        [&self.keys[start * key_len..end * key_len], &self.values[start * value_len..end * value_len]]
    }

    /// Replaces the contents with those of some positions. `next` returns the requested number of floats: keys, then
    /// values.
    pub(super) fn set(&mut self, positions: Range<usize>, next: &mut impl FnMut(usize) -> Vec<f32>) {
        self.truncate(0);
        let [key_len, value_len] = self.row_lens;
        self.keys.extend(next(positions.len() * key_len));
        self.values.extend(next(positions.len() * value_len));
        self.first = positions.start;
    }

    /// The keys and values of one head. They are contiguous, so that many queries find them in the processor's cache.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(super) fn of_head(&self, head: usize, heads: &HeadShape) -> Result<Self> {
        let [key_len, value_len] = self.row_lens;
        let [dim, value_dim] = [heads.head_dim, heads.value_dim].map(|len| len as usize);
        let mut own = Self::new(self.positions(), [dim, value_dim], None)?;
        own.keys.extend(self.keys.chunks_exact(key_len).flat_map(|row| &row[head * dim..][..dim]));
        own.values.extend(self.values.chunks_exact(value_len).flat_map(|row| &row[head * value_dim..][..value_dim]));
        Ok(own)
    }

    /// The window, if not all positions are kept.
    pub(super) fn window(&self) -> Option<Window> {
        self.window
    }

    /// Whether all positions are there that the token at `position` attends to.
    pub(super) fn has_window(&self, position: usize) -> bool {
        position == 0 || self.window.is_none_or(|window| self.first <= window.before(position).start)
    }

    /// Number of floats per position.
    pub(super) fn position_len(&self) -> usize {
        self.row_lens.iter().sum()
    }

    /// The position after the last one.
    fn positions(&self) -> usize {
        self.first + self.keys.len() / self.row_lens[0]
    }

    /// Where values are, and the number of elements from one position's to the next.
    fn value_rows(&self) -> (&[f32], usize) {
        match self.row_lens {
            [key_len, 0] => (self.keys.as_slice(), key_len),
            [_, value_len] => (self.values.as_slice(), value_len),
        }
    }
}

/// Parameters of a layer's attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttentionShape {
    pub(super) heads: HeadShape,
    /// Factor applied to the dot products.
    pub(super) scale: f32,
    /// Queries are multiplied by a factor that grows with the position.
    pub(super) temperature: Option<AttentionTemperature>,
    /// Scores become `softcap * tanh(score / softcap)`.
    pub(super) softcap: Option<f32>,
    /// Sliding window: the number of positions a token attends to, including its own. `None` means all of them.
    pub(super) window: Option<u32>,
    /// Whether tokens also attend to later positions.
    pub(super) bidirectional: bool,
    /// Number of later positions; `None` means all of them.
    pub(super) ahead: Option<u32>,
    /// Scores decrease with the distance (`ALiBi`).
    pub(super) alibi: bool,
}

/// Attention for queries `[tokens][heads][head_dim]` at the cache's last positions. The result is
/// `[tokens][heads][value_dim]`. `sinks` are scores that take part in each head's softmax without a value: `[heads]`,
/// or empty.
pub(super) fn attend(query: &[f32], cache: &LayerCache, sinks: &[f32], shape: &AttentionShape) -> Vec<f32> {
    let HeadShape { heads, kv_heads, head_dim, value_dim, .. } = shape.heads;
    let (heads, group, dim, value_dim) =
        (heads as usize, (heads / kv_heads) as usize, head_dim as usize, value_dim as usize);
    // Queries of another sequence than the cache's attend to all of it.
    let first_position = cache.positions().saturating_sub(query.len() / (heads * dim));
    let (all_values, value_row_len) = cache.value_rows();
    let mut result = vec![0.0; query.len() / dim * value_dim];
    let mut scores = Vec::new();
    for (index, (query, result)) in query.chunks_exact(dim).zip(result.chunks_exact_mut(value_dim)).enumerate() {
        let (token, head) = (index / heads, index % heads);
        let own_end = first_position + token + 1;
        let start = shape.window.map_or(0, |window| own_end.saturating_sub(window as usize));
        let end = match shape.ahead {
            _ if !shape.bidirectional => own_end,
            Some(ahead) => cache.positions().min(own_end + ahead as usize),
            None => cache.positions(),
        };
        let at = |position: usize| (position - cache.first) * cache.row_lens[0] + head / group * dim;
        let scale = shape.scale * shape.temperature.map_or(1.0, |temperature| sharpness(temperature, own_end - 1));
        scores.clear();
        scores.extend((start..end).map(|position| {
            let score = dot_floats(query, &cache.keys[at(position)..][..dim]) * scale;
            shape.softcap.map_or(score, |cap| cap * (score / cap).tanh())
        }));
        if shape.alibi {
            let slope = slope(head, heads);
            let distances = (start..end).map(|position| position.abs_diff(own_end - 1) as f32);
            scores.iter_mut().zip(distances).for_each(|(score, distance)| *score -= slope * distance);
        }
        let sink = sinks.get(head).copied().unwrap_or(f32::NEG_INFINITY);
        let inverse = exponentials(&mut scores, sink).recip();
        let values = &all_values[(start - cache.first) * value_row_len + head / group * value_dim..];
        let (chunks, rest) = result.as_chunks_mut::<CHUNK>();
        for (i, chunk) in chunks.iter_mut().enumerate() {
            *chunk = weighted_sum(&scores, &values[i * CHUNK..], value_row_len).map(|sum| sum * inverse);
        }
        let first = value_dim - rest.len();
        for (i, sum) in rest.iter_mut().enumerate() {
            let [value] = weighted_sum(&scores, &values[first + i..], value_row_len);
            *sum = value * inverse;
        }
    }
    result
}

/// The factor of a query at this position.
fn sharpness(temperature: AttentionTemperature, position: usize) -> f32 {
    let AttentionTemperature { scale, step } = temperature;
    1.0 + scale * ((position / step as usize) as f32).ln_1p()
}

/// How much a head's scores decrease per position (`ALiBi`). The slopes of `n` heads, the largest power of two, are the
/// powers of `2^(-8 / n)`; those of further heads lie between them.
fn slope(head: usize, heads: usize) -> f32 {
    let n = 1 << heads.ilog2();
    let exponent = if head < n { (head + 1) as f32 } else { (head - n) as f32 + 0.5 };
    (-8.0 * exponent / n as f32).exp2()
}

/// Elements of a head that are summed in registers over all positions.
const CHUNK: usize = 32;

/// Replaces scores with `exp(score - highest)`, and returns the sum. Both the highest and the sum include the `sink`.
fn exponentials(scores: &mut [f32], sink: f32) -> f32 {
    let highest = scores.iter().copied().fold(sink, f32::max);
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
    total.reduce_add() + rest.iter().sum::<f32>() + (sink - highest).exp()
}

/// The weighted sum of rows `row_len` apart, for their first `N` elements.
#[inline]
fn weighted_sum<const N: usize>(weights: &[f32], rows: &[f32], row_len: usize) -> [f32; N] {
    let mut sums = [0.0; N];
    for (weight, row) in weights.iter().zip(rows.chunks(row_len)) {
        // The last row may be shorter than `row_len`, but it holds at least the rest of its head.
        let Some(row) = row.first_chunk::<N>() else { break };
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
    }
    sums
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::super::assert_close;
    use super::*;
    use crate::kernels::CacheLayout;
    use crate::kernels::attention::reference::attention;
    use crate::kernels::attention::{Attention, AttentionLayout};
    use crate::kernels::random::Random;

    #[test]
    fn attention_agrees_with_the_reference() {
        let heads = HeadShape { heads: 6, kv_heads: 2, head_dim: 24, value_dim: 40, rope_dim: 24, rope_half: false };
        let wave = |len: usize, step: f32| -> Vec<f32> { (0..len).map(|i| (i as f32 * step).sin() * 2.0).collect() };
        let (tokens, positions, row_lens) = (3, 11, [48, 80]);
        let [keys, values] = [(row_lens[0], 1.3), (row_lens[1], 0.4)].map(|(len, step)| wave(positions * len, step));
        let query = wave(tokens * 144, 0.7);
        let sharper = Some(AttentionTemperature { scale: 0.7, step: 3 });
        let sinks = wave(6, 2.1);
        let none: &[f32] = &[];
        let cases = [
            (None, None, None, false, None, false, none),
            (Some(4), None, sharper, false, None, false, none),
            (None, Some(3.0), None, false, None, false, none),
            (None, None, None, true, None, false, none),
            (Some(4), None, None, true, Some(1), false, none),
            (None, None, None, true, None, true, none),
            (Some(4), None, None, false, None, false, &sinks[..]),
        ];
        for (window, softcap, temperature, bidirectional, ahead, alibi, sinks) in cases {
            let shape = AttentionShape { heads, scale: 0.2, temperature, softcap, window, bidirectional, ahead, alibi };
            let mut cache = LayerCache::new(positions, row_lens, None).unwrap();
            cache.keys.extend(&keys);
            cache.values.extend(&values);
            let reference = Attention {
                heads,
                cache: CacheLayout::f16(0),
                scale: 0.2,
                temperature,
                softcap,
                window,
                bidirectional,
                ahead,
                alibi,
                sinks: !sinks.is_empty(),
                layout: AttentionLayout::Batch,
                splits: 1,
                workgroup: 32,
                halves: false,
            };
            let expected = attention(&query, [&keys, &values], sinks, positions - tokens, &reference);
            for (actual, expected) in attend(&query, &cache, sinks, &shape).iter().zip(&expected) {
                assert!((actual - expected).abs() < 1e-5, "{shape:?}: {actual}, not {expected}");
            }
        }
    }

    const PLAIN: AttentionShape = AttentionShape {
        heads: HeadShape { heads: 3, kv_heads: 1, head_dim: 48, value_dim: 40, rope_dim: 8, rope_half: false },
        scale: 0.2,
        temperature: None,
        softcap: None,
        window: None,
        bidirectional: false,
        ahead: None,
        alibi: false,
    };

    #[test]
    fn values_may_be_the_first_elements_of_keys() {
        let mut random = Random(6);
        let (query, keys) = (random.floats(2 * 3 * 48), random.floats(9 * 48));
        let values: Vec<f32> = keys.chunks_exact(48).flat_map(|key| &key[..40]).copied().collect();
        let [mut together, mut apart] = [[48, 0], [48, 40]].map(|row_lens| LayerCache::new(9, row_lens, None).unwrap());
        together.keys.extend(&keys);
        apart.keys.extend(&keys);
        apart.values.extend(&values);
        assert_close(&attend(&query, &together, &[], &PLAIN), &attend(&query, &apart, &[], &PLAIN));
    }

    #[test]
    fn dropped_positions_are_not_missed() {
        let shape = AttentionShape { window: Some(5), ..PLAIN };
        let mut random = Random(8);
        let (queries, keys, values) = (random.floats(400 * 144), random.floats(400 * 48), random.floats(400 * 40));
        let [mut all, mut last] =
            [None, Some(Window::new(5, 20))].map(|window| LayerCache::new(400, [48, 40], window).unwrap());
        let mut position = 0;
        for tokens in [1, 30, 100, 1, 1, 40, 3, 120, 1, 60] {
            for cache in [&mut all, &mut last] {
                cache.begin(position);
                cache.keys.extend(&keys[position * 48..][..tokens * 48]);
                cache.values.extend(&values[position * 40..][..tokens * 40]);
            }
            let query = &queries[position * 144..][..tokens * 144];
            assert_eq!(attend(query, &last, &[], &shape), attend(query, &all, &[], &shape), "{tokens} at {position}");
            // Some of them are taken back.
            position += tokens - tokens / 10;
            assert!(last.has_window(position), "{position}");
        }
        assert!(!last.has_window(100) && last.has_window(0) && all.has_window(100));
        assert!(last.keys.len() < all.keys.len() / 2, "{} floats", last.keys.len());
        assert_eq!(last.rows(position - 4..position), all.rows(position - 4..position));
        // Another sequence begins.
        last.begin(0);
        assert!(last.keys.is_empty() && last.first == 0);
    }

    #[test]
    fn heads_can_attend_one_by_one() {
        let heads = HeadShape { heads: 3, kv_heads: 3, head_dim: 24, value_dim: 24, rope_dim: 0, rope_half: false };
        let shape = AttentionShape {
            heads,
            scale: 0.2,
            temperature: None,
            softcap: None,
            window: None,
            bidirectional: true,
            ahead: None,
            alibi: false,
        };
        let mut random = Random(7);
        // More queries than positions, as they may be of another sequence.
        let query = random.floats(11 * 72);
        let mut cache = LayerCache::new(9, [72, 72], None).unwrap();
        cache.keys.extend(random.floats(9 * 72));
        cache.values.extend(random.floats(9 * 72));
        let together = attend(&query, &cache, &[], &shape);
        for head in 0..3 {
            let of_head =
                |rows: &[f32]| -> Vec<f32> { rows.chunks(24).skip(head).step_by(3).flatten().copied().collect() };
            let one = AttentionShape { heads: HeadShape { heads: 1, kv_heads: 1, ..heads }, ..shape };
            let apart = attend(&of_head(&query), &cache.of_head(head, &heads).unwrap(), &[], &one);
            assert_close(&apart, &of_head(&together));
        }
    }
}
