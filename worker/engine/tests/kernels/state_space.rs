//! `state_space.wgsl`.

use parlance_engine::kernels::TokensOf;
use parlance_engine::kernels::state_space::StateSpace;
use parlance_engine::kernels::state_space::reference::{Inputs, state_space};
use parlance_engine::runtime::Dispatch;

use crate::common::{Random, assert_close, plain_device};
use crate::{SPLITS, TOKENS, batch_rows, gpu_tests, in_batches, read};

gpu_tests! {
    state_spaces_continue_across_batches,
}

async fn state_spaces_continue_across_batches() {
    let gpu = plain_device().await;
    let mut random = Random(41);
    let shapes = [(1u32, 16u32, 1u32, 16u32, false), (6, 32, 2, 48, true), (4, 64, 1, 128, false)];
    for (heads, head_dim, groups, state_len, gated) in shapes {
        let steps_at = heads * head_dim + 5;
        let (row_len, tokens) = (steps_at + heads + 3, TokensOf::Only);
        let space = StateSpace { heads, head_dim, groups, state_len, row_len, steps_at, gated, tokens };
        let (row_len, y_len) = (space.row_len as usize, (heads * head_dim) as usize);
        let input_len = y_len + (2 * groups * state_len) as usize;
        let inputs = random.floats(TOKENS * input_len);
        let mut rows: Vec<f32> = random.floats(TOKENS * row_len).iter().map(|step| 3.0 * step).collect();
        // Where softplus is nearly the identity, and where it is nearly zero.
        rows[row_len + steps_at as usize] = 30.0;
        rows[2 * row_len + steps_at as usize] = -12.0;
        let (step_bias, skip) = (random.floats(heads as usize), random.floats(heads as usize));
        // Small enough that a state lasts.
        let decay: Vec<f32> = random.floats(heads as usize).iter().map(|x| -0.1 - 0.2 * x.abs()).collect();
        let before = random.floats(y_len * state_len as usize);
        let mut after = before.clone();
        let expected = state_space(
            Inputs { inputs: &inputs, rows: &rows, step_bias: &step_bias, decay: &decay, skip: &skip },
            &mut after,
            &space,
        );
        let [bias_buffer, decay_buffer, skip_buffer] =
            [&step_bias, &decay, &skip].map(|vector| gpu.storage_buffer_with("vector", vector));
        for split in SPLITS {
            let memory = gpu.storage_buffer_with("memory", &before);
            let actual = in_batches(&gpu, split, y_len, |tokens, state, y| {
                let (inputs_buffer, rows_buffer) =
                    (batch_rows(&gpu, &inputs, input_len, tokens.clone()), batch_rows(&gpu, &rows, row_len, tokens));
                let buffers = [
                    ("state", state),
                    ("inputs", &inputs_buffer),
                    ("rows", &rows_buffer),
                    ("step_bias", &bias_buffer),
                    ("decay", &decay_buffer),
                    ("skip", &skip_buffer),
                    ("memory", &memory),
                    ("y", y),
                ];
                Dispatch::new(&gpu, &space.shader(), &buffers, space.grid())
            })
            .await;
            let what = format!("{space:?} in batches of {split:?}");
            assert_close(&actual, &expected, 1e-5, &what);
            let memory: Vec<f32> = read(&gpu, &memory, after.len()).await;
            assert_close(&memory, &after, 1e-5, &format!("{what}: memory"));
        }
    }
}
