//! The recordings of requests. Files are taken apart by `worker/sound` and decoded by the browser, packet by packet
//! (`decoder.rs`), so that of a long file only what is heard is in memory: 16 bits per sample, outside the wasm heap.

mod decoder;

use js_sys::{Int16Array, Uint8Array};
use parlance_api::RequestError;
use parlance_engine::speech::Sound;
use parlance_sound::{MAX_SAMPLES, Resampler, SoundError, Source, half, open};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, FileReaderSync};

use crate::error::{WorkerError, message_of};

/// Samples of a piece, in two bytes each.
const PIECE_SAMPLES: usize = 1 << 20;
/// Pieces of a file that are read before others may do something.
const READ_PIECES: u32 = 16;

/// A recording of 16,000 samples per second, one channel.
pub(crate) struct Recording {
    /// All but the last of the same length.
    pieces: Vec<Int16Array>,
    piece_len: usize,
    len: usize,
}

impl Recording {
    /// The recording in a message: a file, or samples. `report` hears how much of it is decoded, from 0 to 1.
    pub(crate) async fn of(sound: &JsValue, report: impl Fn(f64)) -> Result<Self, WorkerError> {
        if let Some(samples) = sound.dyn_ref::<Int16Array>() {
            let len = samples.length() as usize;
            return match len as u64 {
                0 => Err(SoundError::Empty.into()),
                len if len > MAX_SAMPLES => Err(SoundError::TooLong.into()),
                _ => Ok(Self { pieces: vec![samples.clone()], piece_len: len, len }),
            };
        }
        let Some(blob) = sound.dyn_ref::<Blob>() else {
            let message = "it must be a recording: a file, or an Int16Array of 16,000 samples per second";
            return Err(RequestError::Field { param: "file".to_owned(), message: message.to_owned() }.into());
        };
        let mut recorder = Recorder::default();
        match open(BlobSource(blob.clone()))? {
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
            }
            parlance_sound::Recording::Packets(packets) => {
                recorder = decoder::decode(packets, recorder, report).await?
            }
        }
        recorder.finish()
    }
}

impl Sound for Recording {
    fn sample_count(&self) -> usize {
        self.len
    }

    fn read(&self, start: usize, into: &mut [f32]) {
        let mut halves = vec![0; into.len()];
        let mut filled = 0;
        while filled < into.len() {
            let (index, offset) = ((start + filled) / self.piece_len, (start + filled) % self.piece_len);
            let piece = &self.pieces[index];
            let len = (into.len() - filled).min(piece.length() as usize - offset);
            piece.subarray(offset as u32, (offset + len) as u32).copy_to(&mut halves[filled..filled + len]);
            filled += len;
        }
        halves.as_slice().read(0, into);
    }
}

/// Collects the samples of a recording.
#[derive(Default)]
struct Recorder {
    /// For the rate of the samples that come.
    resampler: Option<(u32, Resampler)>,
    pieces: Vec<Int16Array>,
    /// The last samples, which are no whole piece.
    rest: Vec<i16>,
    resampled: Vec<f32>,
}

impl Recorder {
    /// Sets the rate of the samples that follow; it must not change.
    fn set_rate(&mut self, rate: u32) -> Result<(), SoundError> {
        match &self.resampler {
            Some((known, _)) if *known == rate => Ok(()),
            Some(_) => Err(SoundError::Damaged("its rate changes in the middle")),
            None => {
                self.resampler = Some((rate, Resampler::new(rate)?));
                Ok(())
            }
        }
    }

    /// Takes samples of one channel.
    fn push(&mut self, samples: &[f32]) -> Result<(), SoundError> {
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.push(samples, &mut self.resampled);
        }
        self.keep()
    }

    fn keep(&mut self) -> Result<(), SoundError> {
        self.rest.extend(self.resampled.drain(..).map(half));
        while self.rest.len() >= PIECE_SAMPLES {
            self.pieces.push(Int16Array::from(&self.rest[..PIECE_SAMPLES]));
            self.rest.drain(..PIECE_SAMPLES);
        }
        if self.pieces.len() * PIECE_SAMPLES > MAX_SAMPLES as usize { Err(SoundError::TooLong) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<Recording, WorkerError> {
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.finish(&mut self.resampled);
        }
        self.keep()?;
        let len = self.pieces.len() * PIECE_SAMPLES + self.rest.len();
        if len == 0 {
            return Err(SoundError::Empty.into());
        }
        self.pieces.push(Int16Array::from(self.rest.as_slice()));
        Ok(Recording { pieces: self.pieces, piece_len: PIECE_SAMPLES, len })
    }
}

/// A file that is read in place.
pub(crate) struct BlobSource(pub(crate) Blob);

impl Source for BlobSource {
    type Error = WorkerError;

    fn len_bytes(&self) -> u64 {
        self.0.size() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), WorkerError> {
        let read = || {
            let part = self.0.slice_with_f64_and_f64(offset as f64, (offset + into.len() as u64) as f64)?;
            FileReaderSync::new()?.read_as_array_buffer(&part)
        };
        // For example because it was changed or removed.
        let bytes = Uint8Array::new(&read().map_err(|error| unusable(message_of(&error)))?);
        if bytes.length() as usize != into.len() {
            return Err(unusable("the file has changed".to_owned()));
        }
        bytes.copy_to(into);
        Ok(())
    }
}

/// The error of a recording that cannot be used for this reason.
fn unusable(reason: String) -> WorkerError {
    RequestError::Recording(reason).into()
}

impl From<SoundError> for WorkerError {
    fn from(error: SoundError) -> Self {
        unusable(error.to_string())
    }
}
