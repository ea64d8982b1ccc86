//! The convolutions of Whisper's encoder, with which listeners and towers of sounds begin.

use super::Pacer;
use super::layers::project;
use super::ops::activate;
use super::weights::CpuWeights;
use crate::models::{Activation, BiasedProduct, TAPS, taps_len};

/// Frames that are computed between two pauses.
const BATCH: usize = 64;

/// Computes convolutions whose results are `width` wide.
pub(super) struct Convolutions<'a> {
    pub(super) weights: &'a CpuWeights,
    pub(super) pacer: &'a Pacer,
    pub(super) width: usize,
}

impl Convolutions<'_> {
    /// A convolution over `[frames][channels]` at every `stride`-th frame, with its activation:
    /// `[frames / stride][width]`.
    pub(super) async fn convolve(&self, x: &[f32], channels: u32, stride: usize, plan: &BiasedProduct) -> Vec<f32> {
        let row_len = taps_len(channels) as usize;
        let inputs = convolution_inputs(x, channels, stride);
        let mut y = Vec::with_capacity(inputs.len() / row_len * self.width);
        for rows in inputs.chunks(BATCH * row_len) {
            let mut values = project(self.weights, &plan.product, rows, row_len, self.width, Some(plan.bias));
            activate(&mut values, Activation::GeluErf);
            y.extend(values);
            self.pacer.pause_if_due().await;
        }
        y
    }
}

/// What a convolution's rows are multiplied with: for every `stride`-th frame of `[frames][channels]` a row
/// `[channels][TAPS]` of it and its neighbours, with zeros where there are none, and up to a whole number of blocks.
fn convolution_inputs(x: &[f32], channels: u32, stride: usize) -> Vec<f32> {
    let (len, channels, taps) = (taps_len(channels) as usize, channels as usize, TAPS as usize);
    let frames = x.len() / channels;
    let mut inputs = vec![0.0; frames / stride * len];
    for (index, row) in inputs.chunks_exact_mut(len).enumerate() {
        for tap in 0..taps {
            // The first tap is the frame before.
            let Some(frame) = (index * stride + tap).checked_sub(1).filter(|frame| *frame < frames) else { continue };
            let values = &x[frame * channels..][..channels];
            row.iter_mut().skip(tap).step_by(taps).zip(values).for_each(|(place, value)| *place = *value);
        }
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_see_a_frame_and_its_neighbours() {
        // Four frames of two channels.
        let x = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0];
        let rows = |stride| -> Vec<Vec<f32>> {
            let inputs = convolution_inputs(&x, 2, stride);
            assert!(inputs.chunks(32).all(|row| row[6..].iter().all(|value| *value == 0.0)), "padding");
            inputs.chunks(32).map(|row| row[..6].to_vec()).collect()
        };
        let each = rows(1);
        assert_eq!(each.len(), 4);
        assert_eq!(each[0], [0.0, 1.0, 2.0, 0.0, 10.0, 20.0]);
        assert_eq!(each[3], [3.0, 4.0, 0.0, 30.0, 40.0, 0.0]);
        assert_eq!(rows(2), [each[0].clone(), each[2].clone()]);
    }
}
