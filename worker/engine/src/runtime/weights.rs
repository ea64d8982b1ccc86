//! Weights on the GPU: quants and scales in two aligned streams.

use super::gpu::Gpu;
use super::repack::{Group, KERNEL_BLOCK_LEN, repack};
use crate::error::{EngineError, Result};
use crate::gguf::TensorType;
use crate::models::{MatrixId, MatrixPlan, Product, Segment, VectorId, WeightPlan};

/// A matrix on the GPU: `[rows][cols]`, in blocks of 32 columns.
pub struct Matrix {
    /// Format.
    pub tensor_type: TensorType,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
    /// The output row of a product that the first row computes.
    pub first_row: u32,
    /// Quants: a whole number of `vec4<u32>` for two blocks, see `kernels/formats`.
    pub quants: wgpu::Buffer,
    /// Scales, packed as the format says.
    pub scales: wgpu::Buffer,
}

/// Bytes of a matrix's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamBytes {
    /// Quants.
    pub quants: u64,
    /// Scales.
    pub scales: u64,
}

impl StreamBytes {
    /// The larger of the two, which a binding must hold.
    pub fn largest(self) -> u64 {
        self.quants.max(self.scales)
    }
}

/// Bytes of the streams of a matrix of `rows` times `cols` weights.
pub fn stream_bytes(tensor_type: TensorType, rows: u32, cols: u32) -> StreamBytes {
    let group = Group::of(tensor_type);
    let groups = (u64::from(rows) * u64::from(cols)).div_ceil(KERNEL_BLOCK_LEN * group.blocks);
    StreamBytes { quants: groups * group.quants, scales: groups * group.scales }
}

impl Matrix {
    /// Allocates the planned matrix; [`Matrix::write`] fills it.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if a stream exceeds the device's largest binding.
    pub fn allocate(gpu: &Gpu, plan: &MatrixPlan) -> Result<Self> {
        let bytes = stream_bytes(plan.tensor_type, plan.rows, plan.cols);
        if bytes.largest() > gpu.max_binding_bytes() {
            return Err(EngineError::TooLarge(format!(
                "the tensor “{}” takes {} MiB, but this device binds at most {} MiB at once",
                plan.label(),
                bytes.largest() >> 20,
                gpu.max_binding_bytes() >> 20
            )));
        }
        let label = plan.label();
        Ok(Self {
            tensor_type: plan.tensor_type,
            rows: plan.rows,
            cols: plan.cols,
            first_row: plan.first_row,
            quants: gpu.storage_buffer(&label, bytes.quants),
            scales: gpu.storage_buffer(&label, bytes.scales),
        })
    }

    /// A matrix from its bytes as they stand in a file.
    ///
    /// # Errors
    /// As [`Matrix::allocate`].
    pub fn from_bytes(gpu: &Gpu, tensor_type: TensorType, rows: u32, cols: u32, bytes: &[u8]) -> Result<Self> {
        let segments = vec![Segment { tensor: String::new(), first_row: 0, rows }];
        let matrix = Self::allocate(gpu, &MatrixPlan { segments, tensor_type, rows, cols, first_row: 0 })?;
        matrix.write(gpu, 0, bytes);
        Ok(matrix)
    }

    /// Writes whole blocks, as they stand in the file, from the block of 32 weights `first_block` on, which begins a
    /// group of the format.
    pub fn write(&self, gpu: &Gpu, first_block: u64, bytes: &[u8]) {
        let group = Group::of(self.tensor_type);
        debug_assert!(first_block.is_multiple_of(group.blocks), "the planner splits between groups");
        let first_group = first_block / group.blocks;
        if group.scales == 0 {
            return gpu.queue().write_buffer(&self.quants, first_group * group.quants, bytes);
        }
        let (quants, scales) = repack(self.tensor_type, bytes);
        gpu.queue().write_buffer(&self.quants, first_group * group.quants, &quants);
        gpu.queue().write_buffer(&self.scales, first_group * group.scales, &scales);
    }
}

/// A model's weights, by their places in the plan.
pub(super) struct Weights {
    pub(super) matrices: Vec<Matrix>,
    pub(super) vectors: Vec<wgpu::Buffer>,
}

impl Weights {
    /// Allocates all of them.
    pub(super) fn allocate(gpu: &Gpu, arena: &WeightPlan) -> Result<Self> {
        let matrices = arena.matrices.iter().map(|matrix| Matrix::allocate(gpu, matrix)).collect::<Result<_>>()?;
        let vectors = arena.vectors.iter().map(|vector| gpu.storage_buffer("vector", u64::from(vector.len()) * 4));
        Ok(Self { vectors: vectors.collect(), matrices })
    }

    pub(super) fn matrix(&self, id: MatrixId) -> &Matrix {
        &self.matrices[id.0]
    }

    pub(super) fn product<'w>(&'w self, product: &'w Product) -> impl Iterator<Item = &'w Matrix> {
        product.iter().map(|id| self.matrix(*id))
    }

    pub(super) fn vector(&self, id: VectorId) -> &wgpu::Buffer {
        &self.vectors[id.0]
    }
}
