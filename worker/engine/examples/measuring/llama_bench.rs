//! Benchmarks of llama.cpp by its own `llama-bench`, with the same file, prompts and contexts as the engine's.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

/// The environment variable with the path of `llama-bench`, which otherwise must be in `PATH`.
const PROGRAM: &str = "LLAMA_BENCH";

/// The workloads.
pub(crate) struct Measures<'a> {
    pub model: &'a Path,
    /// Lengths of prompts, in tokens.
    pub prefills: &'a [usize],
    /// Tokens before the answer.
    pub contexts: &'a [usize],
    /// Length of the answer, in tokens.
    pub tokens: usize,
    pub runs: usize,
    /// CPU threads; zero means the GPU.
    pub threads: usize,
}

/// A result, in tokens per second.
pub(crate) struct Rate {
    pub case: String,
    pub tokens_per_second: f64,
    pub adapter: String,
    pub features: Vec<String>,
}

/// A test in the output of `llama-bench --output json`.
#[derive(Deserialize)]
struct Test {
    build_commit: String,
    backends: String,
    cpu_info: String,
    gpu_info: String,
    n_gpu_layers: i64,
    n_prompt: usize,
    n_depth: usize,
    /// Tokens per second of each run.
    samples_ts: Vec<f64>,
}

/// Runs `llama-bench` and returns a rate for each prompt, then one for each context.
pub(crate) fn measure(measures: &Measures<'_>) -> Result<Vec<Rate>, Box<dyn Error>> {
    let prefills = run(measures, &["-n", "0", "-d", "0", "-p", &list(measures.prefills)])?;
    let tokens = measures.tokens.to_string();
    let decodes = run(measures, &["-p", "0", "-n", &tokens, "-d", &list(measures.contexts)])?;
    prefills.into_iter().chain(decodes).map(Test::rate).collect()
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn run(measures: &Measures<'_>, what: &[&str]) -> Result<Vec<Test>, Box<dyn Error>> {
    let program = std::env::var_os(PROGRAM).unwrap_or_else(|| OsString::from("llama-bench"));
    let mut bench = Command::new(&program);
    bench.arg("-m").arg(measures.model).args(["-o", "json", "-r", &measures.runs.to_string()]).args(what);
    match measures.threads {
        0 => bench.args(["-ngl", "999"]),
        threads => bench.args(["-ngl", "0", "-t", &threads.to_string()]),
    };
    let output = bench.stderr(std::process::Stdio::inherit()).output().map_err(|error| {
        format!("{}: {error}; install llama.cpp, or set {PROGRAM} to its llama-bench", program.display())
    })?;
    if !output.status.success() {
        return Err(format!("llama-bench failed ({})", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl Test {
    fn rate(mut self) -> Result<Rate, Box<dyn Error>> {
        self.samples_ts.sort_by(f64::total_cmp);
        let middle = self.samples_ts.get(self.samples_ts.len() / 2);
        let tokens_per_second = *middle.ok_or("llama-bench measured nothing")?;
        let case = match self.n_prompt {
            0 => format!("llama.cpp: decode at {}", self.n_depth),
            tokens => format!("llama.cpp: prefill {tokens}"),
        };
        let is_cpu = self.n_gpu_layers == 0 || self.gpu_info.is_empty();
        let adapter = if is_cpu { self.cpu_info } else { self.gpu_info };
        Ok(Rate { case, tokens_per_second, adapter, features: vec![self.backends, self.build_commit] })
    }
}
