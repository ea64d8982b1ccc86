//! The discrete Fourier transform of 400 real numbers, as 20 by 20 (Cooley and Tukey 1965).

use std::f64::consts::TAU;

/// Length of the input.
pub(super) const LEN: usize = SIDE * SIDE;
/// Number of different results: those of the others are their conjugates.
pub(super) const BINS: usize = LEN / 2 + 1;

const SIDE: usize = 20;
/// Of a real input's transform of this length, half of the results are conjugates of the others.
const HALF: usize = SIDE / 2 + 1;

/// A row of complex numbers: real parts, imaginary parts.
type Row = [[f64; SIDE]; 2];

/// Tables of roots of unity.
pub(super) struct Dft {
    /// `[k][n]`: of the transforms of columns and of rows.
    roots: [Row; SIDE],
    /// `[k][n]`: what the results of the first are multiplied by.
    twiddles: [Row; SIDE],
}

/// The table `[k][n]` of `exp(-2πi k n / len)`.
fn table(len: usize) -> [Row; SIDE] {
    std::array::from_fn(|k| {
        let angle = |n: usize| -TAU * (k * n % len) as f64 / len as f64;
        [std::array::from_fn(|n| angle(n).cos()), std::array::from_fn(|n| angle(n).sin())]
    })
}

impl Dft {
    pub(super) fn new() -> Self {
        Self { roots: table(SIDE), twiddles: table(LEN) }
    }

    /// The squared magnitudes of the first half of the transform.
    pub(super) fn power(&self, input: &[f64; LEN]) -> [f64; BINS] {
        let mut power = [0.0; BINS];
        for k in 0..HALF {
            let [re, im] = self.row(&self.column_transforms(input, k));
            for (j, (re, im)) in re.iter().zip(im).enumerate() {
                let bin = k + SIDE * j;
                power[bin.min(LEN - bin)] = re * re + im * im;
            }
        }
        power
    }

    /// Result `k` of the transform of each column, times its twiddle factor.
    fn column_transforms(&self, input: &[f64; LEN], k: usize) -> Row {
        let (mut re, mut im) = ([0.0; SIDE], [0.0; SIDE]);
        let [cos, sin] = &self.roots[k];
        for ((row, cos), sin) in input.as_chunks::<SIDE>().0.iter().zip(cos).zip(sin) {
            for ((re, im), value) in re.iter_mut().zip(&mut im).zip(row) {
                *re += cos * value;
                *im += sin * value;
            }
        }
        let [cos, sin] = &self.twiddles[k];
        for (((re, im), cos), sin) in re.iter_mut().zip(&mut im).zip(cos).zip(sin) {
            (*re, *im) = (*re * cos - *im * sin, *re * sin + *im * cos);
        }
        [re, im]
    }

    /// The transform of a row.
    fn row(&self, [re, im]: &Row) -> Row {
        let (mut out_re, mut out_im) = ([0.0; SIDE], [0.0; SIDE]);
        for ((re, im), [cos, sin]) in re.iter().zip(im).zip(&self.roots) {
            for (((out_re, out_im), cos), sin) in out_re.iter_mut().zip(&mut out_im).zip(cos).zip(sin) {
                *out_re += re * cos - im * sin;
                *out_im += re * sin + im * cos;
            }
        }
        [out_re, out_im]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;

    #[test]
    fn it_agrees_with_the_definition() {
        let input: [f64; LEN] = {
            let mut random = Random(1);
            std::array::from_fn(|_| f64::from(random.float()))
        };
        let power = Dft::new().power(&input);
        for (k, power) in power.iter().enumerate() {
            let angle = |n: usize| -TAU * (k * n) as f64 / LEN as f64;
            let sum = |part: fn(f64) -> f64| (0..LEN).map(|n| part(angle(n)) * input[n]).sum::<f64>();
            let expected = sum(f64::cos).powi(2) + sum(f64::sin).powi(2);
            assert!((power - expected).abs() < 1e-9, "{k}: {power}, not {expected}");
        }
    }
}
