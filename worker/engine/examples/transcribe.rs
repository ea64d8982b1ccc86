//! Transcribes recordings natively:
//!
//! ```text
//! cargo run --release -p parlance-engine --example transcribe -- --model FILE [--language CODE] [--translate] \
//!     [--temperature 0] [--json] [--spectrograms FOLDER] [--baseline | --cpu] RECORDING.wav ...
//! ```
//!
//! Recordings are WAV with 16,000 samples of 16 bits per second, one channel. `--json` prints an object per recording.
//! With `--temperature`, only that one is tried. `--spectrograms` writes what the model hears of `NAME.wav` into
//! `FOLDER/NAME.f32`: `[frames][mels]`, little-endian.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use parlance_engine::EngineError;
use parlance_engine::ggml::{is_ggml, read_header};
use parlance_engine::runtime::{
    Cpu, Device, Gpu, GpuOptions, Loaded, Loader, LoaderOptions, NativeThreads, Transcriber, TranscriptEvent,
    TranscriptSegment, TranscriptionOptions,
};
use parlance_engine::speech::SAMPLE_RATE;
use serde_json::json;

/// The command line.
#[derive(Default)]
struct Arguments {
    model: String,
    recordings: Vec<String>,
    options: TranscriptionOptions,
    /// The folder for spectrograms.
    spectrograms: Option<PathBuf>,
    json: bool,
    baseline: bool,
    cpu: bool,
}

impl Arguments {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--model" => arguments.model = value()?,
                "--language" => arguments.options.language = Some(value()?),
                "--temperature" => arguments.options.temperatures = vec![value()?.parse()?],
                "--spectrograms" => arguments.spectrograms = Some(value()?.into()),
                "--translate" => arguments.options.translate = true,
                "--json" => arguments.json = true,
                "--baseline" => arguments.baseline = true,
                "--cpu" => arguments.cpu = true,
                other if other.starts_with("--") => return Err(format!("unknown argument {other}").into()),
                _ => arguments.recordings.push(word.clone()),
            }
        }
        if arguments.model.is_empty() || arguments.recordings.is_empty() {
            return Err("--model FILE and recordings are required".into());
        }
        Ok(arguments)
    }

    async fn device(&self) -> Result<Device, EngineError> {
        if !self.cpu {
            let options = GpuOptions { baseline: self.baseline, ..GpuOptions::default() };
            return Ok(Gpu::new(options).await?.into());
        }
        let helpers = std::thread::available_parallelism().map_or(0, |threads| usize::from(threads) - 1);
        Ok(Cpu::blocking().with_threads(std::sync::Arc::new(NativeThreads::start(helpers, 0))).into())
    }
}

/// Loads a file of whisper.cpp, or GGUF.
async fn load(arguments: &Arguments) -> Result<Transcriber, Box<dyn Error>> {
    let device = arguments.device().await?;
    let mut file = File::open(&arguments.model).map_err(|error| format!("{}: {error}", arguments.model))?;
    let len_bytes = file.metadata()?.len();
    let options = LoaderOptions { file_len_bytes: Some(len_bytes), ..LoaderOptions::default() };
    let mut first = [0; 4];
    file.read_exact(&mut first)?;
    let mut loader = if is_ggml(&first) {
        let header = read_header(len_bytes, |at, bytes| {
            file.seek(SeekFrom::Start(at))
                .and_then(|_| file.read_exact(bytes))
                .map_err(|error| EngineError::Prompt(error.to_string()))
        })?;
        Loader::with_headers(device, options, &[header]).await?
    } else {
        Loader::new(device, options)
    };
    file.seek(SeekFrom::Start(0))?;
    let mut chunk = vec![0; 4 << 20];
    loop {
        let len = file.read(&mut chunk)?;
        if len == 0 {
            break;
        }
        loader.push(&chunk[..len]).await?;
    }
    match loader.finish_any().await? {
        Loaded::Transcriber(transcriber) => Ok(*transcriber),
        Loaded::Decoder(_) | Loaded::Encoder(_) => Err("this model does not recognise speech".into()),
    }
}

/// The samples of a WAV file.
fn samples(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let unsupported = || format!("{path} is not WAV with {SAMPLE_RATE} samples of 16 bits per second, one channel");
    let format = bytes.get(20..36).ok_or_else(unsupported)?;
    let expected = [&[1u8, 0, 1, 0][..], &(SAMPLE_RATE as u32).to_le_bytes()].concat();
    if !bytes.starts_with(b"RIFF") || format[..8] != expected || format[14..16] != [16, 0] {
        return Err(unsupported().into());
    }
    let data = bytes.windows(4).position(|word| word == b"data").ok_or_else(unsupported)?;
    let halves = bytes[data..].get(8..).unwrap_or_default().as_chunks::<2>().0;
    Ok(halves.iter().map(|half| f32::from(i16::from_le_bytes(*half)) / 32768.0).collect())
}

/// Transcribes a recording and prints what is said.
async fn run(arguments: &Arguments, transcriber: &mut Transcriber, path: &str) -> Result<(), Box<dyn Error>> {
    let samples = samples(path)?;
    if let Some(folder) = &arguments.spectrograms {
        let values = transcriber.spectrogram(&samples);
        let name = Path::new(path).with_extension("f32");
        std::fs::write(
            folder.join(name.file_name().unwrap_or_default()),
            values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>(),
        )?;
    }
    let start = Instant::now();
    let (mut language, mut segments) = ("", Vec::new());
    transcriber
        .transcribe(&samples[..], &arguments.options, |event| {
            match event {
                TranscriptEvent::Language { code, .. } => language = code,
                TranscriptEvent::Segment(segment) => segments.push(segment),
                TranscriptEvent::Progress { .. } => {}
            }
            true
        })
        .await?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = samples.len() as f64 / SAMPLE_RATE as f64 / seconds;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let object = json!({
            "file": path,
            "language": language,
            "segments": segments.iter().map(described).collect::<Vec<_>>(),
            "times_real_time": rate,
            "adapter": transcriber.device().adapter_name(),
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    for TranscriptSegment { start, end, text, .. } in &segments {
        writeln!(out, "{start:7.2} {end:7.2} {text}")?;
    }
    writeln!(out, "{path}: {language}, {rate:.1} times real time on {}", transcriber.device().adapter_name())?;
    Ok(())
}

fn described(segment: &TranscriptSegment) -> serde_json::Value {
    json!({ "start": segment.start, "end": segment.end, "text": segment.text, "tokens": segment.tokens })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse()?;
    pollster::block_on(async {
        let mut transcriber = load(&arguments).await?;
        for path in &arguments.recordings {
            run(&arguments, &mut transcriber, path).await?;
        }
        Ok(())
    })
}
