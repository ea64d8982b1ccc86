//! Benchmarks the engine in Chromium, optionally against wllama in the same browser, with the same file and prompts:
//!
//!     cargo xtask bench --browser [--model FILE] [--peer wllama] [--hardware] [--isolated] [--prompt 512] [--tokens 128] [--runs 5] [--json]
//!
//! Prompts repeat a sentence. `--sentence ab` suits the models of `cargo xtask synth-model`, whose vocabulary has few
//! words. Without `--hardware` the browser computes on the CPU. wllama's page is always cross-origin isolated, so that
//! it may use threads; Parlance's only is with `--isolated`.
//!
//! Both engines are used through their JavaScript APIs, and their chunks are timed on the page: prefill is the prompt's
//! tokens over the time to the first chunk, decode the remaining tokens over the time from there to the last one.

use std::path::PathBuf;

use parlance_tests::{Error, Server, Session, model_path};
use serde_json::{Value, json};

#[allow(clippy::struct_excessive_bools, reason = "each is an independent switch")]
struct Arguments {
    model: PathBuf,
    has_peer: bool,
    is_hardware: bool,
    is_isolated: bool,
    sentence: String,
    prompt_tokens: u32,
    tokens: u32,
    runs: usize,
    is_json: bool,
}

/// How many sentences make a prompt of `promptTokens` tokens. All scripts use `window.engine`, which [`PARLANCE`] and
/// [`WLLAMA`] create with the same interface.
const SENTENCES: &str = "async (sentence, promptTokens) => {
    let counted;
    for await (const { usage } of await window.engine.stream(sentence.repeat(10), 1)) counted = usage ?? counted;
    return Math.max(1, Math.round(promptTokens * 10 / counted.prompt_tokens));
}";

/// Tokens per second of a prompt and an answer. One run per call, because some engines take minutes.
const RUN: &str = "async (sentence, sentences, tokens, run) => {
    // Each prompt begins differently, so that nothing of it is cached.
    const prompt = 'a'.repeat(run + 1) + sentence.repeat(sentences);
    const start = performance.now();
    let first, last, usage;
    for await (const chunk of await window.engine.stream(prompt, tokens)) {
        if (chunk.text) {
            last = performance.now();
            first ??= { time: last, tokens: chunk.tokens };
        }
        usage = chunk.usage ?? usage;
    }
    return [
        usage.prompt_tokens / (first.time - start) * 1000,
        (usage.completion_tokens - 1) / (last - first.time) * 1000,
    ];
}";

/// The time from navigation to the first token, with all files cached, and its known parts.
const FIRST_TOKEN: &str = "async (sentence) => {
    for await (const chunk of await window.engine.stream(sentence, 2)) {
        if (chunk.text) return { 'first token': [performance.now(), 'ms'], ...window.engine.visit };
    }
}";

const PARLANCE: &str = "async (site, model) => {
    const { Parlance } = await import(site + 'parlance.js');
    const phases = {};
    const note = ({ phase, done }) => {
        phases[phase] ??= { from: performance.now() };
        Object.assign(phases[phase], { to: performance.now(), bytes: done });
    };
    const engine = await Parlance.create({ onProgress: note });
    const info = await engine.load(model, { contextTokens: 2048 });
    const loaded = performance.now();
    window.engine = {
        adapter: info.adapter,
        features: info.features,
        visit: {
            'until the worker starts': [phases.start.from, 'ms'],
            'device and file': [phases.upload.from - phases.start.from, 'ms'],
            'upload of weights': [phases.upload.to - phases.upload.from, 'ms'],
            'kernels and first token': [loaded - phases.upload.to, 'ms'],
            'load rate': [phases.upload.bytes / (phases.upload.to - phases.upload.from) / 1e6, 'GB/s'],
            'peak wasm memory': [info.peak_memory_bytes / 1e6, 'MB'],
        },
        async *stream(prompt, max_tokens) {
            const options = { prompt, max_tokens, temperature: 0, stream: true, stream_options: { include_usage: true } };
            for await (const { choices, usage } of await engine.completions.create(options)) {
                yield { text: choices[0]?.text, usage };
            }
        },
    };
}";

const WLLAMA: &str = "async (site, model) => {
    const { Wllama } = await import('/npm/wllama/esm/index.js');
    const quiet = { debug() {}, log() {}, warn() {}, error: console.error };
    const wllama = new Wllama({ default: '/npm/wllama/esm/wasm/wllama.wasm' }, { logger: quiet });
    await wllama.loadModelFromUrl(new URL(model, site).href, { n_ctx: 2048 });
    const threads = wllama.getNumThreads();
    window.engine = {
        adapter: wllama.isSupportWebGPU() ? 'WebGPU' : 'CPU',
        features: [`${threads} threads`],
        async *stream(prompt, max_tokens) {
            const options = { prompt, max_tokens, temperature: 0, stream: true, stream_options: { include_usage: true } };
            for await (const { choices, usage, timings } of await wllama.createCompletion(options)) {
                const counted = timings && { prompt_tokens: timings.prompt_n, completion_tokens: timings.predicted_n };
                yield { text: choices[0]?.text, usage: usage ?? counted };
            }
        },
    };
}";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let server = Server::start()?;
    let session = if arguments.is_hardware { Session::on_hardware()? } else { Session::with_animations()? };
    let model = server.offer(&arguments.model);
    let (page, site) = if arguments.is_isolated {
        (server.isolated_blank_page(), server.isolated_page(""))
    } else {
        (server.blank_page(), server.page(""))
    };
    let mut rows = measure(&arguments, &session, "parlance", &page, PARLANCE, [&site, &model])?;
    if arguments.has_peer {
        rows.extend(measure(&arguments, &session, "wllama", &server.isolated_blank_page(), WLLAMA, [&site, &model])?);
    }
    if arguments.is_json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(())
}

/// Prints a row for people.
fn print(row: &Value) {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let value = row["value"].as_f64().unwrap_or_default();
    println!("{:<36} {:<25} {value:>10.2} {}", text("case"), text("metric"), text("unit"));
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments {
        model: model_path(),
        has_peer: false,
        is_hardware: false,
        is_isolated: false,
        sentence: " The river runs past the old stone mill.".to_owned(),
        prompt_tokens: 512,
        tokens: 128,
        runs: 5,
        is_json: false,
    };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("“{text}” is not a number"));
        match name.as_str() {
            "--browser" => {}
            "--json" => parsed.is_json = true,
            "--hardware" => parsed.is_hardware = true,
            "--isolated" => parsed.is_isolated = true,
            "--model" => parsed.model = value()?.into(),
            "--sentence" => parsed.sentence = value()?,
            "--prompt" => parsed.prompt_tokens = value().and_then(number)?,
            "--tokens" => parsed.tokens = value().and_then(number)?,
            "--runs" => parsed.runs = value().and_then(number)? as usize,
            "--peer" => match value()?.as_str() {
                "wllama" => parsed.has_peer = true,
                other => return Err(format!("unknown peer “{other}”; only wllama is supported")),
            },
            other => return Err(format!("unknown option {other}")),
        }
    }
    Ok(parsed)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Benchmarks one engine: rates, then the time to the first token on a second visit.
fn measure(
    arguments: &Arguments,
    session: &Session,
    engine: &str,
    blank: &str,
    start: &str,
    [site, model]: [&str; 2],
) -> Result<Vec<Value>, Error> {
    let begin = format!("({start})({site:?}, {model:?})");
    let page = session.open(blank)?;
    page.show()?;
    page.evaluate(&begin)?;
    let Arguments { sentence, prompt_tokens, tokens, runs, .. } = arguments;
    let sentences = page.evaluate(&format!("({SENTENCES})({sentence:?}, {prompt_tokens})"))?;
    let mut rates = [Vec::new(), Vec::new()];
    for run in 0..=*runs {
        let pair = page.evaluate(&format!("({RUN})({sentence:?}, {sentences}, {tokens}, {run})"))?;
        // The first run compiles kernels and warms up.
        if run > 0 {
            rates.iter_mut().enumerate().for_each(|(index, rates)| rates.extend(pair[index].as_f64()));
        }
    }
    let [prefill, decode] = rates.map(median);
    let about = page.evaluate("({ adapter: window.engine.adapter, features: window.engine.features })")?;
    // Leaves the page, so that its engine is not shared with the next one, where it would be ready already.
    page.navigate(&format!("{blank}?left"))?;
    // The page starts by itself, so that the driver's calls take no part in it.
    page.before_every_page(&format!("window.visit = {begin}.then(() => ({FIRST_TOKEN})({sentence:?}))"))?;
    page.navigate(&format!("{blank}?again"))?;
    let visit = page.evaluate("window.visit")?;
    let name = arguments.model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let row = |case: String, metric: &str, value: &Value, unit: &str| {
        json!({
            "case": format!("browser, {engine}: {case}"), "model": name, "metric": metric, "value": value, "unit": unit,
            "adapter": about["adapter"], "features": about["features"],
        })
    };
    let mut rows = vec![
        row(format!("prefill of {prompt_tokens}"), "rate", &prefill.into(), "tokens/s"),
        row(format!("decode at {prompt_tokens}"), "rate", &decode.into(), "tokens/s"),
    ];
    for (metric, value) in visit.as_object().into_iter().flatten() {
        rows.push(row("second visit".to_owned(), metric, &value[0], value[1].as_str().unwrap_or_default()));
    }
    if !arguments.is_json {
        rows.iter().for_each(print);
    }
    Ok(rows)
}
