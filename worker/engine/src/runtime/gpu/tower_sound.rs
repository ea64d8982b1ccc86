//! Dispatches with which a tower of sounds begins: the convolutions of Whisper's encoder.

use super::product::{Input, Output};
use super::tower_buffers::{Over, SoundBuffers};
use super::tower_builder::Builder;
use crate::error::Result;
use crate::kernels::Grid;
use crate::kernels::linear::Epilogue;
use crate::kernels::rows::AddRows;
use crate::kernels::taps::Taps;
use crate::models::{Activation, BiasedProduct, SOUND_FRAMES, SoundConfig, TAPS, taps_len};
use crate::runtime::device::{Dispatch, Task};

impl Builder<'_> {
    /// From the spectrogram to what is between the two convolutions, for each frame.
    pub(super) fn of_frames(&self, sound: &SoundConfig, buffers: &SoundBuffers) -> Result<Vec<Dispatch>> {
        let mut program = Vec::new();
        let Some(plan) = self.plan.convolutions.first() else { return Ok(program) };
        let places = [&buffers.mel, &buffers.taps, &buffers.convolved];
        self.convolve(&mut program, (Over::Frames, plan), (sound.mels, 1), places)?;
        Ok(program)
    }

    /// From there to the hidden state, for each position: what the second convolution gives is added to the embeddings of
    /// positions.
    pub(super) fn of_positions(&self, buffers: &SoundBuffers) -> Result<Vec<Dispatch>> {
        let mut program = Vec::new();
        let Some(plan) = self.plan.convolutions.get(1) else { return Ok(program) };
        let (len, y) = (self.config.width, &self.buffers.normed);
        self.convolve(&mut program, (Over::Rows, plan), (len, 2), [&buffers.convolved, &buffers.taps, y])?;
        let rows = AddRows { len, stride: len, at: 0, scaled: false };
        let bound = [("state", self.buffers.state(Over::Rows)), ("x", y), ("y", &self.buffers.hidden)];
        let dispatch = Dispatch::new(self.gpu, &rows.shader(), &bound, Grid::TokensInX);
        program.push(dispatch.computing(Task::AddRows(rows)));
        Ok(program)
    }

    /// A convolution with its activation over frames of some channels, at every `stride`-th, from `x` to `y`. Its results
    /// are for `over`.
    fn convolve(
        &self,
        program: &mut Vec<Dispatch>,
        (over, plan): (Over, &BiasedProduct),
        (channels, stride): (u32, u32),
        [x, inputs, y]: [&wgpu::Buffer; 3],
    ) -> Result<()> {
        let taps = Taps { frames: SOUND_FRAMES, channels, taps: TAPS, stride, row_len: taps_len(channels) };
        let bound = [("state", self.buffers.state(over)), ("x", x), ("y", inputs)];
        program.push(Dispatch::new(self.gpu, &taps.shader(), &bound, Grid::TokensInX));
        let input = Input { bias: Some(plan.bias), ..Input::new(inputs) };
        let epilogue = Epilogue::Activate(Activation::GeluErf);
        let output = Output { epilogue, y, rows: self.config.width, extra: &[] };
        self.products(over, self.config.width).push(program, &plan.product, &input, &output)
    }
}
