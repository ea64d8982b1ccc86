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
    /// Workgroups that share the positions of a head when one token looks back over a long context.
    pub attention_splits: u32,
    /// The position from which on a context is long.
    pub long_context: u32,
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
        let (attention_splits, long_context) = if is_software { (2, 64) } else { (8, 64) };
        Self { decode, prefill, prefill_batch, attention_workgroup, attention_splits, long_context }
    }
}
