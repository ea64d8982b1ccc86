//! `convolution.wgsl` and `convolution_state.wgsl`.

use parlance_engine::kernels::TokensOf;
use parlance_engine::kernels::convolution::Convolution;
use parlance_engine::kernels::convolution::reference::convolve;
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, plain_device};
use crate::{PADDING, SPLITS, TOKENS, UNTOUCHED, gpu_tests, padded, read, read_padded, run, state};

gpu_tests! {
    convolutions_continue_across_batches,
}

/// A convolution with its weights and its state.
struct Subject {
    convolution: Convolution,
    taps: wgpu::Buffer,
    bias: wgpu::Buffer,
    memory: wgpu::Buffer,
}

impl Subject {
    /// Convolves a batch, `[tokens][row_len]`. The kernel for one token is used where it is chosen and fits.
    async fn batch(&self, gpu: &Gpu, rows: &[f32]) -> Vec<f32> {
        let (row_len, channels) = (self.convolution.row_len as usize, self.convolution.channels as usize);
        let tokens = rows.len() / row_len;
        let state = state(gpu, 0, tokens as u32, 0);
        let rows = gpu.storage_buffer_with("rows", &padded(rows, row_len, f32::NAN));
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * channels]);
        let convolution = Convolution { one_token: self.convolution.one_token && tokens == 1, ..self.convolution };
        let mut buffers =
            vec![("state", &state), ("rows", &rows), ("taps", &self.taps), ("memory", &self.memory), ("y", &y)];
        buffers.extend(convolution.biased.then_some(("bias", &self.bias)));
        let mut dispatches = vec![Dispatch::new(gpu, &convolution.shader(), &buffers, convolution.grid())];
        if !convolution.one_token {
            let buffers = [("state", &state), ("rows", &rows), ("memory", &self.memory)];
            dispatches.push(Dispatch::new(gpu, &convolution.state_shader(), &buffers, convolution.state_grid()));
        }
        run(gpu, &dispatches, (tokens + PADDING) as u32);
        read_padded(gpu, &y, tokens * channels, channels).await
    }
}

async fn convolutions_continue_across_batches() {
    let gpu = plain_device().await;
    let mut random = Random(30);
    // Channels that fill workgroups and some that do not, and rows that hold more than the convolution reads.
    let shapes = [(64u32, 3u32, 192u32, true), (100, 4, 128, false), (100, 3, 301, true), (200, 7, 200, false)];
    for (channels, taps, row_len, gated) in shapes {
        // Without gates, with what only state spaces have.
        let input_at = if gated { 0 } else { (row_len - channels) / 2 };
        let (biased, one_token, tokens) = (!gated, false, TokensOf::Only);
        let convolution = Convolution { channels, taps, row_len, input_at, gated, biased, one_token, tokens };
        let row_len = row_len as usize;
        let rows = random.floats(TOKENS * row_len);
        let weights = random.floats((channels * taps) as usize);
        let before = random.floats(((taps - 1) * channels) as usize);
        let mut after = before.clone();
        let bias = random.floats(channels as usize);
        let expected = convolve(&rows, &weights, if gated { &[] } else { &bias }, &mut after, &convolution);
        for (split, one_token) in SPLITS.into_iter().flat_map(|split| [(split, false), (split, true)]) {
            let subject = Subject {
                convolution: Convolution { one_token, ..convolution },
                taps: gpu.storage_buffer_with("taps", &weights),
                bias: gpu.storage_buffer_with("bias", &bias),
                memory: gpu.storage_buffer_with("memory", &before),
            };
            let (mut actual, mut rest) = (Vec::new(), &rows[..]);
            for tokens in split {
                let (batch, others) = rest.split_at(tokens * row_len);
                actual.extend(subject.batch(&gpu, batch).await);
                rest = others;
            }
            let what = format!("{:?} in batches of {split:?}", subject.convolution);
            assert_close(&actual, &expected, 1e-5, &what);
            let memory: Vec<f32> = read(&gpu, &subject.memory, after.len()).await;
            assert_close(&memory, &after, 1e-5, &format!("{what}: memory"));
        }
    }
}
