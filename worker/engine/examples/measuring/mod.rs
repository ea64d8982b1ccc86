//! Code that the benchmarks share.

mod loading;

use std::error::Error;
use std::time::Instant;

use parlance_engine::runtime::{Gpu, Model};

pub(crate) use loading::load;

/// Pseudo-random tokens, because their content does not affect the speed.
pub(crate) fn prompt(model: &Model, len: usize) -> Vec<u32> {
    let vocab = u64::from(model.config().vocab);
    (0..len as u64).map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % vocab) as u32).collect()
}

/// Bytes per second that a copy reads and writes, in total.
pub(crate) async fn copy_bandwidth(gpu: &Gpu, runs: usize) -> Result<f64, Box<dyn Error>> {
    const COPIES: u64 = 8;
    let len_bytes = if gpu.is_software() { 64 << 20 } else { 1 << 30 };
    let len_bytes = gpu.max_binding_bytes().min(len_bytes);
    let (from, to) = (gpu.storage_buffer("from", len_bytes), gpu.storage_buffer("to", len_bytes));
    median(runs, async || {
        let start = Instant::now();
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..COPIES {
            encoder.copy_buffer_to_buffer(&from, 0, &to, 0, len_bytes);
        }
        gpu.queue().submit([encoder.finish()]);
        gpu.read_buffer::<u32>(&to, 4).await?;
        Ok((2 * COPIES * len_bytes) as f64 / start.elapsed().as_secs_f64())
    })
    .await
}

/// The median of several runs' results.
pub(crate) async fn median(
    runs: usize,
    mut run: impl AsyncFnMut() -> Result<f64, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    // Once to warm up.
    run().await?;
    let mut values = Vec::new();
    for _ in 0..runs {
        values.push(run().await?);
    }
    values.sort_by(f64::total_cmp);
    Ok(values[values.len() / 2])
}
