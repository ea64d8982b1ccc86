//! Measures how long it takes to see a picture in Chromium, with towers of published shapes and synthetic weights:
//!
//!     cargo xtask bench --browser --pictures CASES [--hardware] [--isolated] [--peer wllama] [--runs 5] [--json]
//!
//! Cases and rows are those of the native benchmark (`vision_bench.rs`). *Encode* is what the engine reports, from pixels to
//! embeddings. *First token* is a whole request: the file is read and decoded, encoded, and a model that is as small as one
//! can be reads the embeddings. wllama (`--peer wllama`) has only the latter. With `--isolated`, Parlance may use threads, too.

use std::error::Error;
use std::path::Path;

use parlance_tests::seeing::PICTURE;
use parlance_tests::towers::{Case, print_rows};
use parlance_tests::{Server, Session};
use serde_json::Value;

#[allow(clippy::struct_excessive_bools, reason = "each is an independent switch")]
struct Arguments {
    cases: Vec<Case>,
    has_peer: bool,
    is_hardware: bool,
    is_isolated: bool,
    runs: usize,
    is_json: bool,
}

/// An engine: its name, the page that it runs on, and the script that starts it.
type Engine = (&'static str, String, &'static str);

/// Milliseconds until the first token after a picture, and those of encoding it. Engines have the same interface,
/// `window.engine`.
const SEE: &str = "async (picture, width, height, run) => {
    const file = await picture(width, height);
    // Bytes after its end tell files apart, so that none was seen before.
    const own = new File([file, new Uint8Array([run])], file.name, { type: file.type });
    const start = performance.now();
    const encode = await window.engine.see(own);
    return [performance.now() - start, encode];
}";

const PARLANCE: &str = "async (site, url, projector) => {
    const { Parlance } = await import(site + 'parlance.js');
    const engine = await Parlance.create();
    const { adapter, features } = await engine.load(url, { projector, contextTokens: 4096 });
    window.engine = {
        adapter,
        features,
        async see(file) {
            const content = [{ type: 'image_url', image_url: { url: file } }, { type: 'text', text: 'What is it?' }];
            const messages = [{ role: 'user', content }];
            const { usage } = await engine.chat.completions.create({ messages, max_tokens: 1, temperature: 0 });
            return usage.extra.image_encode_s * 1000;
        },
    };
}";

const WLLAMA: &str = "async (site, url, mmprojUrl) => {
    const { Wllama } = await import('/npm/wllama/esm/index.js');
    const quiet = { debug() {}, log() {}, warn() {}, error: console.error };
    const wllama = new Wllama({ default: '/npm/wllama/esm/wasm/wllama.wasm' }, { logger: quiet });
    await wllama.loadModelFromUrl({ url, mmprojUrl }, { n_ctx: 4096 });
    window.engine = {
        adapter: wllama.isSupportWebGPU() ? 'WebGPU' : 'CPU',
        features: [`${wllama.getNumThreads()} threads`],
        async see(file) {
            const content = [{ type: 'image', data: await file.arrayBuffer() }, { type: 'text', text: 'What is it?' }];
            const messages = [{ role: 'user', content }];
            await wllama.createChatCompletion({ messages, max_tokens: 1, temperature: 0 });
            return null;
        },
    };
}";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let folder = std::env::temp_dir().join(format!("parlance-towers-{}", std::process::id()));
    let rows = measure_all(&arguments, &folder);
    // Without cases there is none.
    let _ = std::fs::remove_dir_all(&folder);
    print_rows(&rows?, arguments.is_json);
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments {
        cases: Vec::new(),
        has_peer: false,
        is_hardware: false,
        is_isolated: false,
        runs: 5,
        is_json: false,
    };
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--browser" => {}
            "--pictures" => arguments.cases = Case::list(&value()?)?,
            "--hardware" => arguments.is_hardware = true,
            "--isolated" => arguments.is_isolated = true,
            "--runs" => arguments.runs = value()?.parse()?,
            "--json" => arguments.is_json = true,
            "--peer" => match value()?.as_str() {
                "wllama" => arguments.has_peer = true,
                other => return Err(format!("unknown peer “{other}”; in browsers there is wllama").into()),
            },
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok(arguments)
}

/// The rows of all cases, whose files are written into a folder.
fn measure_all(arguments: &Arguments, folder: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let server = Server::start()?;
    let session = if arguments.is_hardware { Session::on_hardware()? } else { Session::with_animations()? };
    let (page, site) = if arguments.is_isolated {
        (server.isolated_blank_page(), server.isolated_page(""))
    } else {
        (server.blank_page(), server.page(""))
    };
    let mut engines: Vec<Engine> = vec![("parlance", page, PARLANCE)];
    if arguments.has_peer {
        engines.push(("wllama", server.isolated_blank_page(), WLLAMA));
    }
    let mut rows = Vec::new();
    for case in &arguments.cases {
        let paths = case.write(folder)?;
        let [model, projector] = paths.each_ref().map(|path| server.offer(path));
        for (name, blank, start) in &engines {
            let begin = format!("({start})({site:?}, {model:?}, {projector:?})");
            rows.extend(measure(&session, *case, name, [blank.as_str(), begin.as_str()], arguments.runs)?);
        }
        for path in paths {
            std::fs::remove_file(path)?;
        }
    }
    Ok(rows)
}

/// The rows of a case with one engine, which a script starts on a page.
fn measure(
    session: &Session,
    case: Case,
    engine: &str,
    [blank, begin]: [&str; 2],
    runs: usize,
) -> Result<Vec<Value>, Box<dyn Error>> {
    let page = session.open(blank)?;
    page.show()?;
    page.evaluate(begin)?;
    let [width, height] = case.size;
    let (mut whole_ms, mut encode_ms) = (Vec::new(), Vec::new());
    // The first run compiles kernels and warms up.
    for run in 0..=runs {
        let times = page.evaluate(&format!("({SEE})({PICTURE}, {width}, {height}, {run})"))?;
        if run > 0 {
            whole_ms.extend(times[0].as_f64());
            encode_ms.extend(times[1].as_f64());
        }
    }
    let about = page.evaluate("({ adapter: window.engine.adapter, features: window.engine.features })")?;
    page.close()?;
    let what = format!("browser, {engine}: picture");
    let mut rows = case.rows(&what, "encode", encode_ms, &about);
    rows.extend(case.rows(&what, "first token", whole_ms, &about));
    Ok(rows)
}
