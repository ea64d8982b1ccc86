//! Benchmarks the engine in Chromium, optionally against wllama in the same browser, with the same file and prompts:
//!
//!     cargo xtask bench --browser [--model FILE] [--peer wllama] [--hardware] [--isolated] [--pin] [--visits 3] [--prompt 512] [--tokens 128] [--runs 5] [--callers 8] [--json]
//!
//! Prompts repeat a sentence. `--sentence ab` suits the models of `cargo xtask synth-model`, whose vocabulary has few
//! words. Without `--hardware` the browser computes on the CPU. wllama's page is always cross-origin isolated, so that
//! it may use threads; Parlance's only is with `--isolated`.
//!
//! First visits begin with empty storage: the time until the model can answer is compared with that of fetching the same
//! file from the same server into storage, with nothing else to do (the least that a first visit that keeps the model
//! takes), and of fetching it alone. With `--pin`, Parlance also verifies its checksum before.
//!
//! With `--callers`, Parlance also gives so many answers at once. Their rate is all their tokens over the time from the
//! first one's first token to the last one's last, so that it includes the others' prompts.
//!
//! Both engines are used through their JavaScript APIs, and their chunks are timed on the page: prefill is the prompt's
//! tokens over the time to the first chunk, decode the remaining tokens over the time from there to the last one.

use std::path::PathBuf;

use parlance_tests::{Error, Server, Session, model_path, sha256_of};
use serde_json::{Value, json};

#[allow(clippy::struct_excessive_bools, reason = "each is an independent switch")]
struct Arguments {
    model: PathBuf,
    has_peer: bool,
    is_hardware: bool,
    is_isolated: bool,
    is_pinned: bool,
    /// First visits of each engine.
    visits: usize,
    sentence: String,
    prompt_tokens: u32,
    tokens: u32,
    runs: usize,
    /// Answers at once; with 1, none.
    callers: usize,
    is_json: bool,
}

impl Arguments {
    /// How many answers the engine shall compute together, in JavaScript; its default if there is only one.
    fn parallel(&self) -> Value {
        if self.callers > 1 { self.callers.into() } else { Value::Null }
    }
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

/// Tokens per second of several answers at once, in all.
const CALLERS: &str = "async (sentence, sentences, tokens, callers, run) => {
    const answer = async (_, caller) => {
        const prompt = 'b'.repeat(run + 1) + 'c'.repeat(caller + 1) + sentence.repeat(sentences);
        let first, last, usage;
        for await (const chunk of window.engine.stream(prompt, tokens)) {
            if (chunk.text) {
                last = performance.now();
                first ??= last;
            }
            usage = chunk.usage ?? usage;
        }
        return { first, last, tokens: usage.completion_tokens };
    };
    const answers = await Promise.all(Array.from({ length: callers }, answer));
    const start = Math.min(...answers.map(({ first }) => first));
    const end = Math.max(...answers.map(({ last }) => last));
    return answers.reduce((sum, answer) => sum + answer.tokens, 0) / (end - start) * 1000;
}";

/// The time from navigation to the first token, with all files cached, and its known parts.
const FIRST_TOKEN: &str = "async (sentence) => {
    for await (const chunk of await window.engine.stream(sentence, 2)) {
        if (chunk.text) return { 'first token': [performance.now(), 'ms'], ...window.engine.visit };
    }
}";

/// Empties the storage of the origin.
const FORGET: &str = "(async () => {
    const root = await navigator.storage.getDirectory();
    for await (const name of root.keys()) await root.removeEntry(name, { recursive: true });
    for (const name of await caches.keys()) await caches.delete(name);
    for (const { name } of await indexedDB.databases())
        await new Promise((done) => Object.assign(indexedDB.deleteDatabase(name), { onsuccess: done, onerror: done, onblocked: done }));
})()";

/// Fetches a file, and fetches it into a file of the browser's storage that is flushed at the end. Returns both times in
/// milliseconds. Only workers may write in place.
const FETCH: &str = "async (model) => {
    const work = async ({ data: model }) => {
        const read = async (take) => {
            const reader = (await fetch(model, { cache: 'no-store' })).body.getReader();
            for (let chunk; !(chunk = await reader.read()).done;) take(chunk.value);
        };
        let start = performance.now();
        await read(() => {});
        const alone = performance.now() - start;
        const root = await navigator.storage.getDirectory();
        const handle = await (await root.getFileHandle('fetched', { create: true })).createSyncAccessHandle();
        let at = 0;
        start = performance.now();
        await read((bytes) => { at += handle.write(bytes, { at }); });
        handle.flush();
        const stored = performance.now() - start;
        handle.close();
        await root.removeEntry('fetched');
        postMessage([alone, stored]);
    };
    const worker = new Worker(URL.createObjectURL(new Blob([`onmessage = ${work}`], { type: 'text/javascript' })));
    worker.postMessage(model);
    const times = await new Promise((done, fail) => {
        worker.onmessage = ({ data }) => done(data);
        worker.onerror = fail;
    });
    worker.terminate();
    return times;
}";

const PARLANCE: &str = "async (site, model, parallel) => {
    const { Parlance } = await import(site + 'parlance.js');
    const begun = performance.now();
    const phases = {};
    const note = ({ phase, done }) => {
        phases[phase] ??= { from: performance.now() };
        Object.assign(phases[phase], { to: performance.now(), bytes: done });
    };
    const engine = await Parlance.create({ onProgress: note });
    await engine.configure({ parallel });
    const info = await engine.load(model, { contextTokens: 2048 });
    const loaded = performance.now();
    window.engine = {
        adapter: info.adapter,
        features: info.features,
        ready: loaded - begun,
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
    const begun = performance.now();
    const quiet = { debug() {}, log() {}, warn() {}, error: console.error };
    const wllama = new Wllama({ default: '/npm/wllama/esm/wasm/wllama.wasm' }, { logger: quiet });
    await wllama.loadModelFromUrl(new URL(model, site).href, { n_ctx: 2048 });
    const ready = performance.now() - begun;
    const threads = wllama.getNumThreads();
    window.engine = {
        ready,
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
    let mut engines = vec![("parlance", page, PARLANCE, pinned(&arguments, &model)?)];
    if arguments.has_peer {
        engines.push(("wllama", server.isolated_blank_page(), WLLAMA, model.clone()));
    }
    let mut rows = Vec::new();
    if arguments.visits > 0 {
        rows = first_visits(&arguments, &session, &engines, [&site, &model])?;
    }
    for (engine, page, start, model) in &engines {
        rows.extend(measure(&arguments, &session, engine, page, start, [&site, model])?);
    }
    if arguments.is_json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(())
}

/// The URL with the file's checksum, if that is to be verified.
fn pinned(arguments: &Arguments, url: &str) -> Result<String, Error> {
    if !arguments.is_pinned {
        return Ok(url.to_owned());
    }
    Ok(format!("{url}#sha256={}", sha256_of(&arguments.model)?))
}

/// An engine: its name, the page that it runs on, the script that starts it, and the URL of its model.
type Engine<'a> = (&'a str, String, &'a str, String);

/// The time until a model is ready with empty storage, beside that of fetching its file, in turn.
fn first_visits(
    arguments: &Arguments,
    session: &Session,
    engines: &[Engine],
    [site, model]: [&str; 2],
) -> Result<Vec<Value>, Error> {
    let mut times = vec![Vec::new(); 2 + engines.len()];
    for visit in 0..arguments.visits {
        let page = session.open(&format!("{}?fetch-{visit}", engines[0].1))?;
        page.show()?;
        let fetched = page.evaluate(&format!("({FETCH})({model:?})"))?;
        page.close()?;
        for (index, own) in times[..2].iter_mut().enumerate() {
            own.extend(fetched[index].as_f64());
        }
        for ((_, blank, start, model), own) in engines.iter().zip(&mut times[2..]) {
            let page = session.open(&format!("{blank}?visit-{visit}"))?;
            page.show()?;
            page.evaluate(FORGET)?;
            page.evaluate(&format!("({start})({site:?}, {model:?}, {})", arguments.parallel()))?;
            own.extend(page.evaluate("window.engine.ready")?.as_f64());
            page.close()?;
        }
    }
    let times: Vec<f64> = times.into_iter().map(median).collect();
    let name = arguments.model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let row = |case: String, metric: &str, value: f64, unit: &str| json!({ "case": case, "model": name, "metric": metric, "value": value, "unit": unit });
    let mut rows = vec![
        row("browser: fetch".to_owned(), "alone", times[0], "ms"),
        row("browser: fetch".to_owned(), "into storage", times[1], "ms"),
    ];
    for ((engine, ..), ready) in engines.iter().zip(&times[2..]) {
        let case = || format!("browser, {engine}: first visit");
        rows.push(row(case(), "ready", *ready, "ms"));
        rows.push(row(case(), "ready, relative to fetch into storage", ready / times[1], "times"));
    }
    if !arguments.is_json {
        rows.iter().for_each(print);
    }
    Ok(rows)
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
        is_pinned: false,
        visits: 3,
        sentence: " The river runs past the old stone mill.".to_owned(),
        prompt_tokens: 512,
        tokens: 128,
        runs: 5,
        callers: 1,
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
            "--pin" => parsed.is_pinned = true,
            "--visits" => parsed.visits = value().and_then(number)? as usize,
            "--model" => parsed.model = value()?.into(),
            "--sentence" => parsed.sentence = value()?,
            "--prompt" => parsed.prompt_tokens = value().and_then(number)?,
            "--tokens" => parsed.tokens = value().and_then(number)?,
            "--runs" => parsed.runs = value().and_then(number)? as usize,
            "--callers" => parsed.callers = value().and_then(number)? as usize,
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
    let begin = format!("({start})({site:?}, {model:?}, {})", arguments.parallel());
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
    let mut together = Vec::new();
    if engine == "parlance" && arguments.callers > 1 {
        for run in 0..=*runs {
            let rate = page
                .evaluate(&format!("({CALLERS})({sentence:?}, {sentences}, {tokens}, {}, {run})", arguments.callers))?;
            together.extend(rate.as_f64().filter(|_| run > 0));
        }
    }
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
    if !together.is_empty() {
        let case = format!("decode at {prompt_tokens}, {} callers", arguments.callers);
        rows.push(row(case, "rate", &median(together).into(), "tokens/s"));
    }
    for (metric, value) in visit.as_object().into_iter().flatten() {
        rows.push(row("second visit".to_owned(), metric, &value[0], value[1].as_str().unwrap_or_default()));
    }
    if !arguments.is_json {
        rows.iter().for_each(print);
    }
    Ok(rows)
}
