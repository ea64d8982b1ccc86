//! The recordings of requests. Files are taken apart by `worker/sound` and decoded by the browser, packet by packet
//! (`decoder.rs`), so that of a long file only what is heard is in memory (`recorder.rs`).

mod blob;
mod decoder;
mod recorder;

pub(crate) use blob::BlobSource;
pub(crate) use recorder::Recording;

use js_sys::Int16Array;
use parlance_api::RequestError;
use parlance_sound::open;
use recorder::Recorder;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Blob;

use crate::error::WorkerError;

/// Pieces of a file that are read before others may do something.
const READ_PIECES: u32 = 16;

/// The recording in a message: a file, or samples. `report` hears how much of it is decoded, from 0 to 1.
pub(crate) async fn decode(sound: &JsValue, report: impl Fn(f64)) -> Result<Recording, WorkerError> {
    if let Some(samples) = sound.dyn_ref::<Int16Array>() {
        return Ok(Recording::of_samples(samples)?);
    }
    let Some(blob) = sound.dyn_ref::<Blob>() else {
        let message = "it must be a recording: a file, or an Int16Array of 16,000 samples per second";
        return Err(RequestError::Field { param: "file".to_owned(), message: message.to_owned() }.into());
    };
    let mut recorder = Recorder::default();
    match open(BlobSource(blob.clone()))? {
        parlance_sound::Recording::Packets(packets) => decoder::decode(packets, recorder, report).await?.finish(),
        parlance_sound::Recording::Samples(mut wav) => {
            recorder.set_rate(wav.sample_rate())?;
            let mut count = 0;
            while let Some(samples) = wav.next_samples()? {
                recorder.push(&samples)?;
                count += 1;
                if count % READ_PIECES == 0 {
                    report(wav.progress());
                    gloo_timers::future::sleep(std::time::Duration::ZERO).await;
                }
            }
            recorder.finish()
        }
    }
}
