//! Log-mel spectrograms: how loud each band of frequencies is, every 10 ms, on a logarithmic scale (Radford et al. 2022,
//! section 2.2).

use std::f64::consts::TAU;

use super::dft::{BINS, Dft, LEN};
use super::sound::Sound;

/// Samples per second.
pub const SAMPLE_RATE: usize = 16_000;
/// Frames per second.
pub const FRAMES_PER_SECOND: usize = SAMPLE_RATE / HOP;
/// Frequencies that filters weigh.
pub const MEL_BINS: usize = BINS;

/// Samples from the start of a frame to that of the next.
pub(crate) const HOP: usize = 160;
/// Frames whose loudness is to be measured between two pauses of a thread.
pub(crate) const MEASURED_FRAMES: usize = 1000;
/// Half of a frame's samples; the signal is reflected before its start and after its end.
const REFLECTED: usize = LEN / 2;
/// Silence that follows the samples of a recording that is transcribed.
const SILENCE: usize = HOP;
/// Decades below the loudest band of the whole recording that are kept.
const DECADES: f64 = 8.0;

/// A filter for each band: the first frequency that it weighs, and the weights from there on.
pub(crate) struct MelFilters(Vec<(usize, Vec<f64>)>);

impl MelFilters {
    /// Slaney's filters: triangles between frequencies evenly spaced on a scale that is linear below 1,000 Hz and
    /// logarithmic above (Auditory Toolbox, 1998), each with the same area.
    pub(crate) fn new(bands: usize) -> Self {
        const LINEAR_HZ: f64 = 200.0 / 3.0;
        const LINEAR_END_HZ: f64 = 1000.0;
        let step = 6.4f64.ln() / 27.0;
        let linear_end = LINEAR_END_HZ / LINEAR_HZ;
        let top = linear_end + (SAMPLE_RATE as f64 / 2.0 / LINEAR_END_HZ).ln() / step;
        let hz = |point: usize| {
            let mel = top * point as f64 / (bands + 1) as f64;
            if mel < linear_end { mel * LINEAR_HZ } else { LINEAR_END_HZ * (step * (mel - linear_end)).exp() }
        };
        let filter = |band: usize| {
            let [low, centre, high] = [0, 1, 2].map(|i| hz(band + i));
            let weight = |bin: usize| {
                let frequency = (bin * SAMPLE_RATE) as f64 / LEN as f64;
                let triangle = ((frequency - low) / (centre - low)).min((high - frequency) / (high - centre));
                triangle.max(0.0) * 2.0 / (high - low)
            };
            (0..BINS).map(weight).collect::<Vec<_>>()
        };
        Self((0..bands).map(|band| without_zeros(&filter(band))).collect())
    }

    /// Filters of a file: `[bands][MEL_BINS]`.
    pub(crate) fn from_weights(weights: &[f32]) -> Self {
        let filter = |row: &[f32]| without_zeros(&row.iter().map(|weight| f64::from(*weight)).collect::<Vec<_>>());
        Self(weights.chunks_exact(BINS).map(filter).collect())
    }

    /// Number of bands.
    pub(crate) fn bands(&self) -> usize {
        self.0.len()
    }
}

/// The first weight that is not zero, and those up to the last that is not.
fn without_zeros(weights: &[f64]) -> (usize, Vec<f64>) {
    let first = weights.iter().position(|weight| *weight != 0.0).unwrap_or(0);
    let end = weights.iter().rposition(|weight| *weight != 0.0).map_or(first, |last| last + 1);
    (first, weights[first..end].to_vec())
}

/// What follows the samples of a recording, and which powers count as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A hop of silence, then the signal is reflected; frames after the last one of sound are zero (faster-whisper).
    Reflected,
    /// Silence without end, which has frames (mtmd).
    Silent,
}

impl Ending {
    /// Powers below this count as this.
    fn least_power(self) -> f64 {
        match self {
            Self::Reflected => 1e-10,
            Self::Silent => f64::from(2u32.pow(24)).recip(),
        }
    }
}

/// The spectrogram of a recording. Its frames are computed when asked for, so that it takes no memory.
pub(crate) struct Spectrogram<'s, S: Sound + ?Sized> {
    sound: &'s S,
    /// Number of its samples.
    len: usize,
    filters: &'s MelFilters,
    ending: Ending,
    /// Its tables are large for a future that holds them.
    dft: Box<Dft>,
    /// Hann's window.
    window: [f64; LEN],
    /// Frames whose loudness was measured.
    measured: usize,
    /// The logarithm of the power of the loudest band of these frames.
    loudest: f64,
}

impl<'s, S: Sound + ?Sized> Spectrogram<'s, S> {
    /// The spectrogram of a recording. [`Spectrogram::measure`] has to follow.
    pub(crate) fn new(sound: &'s S, filters: &'s MelFilters, ending: Ending) -> Self {
        let window = std::array::from_fn(|i| 0.5 - 0.5 * (TAU * i as f64 / LEN as f64).cos());
        let (len, dft) = (sound.sample_count(), Box::new(Dft::new()));
        Self { sound, len, filters, ending, dft, window, measured: 0, loudest: f64::NEG_INFINITY }
    }

    /// Measures the loudness of at most `count` frames, and returns whether there are more. Values depend on that of the
    /// whole recording.
    pub(crate) fn measure(&mut self, count: usize) -> bool {
        let all = match self.ending {
            // One more than there are frames of sound.
            Ending::Reflected => self.frames() + 1,
            Ending::Silent => self.end(),
        };
        let end = self.measured.saturating_add(count).min(all);
        for frame in self.measured..end {
            self.loudest = self.logarithms(frame).fold(self.loudest, f64::max);
        }
        self.measured = end;
        end < all
    }

    /// Number of frames of sound.
    pub(crate) fn frames(&self) -> usize {
        self.len / HOP
    }

    /// Number of frames that have any sample in them.
    fn end(&self) -> usize {
        (self.len + REFLECTED).div_ceil(HOP)
    }

    /// `count` frames from `first` on: `[count][bands]`.
    pub(crate) fn window(&self, first: usize, count: usize) -> Vec<f32> {
        debug_assert!(self.measured > self.frames(), "loudness is measured first");
        let least = self.loudest - DECADES;
        let scaled = |logarithm: f64| ((logarithm.max(least) + 4.0) / 4.0) as f32;
        // Later frames are the same wherever they are.
        let (end, rest) = match self.ending {
            Ending::Reflected => (self.frames(), 0.0),
            Ending::Silent => (self.end(), scaled(self.ending.least_power().log10())),
        };
        let mut values = Vec::with_capacity(count * self.filters.bands());
        for frame in first..(first + count).min(end) {
            values.extend(self.logarithms(frame).map(scaled));
        }
        values.resize(count * self.filters.bands(), rest);
        values
    }

    /// The logarithm of each band's power in a frame.
    fn logarithms(&self, frame: usize) -> impl Iterator<Item = f64> {
        let samples = self.samples(frame * HOP);
        let input = std::array::from_fn(|i| f64::from(samples[i]) * self.window[i]);
        let (power, least_power) = (self.dft.power(&input), self.ending.least_power());
        self.filters.0.iter().map(move |(first, weights)| {
            let band: f64 = weights.iter().zip(&power[*first..]).map(|(weight, power)| weight * power).sum();
            band.max(least_power).log10()
        })
    }

    /// Samples of the signal with what follows it, reflected before its start; `at` counts from [`REFLECTED`] before that.
    fn samples(&self, at: usize) -> [f32; LEN] {
        let mut samples = [0.0; LEN];
        match at.checked_sub(REFLECTED) {
            Some(start) if start + LEN <= self.len => self.sound.read(start, &mut samples),
            _ => {
                for (i, sample) in samples.iter_mut().enumerate() {
                    *sample = self.sample(at + i);
                }
            }
        }
        samples
    }

    /// One of these samples.
    fn sample(&self, at: usize) -> f32 {
        let len = self.len + SILENCE;
        let at = at.abs_diff(REFLECTED);
        let is_reflected = at >= len && self.ending == Ending::Reflected;
        let at = if is_reflected { (2 * (len - 1)).checked_sub(at) } else { Some(at) };
        let mut sample = [0.0];
        if let Some(at) = at.filter(|at| *at < self.len) {
            self.sound.read(at, &mut sample);
        }
        sample[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_filters_are_those_computed() {
        let MelFilters(filters) = MelFilters::new(80);
        let dense = filters.iter().flat_map(|(first, weights)| {
            let mut row = vec![0.0f32; BINS];
            row[*first..*first + weights.len()].iter_mut().zip(weights).for_each(|(to, from)| *to = *from as f32);
            row
        });
        let MelFilters(read) = MelFilters::from_weights(&dense.collect::<Vec<_>>());
        assert_eq!(read.len(), 80);
        for ((first, weights), (read_first, read_weights)) in filters.iter().zip(&read) {
            assert_eq!((first, weights.len()), (read_first, read_weights.len()));
            assert!(weights.iter().zip(read_weights).all(|(a, b)| (a - b).abs() < 1e-6));
        }
        // The first triangle of 80 peaks at 37 Hz and ends at 74 Hz: only 40 Hz lies within.
        assert_eq!((filters[0].0, filters[0].1.len()), (1, 1));
    }

    #[test]
    fn a_tone_is_loudest_in_its_band() {
        let samples: Vec<f32> = (0..SAMPLE_RATE).map(|i| (TAU * 1000.0 * i as f64 / 16_000.0).sin() as f32).collect();
        let filters = MelFilters::new(80);
        let mut spectrogram = Spectrogram::new(&samples[..], &filters, Ending::Reflected);
        assert_eq!(spectrogram.frames(), 100);
        assert!(spectrogram.measure(60));
        assert!(!spectrogram.measure(60));
        let window = spectrogram.window(50, 60);
        let loudest = |frame: &[f32]| (0..80).max_by(|a, b| frame[*a].total_cmp(&frame[*b]));
        // 1,000 Hz is 15 of 45.2 mel.
        assert_eq!(loudest(&window[..80]), Some(26));
        assert!(window[50 * 80..].iter().all(|value| *value == 0.0), "after the end");
    }

    #[test]
    fn what_follows_a_recording_is_reflected_or_silent() {
        // Half a second of a tone, then silence: the same with silence as samples, and without.
        let tone = |i: usize| if i < 8000 { (TAU * 440.0 * i as f64 / 16_000.0).sin() as f32 } else { 0.0 };
        let (short, long): (Vec<f32>, Vec<f32>) = ((0..8000).map(tone).collect(), (0..32_000).map(tone).collect());
        let filters = MelFilters::new(20);
        let window = |samples: &[f32], ending| {
            let mut spectrogram = Spectrogram::new(samples, &filters, ending);
            spectrogram.measure(usize::MAX);
            spectrogram.window(30, 100)
        };
        let silent = window(&short, Ending::Silent);
        assert_eq!(silent, window(&long, Ending::Silent));
        assert!(silent[25 * 20..].iter().all(|value| *value < 0.0), "{:?}", &silent[500..]);
        let reflected = window(&short, Ending::Reflected);
        assert_eq!(&silent[..20 * 20], &reflected[..20 * 20]);
        assert!(reflected[20 * 20..].iter().all(|value| *value == 0.0), "after the end");
    }

    #[test]
    fn samples_of_16_bits_are_the_same_sound() {
        let halves: Vec<i16> = (0..4000).map(|i| (i * 7919 % 20_011 - 10_000) as i16).collect();
        let floats: Vec<f32> = halves.iter().map(|half| f32::from(*half) / 32768.0).collect();
        let filters = MelFilters::new(80);
        let mut expected = Spectrogram::new(&floats[..], &filters, Ending::Reflected);
        let mut actual = Spectrogram::new(&halves[..], &filters, Ending::Reflected);
        expected.measure(usize::MAX);
        actual.measure(usize::MAX);
        assert_eq!(actual.window(0, 25), expected.window(0, 25));
    }

    #[test]
    fn short_recordings_have_no_frames_of_sound() {
        let filters = MelFilters::new(80);
        for len in [0, 1, 40, 41, 159] {
            let samples = vec![0.5f32; len];
            let mut spectrogram = Spectrogram::new(&samples[..], &filters, Ending::Reflected);
            assert_eq!((spectrogram.frames(), spectrogram.measure(usize::MAX)), (0, false));
            assert!(spectrogram.window(0, 3).iter().all(|value| *value == 0.0));
        }
    }
}
