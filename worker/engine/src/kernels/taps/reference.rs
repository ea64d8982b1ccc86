//! Reference of `taps.wgsl`.

use super::Taps;

/// The rows for frames `[frames][channels]`: `[rows][row_len]`.
pub fn taps(x: &[f32], rows: u32, config: &Taps) -> Vec<f32> {
    let Taps { frames, channels, taps, stride, row_len } = *config;
    let value = |row: u32, index: u32| {
        let (channel, tap) = (index / taps, index % taps);
        let frame = i64::from(row * stride + tap) - 1;
        let is_there = channel < channels && (0..i64::from(frames)).contains(&frame);
        if is_there { x[frame as usize * channels as usize + channel as usize] } else { 0.0 }
    };
    (0..rows * row_len).map(|at| value(at / row_len, at % row_len)).collect()
}
