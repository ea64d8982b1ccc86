//! What is in memory of a recording: pieces of 16-bit samples, outside the wasm heap.

use js_sys::Int16Array;
use parlance_engine::speech::Sound;
use parlance_sound::{MAX_SAMPLES, Resampler, SoundError, half};

use crate::error::WorkerError;

/// Samples of a piece, in two bytes each.
const PIECE_SAMPLES: usize = 1 << 20;

/// A recording of 16,000 samples per second, one channel.
pub(crate) struct Recording {
    /// All but the last of the same length.
    pieces: Vec<Int16Array>,
    piece_len: usize,
    len: usize,
}

impl Recording {
    /// A recording of these samples.
    pub(crate) fn of_samples(samples: &Int16Array) -> Result<Self, SoundError> {
        let len = samples.length() as usize;
        match len as u64 {
            0 => Err(SoundError::Empty),
            count if count > MAX_SAMPLES => Err(SoundError::TooLong),
            _ => Ok(Self { pieces: vec![samples.clone()], piece_len: len, len }),
        }
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
pub(super) struct Recorder {
    /// For the rate of the samples that come.
    resampler: Option<(u32, Resampler)>,
    pieces: Vec<Int16Array>,
    /// The last samples, which are no whole piece.
    rest: Vec<i16>,
    resampled: Vec<f32>,
}

impl Recorder {
    /// Sets the rate of the samples that follow; it must not change.
    pub(super) fn set_rate(&mut self, rate: u32) -> Result<(), SoundError> {
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
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), SoundError> {
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

    /// The recording.
    pub(super) fn finish(mut self) -> Result<Recording, WorkerError> {
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
