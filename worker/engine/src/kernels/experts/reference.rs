//! References of `route.wgsl`, `group.wgsl` and `expert_sum.wgsl`.

use super::{NO_SLOT, Router};
use crate::kernels::{GROUP_UNIT, grouped_len};
use crate::models::{ExpertConfig, ExpertGroups, Scoring};

/// The experts of each token, best first: `[tokens][used]`, and the weights of the outputs: `[tokens][outputs]`.
/// `logits` is `[tokens][row_len]`; `bias` and `scales` are `[count]`, or empty.
pub fn route(logits: &[f32], [bias, scales]: [&[f32]; 2], router: &Router) -> (Vec<u32>, Vec<f32>) {
    let config = &router.experts;
    let (count, used) = (config.count as usize, config.used as usize);
    let logistic = |score: f32| 1.0 / (1.0 + (-f64::from(score)).exp());
    let mut chosen = Vec::new();
    let mut weights = Vec::new();
    for row in logits.chunks_exact(router.row_len() as usize) {
        let scores = &row[..count];
        let likelihoods: Vec<f64> = match config.scoring {
            Scoring::Sigmoid => scores.iter().map(|score| logistic(*score)).collect(),
            Scoring::Softmax => {
                let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let shares: Vec<f64> = scores.iter().map(|score| f64::from(score - highest).exp()).collect();
                let sum: f64 = shares.iter().sum();
                shares.iter().map(|share| share / sum).collect()
            }
        };
        let rank = |i: usize| match bias.get(i) {
            Some(bias) => likelihoods[i] + f64::from(*bias),
            None if config.groups.is_some() => likelihoods[i],
            None => f64::from(scores[i]),
        };
        let mut order: Vec<usize> = (0..count).collect();
        if let Some(groups) = config.groups {
            order = best_groups(&(0..count).map(rank).collect::<Vec<_>>(), groups);
        }
        order.sort_by(|a, b| rank(*b).total_cmp(&rank(*a)).then(a.cmp(b)));
        order.truncate(used);
        let chosen_sum = order.iter().map(|i| likelihoods[*i]).sum::<f64>();
        // llama.cpp's lower bound.
        let sum = if config.normalise { chosen_sum.max(6.103_515_625e-5) } else { 1.0 };
        chosen.extend(order.iter().map(|expert| *expert as u32));
        let scale = |i: usize| f64::from(config.weight_scale) * scales.get(i).copied().map_or(1.0, f64::from);
        weights.extend(order.iter().map(|i| (scale(*i) * likelihoods[*i] / sum) as f32));
        if config.sums_shared() {
            weights.push(if router.is_gated { logistic(row[count]) as f32 } else { 1.0 });
        }
    }
    (chosen, weights)
}

/// The experts in the best groups: those where the two highest ranks have the largest sum.
fn best_groups(ranks: &[f64], groups: ExpertGroups) -> Vec<usize> {
    let len = ranks.len() / groups.count as usize;
    let sum_of_best = |group: usize| {
        let mut own = ranks[group * len..][..len].to_vec();
        own.sort_by(|a, b| b.total_cmp(a));
        own[..2].iter().sum::<f64>()
    };
    let mut best: Vec<usize> = (0..groups.count as usize).collect();
    best.sort_by(|a, b| sum_of_best(*b).total_cmp(&sum_of_best(*a)).then(a.cmp(b)));
    best[..groups.used as usize].iter().flat_map(|group| group * len..(group + 1) * len).collect()
}

/// The slots of each expert, in order, each list padded to a multiple of [`GROUP_UNIT`]; altogether [`grouped_len`]
/// entries. `chosen` is the expert of each slot: `[tokens][used]`, with numbers below `count`.
pub fn group(chosen: &[u32], count: u32) -> Vec<u32> {
    let mut groups = Vec::new();
    for expert in 0..count {
        groups.extend((0u32..).zip(chosen).filter(|(_, own)| **own == expert).map(|(slot, _)| slot));
        groups.resize(groups.len().next_multiple_of(GROUP_UNIT as usize), NO_SLOT);
    }
    groups.resize(grouped_len(chosen.len() as u32, count) as usize, NO_SLOT);
    groups
}

/// The weighted sum over each token's experts. `x` is `[tokens][used][len]`, `shared` is `[tokens][len]` or empty,
/// `weights` is `[tokens][outputs]`, the result is `[tokens][len]`.
pub fn expert_sum(x: &[f32], shared: &[f32], weights: &[f32], config: &ExpertConfig, len: usize) -> Vec<f32> {
    let (used, outputs) = (config.used as usize, config.outputs() as usize);
    let tokens = x.chunks_exact(used * len).zip(weights.chunks_exact(outputs)).enumerate();
    let sum = |token: usize, rows: &[f32], weights: &[f32], i: usize| {
        let routed: f32 = (0..used).map(|slot| weights[slot] * rows[slot * len + i]).sum();
        routed + shared.get(token * len + i).map_or(0.0, |shared| weights[used] * shared)
    };
    tokens.flat_map(|(token, (rows, weights))| (0..len).map(move |i| sum(token, rows, weights, i))).collect()
}
