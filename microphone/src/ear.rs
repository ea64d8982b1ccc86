//! Level and silence.

use parlance_sound::{Resampler, SAMPLE_RATE, SoundError, half};

use crate::messages::{Heard, Voice};

/// How much louder than the noise around speech is.
const SPEECH_OVER_NOISE: f32 = 3.5;
/// Speech is at least this loud, as a root mean square.
const LEAST_SPEECH: f32 = 0.004;
/// How long it has to be loud before that counts as speech: a click is short.
const SPEECH_SECONDS: f32 = 0.12;
/// How long it has to be quiet before somebody has finished.
const PAUSE_SECONDS: f32 = 1.5;
/// By what the noise is believed to grow each second while it is louder.
const NOISE_GROWTH: f32 = 1.05;
/// The noise in a quiet room, until more is known.
const QUIET_ROOM: f32 = 0.003;
/// The range of levels in decibels.
const RANGE_DB: f32 = 60.0;

/// Hears samples piece by piece.
pub struct Ear {
    resampler: Resampler,
    resampled: Vec<f32>,
    /// How loud the noise around is.
    noise: f32,
    loud_seconds: f32,
    quiet_seconds: f32,
    voice: Voice,
}

impl Ear {
    /// An ear for this many samples per second.
    ///
    /// # Errors
    /// [`SoundError::Rate`] for a rate beyond the limits.
    pub fn new(rate: u32) -> Result<Self, SoundError> {
        Ok(Self {
            resampler: Resampler::new(rate)?,
            resampled: Vec::new(),
            noise: QUIET_ROOM,
            loud_seconds: 0.0,
            quiet_seconds: 0.0,
            voice: Voice::Awaited,
        })
    }

    /// Hears the next samples.
    pub fn hear(&mut self, samples: &[f32]) -> Heard {
        self.resampler.push(samples, &mut self.resampled);
        let loudness = root_mean_square(&self.resampled);
        self.listen(loudness, self.resampled.len() as f32 / SAMPLE_RATE as f32);
        let samples = self.resampled.drain(..).map(half).collect();
        Heard { samples, level: level(loudness), voice: self.voice }
    }

    fn listen(&mut self, loudness: f32, seconds: f32) {
        let is_loud = loudness > LEAST_SPEECH.max(self.noise * SPEECH_OVER_NOISE);
        // Pauses between words show how loud the noise is; a fan that starts is heard as speech for some seconds.
        self.noise = loudness.min(self.noise * NOISE_GROWTH.powf(seconds)).max(1e-5);
        if is_loud {
            self.loud_seconds += seconds;
            if self.loud_seconds >= SPEECH_SECONDS {
                self.voice = Voice::Speaking;
                self.quiet_seconds = 0.0;
            }
        } else {
            self.loud_seconds = 0.0;
            self.quiet_seconds += seconds;
            if self.voice == Voice::Speaking && self.quiet_seconds >= PAUSE_SECONDS {
                self.voice = Voice::Finished;
            }
        }
    }
}

fn root_mean_square(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    (sum / samples.len().max(1) as f32).sqrt()
}

/// A loudness on the scale of the level meter.
fn level(loudness: f32) -> f32 {
    ((20.0 * loudness.max(1e-6).log10() + RANGE_DB) / RANGE_DB).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    /// Samples of a piece, as the page sends them.
    const PIECE: usize = 2048;

    /// A tone of this loudness, or a hum if it is low.
    fn tone(amplitude: f32, seconds: f32) -> Vec<f32> {
        (0..(seconds * RATE as f32) as usize).map(|i| amplitude * (i as f32 * 0.06).sin()).collect()
    }

    /// What is known of the speaker after each part of a recording.
    fn voices(parts: &[(f32, f32)]) -> Vec<Voice> {
        let mut ear = Ear::new(RATE).unwrap_or_else(|error| panic!("{error}"));
        let after = |(amplitude, seconds): &(f32, f32)| {
            let samples = tone(*amplitude, *seconds);
            samples.chunks(PIECE).fold(Voice::Awaited, |_, piece| ear.hear(piece).voice)
        };
        parts.iter().map(after).collect()
    }

    #[test]
    fn speech_begins_and_ends() {
        use Voice::{Awaited, Finished, Speaking};
        let quiet = 0.001;
        assert_eq!(
            voices(&[(quiet, 5.0), (0.1, 1.0), (quiet, 1.0), (0.1, 0.5), (quiet, 2.0)]),
            [Awaited, Speaking, Speaking, Speaking, Finished]
        );
        assert_eq!(voices(&[(0.0, 3.0), (0.2, 0.04), (0.0, 3.0)]), [Awaited; 3], "a click is no speech");
        assert_eq!(voices(&[(0.004, 60.0), (0.05, 1.0)]), [Awaited, Speaking], "over the noise of a fan");
        assert_eq!(voices(&[(0.1, 20.0)]), [Speaking], "without a pause");
    }

    #[test]
    fn samples_are_those_for_speech_recognition_and_have_a_level() {
        let mut ear = Ear::new(RATE).unwrap_or_else(|error| panic!("{error}"));
        let heard: Vec<Heard> = tone(0.5, 2.0).chunks(PIECE).map(|piece| ear.hear(piece)).collect();
        let count: usize = heard.iter().map(|heard| heard.samples.len()).sum();
        assert!((31_900..=32_000).contains(&count), "{count}");
        // Half of the loudest is 6 dB below it, and the mean of a tone another 3.
        assert!(heard.iter().skip(1).all(|heard| (heard.level - 51.0 / 60.0).abs() < 0.01), "{:?}", heard[1].level);
        assert!(heard[5].samples.iter().any(|sample| *sample > 16_000));
        let mut ear = Ear::new(RATE).unwrap_or_else(|error| panic!("{error}"));
        assert!(ear.hear(&[0.0; PIECE]).level < 0.01);
        assert_eq!(Ear::new(1).err(), Some(SoundError::Rate(1)));
    }
}
