//! Self-test of an adapter: runs a model's kernels on fixed inputs and compares the results with the reference
//! implementations.
//!
//! Browsers and drivers are known to compute wrong results without any error. So before a model first answers on an
//! adapter, each kernel used at the start of an answer runs as it would later: the same pipeline, with the same format,
//! shape, layout and epilogue (`layers.rs`, `rows.rs`). Only a product's matrix is a test matrix, with a few rows filled, and only a
//! few workgroups of its grid run (`bench.rs`, `references.rs`).

mod bench;
mod layers;
mod references;
mod rows;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use self::bench::Bench;
use super::decoder::GpuDecoder;
use crate::error::{EngineError, Result};
use crate::runtime::device::{Dispatch, Gpu};

/// Names of the kernels used at the start of an answer that do not agree with their references.
pub(super) async fn wrong_in_decoder(decoder: &GpuDecoder) -> Result<Vec<String>> {
    wrong_kernels(&decoder.gpu, decoder.buffers.largest_rows(), decoder.first_dispatches()?, Some(decoder)).await
}

/// Identifies the set of kernels of dispatches.
pub(super) fn kernels_id<'d>(dispatches: impl Iterator<Item = &'d Dispatch>) -> u64 {
    let mut hasher = DefaultHasher::new();
    dispatches.map(Dispatch::shader).collect::<BTreeSet<_>>().hash(&mut hasher);
    hasher.finish()
}

/// Names of the kernels, of dispatches and of a decoder's sampler, that do not agree with their references. `kv` is the
/// cache of a layer.
pub(super) async fn wrong_kernels<'d>(
    gpu: &Gpu,
    kv: &wgpu::Buffer,
    mut dispatches: impl Iterator<Item = &'d Dispatch>,
    decoder: Option<&GpuDecoder>,
) -> Result<Vec<String>> {
    // Buffers that could not be allocated cannot be bound either; those validation errors are not the device's fault.
    let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];
    let [out_of_memory, validation] = scopes.map(|filter| gpu.device().push_error_scope(filter));
    let mut bench = Bench::new(gpu, kv);
    let done = dispatches.try_for_each(|dispatch| bench.test(dispatch));
    if let Some(decoder) = decoder {
        bench.sample(decoder);
    }
    let (invalid, out_of_memory) = (validation.pop(), out_of_memory.pop());
    if let Some(error) = out_of_memory.await {
        return Err(EngineError::OutOfMemory(error.to_string()));
    }
    if let Some(error) = invalid.await {
        return Err(EngineError::Gpu(error.to_string()));
    }
    done?;
    bench.finish().await
}
