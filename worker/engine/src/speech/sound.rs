//! Where the samples of a recording come from.

/// A recording of [`SAMPLE_RATE`](super::SAMPLE_RATE) samples per second, one channel, between -1 and 1. Samples are read
/// when they are needed, so that a long recording may be kept anywhere.
pub trait Sound {
    /// Number of samples.
    fn sample_count(&self) -> usize;

    /// Copies the samples from `start` on. Callers ask only for samples that exist.
    fn read(&self, start: usize, into: &mut [f32]);
}

impl Sound for [f32] {
    fn sample_count(&self) -> usize {
        self.len()
    }

    fn read(&self, start: usize, into: &mut [f32]) {
        into.copy_from_slice(&self[start..start + into.len()]);
    }
}

impl Sound for Vec<i16> {
    fn sample_count(&self) -> usize {
        self.len()
    }

    fn read(&self, start: usize, into: &mut [f32]) {
        self.as_slice().read(start, into);
    }
}

/// Samples of 16 bits: half the memory, and no less exact than most recordings.
impl Sound for [i16] {
    fn sample_count(&self) -> usize {
        self.len()
    }

    fn read(&self, start: usize, into: &mut [f32]) {
        for (to, sample) in into.iter_mut().zip(&self[start..]) {
            *to = f32::from(*sample) / 32768.0;
        }
    }
}
