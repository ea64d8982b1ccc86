//! Brings samples to [`SAMPLE_RATE`]: a sinc filter with Blackman's window, in phases (Crochiere and Rabiner 1983).

use std::f64::consts::PI;

use crate::error::SoundError;
use crate::limits::SAMPLE_RATE;
use crate::track::check;

/// Zero crossings of the filter on each side.
const CROSSINGS: f64 = 16.0;
/// Where the filter begins to fall, as a part of the band that is kept.
const CUTOFF: f64 = 0.94;
/// Maximum number of phases. Ratios that need more are rounded to these.
const MAX_PHASES: u64 = 1024;

/// The mean of a recording's channels: `[frames][channels]` to `[frames]`.
pub fn mix(samples: &[f32], channels: u32) -> Vec<f32> {
    let channels = channels.max(1) as usize;
    samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect()
}

/// A sample in 16 bits.
pub fn half(sample: f32) -> i16 {
    // Values outside, and those that are no numbers, are clamped by the conversion.
    (sample * 32768.0).round() as i16
}

/// Changes the rate of a stream of samples.
pub struct Resampler {
    from: u64,
    to: u64,
    /// A filter for each phase, of twice `half_len` weights.
    filters: Vec<Vec<f32>>,
    half_len: usize,
    /// Samples that are still needed, from `first` on. The signal begins after `half_len` zeros.
    input: Vec<f32>,
    first: u64,
    /// Samples that came in, with the zeros, and that went out.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A resampler for this rate.
    ///
    /// # Errors
    /// [`SoundError::Rate`] for a rate beyond the limits.
    pub fn new(rate: u32) -> Result<Self, SoundError> {
        check(rate, 1)?;
        let divisor = gcd(rate.into(), SAMPLE_RATE.into());
        let (from, to) = (u64::from(rate) / divisor, u64::from(SAMPLE_RATE) / divisor);
        // The lower of both rates bounds the band, relative to the input's.
        let cutoff = CUTOFF * (to as f64 / from as f64).min(1.0);
        let half_len = (CROSSINGS / cutoff).ceil() as usize;
        let phases = to.min(MAX_PHASES);
        let filter = |phase: u64| filter(phase as f64 / phases as f64, cutoff, half_len);
        let (filters, half_len) =
            if from == to { (Vec::new(), 0) } else { ((0..phases).map(filter).collect(), half_len) };
        let zeros = half_len as u64;
        Ok(Self { from, to, filters, half_len, input: vec![0.0; half_len], first: 0, taken: zeros, given: 0 })
    }

    /// Takes samples, and appends those that are ready to `output`.
    pub fn push(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        self.taken += samples.len() as u64;
        if self.filters.is_empty() {
            self.given += samples.len() as u64;
            output.extend_from_slice(samples);
            return;
        }
        self.input.extend_from_slice(samples);
        self.give(u64::MAX, output);
        let (whole, _) = self.place();
        // The next sample needs those from `half_len - 1` before its place on, which is counted without the zeros.
        let needed = (whole + 1).min(self.taken);
        self.input.drain(..(needed - self.first) as usize);
        self.first = needed;
    }

    /// Appends what is left to `output`, after the last sample.
    pub fn finish(&mut self, output: &mut Vec<f32>) {
        if self.filters.is_empty() {
            return;
        }
        let all = (self.taken - self.half_len as u64) * self.to;
        self.input.resize(self.input.len() + self.half_len + 1, 0.0);
        self.taken += self.half_len as u64 + 1;
        self.give(all.div_ceil(self.from), output);
    }

    /// Appends samples while all that they need is here, up to this number in all.
    fn give(&mut self, end: u64, output: &mut Vec<f32>) {
        while self.given < end {
            let (whole, phase) = self.place();
            let start = whole + 1;
            if start + 2 * self.half_len as u64 > self.taken {
                return;
            }
            let input = &self.input[(start - self.first) as usize..];
            let filter = &self.filters[phase];
            output.push(filter.iter().zip(input).map(|(weight, sample)| weight * sample).sum());
            self.given += 1;
        }
    }

    /// The place of the next sample: the sample of the input at or before it, and the phase.
    fn place(&self) -> (u64, usize) {
        let at = self.given * self.from;
        let phases = self.filters.len() as u64;
        let phase = (at % self.to * phases + self.to / 2) / self.to;
        // The last phase may round up to the next sample.
        ((at / self.to) + phase / phases, (phase % phases) as usize)
    }
}

/// The filter for a sample this far behind one of the input.
fn filter(behind: f64, cutoff: f64, half_len: usize) -> Vec<f32> {
    let weight = |index: usize| {
        let distance = index as f64 - (half_len as f64 - 1.0) - behind;
        let x = PI * distance * cutoff;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
        let place = (distance / half_len as f64).clamp(-1.0, 1.0);
        let window = 0.42 + 0.5 * (PI * place).cos() + 0.08 * (2.0 * PI * place).cos();
        cutoff * sinc * window
    };
    let weights: Vec<f64> = (0..2 * half_len).map(weight).collect();
    // A constant stays as it is.
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let count = (seconds * f64::from(rate)) as usize;
        (0..count).map(|i| (2.0 * PI * hz * i as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn resampled(samples: &[f32], rate: u32, piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(rate).unwrap_or_else(|error| panic!("{error}"));
        let mut output = Vec::new();
        for samples in samples.chunks(piece) {
            resampler.push(samples, &mut output);
        }
        resampler.finish(&mut output);
        output
    }

    #[test]
    fn tones_keep_pitch_level_and_place() {
        for rate in [4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000, 44_101] {
            let output = resampled(&tone(1000.0, rate, 0.5), rate, usize::MAX);
            assert_eq!(output.len(), 8000, "{rate}");
            let expected = tone(1000.0, SAMPLE_RATE, 0.5);
            // At both ends the filter sees the silence around.
            for (i, (actual, expected)) in output.iter().zip(&expected).enumerate().skip(200).take(7600) {
                assert!((actual - expected).abs() < 4e-3, "{rate}: {actual}, not {expected}, at {i}");
            }
        }
    }

    #[test]
    fn what_is_too_high_for_the_rate_is_silent() {
        for rate in [44_100, 48_000, 96_000, 192_000] {
            let output = resampled(&tone(9_500.0, rate, 0.5), rate, usize::MAX);
            let loudest = output[200..7800].iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
            assert!(loudest < 2e-3, "{rate}: {loudest}");
        }
    }

    #[test]
    fn pieces_are_seamless() {
        for rate in [8_000, 16_000, 44_100, 48_000] {
            let samples = tone(440.0, rate, 0.3);
            let whole = resampled(&samples, rate, usize::MAX);
            for piece in [1, 7, 480, 1024] {
                assert_eq!(resampled(&samples, rate, piece), whole, "{rate} by {piece}");
            }
        }
    }

    #[test]
    fn channels_are_mixed_and_halves_are_clamped() {
        assert_eq!(mix(&[1.0, 0.0, 0.5, -0.5], 2), [0.5, 0.0]);
        assert_eq!(
            [half(1.0), half(-1.0), half(0.5), half(2.0), half(f32::NAN)],
            [i16::MAX, i16::MIN, 16384, i16::MAX, 0]
        );
        for sample in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
            assert_eq!(half(f32::from(sample) / 32768.0), sample);
        }
    }
}
