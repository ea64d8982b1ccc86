//! Measures how fast published Whisper models recognise speech in Chromium:
//!
//!     cargo xtask bench --browser --speech MODELS [--hardware] [--isolated] [--runs 5] [--json]
//!
//! Models, recording and rows are those of the native benchmark (`speech_bench.rs`). A rate is that of a whole request, from a WAV
//! file to text. With `--isolated`, the page may use threads.

use std::error::Error;

use parlance_tests::recognisers::{Recogniser, talk};
use parlance_tests::towers::print_rows;
use parlance_tests::{Server, Session};
use serde_json::Value;

#[derive(Default)]
struct Arguments {
    models: Vec<Recogniser>,
    is_hardware: bool,
    is_isolated: bool,
    runs: usize,
    is_json: bool,
}

/// Starts the engine with a model on a page, and fetches the recording.
const START: &str = "async (site, model, recording) => {
    const { Parlance } = await import(site + 'parlance.js');
    window.engine = await Parlance.create();
    window.info = await engine.load(model);
    window.file = new File([await (await fetch(recording)).blob()], 'talk.wav', { type: 'audio/wav' });
}";

/// The seconds that a request takes.
const HEAR: &str = "(async () => {
    const start = performance.now();
    const { text } = await engine.audio.transcriptions.create({ file, language: 'en' });
    if (!text) throw new Error('nothing was heard');
    return (performance.now() - start) / 1000;
})()";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let server = Server::start()?;
    let session = if arguments.is_hardware { Session::on_hardware()? } else { Session::with_animations()? };
    let mut rows = Vec::new();
    for model in &arguments.models {
        rows.push(measure(&arguments, &server, &session, model)?);
    }
    print_rows(&rows, arguments.is_json);
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments { runs: 5, ..Arguments::default() };
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--browser" => {}
            "--speech" => arguments.models = Recogniser::list(&value()?)?,
            "--hardware" => arguments.is_hardware = true,
            "--isolated" => arguments.is_isolated = true,
            "--runs" => arguments.runs = value()?.parse()?,
            "--json" => arguments.is_json = true,
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    Ok(arguments)
}

/// The row of a model.
fn measure(
    arguments: &Arguments,
    server: &Server,
    session: &Session,
    model: &Recogniser,
) -> Result<Value, Box<dyn Error>> {
    let (blank, site) = if arguments.is_isolated {
        (server.isolated_blank_page(), server.isolated_page(""))
    } else {
        (server.blank_page(), server.page(""))
    };
    let [url, recording] = [&model.path, &talk()].map(|path| server.offer(path));
    let page = session.open(&blank)?;
    page.show()?;
    page.evaluate(&format!("({START})({site:?}, {url:?}, {recording:?})"))?;
    let mut times_s = Vec::new();
    // Once to warm up.
    for run in 0..=arguments.runs {
        let taken = page.evaluate(HEAR)?.as_f64();
        if run > 0 {
            times_s.extend(taken);
        }
    }
    let about = page.evaluate("({ adapter: info.adapter, features: info.features })")?;
    page.close()?;
    Ok(model.row("browser: speech", times_s, &about)?)
}
