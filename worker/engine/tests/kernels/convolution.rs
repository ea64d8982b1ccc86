//! `convolution.wgsl` and `convolution_state.wgsl` against their reference.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use parlance_engine::kernels::convolution::Convolution;
use parlance_engine::kernels::convolution::reference::convolve;
use parlance_engine::runtime::{Dispatch, Gpu};

use crate::common::{Random, assert_close, plain_device};
use crate::{gpu_tests, read, run, state};

gpu_tests! { convolutions_go_on_where_a_batch_ended }

/// A convolution with buffers of its own.
struct Subject {
    convolution: Convolution,
    taps: wgpu::Buffer,
    memory: wgpu::Buffer,
}

impl Subject {
    /// Convolves a batch; the buffer has room for two tokens more.
    async fn batch(&self, gpu: &Gpu, rows: &[f32]) -> Vec<f32> {
        let row_len = self.convolution.row_len as usize;
        let tokens = rows.len() / row_len;
        let padded = [rows, &vec![f32::MAX; 2 * row_len]].concat();
        let (rows, state) = (gpu.storage_buffer_with("rows", &padded), state(gpu, 0, tokens as u32, 0));
        let len = tokens * self.convolution.channels as usize;
        let y = gpu.storage_buffer("y", (len * 4) as u64);
        let convolution = Convolution { one_token: tokens == 1, ..self.convolution };
        let buffers = [("state", &state), ("rows", &rows), ("taps", &self.taps), ("memory", &self.memory), ("y", &y)];
        let mut dispatches = vec![Dispatch::new(gpu, &convolution.shader(), &buffers, convolution.grid())];
        if !convolution.one_token {
            let buffers = [("state", &state), ("rows", &rows), ("memory", &self.memory)];
            dispatches.push(Dispatch::new(gpu, &convolution.state_shader(), &buffers, convolution.state_grid()));
        }
        run(gpu, &dispatches, tokens as u32);
        read(gpu, &y, len).await
    }
}

async fn convolutions_go_on_where_a_batch_ended() {
    let gpu = plain_device().await;
    let mut random = Random(30);
    for (channels, taps, more, gated) in [(32, 3, 0, true), (100, 4, 28, false), (64, 2, 0, true), (96, 7, 32, false)] {
        let row_len = if gated { 3 * channels } else { channels + more };
        let convolution = Convolution { channels, taps, row_len, gated, one_token: false };
        let weights = random.floats((channels * taps) as usize);
        let mut memory = random.floats(((taps - 1) * channels) as usize);
        let subject = Subject {
            convolution,
            taps: gpu.storage_buffer_with("taps", &weights),
            memory: gpu.storage_buffer_with("memory", &memory),
        };
        // Shorter than the memory, one by one, and longer.
        for tokens in [1, 2, 1, 1, 63, 65, 3, 1] {
            let rows = random.floats(tokens * row_len as usize);
            let what = format!("{convolution:?} over {tokens} tokens");
            let expected = convolve(&rows, &weights, &mut memory, &convolution);
            assert_close(&subject.batch(&gpu, &rows).await, &expected, 1e-5, &what);
            let kept = read(&gpu, &subject.memory, memory.len()).await;
            assert_close(&kept, &memory, 1e-5, &format!("{what}: memory"));
        }
    }
}
