//! `delta_net.wgsl`.

use parlance_engine::kernels::delta_net::DeltaNet;
use parlance_engine::kernels::delta_net::reference::{Inputs, delta_net};
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{PADDING, SPLITS, TOKENS, UNTOUCHED, gpu_tests, padded, read, read_padded, run, state};

gpu_tests! {
    delta_nets_continue_across_batches,
}

async fn delta_nets_continue_across_batches() {
    let gpu = plain_device().await;
    let mut random = Random(31);
    for (key_heads, value_heads, head_dim) in [(1u32, 1u32, 16u32), (2, 6, 32), (2, 2, 48), (2, 4, 64), (1, 3, 128)] {
        let alpha_at = 5 + value_heads;
        let gates_row_len = alpha_at + value_heads + 3;
        let net = DeltaNet { key_heads, value_heads, head_dim, gates_row_len, alpha_at, beta_at: 5, eps: 1e-6 };
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
            let (mut actual, mut first) = (Vec::new(), 0usize);
            for tokens in split {
                let batch = |rows: &[f32], row_len: usize| {
                    let rows = &rows[first * row_len..][..tokens * row_len];
                    gpu.storage_buffer_with("rows", &padded(rows, row_len, f32::NAN))
                };
                let (qkv_buffer, gates_buffer) = (batch(&qkv, qkv_len), batch(&gates, gates_len));
                let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * y_len]);
                let state = state(&gpu, 0, *tokens as u32, 0);
                let buffers = [
                    ("state", &state),
                    ("qkv", &qkv_buffer),
                    ("gates", &gates_buffer),
                    ("dt_bias", &bias_buffer),
                    ("decay", &decay_buffer),
                    ("memory", &memory),
                    ("y", &y),
                ];
                let dispatch = Dispatch::new(&gpu, &net.shader(), &buffers, net.grid());
                run(&gpu, &[dispatch], (tokens + PADDING) as u32);
                actual.extend(read_padded(&gpu, &y, tokens * y_len, y_len).await);
                first += tokens;
            }
            let what = format!("{net:?} in batches of {split:?}");
            assert_close(&actual, &expected, 1e-5, &what);
            let memory: Vec<f32> = read(&gpu, &memory, after.len()).await;
            assert_close(&memory, &after, 1e-5, &format!("{what}: memory"));
        }
    }
}
