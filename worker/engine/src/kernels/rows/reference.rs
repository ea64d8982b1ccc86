//! References of what happens to rows.

use super::{AddRows, Clamp, MeanRows};
use crate::kernels::linear::reference::gate_up;
use crate::models::Activation;

/// `y[t][i] += x[t][at + i]`, times `scale[i]` if that is not empty.
pub fn add_rows(y: &mut [f32], x: &[f32], scale: &[f32], rows: &AddRows) {
    let [len, stride, at] = [rows.len, rows.stride, rows.at].map(|number| number as usize);
    for (y, x) in y.chunks_exact_mut(len).zip(x.chunks_exact(stride)) {
        for (i, y) in y.iter_mut().enumerate() {
            *y += x[at + i] * scale.get(i).copied().unwrap_or(1.0);
        }
    }
}

/// The mean of consecutive rows, with `standard`: what is subtracted, and the factors.
pub fn mean_rows(x: &[f32], rows: &MeanRows, standard: [&[f32]; 2]) -> Vec<f32> {
    let (len, count) = (rows.len as usize, rows.count as usize);
    let mean = |rows: &[f32], i: usize| rows.iter().skip(i).step_by(len).map(|x| f64::from(*x)).sum::<f64>();
    let value = |part: &[f32], i: usize| {
        let value = (mean(part, i) / count as f64) as f32 * rows.scale;
        if rows.standard { (value - standard[0][i]) * standard[1][i] } else { value }
    };
    x.chunks_exact(len * count).flat_map(|part| (0..len).map(move |i| value(part, i))).collect()
}

/// Parts of rows within bounds.
pub fn clamp(x: &mut [f32], bounds: &[f32; 4], clamp: &Clamp) {
    let [low, high] = if clamp.is_output { [bounds[2], bounds[3]] } else { [bounds[0], bounds[1]] };
    for row in x.chunks_exact_mut(clamp.stride as usize) {
        for value in &mut row[clamp.at as usize..][..clamp.len as usize] {
            *value = value.clamp(low, high);
        }
    }
}

/// `y` becomes its activation times `x`.
pub fn gate_rows(y: &mut [f32], x: &[f32], activation: Activation) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = gate_up(*y, *x, activation));
}
