//! `route.wgsl`, `group.wgsl` and `expert_sum.wgsl`.

use parlance_engine::kernels::experts::{ExpertSum, Router, group, reference};
use parlance_engine::kernels::{Grid, grouped_len};
use parlance_engine::models::{ExpertConfig, ExpertGroups, Scoring};
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{PADDING, gpu_tests, read, run, state};

gpu_tests! {
    experts_are_chosen_and_summed,
    slots_are_grouped_by_expert,
}

/// Of the weights before they are added up.
const SCALE: f32 = 0.5;

/// Everything that a family may have, at least once.
fn routers() -> impl Iterator<Item = Router> {
    use Scoring::{Sigmoid, Softmax};

    let plain = ExpertConfig {
        count: 70,
        used: 6,
        feed_forward_len: 32,
        scoring: Softmax,
        normalise: true,
        weight_scale: 1.5,
        shared_len: None,
        latent_len: None,
        groups: None,
        has_norms: false,
    };
    let shared = ExpertConfig { shared_len: Some(64), ..plain };
    let variants = [
        (plain, false, false),
        (ExpertConfig { normalise: false, ..shared }, false, true),
        (shared, true, false),
        (ExpertConfig { normalise: false, scoring: Sigmoid, ..shared }, false, false),
        (ExpertConfig { scoring: Sigmoid, ..plain }, true, false),
        (ExpertConfig { latent_len: Some(32), ..shared }, false, false),
        (ExpertConfig { has_norms: true, ..shared }, false, false),
        (ExpertConfig { scoring: Sigmoid, groups: Some(ExpertGroups { count: 7, used: 3 }), ..plain }, true, false),
        (ExpertConfig { groups: Some(ExpertGroups { count: 5, used: 1 }), ..plain }, false, false),
    ];
    variants.into_iter().map(|(experts, is_biased, is_gated)| Router {
        experts,
        is_biased,
        is_gated,
        is_scaled: experts.has_norms,
    })
}

async fn experts_are_chosen_and_summed() {
    let gpu = plain_device().await;
    let mut random = Random(11);
    let (tokens, len) = (3usize, 100usize);
    for router in routers() {
        let config = &router.experts;
        let (slots, outputs) = (tokens * config.used as usize, tokens * config.outputs() as usize);
        let mut logits = random.floats(tokens * router.row_len() as usize);
        // Hardly any likelihood in the first token, unless by softmax.
        logits[..config.count as usize].iter_mut().for_each(|logit| *logit -= 40.0);
        let mut bias = random.floats(config.count as usize);
        // The first of equals comes first.
        (logits[5], bias[5]) = (logits[9], bias[9]);
        let bias = if router.is_biased { bias } else { Vec::new() };
        let scales = random.floats(if router.is_scaled { config.count as usize } else { 0 });
        let state = state(&gpu, 0, tokens as u32, 0);
        let logits_buffer = gpu.storage_buffer_with("logits", &logits);
        let experts = gpu.storage_buffer("experts", slots as u64 * 4);
        let weights = gpu.storage_buffer("weights", outputs as u64 * 4);
        let bias_buffer = router.is_biased.then(|| gpu.storage_buffer_with("bias", &bias));
        let mut bound =
            vec![("state", &state), ("logits", &logits_buffer), ("experts", &experts), ("weights", &weights)];
        bound.extend(bias_buffer.as_ref().map(|buffer| ("bias", buffer)));
        let scales_buffer = router.is_scaled.then(|| gpu.storage_buffer_with("scales", &scales));
        bound.extend(scales_buffer.as_ref().map(|buffer| ("expert_scales", buffer)));
        let choose = Dispatch::new(&gpu, &router.shader(), &bound, Grid::TokensInX);

        let x = random.floats(slots * len);
        let shared = if config.sums_shared() { random.floats(tokens * len) } else { Vec::new() };
        let x_buffer = gpu.storage_buffer_with("x", &x);
        let shared_buffer = config.sums_shared().then(|| gpu.storage_buffer_with("shared", &shared));
        let y = gpu.storage_buffer_with("y", &vec![1.0f32; tokens * len]);
        let mut bound = vec![("state", &state), ("x", &x_buffer), ("weights", &weights), ("y", &y)];
        bound.extend(shared_buffer.as_ref().map(|buffer| ("shared_x", buffer)));
        let replaces = !config.sums_shared();
        let sum = ExpertSum { experts: *config, len: len as u32, scale: SCALE, replaces };
        run(&gpu, &[choose, Dispatch::new(&gpu, &sum.shader(), &bound, sum.grid())], tokens as u32);

        let (expected_ids, expected_weights) = reference::route(&logits, [&bias, &scales], &router);
        assert_eq!(read::<u32>(&gpu, &experts, slots).await, expected_ids, "{router:?}");
        assert_close(&read(&gpu, &weights, outputs).await, &expected_weights, 1e-5, "weights");
        let sums = reference::expert_sum(&x, &shared, &expected_weights, config, len);
        let before = if replaces { 0.0 } else { 1.0 };
        let expected: Vec<f32> = sums.iter().map(|sum| before + SCALE * sum).collect();
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, "sum");
    }
}

async fn slots_are_grouped_by_expert() {
    let gpu = plain_device().await;
    let mut random = Random(12);
    let any = routers().next().unwrap().experts;
    for (count, used, tokens) in [(1, 1, 300), (5, 2, 1), (8, 3, 70), (70, 6, 43), (512, 8, 100)] {
        let experts = ExpertConfig { count, used, ..any };
        let slots = tokens * used;
        let anything: Vec<u32> = (0..slots).map(|_| random.bits() as u32 % count).collect();
        // Two in three have no tokens.
        let few = anything.iter().map(|expert| expert / 3 * 3).collect();
        for chosen in [anything, few, vec![0; slots as usize], vec![count - 1; slots as usize]] {
            // Further tokens that the batch does not have.
            let padded = [&chosen[..], &vec![0; PADDING * used as usize]].concat();
            let mut expected = reference::group(&chosen, count);
            assert_eq!(expected.len() as u32, grouped_len(slots, count));
            let untouched = [7; 4];
            expected.extend(untouched);
            let (state, chosen) = (state(&gpu, 0, tokens, 0), gpu.storage_buffer_with("experts", &padded));
            let groups = gpu.storage_buffer_with("groups", &vec![7u32; expected.len()]);
            let bound = [("state", &state), ("experts", &chosen), ("groups", &groups)];
            let (shader, grid) = group(&experts);
            run(&gpu, &[Dispatch::new(&gpu, &shader, &bound, grid)], tokens + PADDING as u32);
            let what = format!("{tokens} tokens, {used} of {count} experts");
            assert_eq!(read::<u32>(&gpu, &groups, expected.len()).await, expected, "{what}");
        }
    }
}
