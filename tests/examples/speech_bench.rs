//! Measures how fast published Whisper models recognise speech natively:
//!
//!     cargo xtask bench --speech MODELS [--cpu [--threads N]] [--peer whisper.cpp] [--runs 5] [--json]
//!
//! Models are `all` or some of `tiny.en,base`, in F16. A rate is that of two minutes in English, from samples to text, greedy, at
//! one temperature. `--peer whisper.cpp` then does the same with the same files by `@fugood/whisper.node`, on as many threads of
//! the CPU. Rows are those of `cargo xtask bench`.

use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use parlance_engine::runtime::{Cpu, Device, Gpu, GpuOptions, NativeThreads, TranscriptionOptions};
use parlance_tests::hearing::load;
use parlance_tests::recognisers::{Recogniser, folder, talk, talk_samples};
use parlance_tests::root;
use parlance_tests::towers::print_rows;
use pollster::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

struct Arguments {
    models: Vec<Recogniser>,
    /// CPU threads; zero means the GPU.
    threads: usize,
    has_peer: bool,
    runs: usize,
    is_json: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments { models: Vec::new(), threads: 0, has_peer: false, runs: 5, is_json: false };
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--speech" => arguments.models = Recogniser::list(&value()?)?,
            "--cpu" => arguments.threads = arguments.threads.max(1),
            "--threads" => arguments.threads = value()?.parse()?,
            "--runs" => arguments.runs = value()?.parse()?,
            "--json" => arguments.is_json = true,
            "--peer" => match value()?.as_str() {
                "whisper.cpp" => arguments.has_peer = true,
                other => return Err(format!("unknown peer “{other}”; for speech there is whisper.cpp").into()),
            },
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok(arguments)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let device: Device = match arguments.threads {
        0 => block_on(Gpu::new(GpuOptions::default()))?.into(),
        1 => Cpu::blocking().into(),
        threads => Cpu::blocking().with_threads(Arc::new(NativeThreads::start(threads - 1, 1 << 16))).into(),
    };
    let mut rows = Vec::new();
    for model in &arguments.models {
        rows.push(block_on(measure(model, device.clone(), &arguments))?);
        if arguments.has_peer {
            rows.push(measure_peer(model, &arguments)?);
        }
    }
    print_rows(&rows, arguments.is_json);
    Ok(())
}

/// The row of a model.
async fn measure(model: &Recogniser, device: Device, arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let threads = (arguments.threads > 0).then(|| format!("{} threads", arguments.threads));
    let features: Vec<String> = device.feature_names().into_iter().map(str::to_owned).chain(threads).collect();
    let about = json!({ "adapter": device.adapter_name(), "features": features });
    let mut transcriber = load(device, &std::fs::read(&model.path)?).await?;
    let samples = talk_samples()?;
    let options = TranscriptionOptions {
        language: Some("en".to_owned()),
        temperatures: vec![0.0],
        ..TranscriptionOptions::default()
    };
    let mut times_s = Vec::new();
    // Once to warm up.
    for run in 0..=arguments.runs {
        let start = Instant::now();
        transcriber.transcribe(&samples[..], &options, |_| true).await?;
        if run > 0 {
            times_s.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(model.row("speech", times_s, &about)?)
}

/// What `whisper-bench.mjs` prints.
#[derive(Deserialize)]
struct Measured {
    seconds: Vec<f64>,
    version: String,
}

/// The same with whisper.cpp.
fn measure_peer(model: &Recogniser, arguments: &Arguments) -> Result<Value, Box<dyn Error>> {
    let threads = arguments.threads.max(1);
    let mut bench = Command::new("node");
    bench.arg(root().join("tests/npm/whisper-bench.mjs")).arg(folder().join("npm")).arg(&model.path).arg(talk());
    bench.args([threads.to_string(), arguments.runs.to_string()]).stderr(Stdio::inherit());
    let output = bench.output().map_err(|error| format!("node: {error}"))?;
    if !output.status.success() {
        return Err(format!("whisper-bench.mjs failed ({})", output.status).into());
    }
    let Measured { seconds, version } = serde_json::from_slice(&output.stdout)?;
    let features = [format!("@fugood/whisper.node {version}"), format!("{threads} threads")];
    Ok(model.row("whisper.cpp: speech", seconds, &json!({ "adapter": "CPU", "features": features }))?)
}
