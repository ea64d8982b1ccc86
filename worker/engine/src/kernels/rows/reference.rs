//! References of adding and averaging rows.

use super::AddRows;

/// `y[t][i] += x[t][at + i]`, times `scale[i]` if that is not empty.
pub fn add_rows(y: &mut [f32], x: &[f32], scale: &[f32], rows: &AddRows) {
    let [len, stride, at] = [rows.len, rows.stride, rows.at].map(|number| number as usize);
    for (y, x) in y.chunks_exact_mut(len).zip(x.chunks_exact(stride)) {
        for (i, y) in y.iter_mut().enumerate() {
            *y += x[at + i] * scale.get(i).copied().unwrap_or(1.0);
        }
    }
}

/// The mean of each `count` consecutive rows of `len` elements.
pub fn mean_rows(x: &[f32], len: usize, count: usize) -> Vec<f32> {
    let mean = |rows: &[f32], i: usize| rows.iter().skip(i).step_by(len).map(|x| f64::from(*x)).sum::<f64>();
    x.chunks_exact(len * count).flat_map(|rows| (0..len).map(move |i| (mean(rows, i) / count as f64) as f32)).collect()
}
