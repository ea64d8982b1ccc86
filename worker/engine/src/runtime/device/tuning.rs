//! How kernels are laid out on an adapter.

use crate::kernels::linear::{COOPERATIVE_TILE_BYTES, COOPERATIVE_WORKGROUP, LinearTuning, SHARED_TILE_BYTES, Tiles};

/// Choices that change speed, and results no more than by rounding: [`Tiles::Packed`] rounds inputs to 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Matrix products for one token.
    pub decode: LinearTuning,
    /// Matrix products for many tokens.
    pub prefill: LinearTuning,
    /// Most tokens in one prefill submission. It has fewer where they would take long, so that a stop takes effect soon.
    pub prefill_batch: u32,
    /// Least threads of a workgroup of attention, a power of two.
    pub attention_workgroup: u32,
    /// How one token's attention is shared, by the length of its context.
    pub attention_splits: [AttentionSplits; 3],
    /// Weights from which on a matrix is large.
    pub large_matrix: u64,
    /// Products of large matrices for one token.
    pub decode_large: LinearTuning,
    /// Products of large matrices for many tokens.
    pub prefill_large: LinearTuning,
    /// Threads below which a large matrix gives its rows twice as many lanes.
    pub few_threads: u32,
    /// Most weights of one head's query that attention multiplies by itself, instead of a dispatch before it: that takes less time only
    /// where a workgroup is done with it soon.
    pub projected_weights: u32,
}

/// How many workgroups share the positions of an attention head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionSplits {
    /// From this position on.
    pub from: u32,
    /// Workgroups, where heads are few.
    pub splits: u32,
}

/// Workgroups of attention that keep a graphics card busy.
const BUSY_WORKGROUPS: u32 = 288;
/// Splits that no model has too many heads for.
const MIN_SPLITS: u32 = 12;

/// Most workgroups that multiply a query by themselves: all of them at once, or it would be multiplied again and again.
const PROJECTING_WORKGROUPS: u32 = 128;

impl AttentionSplits {
    /// Workgroups for each of so many heads: many heads keep the adapter busy by themselves, and parts take time to put together.
    pub fn for_heads(self, heads: u32) -> u32 {
        self.splits.min((BUSY_WORKGROUPS / heads.max(1)).max(MIN_SPLITS))
    }
}

impl Tuning {
    /// What measured best on graphics cards, whose subgroups have at least so many threads.
    pub fn for_hardware(subgroup_min_size: Option<u32>) -> Self {
        Self::for_adapter(false, subgroup_min_size)
    }

    /// The same where large products may use tiles, the best of which the adapter has are `best`.
    #[must_use]
    pub fn with_tiles(self, workgroup_memory_bytes: u32, best: Tiles) -> Self {
        if workgroup_memory_bytes < SHARED_TILE_BYTES || self.large_matrix == u64::MAX {
            return self;
        }
        let shared =
            LinearTuning { workgroup: 128, lanes: 1, pairs: 4, tokens: 8, tiles: Tiles::Shared, ..self.prefill };
        if best == Tiles::Cooperative && workgroup_memory_bytes >= COOPERATIVE_TILE_BYTES {
            let prefill_large = LinearTuning {
                workgroup: COOPERATIVE_WORKGROUP,
                pairs: 4,
                tokens: 2,
                steps: 2,
                tiles: Tiles::Cooperative,
                ..shared
            };
            // Attention over long prompts needs many tokens to keep such an adapter busy.
            return Self { prefill_large, prefill_batch: 2048, ..self };
        }
        let prefill_large = if best == Tiles::Shared { shared } else { shared.packed() };
        Self { prefill_large, prefill_batch: 512, ..self }
    }

    /// What measured best on adapters like this one.
    pub(in crate::runtime) fn for_adapter(is_software: bool, subgroup_min_size: Option<u32>) -> Self {
        // On a CPU a barrier is dear, and what helps is to load an input once for many rows.
        let (workgroup, lanes, pairs) = if is_software { (8, 1, 2) } else { (128, 32, 1) };
        let decode = LinearTuning {
            workgroup,
            lanes,
            steps: 1,
            pairs,
            tokens: 1,
            tiles: Tiles::None,
            subgroup: subgroup_min_size.filter(|size| size.is_power_of_two()).unwrap_or(1),
            subgroup_enable: cfg!(target_family = "wasm"),
        };
        let (workgroup, pairs) = if is_software { (8, 4) } else { (64, 1) };
        let prefill = LinearTuning { workgroup, lanes: 1, pairs, tokens: 8, ..decode };
        let (prefill_batch, attention_workgroup) = if is_software { (16, 32) } else { (256, 256) };
        let steps = if is_software { [(0, 1), (256, 2), (u32::MAX, 2)] } else { [(0, 1), (64, 8), (1024, 32)] };
        Self {
            decode,
            prefill,
            prefill_batch,
            attention_workgroup,
            attention_splits: steps.map(|(from, splits)| AttentionSplits { from, splits }),
            large_matrix: if is_software { u64::MAX } else { 1 << 21 },
            decode_large: LinearTuning { workgroup: 256, steps: 2, ..decode },
            prefill_large: prefill,
            few_threads: 1 << 16,
            projected_weights: if is_software { 0 } else { 1 << 16 },
        }
    }

    /// The same without what shader compilers are known to get wrong: each thread computes its own rows by itself, with no subgroups, no
    /// tiles, no integers, and no parts of attention. What was allocated for this has room for it.
    #[must_use]
    pub fn plain(self) -> Self {
        let plain = |linear: LinearTuning| LinearTuning {
            workgroup: 64,
            lanes: 1,
            steps: 1,
            pairs: 1,
            tiles: Tiles::None,
            subgroup: 1,
            ..linear
        };
        let (decode, prefill) = (plain(self.decode), plain(self.prefill));
        Self {
            decode,
            prefill,
            decode_large: decode,
            prefill_large: prefill,
            large_matrix: u64::MAX,
            attention_splits: self.attention_splits.map(|step| AttentionSplits { splits: 1, ..step }),
            projected_weights: 0,
            ..self
        }
    }

    /// Whether attention of one token, with heads of so many weights each, multiplies its query by itself.
    pub fn projects(&self, heads: u32, splits: u32, head_weights: u32) -> bool {
        head_weights <= self.projected_weights && heads * (splits + 2) <= PROJECTING_WORKGROUPS
    }

    /// The most workgroups that share a head: those of its cached positions and one for the token's own.
    pub fn max_splits(&self) -> u32 {
        self.attention_splits.iter().map(|step| step.splits).max().unwrap_or(1) + 1
    }

    /// Which step of [`Tuning::attention_splits`] a token at `position` takes.
    pub fn split_step(&self, position: usize) -> usize {
        self.attention_splits.iter().rposition(|step| step.from as usize <= position).unwrap_or(0)
    }

    /// The layout of a matrix of `rows` and `cols`; only for one token it depends on them.
    pub fn linear(&self, base: LinearTuning, rows: u32, cols: u32) -> LinearTuning {
        let is_large = u64::from(rows) * u64::from(cols) >= self.large_matrix;
        if !is_large {
            return base;
        }
        if base == self.prefill {
            return self.prefill_large;
        }
        if !base.has_lanes() {
            return base;
        }
        let large = self.decode_large;
        let has_few_threads = rows / 2 * large.lanes / large.pairs < self.few_threads;
        if has_few_threads && cols / 32 >= 4 * large.lanes {
            LinearTuning { lanes: 2 * large.lanes, steps: 1, ..large }
        } else {
            large
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_contexts_are_shared_by_more_workgroups() {
        let tuning = Tuning::for_adapter(false, Some(32));
        let splits = |position| tuning.attention_splits[tuning.split_step(position)].splits;
        assert_eq!([0, 63, 64, 1023, 1024, 100_000].map(splits), [1, 1, 8, 8, 32, 32]);
        assert_eq!(tuning.max_splits(), 33);
        // The demo model has 9 heads, others 32 and 64.
        assert_eq!(
            [9, 32, 64].map(|heads| tuning.attention_splits.map(|step| step.for_heads(heads))),
            [[1, 8, 32], [1, 8, 12], [1, 8, 12],]
        );
    }

    #[test]
    fn large_matrices_are_laid_out_by_their_shape_in_decode_only() {
        let tuning = Tuning::for_adapter(false, Some(32));
        let lanes_of = |rows, cols| tuning.linear(tuning.decode, rows, cols).lanes;
        assert_eq!(tuning.linear(tuning.decode, 576, 576), tuning.decode);
        assert_eq!(tuning.linear(tuning.decode, 19_456, 2560), tuning.decode_large);
        assert_eq!([lanes_of(19_456, 2560), lanes_of(2560, 9728)], [32, 64]);
        assert_eq!(tuning.linear(tuning.prefill, 19_456, 2560), tuning.prefill);
        let tiled = tuning.with_tiles(48 << 10, Tiles::Shared);
        assert_eq!(tiled.linear(tiled.prefill, 19_456, 2560).tiles, Tiles::Shared);
        assert_eq!(tiled.linear(tiled.prefill, 576, 576), tiled.prefill);
        assert_eq!(tuning.with_tiles(16 << 10, Tiles::Cooperative), tuning);
    }

    #[test]
    fn plain_kernels_share_nothing_and_fit_what_was_allocated() {
        for tiles in [Tiles::Shared, Tiles::Packed, Tiles::Cooperative] {
            let tuning = Tuning::for_adapter(false, Some(32)).with_tiles(48 << 10, tiles);
            let plain = tuning.plain();
            for (base, rows) in
                [(plain.decode, 8), (plain.decode, 1 << 20), (plain.prefill, 8), (plain.prefill, 1 << 20)]
            {
                let linear = plain.linear(base, rows, 2560);
                assert_eq!((linear.lanes, linear.subgroup, linear.tiles), (1, 1, Tiles::None));
            }
            assert!(!plain.projects(1, 1, 1) && plain.max_splits() <= tuning.max_splits());
            assert_eq!((plain.prefill.tokens, plain.prefill_batch), (tuning.prefill.tokens, tuning.prefill_batch));
            assert_eq!(plain.plain(), plain);
        }
    }
}
