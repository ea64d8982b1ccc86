//! Kernel layouts and how they are chosen for an adapter.

use crate::gguf::TensorType;
use crate::kernels::linear::{
    COOPERATIVE_TILE_BYTES, COOPERATIVE_WORKGROUP, LinearTuning, SHARED_TILE_BYTES, Tiles, has_codes,
};

/// Choices that affect speed, and results only by rounding: [`Tiles::Packed`] and [`LinearTuning::integers`] round
/// inputs to 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Matrix products for single tokens.
    pub decode: LinearTuning,
    /// Matrix products for batches of tokens.
    pub prefill: LinearTuning,
    /// Maximum number of tokens per prefill submission. Smaller on slow adapters, so that stopping takes effect
    /// quickly.
    pub prefill_batch: u32,
    /// Minimum number of threads in a workgroup of attention; a power of two.
    pub attention_workgroup: u32,
    /// How a token's attention is split, by context length.
    pub attention_splits: [AttentionSplits; 3],
    /// Number of weights from which on a matrix counts as large.
    pub large_matrix: u64,
    /// The same where very many tokens are multiplied with it, see [`Tuning::for_many_tokens`].
    pub tiled_weights: u32,
    /// Products of large matrices for single tokens.
    pub decode_large: LinearTuning,
    /// Products of large matrices with few bits for single tokens, if they are multiplied as integers.
    pub decode_integers: Option<LinearTuning>,
    /// Products of large matrices for batches of tokens.
    pub prefill_large: LinearTuning,
    /// Steps of at most this many tokens, to verify a draft or one of each of several sequences, have products like
    /// single tokens; larger ones have those of batches.
    pub matvec_tokens: u32,
    /// Those products for two tokens or more, whose weights are loaded once for as many as a thread computes. `tokens` is
    /// the most.
    pub several: LinearTuning,
    /// The same with matrices of so few rows that [`Tuning::several`] would use fewer threads than
    /// [`Tuning::few_threads`].
    pub several_narrow: LinearTuning,
    /// The adapter has matrix units that a browser offers as an experiment: tiles for them are only used once they were
    /// measured and tested, see [`Change::MatrixUnits`](crate::runtime::Change::MatrixUnits).
    pub untried_units: bool,
    /// Products of large matrices for pictures and sound.
    pub encode_large: LinearTuning,
    /// The same for a picture where those would be fewer than [`Tuning::busy_tiles`] tiles.
    pub encode_slim: LinearTuning,
    /// The fewest tiles that keep the adapter busy.
    pub busy_tiles: u32,
    /// Where matrix units take the patches of a picture, other kernels convert their results for them.
    pub encode_halves: bool,
    /// In prompt batches of at most this many tokens, experts' products have the layout for single tokens: so few tokens
    /// per expert would leave tiles mostly empty.
    pub few_tokens: u32,
    /// Experts' products in larger batches, as long as an expert has few tokens.
    pub prefill_narrow: LinearTuning,
    /// The most tokens per expert, on average, that count as few.
    pub narrow_tokens: u32,
    /// Maximum size of an activation buffer in MiB. Every adapter can bind 128.
    pub activation_mib: u32,
    /// A large matrix that would use fewer threads than this gets twice as many lanes per row.
    pub few_threads: u32,
    /// Attention multiplies its own query if a head's query matrix has at most this many weights. That is only faster
    /// than a separate dispatch if a workgroup finishes it quickly.
    pub projected_weights: u32,
}

/// Number of workgroups that share the positions of an attention head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionSplits {
    /// First position that this applies to.
    pub from: u32,
    /// Number of workgroups if there are few heads.
    pub splits: u32,
}

/// Number of attention workgroups that keep a GPU busy.
const BUSY_WORKGROUPS: u32 = 288;
/// Number of splits that is never reduced, no matter how many heads a model has.
const MIN_SPLITS: u32 = 12;

/// Maximum number of workgroups that multiply their own query: all must run at once, or the product is repeated too
/// often.
const PROJECTING_WORKGROUPS: u32 = 128;

impl AttentionSplits {
    /// Workgroups per head for this number of heads. Many heads keep the adapter busy without splits, and merging the
    /// parts takes time.
    pub fn for_heads(self, heads: u32) -> u32 {
        self.splits.min((BUSY_WORKGROUPS / heads.max(1)).max(MIN_SPLITS))
    }
}

impl Tuning {
    /// Layout for GPUs whose subgroups have at least this many threads, chosen by benchmarks.
    pub fn for_hardware(subgroup_min_size: Option<u32>) -> Self {
        Self::for_adapter(false, subgroup_min_size)
    }

    /// Adds tiles for large products, and products of more tokens at once; `best` is the best kind of tiles that the
    /// adapter supports.
    #[must_use]
    pub fn with_tiles(self, workgroup_memory_bytes: u32, best: Tiles) -> Self {
        if workgroup_memory_bytes < SHARED_TILE_BYTES || self.large_matrix == u64::MAX {
            return self;
        }
        let shared =
            LinearTuning { workgroup: 128, lanes: 1, pairs: 4, tokens: 8, tiles: Tiles::Shared, ..self.prefill };
        let tuning = self.with_eight_tokens(workgroup_memory_bytes);
        if best == Tiles::Cooperative && workgroup_memory_bytes >= COOPERATIVE_TILE_BYTES {
            let prefill_large = LinearTuning {
                workgroup: COOPERATIVE_WORKGROUP,
                pairs: 4,
                tokens: 2,
                steps: 2,
                tiles: Tiles::Cooperative,
                ..shared
            };
            // As many rows as threads have blocks to load, and as few tokens as a matrix has.
            let prefill_narrow = LinearTuning { pairs: 1, tokens: 1, row_groups: 8, ..prefill_large };
            let encode_large = LinearTuning { coalesced: true, unroll: 4, ..prefill_large };
            // Tiles of half the size, for two workgroups where there was one.
            let encode_slim = LinearTuning { workgroup: COOPERATIVE_WORKGROUP / 2, ..encode_large };
            return Self {
                prefill_large,
                prefill_narrow,
                narrow_tokens: 16,
                encode_large,
                encode_slim,
                busy_tiles: 128,
                encode_halves: true,
                // Such an adapter needs many tokens to stay busy with attention over long prompts.
                prefill_batch: 2048,
                ..tuning
            };
        }
        let prefill_large = if best == Tiles::Shared { shared } else { shared.packed() };
        // Neither pictures nor sound have a use for the speed of integers if it costs details.
        Self { prefill_large, encode_large: shared, encode_slim: shared, prefill_batch: 512, ..tuning }
    }

    /// Lets [`Change::MatrixUnits`](crate::runtime::Change::MatrixUnits) be tried, if there is memory for their tiles.
    #[cfg(any(target_family = "wasm", test))]
    pub(in crate::runtime) fn with_untried_units(self, workgroup_memory_bytes: u32) -> Self {
        Self { untried_units: workgroup_memory_bytes >= COOPERATIVE_TILE_BYTES, ..self }
    }

    /// Up to eight tokens at once, whose inputs need at least [`SHARED_TILE_BYTES`] of workgroup memory. With few rows, more
    /// workgroups of fewer tokens are faster.
    fn with_eight_tokens(self, workgroup_memory_bytes: u32) -> Self {
        let several = LinearTuning { tokens: 8, ..self.several };
        let mut several_narrow = self.several_narrow;
        if workgroup_memory_bytes >= COOPERATIVE_TILE_BYTES {
            // As many rows of a workgroup share the inputs, but each has twice as many threads.
            several_narrow = LinearTuning { workgroup: 256, lanes: 32, ..several_narrow };
        }
        Self { several, several_narrow, ..self }
    }

    /// Default layout for an adapter, chosen by benchmarks.
    pub(in crate::runtime) fn for_adapter(is_software: bool, subgroup_min_size: Option<u32>) -> Self {
        // On CPUs barriers are expensive; loading an input once for many rows is what pays off.
        let (workgroup, lanes, pairs) = if is_software { (8, 1, 2) } else { (128, 32, 1) };
        let decode = LinearTuning {
            workgroup,
            lanes,
            steps: 1,
            pairs,
            tokens: 1,
            tiles: Tiles::None,
            row_groups: 2,
            unroll: 1,
            coalesced: false,
            subgroup: subgroup_min_size.filter(|size| size.is_power_of_two()).unwrap_or(1),
            subgroup_enable: cfg!(target_family = "wasm"),
            integers: false,
            shared_codebook: false,
            prefetch: false,
        };
        let (workgroup, pairs) = if is_software { (8, 4) } else { (64, 1) };
        let prefill = LinearTuning { workgroup, lanes: 1, pairs, tokens: 8, ..decode };
        let (prefill_batch, attention_workgroup) = if is_software { (16, 32) } else { (256, 256) };
        // Inputs of four tokens fit any device's workgroup memory.
        let several = if is_software {
            decode
        } else {
            LinearTuning { workgroup: 256, lanes: 16, pairs: 2, tokens: 4, prefetch: true, ..decode }
        };
        let steps = if is_software { [(0, 1), (256, 2), (u32::MAX, 2)] } else { [(0, 1), (64, 8), (1024, 32)] };
        Self {
            decode,
            prefill,
            prefill_batch,
            attention_workgroup,
            attention_splits: steps.map(|(from, splits)| AttentionSplits { from, splits }),
            large_matrix: if is_software { u64::MAX } else { 1 << 21 },
            tiled_weights: 1 << 16,
            decode_large: LinearTuning { workgroup: 256, steps: 2, ..decode },
            decode_integers: None,
            prefill_large: prefill,
            matvec_tokens: if is_software { 0 } else { 16 },
            several,
            several_narrow: LinearTuning { workgroup: several.workgroup / 2, pairs: 1, ..several },
            untried_units: false,
            encode_large: prefill,
            encode_slim: prefill,
            busy_tiles: 0,
            encode_halves: false,
            few_tokens: if is_software { 0 } else { 32 },
            prefill_narrow: prefill,
            narrow_tokens: 0,
            activation_mib: 128,
            few_threads: 1 << 16,
            projected_weights: if is_software { 0 } else { 1 << 16 },
        }
    }

    /// With products of integers for single tokens, see [`Tuning::decode_integers`]; no effect without lanes.
    #[must_use]
    pub fn with_integers(self) -> Self {
        // A vec4 of quants holds up to four steps. Each workgroup rounds the input, so it has many rows.
        let lanes = self.decode_large.lanes.min(16);
        let integers = LinearTuning { integers: true, lanes, steps: 4, pairs: 2, ..self.decode_large };
        Self { decode_integers: Some(integers).filter(LinearTuning::has_lanes), ..self }
    }

    /// The layout for the patches of a picture or the positions of a window of sound, which are so many that tiles pay off
    /// for small matrices.
    #[must_use]
    pub fn for_many_tokens(self) -> Self {
        // Adapters without tiles have no large matrices.
        let has_tiles = self.large_matrix != u64::MAX;
        let large_matrix = if has_tiles { self.large_matrix.min(self.tiled_weights.into()) } else { u64::MAX };
        Self { large_matrix, prefill_large: self.encode_large, ..self }
    }

    /// The same with smaller tiles.
    #[must_use]
    pub fn for_many_tokens_in_slim_tiles(self) -> Self {
        Self { prefill_large: self.encode_slim, ..self.for_many_tokens() }
    }

    /// Whether a product of `rows` rows with `tokens` tokens needs smaller tiles to keep the adapter busy.
    pub fn has_few_tiles(&self, rows: u32, tokens: u32) -> bool {
        let [pairs, tile_tokens] = self.encode_large.tile();
        rows.div_ceil(2 * pairs) * tokens.div_ceil(tile_tokens) < self.busy_tiles
    }

    /// With codebooks in workgroup memory, see [`LinearTuning::shared_codebook`].
    #[must_use]
    pub fn with_shared_codebooks(self) -> Self {
        let sharing = |linear: LinearTuning| LinearTuning { shared_codebook: true, ..linear };
        Self {
            decode: sharing(self.decode),
            decode_large: sharing(self.decode_large),
            decode_integers: self.decode_integers.map(sharing),
            ..self
        }
    }

    /// The layout without features that shader compilers are known to get wrong: each thread computes its rows alone,
    /// without subgroups, tiles, integers or splits. It fits the buffers that were allocated for the original layout.
    #[must_use]
    pub fn plain(self) -> Self {
        let plain = |linear: LinearTuning| LinearTuning {
            workgroup: 64,
            lanes: 1,
            steps: 1,
            pairs: 1,
            tiles: Tiles::None,
            subgroup: 1,
            shared_codebook: false,
            ..linear
        };
        let (decode, prefill) = (plain(self.decode), plain(self.prefill));
        Self {
            decode,
            prefill,
            decode_large: decode,
            decode_integers: None,
            prefill_large: prefill,
            matvec_tokens: 0,
            untried_units: false,
            narrow_tokens: 0,
            encode_large: prefill,
            encode_slim: prefill,
            busy_tiles: 0,
            large_matrix: u64::MAX,
            attention_splits: self.attention_splits.map(|step| AttentionSplits { splits: 1, ..step }),
            projected_weights: 0,
            ..self
        }
    }

    /// Whether single-token attention multiplies its own query, with this many weights per head.
    pub fn projects(&self, heads: u32, splits: u32, head_weights: u32) -> bool {
        head_weights <= self.projected_weights && heads * (splits + 2) <= PROJECTING_WORKGROUPS
    }

    /// The maximum number of workgroups that share a head: those for its cached positions, and one for the token
    /// itself.
    pub fn max_splits(&self) -> u32 {
        self.attention_splits.iter().map(|step| step.splits).max().unwrap_or(1) + 1
    }

    /// Index of the entry of [`Tuning::attention_splits`] that applies to a token at `position`.
    pub fn split_step(&self, position: usize) -> usize {
        self.attention_splits.iter().rposition(|step| step.from as usize <= position).unwrap_or(0)
    }

    /// The layout of products in a step of `count` tokens.
    pub fn step(&self, count: u32) -> LinearTuning {
        match count.next_power_of_two().min(self.several.tokens) {
            _ if count > self.matvec_tokens => self.prefill,
            1 => self.decode,
            tokens => LinearTuning { tokens, ..self.several },
        }
    }

    /// The number of tokens in a step whose logits need room, if there is memory for so many sequences.
    pub fn step_rows(&self, sequences: u32) -> u32 {
        self.prefill.tokens.max(self.matvec_tokens.min(sequences))
    }

    /// The layout for a matrix of this shape: `base`, or one for large matrices, or for several tokens.
    pub fn linear(&self, base: LinearTuning, rows: u32, cols: u32) -> LinearTuning {
        if base.has_lanes() && base.tokens > 1 {
            return self.several_tokens(base.tokens, rows, cols);
        }
        if !self.is_large(rows, cols) {
            return base;
        }
        if base == self.prefill {
            return self.prefill_large;
        }
        if !base.has_lanes() {
            return base;
        }
        let large = self.decode_large;
        if self.has_few_threads(large, rows) && cols / 32 >= 4 * large.lanes {
            LinearTuning { lanes: 2 * large.lanes, steps: 1, ..large }
        } else {
            large
        }
    }

    /// The layout of up to so many tokens at once.
    fn several_tokens(&self, tokens: u32, rows: u32, cols: u32) -> LinearTuning {
        let layout = if self.has_few_threads(self.several, rows) { self.several_narrow } else { self.several };
        let steps = layout.steps.min((cols / 32).div_ceil(layout.lanes));
        LinearTuning { steps, tokens: tokens.min(layout.tokens), ..layout }
    }

    /// The layout for a matrix of this format and shape whose products are those of integers; `None` if they are not.
    pub fn integers(&self, base: LinearTuning, format: TensorType, rows: u32, cols: u32) -> Option<LinearTuning> {
        let layout = self.decode_integers.filter(|_| base.has_lanes() && self.is_large(rows, cols))?;
        let layout = match (self.has_few_threads(layout, rows), base.tokens) {
            (true, 1) => layout.with_more_threads(cols),
            // More lanes would need more of the inputs at once.
            (true, _) => LinearTuning { pairs: 1, ..layout },
            (false, _) => layout,
        };
        has_codes(format).then_some(LinearTuning { tokens: base.tokens, ..layout })
    }

    fn is_large(&self, rows: u32, cols: u32) -> bool {
        u64::from(rows) * u64::from(cols) >= self.large_matrix
    }

    /// Whether the layout gives too few threads something to do.
    fn has_few_threads(&self, layout: LinearTuning, rows: u32) -> bool {
        rows / 2 * layout.lanes / layout.pairs < self.few_threads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_contexts_are_split_among_more_workgroups() {
        let tuning = Tuning::for_adapter(false, Some(32));
        let splits = |position| tuning.attention_splits[tuning.split_step(position)].splits;
        assert_eq!([0, 63, 64, 1023, 1024, 100_000].map(splits), [1, 1, 8, 8, 32, 32]);
        assert_eq!(tuning.max_splits(), 33);
        // The demo model has 9 heads, others have 32 and 64.
        assert_eq!(
            [9, 32, 64].map(|heads| tuning.attention_splits.map(|step| step.for_heads(heads))),
            [[1, 8, 32], [1, 8, 12], [1, 8, 12],]
        );
    }

    #[test]
    fn large_matrices_depend_on_their_shape_in_decode_only() {
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
    fn steps_of_several_tokens_load_weights_once_for_a_power_of_two() {
        let small = Tuning::for_adapter(false, Some(32));
        let tuning = small.with_tiles(48 << 10, Tiles::Shared);
        assert_eq!(tuning.step(1), tuning.decode);
        assert_eq!([2, 3, 5, 8, 16].map(|count| tuning.step(count).tokens), [2, 4, 8, 8, 8]);
        assert_eq!([2, 3, 5, 16].map(|count| small.step(count).tokens), [2, 4, 4, 4]);
        assert_eq!(tuning.step(17), tuning.prefill);
        assert_eq!(Tuning { matvec_tokens: 4, ..tuning }.step(5), tuning.prefill);
        for other in [tuning.plain(), Tuning::for_adapter(true, None)] {
            assert_eq!((other.step(1), other.step(8)), (other.prefill, other.prefill));
        }
        // Many rows, few rows, few columns.
        let shape = |count, rows, cols| {
            let LinearTuning { lanes, steps, pairs, tokens, .. } = tuning.linear(tuning.step(count), rows, cols);
            [lanes, steps, pairs, tokens]
        };
        assert_eq!(shape(8, 19_456, 2560), [16, 1, 2, 8]);
        assert_eq!(shape(2, 19_456, 2560), [16, 1, 2, 2]);
        assert_eq!(shape(8, 2560, 9728), [32, 1, 1, 4]);
        assert_eq!(shape(2, 576, 576), [32, 1, 1, 2]);
        let integers = tuning.with_integers();
        let layout = integers.integers(integers.step(4), TensorType::Q1_0, 28_672, 4096);
        assert_eq!(layout.map(|layout| (layout.integers, layout.tokens)), Some((true, 4)));
        assert_eq!([1, 12, 100].map(|sequences| tuning.step_rows(sequences)), [8, 12, 16]);
    }

    #[test]
    fn large_matrices_of_few_bits_can_be_integers() {
        let floats = Tuning::for_adapter(false, Some(32));
        let tuning = floats.with_integers();
        let of = |tuning: &Tuning, base, format, rows| tuning.integers(base, format, rows, 4096);
        let shape_of = |rows, cols| {
            let layout = tuning.integers(tuning.decode, TensorType::Q1_0, rows, cols)?;
            layout.integers.then_some((layout.lanes, layout.pairs))
        };
        assert_eq!(shape_of(28_672, 4096), Some((16, 2)));
        // A row of 2,048 has too few blocks for 32 lanes.
        assert_eq!([4096, 2048].map(|cols| shape_of(14_336, cols)), [Some((32, 1)), Some((16, 1))]);
        // Too small, a format with more bits, a batch, or not wanted.
        assert_eq!(of(&tuning, tuning.decode, TensorType::Q1_0, 256), None);
        assert_eq!(of(&tuning, tuning.decode, TensorType::Q4_0, 14_336), None);
        assert_eq!(of(&tuning, tuning.prefill, TensorType::Q1_0, 14_336), None);
        assert_eq!(of(&floats, floats.decode, TensorType::Q1_0, 14_336), None);
        assert_eq!(Tuning::for_adapter(true, None).with_integers().decode_integers, None);
    }

    #[test]
    fn many_tokens_take_tiles_of_floats_for_small_matrices() {
        let tuning = Tuning::for_adapter(false, Some(32));
        for (best, expected) in [(Tiles::Packed, Tiles::Shared), (Tiles::Cooperative, Tiles::Cooperative)] {
            let text = tuning.with_tiles(48 << 10, best);
            let many = text.for_many_tokens();
            assert_eq!(text.linear(text.prefill, 1152, 1152), text.prefill);
            assert_eq!(many.linear(many.prefill, 1152, 1152).tiles, expected);
            assert_eq!(many.linear(many.prefill, 128, 128), many.prefill);
            let plain = text.plain().for_many_tokens();
            assert_eq!(plain.linear(plain.prefill, 1152, 1152).tiles, Tiles::None);
        }
    }

    #[test]
    fn few_tiles_are_smaller() {
        let tuning = Tuning::for_adapter(false, Some(32)).with_tiles(48 << 10, Tiles::Cooperative);
        let slim = tuning.for_many_tokens_in_slim_tiles().linear(tuning.prefill, 1152, 1152);
        assert_eq!(slim.tile(), [64, 64]);
        assert_eq!([1024, 4096].map(|tokens| tuning.has_few_tiles(1152, tokens)), [true, false]);
        assert!(!tuning.plain().has_few_tiles(1152, 64));
    }

    #[test]
    fn plain_layout_shares_nothing_and_fits_allocated_buffers() {
        for tiles in [Tiles::Shared, Tiles::Packed, Tiles::Cooperative] {
            let tuning = Tuning::for_adapter(false, Some(32)).with_tiles(48 << 10, tiles);
            let tuning = tuning.with_integers().with_shared_codebooks();
            let plain = tuning.plain();
            for (base, rows) in
                [(plain.decode, 8), (plain.decode, 1 << 20), (plain.prefill, 8), (plain.prefill, 1 << 20)]
            {
                let linear = plain.linear(base, rows, 2560);
                assert!(!linear.shared_codebook && plain.integers(base, TensorType::Q1_0, rows, 2560).is_none());
                assert_eq!((linear.lanes, linear.subgroup, linear.tiles), (1, 1, Tiles::None));
            }
            assert!(!plain.projects(1, 1, 1) && plain.max_splits() <= tuning.max_splits());
            assert_eq!((plain.prefill.tokens, plain.prefill_batch), (tuning.prefill.tokens, tuning.prefill_batch));
            assert_eq!(plain.plain(), plain);
        }
    }
}
