//! Every kernel against its plain CPU twin, on seeded random inputs, on a device with WebGPU's defaults and, where it differs there, on one
//! with optional features.
//! The same tests run natively and, in a worker of a browser, through its own shader compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::float_cmp, reason = "a maximum is one of the values it is the maximum of")]

#[path = "../common/mod.rs"]
mod common;

mod attention;
mod convolution;
mod delta_net;
mod embed;
mod experts;
mod heads;
mod linear;
mod norm;
mod projection;
mod repack;
mod sampling;

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
