//! `delta_net.wgsl`.

use parlance_engine::kernels::TokensOf;
use parlance_engine::kernels::delta_net::DeltaNet;
use parlance_engine::kernels::delta_net::reference::{Inputs, delta_net};
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{SPLITS, TOKENS, batch_rows, gpu_tests, in_batches, read};

gpu_tests! {
    delta_nets_continue_across_batches,
}

async fn delta_nets_continue_across_batches() {
    let gpu = plain_device().await;
    let mut random = Random(31);
    let shapes = [
        (1u32, 1u32, 16u32, false),
        (2, 6, 32, false),
        (2, 6, 32, true),
        (2, 2, 48, false),
        (2, 4, 64, true),
        (1, 3, 128, false),
    ];
    for (key_heads, value_heads, head_dim, grouped) in shapes {
        let alpha_at = 5 + value_heads;
        let gates_row_len = alpha_at + value_heads + 3;
        let (beta_at, eps, tokens) = (5, 1e-6, TokensOf::Only);
        let net = DeltaNet { key_heads, value_heads, grouped, head_dim, gates_row_len, alpha_at, beta_at, eps, tokens };
        let (heads, dim, gates_len) = (value_heads as usize, head_dim as usize, gates_row_len as usize);
        let (qkv_len, y_len) = ((2 * key_heads as usize + heads) * dim, heads * dim);
        let mut qkv = random.floats(TOKENS * qkv_len);
        // A key of zeros has no direction.
        qkv[key_heads as usize * dim..][..dim].fill(0.0);
        let mut gates: Vec<f32> = random.floats(TOKENS * gates_len).iter().map(|gate| 3.0 * gate).collect();
        // Where softplus is nearly the identity, and where it is nearly zero.
        gates[gates_len + alpha_at as usize] = 30.0;
        gates[2 * gates_len + alpha_at as usize] = -12.0;
        let dt_bias = random.floats(heads);
        // Small enough that a state lasts.
        let decay: Vec<f32> = random.floats(heads).iter().map(|x| -0.1 - 0.2 * x.abs()).collect();
        let before = random.floats(heads * dim * dim);
        let mut after = before.clone();
        let inputs = Inputs { qkv: &qkv, gates: &gates, dt_bias: &dt_bias, decay: &decay };
        let expected = delta_net(inputs, &mut after, &net);
        let bias_buffer = gpu.storage_buffer_with("dt_bias", &dt_bias);
        let decay_buffer = gpu.storage_buffer_with("decay", &decay);
        for split in SPLITS {
            let memory = gpu.storage_buffer_with("memory", &before);
            let actual = in_batches(&gpu, split, y_len, |tokens, state, y| {
                let (qkv_buffer, gates_buffer) =
                    (batch_rows(&gpu, &qkv, qkv_len, tokens.clone()), batch_rows(&gpu, &gates, gates_len, tokens));
                let buffers = [
                    ("state", state),
                    ("qkv", &qkv_buffer),
                    ("gates", &gates_buffer),
                    ("dt_bias", &bias_buffer),
                    ("decay", &decay_buffer),
                    ("memory", &memory),
                    ("y", y),
                ];
                Dispatch::new(&gpu, &net.shader(), &buffers, net.grid())
            })
            .await;
            let what = format!("{net:?} in batches of {split:?}");
            assert_close(&actual, &expected, 1e-5, &what);
            let memory: Vec<f32> = read(&gpu, &memory, after.len()).await;
            assert_close(&memory, &after, 1e-5, &format!("{what}: memory"));
        }
    }
}
