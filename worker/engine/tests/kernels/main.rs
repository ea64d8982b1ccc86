//! Every kernel against its reference implementation, on seeded random inputs: on a device with WebGPU's defaults and,
//! where the kernel differs there, on one with optional features.
//! The same tests run natively and in a browser's worker, through the browser's own shader compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::float_cmp, reason = "a maximum is one of the values it is the maximum of")]

#[path = "../common/mod.rs"]
mod common;

mod attention;
mod convolution;
mod delta_net;
mod embed;
mod experts;
mod grouped;
mod heads;
mod integers;
mod latent;
mod linear;
mod matrix_units;
mod norm;
mod projection;
mod repack;
mod rows;
mod sampling;
mod sequences;
mod several_tokens;
mod state_space;
mod streams;
mod taps;
mod transcript;

use std::ops::Range;

use parlance_engine::kernels::MAX_SEQUENCES;
use parlance_engine::runtime::{Dispatch, Gpu};

/// Runs dispatches in one pass.
pub(crate) fn run(gpu: &Gpu, dispatches: &[Dispatch], tokens: u32) {
    let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for dispatch in dispatches {
        dispatch.encode(&mut pass, tokens);
    }
    drop(pass);
    gpu.queue().submit([encoder.finish()]);
    gpu.check().unwrap();
}

pub(crate) async fn read<T: bytemuck::Pod>(gpu: &Gpu, buffer: &wgpu::Buffer, len: usize) -> Vec<T> {
    gpu.read_buffer(buffer, (len * size_of::<T>()) as u64).await.unwrap()
}

pub(crate) fn state(gpu: &Gpu, position: u32, token_count: u32, step: u32) -> wgpu::Buffer {
    let buffer = gpu.buffer("state", 16, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM);
    gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&[position, token_count, step, 0]));
    buffer
}

/// The state of a batch in a memory of several sequences. `places` are sequence and position of each token, or of the
/// first if all are of one sequence.
pub(crate) fn places_state(gpu: &Gpu, token_count: u32, places: &[[u32; 2]]) -> wgpu::Buffer {
    let len_bytes = 16 + 16 * u64::from(MAX_SEQUENCES);
    let buffer = gpu.buffer("state", len_bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM);
    let mut words = vec![places[0][1], token_count, 0, 0];
    words.extend(places.iter().flat_map(|[sequence, position]| [*sequence, *position, 0, 0]));
    gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&words));
    buffer
}

/// Batch sizes that split the same [`TOKENS`] tokens, for kernels that keep a state between batches.
pub(crate) const SPLITS: [&[usize]; 3] = [&[TOKENS], &[1, 63, 65], &[65, 2, 1, 1, 60]];
/// Tokens of each split.
pub(crate) const TOKENS: usize = 129;

/// Tokens that the buffers of a batch have room for, and that are dispatched, beyond those that count.
pub(crate) const PADDING: usize = 2;
/// What the padding of an output holds before and after a kernel.
pub(crate) const UNTOUCHED: f32 = 7.0;

/// A batch's rows, followed by padding.
pub(crate) fn padded(rows: &[f32], row_len: usize, padding: f32) -> Vec<f32> {
    [rows, &vec![padding; PADDING * row_len]].concat()
}

/// The rows of a batch's tokens, followed by padding that is not a number.
pub(crate) fn batch_rows(gpu: &Gpu, rows: &[f32], row_len: usize, tokens: Range<usize>) -> wgpu::Buffer {
    let rows = &rows[tokens.start * row_len..tokens.end * row_len];
    gpu.storage_buffer_with("rows", &padded(rows, row_len, f32::NAN))
}

/// The outputs, `y_len` per token, of a kernel that goes from token to token, in batches of the lengths in `split`.
/// `dispatch` gets a batch's tokens, `state` and `y`.
pub(crate) async fn in_batches(
    gpu: &Gpu,
    split: &[usize],
    y_len: usize,
    dispatch: impl Fn(Range<usize>, &wgpu::Buffer, &wgpu::Buffer) -> Dispatch,
) -> Vec<f32> {
    let (mut outputs, mut first) = (Vec::new(), 0);
    for tokens in split {
        let y = gpu.storage_buffer_with("y", &vec![UNTOUCHED; (tokens + PADDING) * y_len]);
        let state = state(gpu, 0, *tokens as u32, 0);
        run(gpu, &[dispatch(first..first + tokens, &state, &y)], (tokens + PADDING) as u32);
        outputs.extend(read_padded(gpu, &y, tokens * y_len, y_len).await);
        first += tokens;
    }
    outputs
}

/// The `len` elements of a padded output before its padding, which must be [`UNTOUCHED`].
pub(crate) async fn read_padded(gpu: &Gpu, buffer: &wgpu::Buffer, len: usize, row_len: usize) -> Vec<f32> {
    let mut values: Vec<f32> = read(gpu, buffer, len + PADDING * row_len).await;
    assert!(values.split_off(len).iter().all(|value| *value == UNTOUCHED), "the kernel wrote to padding");
    values
}
