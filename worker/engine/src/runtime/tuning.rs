//! How kernels are laid out on an adapter.

use crate::kernels::linear::LinearTuning;

/// Choices that change speed, never results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Matrix products for one token.
    pub decode: LinearTuning,
    /// Matrix products for many tokens.
    pub prefill: LinearTuning,
    /// Most tokens in one prefill submission: few enough that a stop takes effect soon.
    pub prefill_batch: u32,
    /// Least threads of a workgroup of attention, a power of two.
    pub attention_workgroup: u32,
    /// How one token's attention is shared, by the length of its context.
    pub attention_splits: [AttentionSplits; 3],
    /// Weights from which on a matrix is large: then a thread of a decode computes `large_pairs` pairs of rows.
    pub large_matrix: u64,
    /// Pairs of rows that a thread computes of a large matrix.
    pub large_pairs: u32,
}

/// How many workgroups share the positions of an attention head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionSplits {
    /// From this position on.
    pub from: u32,
    /// Workgroups.
    pub splits: u32,
}

impl Tuning {
    /// What measured best on adapters like this one.
    pub(super) fn for_adapter(is_software: bool, subgroup_min_size: Option<u32>) -> Self {
        // On a CPU a barrier is dear, and what helps is to load an input once for many rows.
        let (workgroup, lanes, pairs) = if is_software { (8, 1, 2) } else { (128, 32, 1) };
        let decode = LinearTuning {
            workgroup,
            lanes,
            pairs,
            tokens: 1,
            subgroups: subgroup_min_size.is_some_and(|size| size >= lanes),
            subgroup_enable: cfg!(target_family = "wasm"),
        };
        let (workgroup, pairs) = if is_software { (8, 4) } else { (64, 1) };
        let prefill = LinearTuning { workgroup, lanes: 1, pairs, tokens: 8, subgroups: false, subgroup_enable: false };
        let (prefill_batch, attention_workgroup) = if is_software { (16, 32) } else { (256, 256) };
        let steps = if is_software { [(0, 1), (256, 2), (u32::MAX, 2)] } else { [(0, 1), (64, 8), (1024, 32)] };
        Self {
            decode,
            prefill,
            prefill_batch,
            attention_workgroup,
            attention_splits: steps.map(|(from, splits)| AttentionSplits { from, splits }),
            large_matrix: if is_software { u64::MAX } else { 1 << 22 },
            large_pairs: 2,
        }
    }

    /// The most workgroups that share a head.
    pub fn max_splits(&self) -> u32 {
        self.attention_splits.iter().map(|step| step.splits).max().unwrap_or(1)
    }

    /// Which step of [`Tuning::attention_splits`] a token at `position` takes.
    pub fn split_step(&self, position: usize) -> usize {
        self.attention_splits.iter().rposition(|step| step.from as usize <= position).unwrap_or(0)
    }

    /// The layout of a matrix with so many weights; only for one token it depends on them.
    pub fn linear(&self, base: LinearTuning, weights: u64) -> LinearTuning {
        let is_large = base.tokens == 1 && weights >= self.large_matrix;
        LinearTuning { pairs: if is_large { self.large_pairs } else { base.pairs }, ..base }
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
        assert_eq!(tuning.max_splits(), 32);
    }

    #[test]
    fn large_matrices_give_a_thread_more_rows_in_decode_only() {
        let tuning = Tuning::for_adapter(false, Some(32));
        assert_eq!(tuning.linear(tuning.decode, 1 << 20).pairs, 1);
        assert_eq!(tuning.linear(tuning.decode, 1 << 22).pairs, 2);
        assert_eq!(tuning.linear(tuning.prefill, 1 << 22), tuning.prefill);
    }
}
