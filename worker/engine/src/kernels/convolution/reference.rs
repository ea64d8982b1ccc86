//! Reference of `convolution.wgsl` and `convolution_state.wgsl`.

use super::Convolution;

/// Convolves `rows`, `[tokens][row_len]`, after the inputs in `memory`, `[taps - 1][channels]`, which it updates.
/// `taps` is `[channels][taps]`, `bias` is `[channels]` or empty, the result is `[tokens][channels]`.
pub fn convolve(
    rows: &[f32],
    taps: &[f32],
    bias: &[f32],
    memory: &mut Vec<f32>,
    convolution: &Convolution,
) -> Vec<f32> {
    let Convolution { channels, taps: count, row_len, input_at, gated, .. } = *convolution;
    let (channels, count, input_at) = (channels as usize, count as usize, input_at as usize);
    let rows: Vec<&[f32]> = rows.chunks_exact(row_len as usize).collect();
    let input = |row: &[f32], channel: usize| {
        if gated {
            f64::from(row[channel]) * f64::from(row[2 * channels + channel])
        } else {
            f64::from(row[input_at + channel])
        }
    };
    let mut inputs: Vec<f64> = memory.iter().map(|value| f64::from(*value)).collect();
    inputs.extend(rows.iter().flat_map(|row| (0..channels).map(|channel| input(row, channel))));
    let mut y = Vec::with_capacity(rows.len() * channels);
    for (token, row) in rows.iter().enumerate() {
        for channel in 0..channels {
            let weighted =
                |tap: usize| f64::from(taps[channel * count + tap]) * inputs[(token + tap) * channels + channel];
            let sum = (0..count).map(weighted).sum::<f64>() + bias.get(channel).map_or(0.0, |bias| f64::from(*bias));
            let value = if gated { sum * f64::from(row[channels + channel]) } else { sum / (1.0 + (-sum).exp()) };
            y.push(value as f32);
        }
    }
    *memory = inputs[inputs.len() - (count - 1) * channels..].iter().map(|value| *value as f32).collect();
    y
}
