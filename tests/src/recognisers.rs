//! Published Whisper models, and two minutes of speech for them: for benchmarks, for which `cargo xtask` fetches and makes them
//! (`xtask/src/speech.rs`).

use std::io;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::root;

/// Bytes before the samples of the recording.
const WAV_HEADER_BYTES: usize = 44;
/// Samples of the recording per second.
const SAMPLE_RATE: f64 = 16_000.0;

/// A model in whisper.cpp's format.
#[derive(Debug)]
pub struct Recogniser {
    name: String,
    /// Its file.
    pub path: PathBuf,
}

impl Recogniser {
    /// The models of a list of names with commas between them; `all` means all.
    ///
    /// # Errors
    /// If there is no such model, or none was fetched.
    pub fn list(names: &str) -> Result<Vec<Self>, String> {
        let names = if names == "all" { "tiny.en,base" } else { names };
        let find = |name: &str| {
            let path = folder().join(format!("ggml-{name}.bin"));
            let found = path.exists().then(|| Self { name: name.to_owned(), path });
            found.ok_or_else(|| format!("“{name}” is not one of the models tiny.en and base"))
        };
        names.split(',').map(find).collect()
    }

    /// A result: a row of `cargo xtask bench`, from the times in which the recording was transcribed. `about` has the adapter
    /// and its features.
    ///
    /// # Errors
    /// If there are no times, or no recording.
    pub fn row(&self, case: &str, mut times_s: Vec<f64>, about: &Value) -> io::Result<Value> {
        times_s.sort_by(f64::total_cmp);
        let median_s = times_s.get(times_s.len() / 2).ok_or_else(|| io::Error::other("nothing was measured"))?;
        let length_s = talk_samples()?.len() as f64 / SAMPLE_RATE;
        Ok(json!({
            "case": case, "model": format!("whisper-{} F16", self.name), "metric": "rate", "value": length_s / median_s,
            "unit": "times real time", "adapter": about["adapter"], "features": about["features"],
        }))
    }
}

/// What `cargo xtask` has made.
pub fn folder() -> PathBuf {
    root().join("target/speech")
}

/// A WAV file of two minutes of speech, which espeak-ng reads out.
pub fn talk() -> PathBuf {
    folder().join("recordings/two-minutes.wav")
}

/// Its samples, 16,000 per second.
///
/// # Errors
/// If it cannot be read.
pub fn talk_samples() -> io::Result<Vec<i16>> {
    let bytes = std::fs::read(talk())?;
    let halves = bytes.get(WAV_HEADER_BYTES..).unwrap_or_default().as_chunks::<2>().0;
    Ok(halves.iter().map(|half| i16::from_le_bytes(*half)).collect())
}
