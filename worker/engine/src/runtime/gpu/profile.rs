//! Profiles tokens and batches kernel by kernel, with GPU timestamps.

use web_time::Instant;

use super::decoder::GpuDecoder;
use crate::error::{EngineError, Result};
use crate::runtime::backend::Profiled;
use crate::runtime::device::{Dispatch, Gpu};
use crate::runtime::measuring::{KernelTime, Profile};

/// Times each kernel of a decoder's program separately, and all of them in one pass.
pub(super) async fn run(decoder: &GpuDecoder, what: Profiled, position: usize, runs: usize) -> Result<Profile> {
    match what {
        Profiled::Decode => {
            let program = decoder.decode_program(position)?.iter().chain(&decoder.sampler);
            let program: Vec<_> = program.map(|dispatch| (dispatch, 1)).collect();
            time(&decoder.gpu, &program, runs, || decoder.write_state(position, 1, 0)).await
        }
        Profiled::Prefill(tokens) => {
            let tokens = tokens.min(decoder.max_batch);
            let program = decoder.embed_program()?.iter().chain(decoder.prompt_program(tokens as usize)?);
            let program: Vec<_> = program.map(|dispatch| (dispatch, tokens)).collect();
            time(&decoder.gpu, &program, runs, || decoder.write_state(position, tokens, 0)).await
        }
        Profiled::Step(tokens) => {
            let tokens = tokens.min(decoder.max_verified() as u32);
            let program = decoder.verification_program(tokens as usize)?;
            let program: Vec<_> = program.iter().map(|dispatch| (dispatch, tokens)).collect();
            time(&decoder.gpu, &program, runs, || decoder.write_state(position, tokens, 0)).await
        }
    }
}

/// Times each dispatch of a program, for a number of tokens, separately, and all of them in one pass. `reset` restores what
/// they change.
pub(super) async fn time(gpu: &Gpu, program: &[(&Dispatch, u32)], runs: usize, reset: impl Fn()) -> Result<Profile> {
    if !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        return Err(EngineError::NoGpu("this adapter has no timestamps".to_owned()));
    }
    let apart: Vec<_> = program.chunks(1).collect();
    let mut samples = vec![Vec::with_capacity(runs); program.len()];
    let (mut passes, mut encodings) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for _ in 0..runs {
        reset();
        let (seconds, _) = pass_seconds(gpu, &apart).await?;
        samples.iter_mut().zip(seconds).for_each(|(samples, seconds)| samples.push(seconds));
        reset();
        let (seconds, encode_seconds) = pass_seconds(gpu, &[program]).await?;
        passes.extend(seconds);
        encodings.push(encode_seconds);
    }
    reset();
    let mut kernels: Vec<KernelTime> = Vec::new();
    for ((dispatch, _), samples) in program.iter().zip(&mut samples) {
        let seconds = median(samples);
        let known = kernels.iter_mut().find(|known| known.kernel == dispatch.kernel());
        match known {
            Some(known) => {
                known.count += 1;
                known.seconds += seconds;
                known.weight_bytes += dispatch.weight_bytes();
            }
            None => kernels.push(KernelTime {
                kernel: dispatch.kernel().to_owned(),
                count: 1,
                seconds,
                weight_bytes: dispatch.weight_bytes(),
            }),
        }
    }
    kernels.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    Ok(Profile { kernels, pass_seconds: median(&mut passes), encode_seconds: median(&mut encodings) })
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// GPU seconds of each pass, and host seconds to encode and submit them. WebGPU takes timestamps only at the ends of
/// passes.
async fn pass_seconds(gpu: &Gpu, passes: &[&[(&Dispatch, u32)]]) -> Result<(Vec<f64>, f64)> {
    let count = 2 * passes.len() as u32;
    let queries = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("timestamps"),
        ty: wgpu::QueryType::Timestamp,
        count,
    });
    let len_bytes = u64::from(count) * 8;
    let times = gpu.buffer("timestamps", len_bytes, wgpu::BufferUsages::QUERY_RESOLVE);
    let start = Instant::now();
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for (index, dispatches) in (0u32..).zip(passes) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("profile"),
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &queries,
                beginning_of_pass_write_index: Some(2 * index),
                end_of_pass_write_index: Some(2 * index + 1),
            }),
        });
        dispatches.iter().for_each(|(dispatch, tokens)| dispatch.encode(&mut pass, *tokens));
    }
    encoder.resolve_query_set(&queries, 0..count, &times, 0);
    gpu.queue().submit([encoder.finish()]);
    let encode_seconds = start.elapsed().as_secs_f64();
    let ticks: Vec<u64> = gpu.read_buffer(&times, len_bytes).await?;
    let seconds_per_tick = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
    let seconds = ticks.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * seconds_per_tick);
    Ok((seconds.collect(), encode_seconds))
}
