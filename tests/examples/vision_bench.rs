//! Measures how long it takes to encode a picture natively, with towers of published shapes and synthetic weights:
//!
//!     cargo xtask bench --pictures CASES [--cpu [--threads N]] [--runs 5] [--write FOLDER] [--json]
//!     cargo xtask bench --pictures CASES --profile       time per kernel on the GPU instead
//!
//! `--tune NAME=VALUE,...` sets the layout of kernels, as in the engine's benchmarks.
//!
//! Cases are `all` or some of `SHAPE@WIDTHxHEIGHT`, with commas between them; shapes are in `tests/src/towers.rs`. A time is
//! that of one picture, from its pixels to embeddings on the host. `--write` also writes the files, so that other programs
//! can be measured with them. Rows are those of `cargo xtask bench`.

#[path = "../../worker/engine/examples/measuring/tuned.rs"]
mod tuned;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use parlance_engine::runtime::{
    Cpu, Device, GpuOptions, Loader, LoaderOptions, Model, NativeThreads, Part, Profile, Projector, ProjectorLoader,
};
use parlance_tests::seeing::{SeeingModel, picture};
use parlance_tests::towers::{Case, print_rows};
use pollster::block_on;
use serde_json::{Value, json};

/// Bytes that are loaded at once.
const CHUNK_BYTES: usize = 8 << 20;

struct Arguments {
    cases: Vec<Case>,
    /// CPU threads; zero means the GPU.
    threads: usize,
    runs: usize,
    write: Option<PathBuf>,
    tune: Vec<(String, u32)>,
    is_profile: bool,
    is_json: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments {
        cases: Vec::new(),
        threads: 0,
        runs: 5,
        write: None,
        tune: Vec::new(),
        is_profile: false,
        is_json: false,
    };
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--pictures" => arguments.cases = Case::list(&value()?)?,
            "--cpu" => arguments.threads = arguments.threads.max(1),
            "--threads" => arguments.threads = value()?.parse()?,
            "--runs" => arguments.runs = value()?.parse()?,
            "--write" => arguments.write = Some(value()?.into()),
            "--tune" => arguments.tune.extend(tuned::choices(&value()?)?),
            "--profile" => arguments.is_profile = true,
            "--json" => arguments.is_json = true,
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok(arguments)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let device: Device = match arguments.threads {
        0 => block_on(tuned::open_gpu(GpuOptions::default(), &arguments.tune))?.into(),
        1 => Cpu::blocking().into(),
        threads => Cpu::blocking().with_threads(Arc::new(NativeThreads::start(threads - 1, 1 << 16))).into(),
    };
    let mut rows = Vec::new();
    for case in &arguments.cases {
        if let Some(folder) = &arguments.write {
            case.write(folder)?;
        }
        if arguments.is_profile {
            block_on(profile(*case, device.clone(), arguments.runs))?;
        } else {
            rows.extend(block_on(measure(*case, device.clone(), arguments.runs))?);
        }
    }
    print_rows(&rows, arguments.is_json);
    Ok(())
}

/// The model of a case, of which only the tokens are of interest, and its projector.
async fn load(case: Case, device: Device) -> Result<(Model, Projector), Box<dyn Error>> {
    let SeeingModel { model, projector } = case.files()?;
    let mut loader = Loader::new(Cpu::blocking(), LoaderOptions::default());
    loader.push(&model).await?;
    let model = loader.finish().await?;
    let mut loader = ProjectorLoader::new(device, Some(projector.len() as u64));
    for chunk in projector.chunks(CHUNK_BYTES) {
        loader.push(chunk).await?;
    }
    let projector = loader.finish()?;
    projector.check(&model)?;
    Ok((model, projector))
}

/// Prints how long each kernel takes for the last part of a picture.
async fn profile(case: Case, device: Device, runs: usize) -> Result<(), Box<dyn Error>> {
    let (model, mut projector) = load(case, device).await?;
    projector.encode(model.chat(), &picture(case.size), 0, |_, _| true).await?;
    let Profile { kernels, pass_seconds, encode_seconds } = projector.profile(runs).await?;
    println!("{case}: {:.2} ms in one pass, {:.2} ms to encode it", pass_seconds * 1e3, encode_seconds * 1e3);
    println!("{:>5} {:>9} {:>9} {:>7}  kernel", "count", "us each", "us", "share");
    for kernel in &kernels {
        println!(
            "{:>5} {:>9.2} {:>9.1} {:>6.1}%  {}",
            kernel.count,
            kernel.seconds * 1e6 / kernel.count as f64,
            kernel.seconds * 1e6,
            100.0 * kernel.seconds / pass_seconds,
            kernel.kernel
        );
    }
    Ok(())
}

/// The rows of a case.
async fn measure(case: Case, device: Device, runs: usize) -> Result<Vec<Value>, Box<dyn Error>> {
    let about = json!({ "adapter": device.adapter_name(), "features": device.feature_names() });
    let (model, mut projector) = load(case, device).await?;
    let picture = picture(case.size);
    let (mut times_ms, mut embeddings) = (Vec::new(), 0);
    // Once to warm up.
    for run in 0..=runs {
        let start = Instant::now();
        let parts = projector.encode(model.chat(), &picture, run as u64, |_, _| true).await?;
        if run > 0 {
            times_ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let width = projector.sight().map_or(1, |config| config.embedding_len as usize);
        let count = |part: &Part| match part {
            Part::Tokens(_) => 0,
            Part::Embeddings(span) => span.rows.len() / width,
        };
        embeddings = parts.iter().map(count).sum();
    }
    let mut rows = case.rows("picture", "encode", times_ms, &about);
    rows.push(case.row("picture", "embeddings", embeddings as f64, "per picture", &about));
    Ok(rows)
}
