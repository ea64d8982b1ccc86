//! `route.wgsl` and `expert_sum.wgsl`.

use parlance_engine::kernels;
use parlance_engine::kernels::Grid;
use parlance_engine::kernels::experts::{expert_sum, route};
use parlance_engine::models::ExpertConfig;
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! {
    experts_are_chosen_and_summed,
}

async fn experts_are_chosen_and_summed() {
    let gpu = plain_device().await;
    let mut random = Random(11);
    for normalise in [true, false] {
        let config = ExpertConfig { count: 70, used: 6, feed_forward_len: 32, normalise };
        let (tokens, len) = (3usize, 100u32);
        let mut logits = random.floats(tokens * 70);
        logits[5] = logits[9];
        let slots = tokens * 6;
        let buffer = gpu.storage_buffer_with("logits", &logits);
        let experts = gpu.storage_buffer("experts", slots as u64 * 4);
        let weights = gpu.storage_buffer("weights", slots as u64 * 4);
        let state = state(&gpu, 0, tokens as u32, 0);
        let bindings = [("state", &state), ("logits", &buffer), ("experts", &experts), ("weights", &weights)];
        let choose = Dispatch::new(&gpu, &route(&config), &bindings, Grid::TokensInX);
        let x = random.floats(slots * len as usize);
        let x_buffer = gpu.storage_buffer_with("x", &x);
        let y = gpu.storage_buffer_with("y", &vec![1.0f32; tokens * len as usize]);
        let bindings = [("state", &state), ("x", &x_buffer), ("weights", &weights), ("y", &y)];
        let (shader, grid) = expert_sum(&config, len, 0.5);
        run(&gpu, &[choose, Dispatch::new(&gpu, &shader, &bindings, grid)], tokens as u32);

        let (expected_ids, expected_weights) = kernels::experts::reference::route(&logits, &config);
        assert_eq!(read::<u32>(&gpu, &experts, slots).await, expected_ids);
        assert_close(&read(&gpu, &weights, slots).await, &expected_weights, 1e-5, "weights");
        let expected: Vec<f32> = kernels::experts::reference::expert_sum(&x, &expected_weights, &config, len as usize)
            .iter()
            .map(|sum| 1.0 + 0.5 * sum)
            .collect();
        assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-5, "sum");
    }
}
