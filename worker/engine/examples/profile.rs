//! Shows how long each kernel takes to decode a token, and how close it is to what the memory bandwidth allows:
//!
//!     cargo run --release -p parlance-engine --example profile -- [--model FILE] [--context 512] [--runs 20]
//!     cargo run --release -p parlance-engine --example profile -- --prefill 256 [--model FILE]   a batch of a prompt instead
//!
//!     cargo run --release -p parlance-engine --example profile -- --step 8 [--model FILE]        so many tokens of a draft, verified at once
//!
//! `--tune NAME=VALUE,...` sets the layout, as in `bench.rs`.
//!
//! The floor of a kernel is the time in which a buffer copy moves the bytes that it must read.

mod measuring;
#[path = "measuring/tuned.rs"]
mod tuned;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use parlance_engine::runtime::{Gpu, GpuOptions, LoaderOptions, Profile};
use parlance_engine::sampling::SamplingParams;
use pollster::block_on;

use measuring::{copy_bandwidth, load, prompt};
use tuned::{choices, open_gpu};

/// Tokens whose mean time is compared with the sum over the kernels.
const TOKENS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut model = PathBuf::from("models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let (mut context, mut prefill, mut step, mut runs) = (512, None, None, 20);
    let mut tune = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--model" => model = value.into(),
            "--context" => context = value.parse()?,
            "--prefill" => prefill = Some(value.parse()?),
            "--step" => step = Some(value.parse()?),
            "--runs" => runs = value.parse()?,
            "--tune" => tune.extend(choices(&value)?),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let gpu = block_on(open_gpu(GpuOptions::default(), &tune))?;
    block_on(async {
        match (prefill, step) {
            (Some(tokens), _) => profile_prefill(gpu, &model, tokens, runs).await,
            (None, Some(tokens)) => profile_step(gpu, &model, tokens, context, runs).await,
            (None, None) => profile(gpu, &model, context, runs).await,
        }
    })
}

async fn profile(gpu: Gpu, path: &std::path::Path, context: usize, runs: usize) -> Result<(), Box<dyn Error>> {
    println!("{}, context {context}", gpu.adapter_name());
    let bandwidth = copy_bandwidth(&gpu, 5).await?;
    let (mut model, _) = load(gpu, path, with_context((context + TOKENS + 8).max(1024))).await?;
    let prompt = prompt(&model, context + 1);
    model.prefill(&prompt, |_, _| true).await?;
    let profile = model.profile(runs).await?;

    model.prefill(&prompt, |_, _| true).await?;
    let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, TOKENS + 1)?;
    generation.next().await?;
    let start = Instant::now();
    while generation.next().await?.is_some() {}
    let token_seconds = start.elapsed().as_secs_f64() / TOKENS as f64;

    print_kernels(&profile, token_seconds, bandwidth);
    let apart: f64 = profile.kernels.iter().map(|kernel| kernel.seconds).sum();
    let dispatches: usize = profile.kernels.iter().map(|kernel| kernel.count).sum();
    println!(
        "a token takes {:.0} us; its {dispatches} dispatches take the GPU {:.0} us in one pass, {:.0} us one by one, and the host {:.0} us to encode; copy bandwidth {:.0} GB/s",
        token_seconds * 1e6,
        profile.pass_seconds * 1e6,
        apart * 1e6,
        profile.encode_seconds * 1e6,
        bandwidth / 1e9
    );
    Ok(())
}

async fn profile_prefill(gpu: Gpu, path: &std::path::Path, tokens: u32, runs: usize) -> Result<(), Box<dyn Error>> {
    println!("{}, {tokens} tokens of a prompt", gpu.adapter_name());
    let bandwidth = copy_bandwidth(&gpu, 5).await?;
    let (mut model, _) = load(gpu, path, with_context(2 * tokens as usize + 1)).await?;
    let prompt = prompt(&model, tokens as usize);
    model.prefill(&prompt, |_, _| true).await?;
    model.reset();
    print_batch(&model.profile_prefill(tokens, runs).await?, bandwidth);
    Ok(())
}

async fn profile_step(
    gpu: Gpu,
    path: &std::path::Path,
    tokens: u32,
    context: usize,
    runs: usize,
) -> Result<(), Box<dyn Error>> {
    println!("{}, {tokens} tokens at once, context {context}", gpu.adapter_name());
    let bandwidth = copy_bandwidth(&gpu, 5).await?;
    let (mut model, _) = load(gpu, path, with_context((context + TOKENS).max(1024))).await?;
    let prompt = prompt(&model, context + 1);
    model.prefill(&prompt, |_, _| true).await?;
    print_batch(&model.profile_step(tokens, runs).await?, bandwidth);
    Ok(())
}

/// Prints the kernels of several tokens.
fn print_batch(profile: &Profile, bandwidth: f64) {
    print_kernels(profile, profile.pass_seconds, bandwidth);
    println!(
        "a batch takes {:.0} us in one pass, and the host {:.0} us to encode",
        profile.pass_seconds * 1e6,
        profile.encode_seconds * 1e6
    );
}

fn with_context(tokens: usize) -> LoaderOptions {
    LoaderOptions { context_tokens: Some(tokens as u32), ..LoaderOptions::default() }
}

/// Prints each kernel's share of `seconds`, and how close it is to the time that reading its matrix takes.
fn print_kernels(profile: &Profile, seconds: f64, bandwidth: f64) {
    println!("{:>5} {:>9} {:>9} {:>7} {:>7}  kernel", "count", "us each", "us", "share", "floor");
    for kernel in &profile.kernels {
        let floor_seconds = kernel.weight_bytes as f64 / bandwidth;
        println!(
            "{:>5} {:>9.2} {:>9.1} {:>6.1}% {:>6.1}%  {}",
            kernel.count,
            kernel.seconds * 1e6 / kernel.count as f64,
            kernel.seconds * 1e6,
            100.0 * kernel.seconds / seconds,
            100.0 * floor_seconds / kernel.seconds,
            kernel.kernel
        );
    }
}
