//! Resizing as in Pillow (`Resample.c`): one direction after the other, with weights of 22 fractional bits.

use super::{Picture, Size};
use crate::models::Filter;

/// Fractional bits of a weight: the sum of weighted bytes fits 32 bits.
const BITS: u32 = 22;

impl Filter {
    /// Half of its width in pixels.
    fn reach(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// Its value at a distance of `x` pixels.
    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        if x >= self.reach() {
            return 0.0;
        }
        match self {
            Self::Bilinear => 1.0 - x,
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic => -0.5 * (((x - 5.0) * x + 8.0) * x - 4.0),
            Self::Lanczos => sinc(x) * sinc(x / 3.0),
        }
    }
}

fn sinc(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    if angle == 0.0 { 1.0 } else { angle.sin() / angle }
}

/// The inputs of an output: the first one, and the weights of all.
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) weights: Vec<f64>,
}

/// The inputs of each output when `from` elements become `to`. Where they become fewer, the filter widens.
pub(super) fn taps(filter: Filter, from: u32, to: u32) -> impl Iterator<Item = Taps> {
    let scale = f64::from(from) / f64::from(to);
    let widening = scale.max(1.0);
    let reach = filter.reach() * widening;
    (0..to).map(move |index| {
        let centre = (f64::from(index) + 0.5) * scale;
        // Truncated, as in Pillow.
        let first = (centre - reach + 0.5).max(0.0) as u32;
        let end = ((centre + reach + 0.5) as u32).min(from);
        let weight = |at: u32| filter.weight((f64::from(at) - centre + 0.5) / widening);
        let mut weights: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        if total != 0.0 {
            for weight in &mut weights {
                *weight /= total;
            }
        }
        Taps { first: first as usize, weights }
    })
}

/// A weight as an integer, rounded half away from zero.
fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << BITS) + 0.5f64.copysign(weight)) as i32
}

/// A sum of weighted bytes as a byte.
fn byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

impl Picture {
    /// Resizes it.
    pub(super) fn resized(&self, size: Size, filter: Filter) -> Self {
        self.with_width(size[0], filter).with_height(size[1], filter)
    }

    /// Resizes it to fit `size` with its own proportions, on black ground.
    pub(super) fn padded(&self, size: Size, filter: Filter) -> Self {
        if self.size() == size {
            return self.clone();
        }
        let scale = (size[0] as f32 / self.width as f32).min(size[1] as f32 / self.height as f32);
        let fitted = |own: u32, most: u32| ((own as f32 * scale).ceil() as u32).clamp(1, most);
        let own = [fitted(self.width, size[0]), fitted(self.height, size[1])];
        let mut ground = Self::black(size);
        ground.copy([(size[0] - own[0]) / 2, (size[1] - own[1]) / 2], &self.resized(own, filter), [0, 0], own);
        ground
    }

    fn with_width(&self, width: u32, filter: Filter) -> Self {
        if width == self.width {
            return self.clone();
        }
        let columns: Vec<(usize, Vec<i32>)> = integer_taps(filter, self.width, width);
        let mut result = Self::black([width, self.height]);
        let rows = self.rgb.chunks_exact(3 * self.width as usize);
        for (row, target) in rows.zip(result.rgb.chunks_exact_mut(3 * width as usize)) {
            for ((first, weights), pixel) in columns.iter().zip(target.as_chunks_mut::<3>().0) {
                let mut sums = [1 << (BITS - 1); 3];
                for (weight, colours) in weights.iter().zip(row[3 * first..].as_chunks::<3>().0) {
                    sums.iter_mut().zip(colours).for_each(|(sum, colour)| *sum += weight * i32::from(*colour));
                }
                *pixel = sums.map(byte);
            }
        }
        result
    }

    fn with_height(&self, height: u32, filter: Filter) -> Self {
        if height == self.height {
            return self.clone();
        }
        let len = 3 * self.width as usize;
        let mut rgb = Vec::with_capacity(len * height as usize);
        for (first, weights) in integer_taps(filter, self.height, height) {
            let mut sums = vec![1 << (BITS - 1); len];
            for (weight, row) in weights.iter().zip(self.rgb[first * len..].chunks_exact(len)) {
                sums.iter_mut().zip(row).for_each(|(sum, colour)| *sum += weight * i32::from(*colour));
            }
            rgb.extend(sums.into_iter().map(byte));
        }
        Self { width: self.width, height, rgb }
    }
}

fn integer_taps(filter: Filter, from: u32, to: u32) -> Vec<(usize, Vec<i32>)> {
    let integers = |taps: Taps| (taps.first, taps.weights.into_iter().map(fixed).collect());
    taps(filter, from, to).map(integers).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn plain_colours_stay_and_halves_average() {
        for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            let plain = Picture::new(7, 5, [10, 200, 255].repeat(35)).unwrap();
            for size in [[3, 9], [14, 2], [7, 5], [1, 1]] {
                let resized = plain.resized(size, filter);
                assert_eq!(resized.size(), size);
                assert!(resized.rgb().as_chunks::<3>().0.iter().all(|pixel| *pixel == [10, 200, 255]), "{filter:?}");
            }
        }
        let halves = Picture::new(4, 1, [[0; 6], [100; 6]].concat()).unwrap();
        assert_eq!(halves.resized([2, 1], Filter::Bilinear).rgb()[0], 14);
    }

    #[test]
    fn padding_keeps_proportions() {
        let white = Picture::new(10, 5, vec![255; 150]).unwrap();
        let padded = white.padded([20, 20], Filter::Bicubic);
        let rows: Vec<u8> = padded.rgb().iter().step_by(60).copied().collect();
        assert_eq!(rows, [[0; 5], [255; 5], [255; 5], [0; 5]].concat());
    }
}
