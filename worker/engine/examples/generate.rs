//! Answers one prompt natively:
//!
//! ```text
//! cargo run --release -p parlance-engine --example generate -- \
//!     --model FILE --prompt TEXT --max-tokens N --temperature 0 [--seed N] [--raw] [--json] [--baseline | --cpu]
//! ```
//!
//! `--raw` skips the chat template, `--json` prints one object, `--baseline` only uses WebGPU's default limits, and
//! `--cpu` uses no GPU.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::Instant;

use parlance_engine::chat::Message;
use parlance_engine::runtime::{Cpu, Device, Gpu, GpuOptions, Loader, LoaderOptions, Model};
use parlance_engine::sampling::SamplingParams;
use serde_json::json;

/// The command line.
#[allow(clippy::struct_excessive_bools, reason = "each is an independent switch")]
struct Arguments {
    model: String,
    prompt: String,
    max_tokens: usize,
    sampling: SamplingParams,
    raw: bool,
    json: bool,
    baseline: bool,
    cpu: bool,
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self {
            model: String::new(),
            prompt: String::new(),
            max_tokens: 128,
            sampling: SamplingParams::GREEDY,
            raw: false,
            json: false,
            baseline: false,
            cpu: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(flag) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--model" => arguments.model = value()?,
                "--prompt" => arguments.prompt = value()?,
                "--max-tokens" => arguments.max_tokens = value()?.parse()?,
                "--temperature" => arguments.sampling.temperature = value()?.parse()?,
                "--seed" => arguments.sampling.seed = value()?.parse()?,
                "--raw" => arguments.raw = true,
                "--json" => arguments.json = true,
                "--baseline" => arguments.baseline = true,
                "--cpu" => arguments.cpu = true,
                other => return Err(format!("unknown argument {other}").into()),
            }
        }
        if arguments.model.is_empty() || arguments.prompt.is_empty() {
            return Err("--model FILE and --prompt TEXT are required".into());
        }
        Ok(arguments)
    }
}

async fn load(arguments: &Arguments) -> Result<Model, Box<dyn Error>> {
    let options = GpuOptions { baseline: arguments.baseline, ..GpuOptions::default() };
    let device: Device = if arguments.cpu { Cpu::blocking().into() } else { Gpu::new(options).await?.into() };
    let mut file = File::open(&arguments.model).map_err(|error| format!("{}: {error}", arguments.model))?;
    let options = LoaderOptions { file_len_bytes: Some(file.metadata()?.len()), ..Default::default() };
    let mut loader = Loader::new(device, options);
    let mut chunk = vec![0; 4 << 20];
    loop {
        let len = file.read(&mut chunk)?;
        if len == 0 {
            return Ok(loader.finish().await?);
        }
        loader.push(&chunk[..len]).await?;
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut model = load(arguments).await?;
    let prompt = if arguments.raw {
        model.chat().raw_prompt(&arguments.prompt)?
    } else {
        model.chat().prompt(&[Message::new("user", arguments.prompt.as_str())])?
    };

    // Compilation does not count.
    model.warm_up().await?;
    let prefill_start = Instant::now();
    model.prefill(&prompt, |_, _| true).await?;
    let prefill_seconds = prefill_start.elapsed().as_secs_f64();

    let decode_start = Instant::now();
    let mut ids = Vec::new();
    let mut generation = model.generate(&prompt, &arguments.sampling, arguments.max_tokens)?;
    while let Some(id) = generation.next().await? {
        ids.push(id);
    }
    drop(generation);
    let decode_seconds = decode_start.elapsed().as_secs_f64();
    report(arguments, &model, &prompt, ids, prefill_seconds, decode_seconds)
}

fn report(
    arguments: &Arguments,
    model: &Model,
    prompt: &[u32],
    mut ids: Vec<u32>,
    prefill_seconds: f64,
    decode_seconds: f64,
) -> Result<(), Box<dyn Error>> {
    let decoded = ids.len();
    if let Some(end) = ids.iter().position(|id| model.chat().is_stop(*id)) {
        ids.truncate(end);
    }
    let mut detokenizer = model.chat().detokenizer();
    let mut text: String = ids.iter().map(|id| detokenizer.push(*id)).collect();
    text.push_str(&detokenizer.finish());
    let prefill_rate = (prompt.len() - 1) as f64 / prefill_seconds;
    let decode_rate = decoded as f64 / decode_seconds;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let object = json!({
            "text": text,
            "tokens": ids,
            "prompt_tokens": prompt.len(),
            "prefill_tokens_per_second": prefill_rate,
            "decode_tokens_per_second": decode_rate,
            "adapter": model.device().adapter_name(),
        });
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{text}")?;
        writeln!(
            out,
            "\n{} prompt tokens at {prefill_rate:.1}/s, {decoded} tokens at {decode_rate:.1}/s, {} dispatches per token, on {}",
            prompt.len(),
            model.dispatches_per_token()?,
            model.device().adapter_name()
        )?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run(&Arguments::parse()?))
}
