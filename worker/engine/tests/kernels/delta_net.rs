//! `delta_net.wgsl` against its reference.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::kernels::delta_net::DeltaNet;
use parlance_engine::kernels::delta_net::reference::{Inputs, delta_net};
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! { delta_nets_go_on_where_a_batch_ended }

async fn delta_nets_go_on_where_a_batch_ended() {
    let gpu = plain_device().await;
    let mut random = Random(31);
    for (key_heads, value_heads, head_dim) in [(1u32, 1u32, 16u32), (2, 6, 32), (2, 2, 48), (1, 3, 128)] {
        let alpha_at = 5 + value_heads;
        let gates_row_len = alpha_at + value_heads + 3;
        let net = DeltaNet { key_heads, value_heads, head_dim, gates_row_len, alpha_at, beta_at: 5, eps: 1e-6 };
        let (heads, dim) = (value_heads as usize, head_dim as usize);
        let dt_bias = random.floats(heads);
        // Small enough that a state lasts.
        let decay: Vec<f32> = random.floats(heads).iter().map(|x| -0.1 - 0.2 * x.abs()).collect();
        let mut memory = random.floats(heads * dim * dim);
        let memory_buffer = gpu.storage_buffer_with("memory", &memory);
        let bias_buffer = gpu.storage_buffer_with("dt_bias", &dt_bias);
        let decay_buffer = gpu.storage_buffer_with("decay", &decay);
        for tokens in [1usize, 63, 1, 65, 2] {
            let qkv = random.floats(tokens * (2 * key_heads as usize + heads) * dim);
            let gates: Vec<f32> =
                random.floats(tokens * gates_row_len as usize).iter().map(|gate| 3.0 * gate).collect();
            let inputs = Inputs { qkv: &qkv, gates: &gates, dt_bias: &dt_bias, decay: &decay };
            let expected = delta_net(inputs, &mut memory, &net);
            let qkv_buffer = gpu.storage_buffer_with("qkv", &qkv);
            let gates_buffer = gpu.storage_buffer_with("gates", &gates);
            let y = gpu.storage_buffer("y", (expected.len() * 4) as u64);
            let state = state(&gpu, 0, tokens as u32, 0);
            let buffers = [
                ("state", &state),
                ("qkv", &qkv_buffer),
                ("gates", &gates_buffer),
                ("dt_bias", &bias_buffer),
                ("decay", &decay_buffer),
                ("memory", &memory_buffer),
                ("y", &y),
            ];
            run(&gpu, &[Dispatch::new(&gpu, &net.shader(), &buffers, net.grid())], tokens as u32);
            let what = format!("{net:?} over {tokens} tokens");
            assert_close(&read(&gpu, &y, expected.len()).await, &expected, 1e-4, &what);
            let kept = read(&gpu, &memory_buffer, memory.len()).await;
            assert_close(&kept, &memory, 1e-4, &format!("{what}: memory"));
        }
    }
}
