//! Benchmarks the engine natively, with medians over several runs:
//!
//!     cargo run --release -p parlance-engine --example bench -- --model FILE [--context 512] [--prefill 512]
//!         [--callers 1,8] [--cpu [--threads N]] [--guesses] [--draft FILE [--acceptance 0.8]] [--q8-cache] [--autotune] [--tune NAME=VALUE,...] [--peer llama.cpp]
//!         [--json]
//!
//! `cargo xtask bench` runs this program. Each result is `{case, model, metric, value, unit, adapter, features}`.
//!
//! - `--callers` adds the rates of so many answers at once, in all.
//! - `--guesses` adds answers with speculative decoding whose text was predicted, entirely and except for one token in
//!   eight.
//! - `--draft` adds answers with this draft model, and `--acceptance` ones in which each of its tokens is right with these
//!   likelihoods: models without training have no drafts worth measuring.
//! - `--autotune` first autotunes the layout of kernels, as the app does when it loads a model for the first time.
//! - `--tune` sets the layout (`measuring/tuned.rs` lists the names).
//! - `--peer llama.cpp` then runs the same workloads with llama.cpp's `llama-bench`.

#[path = "measuring/callers.rs"]
mod callers;
#[path = "measuring/drafts.rs"]
mod drafts;
#[path = "measuring/llama_bench.rs"]
mod llama_bench;
mod measuring;
#[path = "measuring/tuned.rs"]
mod tuned;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parlance_engine::models::CacheFormat;
use parlance_engine::runtime::{Cpu, Device, GpuOptions, LoaderOptions, Model, NativeThreads};
use parlance_engine::sampling::{SamplingParams, SamplingPlan};
use pollster::block_on;
use serde::Serialize;

use measuring::{copy_bandwidth, load, median, prompt};
use tuned::{choices, open_gpu};

#[allow(clippy::struct_excessive_bools, reason = "each is an independent switch")]
struct Arguments {
    model: PathBuf,
    contexts: Vec<usize>,
    prefills: Vec<usize>,
    /// Numbers of answers at once.
    callers: Vec<usize>,
    runs: usize,
    tokens: usize,
    tune: Vec<(String, u32)>,
    cache: CacheFormat,
    baseline: bool,
    /// CPU threads; zero means the GPU.
    threads: usize,
    has_drafts: bool,
    draft: Option<PathBuf>,
    /// Likelihoods of draft tokens.
    acceptances: Vec<f64>,
    autotune: bool,
    has_peer: bool,
    is_json: bool,
}

impl Arguments {
    fn model_name(&self) -> String {
        self.model.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// A result.
#[derive(Serialize)]
struct Row {
    case: String,
    model: String,
    metric: &'static str,
    value: f64,
    unit: &'static str,
    adapter: String,
    features: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let mut rows = block_on(measure(&arguments))?;
    if arguments.has_peer {
        rows.extend(peer_rows(&arguments)?);
    }
    if arguments.is_json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in &rows {
            println!("{:<24} {:<22} {:>12.1} {}", row.case, row.metric, row.value, row.unit);
        }
    }
    Ok(())
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments {
        model: PathBuf::from("models/SmolLM2-135M-Instruct.Q4_1.gguf"),
        contexts: vec![16, 512],
        prefills: vec![512],
        callers: Vec::new(),
        runs: 5,
        tokens: 128,
        tune: Vec::new(),
        cache: CacheFormat::F16,
        baseline: false,
        threads: 0,
        has_drafts: false,
        draft: None,
        acceptances: Vec::new(),
        autotune: false,
        has_peer: false,
        is_json: false,
    };
    let numbers = |text: &str| text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>();
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--json" => parsed.is_json = true,
            "--guesses" => parsed.has_drafts = true,
            "--autotune" => parsed.autotune = true,
            "--q8-cache" => parsed.cache = CacheFormat::Q8,
            "--baseline" => parsed.baseline = true,
            "--cpu" => parsed.threads = parsed.threads.max(1),
            name => {
                let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
                match name {
                    "--model" => parsed.model = value.into(),
                    "--peer" if value == "llama.cpp" => parsed.has_peer = true,
                    "--peer" => return Err(format!("unknown peer “{value}”; natively there is llama.cpp").into()),
                    "--context" => parsed.contexts = numbers(&value)?,
                    "--prefill" => parsed.prefills = numbers(&value)?,
                    "--callers" => parsed.callers = numbers(&value)?,
                    "--draft" => parsed.draft = Some(value.into()),
                    "--acceptance" => {
                        parsed.acceptances = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                    }
                    "--threads" => parsed.threads = value.parse()?,
                    "--runs" => parsed.runs = value.parse()?,
                    "--tokens" => parsed.tokens = value.parse()?,
                    "--tune" => parsed.tune.extend(choices(&value)?),
                    other => return Err(format!("unknown option {other}").into()),
                }
            }
        }
    }
    Ok(parsed)
}

async fn measure(arguments: &Arguments) -> Result<Vec<Row>, Box<dyn Error>> {
    let options = GpuOptions { baseline: arguments.baseline, ..GpuOptions::default() };
    let device: Device = if let Some(members) = arguments.threads.checked_sub(1) {
        Cpu::blocking().with_threads(Arc::new(NativeThreads::start(members, 1 << 16))).into()
    } else {
        open_gpu(options, &arguments.tune).await?.into()
    };
    let adapter = device.adapter_name().to_owned();
    let features: Vec<_> = device.feature_names().into_iter().map(str::to_owned).collect();
    let model_name = arguments.model_name();
    let mut rows = Vec::new();
    let mut add = |case: String, metric, value, unit| {
        let (model, adapter, features) = (model_name.clone(), adapter.clone(), features.clone());
        rows.push(Row { case, model, metric, value, unit, adapter, features });
    };

    let bandwidth = match &device {
        Device::Gpu(gpu) => Some(copy_bandwidth(gpu, arguments.runs).await?),
        Device::Cpu(_) => None,
    };
    if let Some(bandwidth) = bandwidth {
        add("copy".to_owned(), "bandwidth", bandwidth / 1e9, "GB/s");
    }
    let longest = arguments.contexts.iter().chain(&arguments.prefills).copied().max().unwrap_or(0);
    let context = (longest + arguments.tokens + 8).max(1024) as u32;
    let start = Instant::now();
    let options = LoaderOptions {
        context_tokens: Some(context),
        cache: arguments.cache,
        further_sequences: arguments.callers.iter().copied().max().unwrap_or(1).saturating_sub(1) as u32,
        ..LoaderOptions::default()
    };
    let (mut model, len_bytes) = load(device, &arguments.model, options).await?;
    model.warm_up().await?;
    drafts::add_draft(&mut model, arguments.draft.as_deref()).await?;
    let seconds = start.elapsed().as_secs_f64();
    add("load".to_owned(), "time", seconds, "s");
    add("load".to_owned(), "rate", len_bytes as f64 / seconds / 1e9, "GB/s");
    add("decode".to_owned(), "dispatches", model.dispatches_per_token()? as f64, "per token");
    if arguments.autotune {
        let start = Instant::now();
        let changes = model.autotune().await?;
        add("autotune".to_owned(), "time", start.elapsed().as_secs_f64(), "s");
        for change in changes {
            add(format!("autotune: {}", change.name()), "kept", 1.0, "layout");
        }
    }
    for tokens in &arguments.prefills {
        let rate = median(arguments.runs, async || prefill_rate(&mut model, *tokens).await).await?;
        add(format!("prefill {tokens}"), "rate", rate, "tokens/s");
    }
    for context in &arguments.contexts {
        let rate = median(arguments.runs, async || decode_rate(&mut model, *context, arguments.tokens).await).await?;
        add(format!("decode at {context}"), "rate", rate, "tokens/s");
        let kv_bytes = model.config().kv_bytes_per_token() as f64 * (context + arguments.tokens / 2) as f64;
        let bytes = model.weight_bytes() as f64 + kv_bytes;
        // A token reads only some of the experts.
        let reads_all = model.config().feed_forwards().all(|part| part.expert_count() == 0);
        if let Some(bandwidth) = bandwidth.filter(|_| reads_all) {
            add(format!("decode at {context}"), "share of bandwidth", 100.0 * bytes * rate / bandwidth, "%");
        }
        for callers in arguments.callers.iter().copied() {
            let tokens = arguments.tokens;
            let rate = median(arguments.runs, async || match callers {
                0 | 1 => decode_rate(&mut model, *context, tokens).await,
                _ => callers::rate(&mut model, callers, *context, tokens).await,
            });
            add(format!("decode at {context}, {callers} callers"), "rate", rate.await?, "tokens/s");
        }
        if arguments.draft.is_some() {
            let tokens = arguments.tokens;
            let rate = median(arguments.runs, async || drafts::rate(&mut model, *context, tokens).await).await?;
            add(format!("decode at {context}, drafted"), "rate", rate, "tokens/s");
            for acceptance in &arguments.acceptances {
                drafts::feign(&mut model, *context, tokens, *acceptance).await?;
                let rate = median(arguments.runs, async || drafts::rate(&mut model, *context, tokens).await).await?;
                add(format!("decode at {context}, acceptance {acceptance}"), "rate", rate, "tokens/s");
            }
        }
        if arguments.has_drafts {
            for (what, unexpected) in [("expected", usize::MAX), ("one token in eight unexpected", 8)] {
                let answer = Predicted::of(&mut model, *context, arguments.tokens, unexpected).await?;
                let rate = median(arguments.runs, async || answer.rate(&mut model).await).await?;
                add(format!("decode at {context}, {what}"), "rate", rate, "tokens/s");
            }
        }
    }
    Ok(rows)
}

/// The same workloads with llama.cpp.
fn peer_rows(arguments: &Arguments) -> Result<Vec<Row>, Box<dyn Error>> {
    let Arguments { model, prefills, contexts, tokens, runs, threads, .. } = arguments;
    let (tokens, runs, threads) = (*tokens, *runs, *threads);
    let rates = llama_bench::measure(&llama_bench::Measures { model, prefills, contexts, tokens, runs, threads })?;
    let row = |rate: llama_bench::Rate| Row {
        case: rate.case,
        model: arguments.model_name(),
        metric: "rate",
        value: rate.tokens_per_second,
        unit: "tokens/s",
        adapter: rate.adapter,
        features: rate.features,
    };
    Ok(rates.into_iter().map(row).collect())
}

async fn prefill_rate(model: &mut Model, tokens: usize) -> Result<f64, Box<dyn Error>> {
    let prompt = prompt(model, tokens + 1);
    model.reset();
    let start = Instant::now();
    model.prefill(&prompt, |_, _| true).await?;
    Ok(tokens as f64 / start.elapsed().as_secs_f64())
}

async fn decode_rate(model: &mut Model, context: usize, tokens: usize) -> Result<f64, Box<dyn Error>> {
    let prompt = prompt(model, context + 1);
    model.prefill(&prompt, |_, _| true).await?;
    let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, tokens + 1)?;
    // The first token's time includes filling the pipeline.
    generation.next().await?;
    let start = Instant::now();
    let mut count = 0;
    while generation.next().await?.is_some() {
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// An answer whose text is predicted.
struct Predicted {
    prompt: Vec<u32>,
    answer: Vec<u32>,
    count: usize,
}

impl Predicted {
    /// The greedy answer of `count` tokens after `context` tokens, with every `unexpected`-th token of the prediction
    /// replaced.
    async fn of(model: &mut Model, context: usize, count: usize, unexpected: usize) -> Result<Self, Box<dyn Error>> {
        let prompt = prompt(model, context + 1);
        model.prefill(&prompt, |_, _| true).await?;
        // The tokens by which drafts are found.
        let mut answer = prompt[prompt.len().saturating_sub(3)..].to_vec();
        let mut generation = model.generate(&prompt, &SamplingParams::GREEDY, count)?;
        while let Some(token) = generation.next().await? {
            answer.push(token);
        }
        answer.iter_mut().skip(unexpected).step_by(unexpected).for_each(|token| *token ^= 1);
        Ok(Self { prompt, answer, count })
    }

    /// Tokens per second of that answer.
    async fn rate(&self, model: &mut Model) -> Result<f64, Box<dyn Error>> {
        model.prefill(&self.prompt, |_, _| true).await?;
        let plan = SamplingPlan { draft_from: Some(&self.answer), ..(&SamplingParams::GREEDY).into() };
        let mut generation = model.generate(&self.prompt, plan, self.count)?;
        let start = Instant::now();
        while generation.next().await?.is_some() {}
        Ok(self.count as f64 / start.elapsed().as_secs_f64())
    }
}
