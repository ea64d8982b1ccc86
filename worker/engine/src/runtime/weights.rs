//! Weights on the GPU: quants and scales in two aligned streams.

use super::gpu::Gpu;
use crate::error::{EngineError, Result};
use crate::gguf::TensorType;
use crate::models::MatrixPlan;

/// Weights in a kernel's block, for every format.
const KERNEL_BLOCK_LEN: u64 = 32;

/// A matrix on the GPU: `[rows][cols]`, in blocks of 32 columns.
pub struct Matrix {
    /// Format.
    pub tensor_type: TensorType,
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub cols: u32,
    /// Quants: a whole number of `vec4<u32>` a block, see `kernels/formats`.
    pub quants: wgpu::Buffer,
    /// Scales, packed as the format says.
    pub scales: wgpu::Buffer,
}

/// Bytes of a block of 32 weights in the file and in the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockBytes {
    /// In the file.
    pub(super) file: u64,
    /// In the stream of quants.
    pub(super) quants: u64,
    /// In the stream of scales.
    pub(super) scales: u64,
}

impl BlockBytes {
    /// The bytes of a format.
    pub(super) fn of(tensor_type: TensorType) -> Self {
        let file = tensor_type.block_bytes() * KERNEL_BLOCK_LEN / tensor_type.block_len().min(KERNEL_BLOCK_LEN);
        let scales = match tensor_type {
            TensorType::Q4_0 | TensorType::Q8_0 => 2,
            TensorType::Q4_1 => 4,
            TensorType::F32 | TensorType::F16 | TensorType::Other(_) => 0,
        };
        Self { file, quants: file - scales, scales }
    }
}

impl Matrix {
    /// Allocates the planned matrix; [`Matrix::write`] fills it.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if a stream exceeds the device's largest binding.
    pub fn allocate(gpu: &Gpu, plan: &MatrixPlan) -> Result<Self> {
        let bytes = BlockBytes::of(plan.tensor_type);
        let blocks = u64::from(plan.rows) * u64::from(plan.cols) / KERNEL_BLOCK_LEN;
        let quants_bytes = blocks * bytes.quants;
        if quants_bytes > gpu.max_binding_bytes() {
            return Err(EngineError::TooLarge(format!(
                "the tensor “{}” takes {} MiB, but this device binds at most {} MiB at once",
                plan.label(),
                quants_bytes >> 20,
                gpu.max_binding_bytes() >> 20
            )));
        }
        let label = plan.label();
        Ok(Self {
            tensor_type: plan.tensor_type,
            rows: plan.rows,
            cols: plan.cols,
            quants: gpu.storage_buffer(&label, quants_bytes),
            scales: gpu.storage_buffer(&label, blocks * bytes.scales),
        })
    }

    /// A matrix from its bytes as they stand in a file.
    ///
    /// # Errors
    /// As [`Matrix::allocate`].
    pub fn from_bytes(gpu: &Gpu, tensor_type: TensorType, rows: u32, cols: u32, bytes: &[u8]) -> Result<Self> {
        let plan = MatrixPlan { tensors: Vec::new(), tensor_type, rows, cols };
        let matrix = Self::allocate(gpu, &plan)?;
        matrix.write(gpu, 0, bytes);
        Ok(matrix)
    }

    /// Writes whole blocks, as they stand in the file, from block `first_block` (an even number) on.
    pub fn write(&self, gpu: &Gpu, first_block: u64, bytes: &[u8]) {
        let block_bytes = BlockBytes::of(self.tensor_type);
        let (quants, scales) = repack(self.tensor_type, bytes);
        gpu.queue().write_buffer(&self.quants, first_block * block_bytes.quants, &quants);
        if !scales.is_empty() {
            gpu.queue().write_buffer(&self.scales, first_block * block_bytes.scales, &scales);
        }
    }
}

/// Splits whole blocks into the streams of quants and scales, the latter padded to whole words.
pub fn repack(tensor_type: TensorType, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let block = BlockBytes::of(tensor_type);
    if block.scales == 0 {
        return (bytes.to_vec(), Vec::new());
    }
    let blocks = bytes.len() / block.file as usize;
    let mut quants = Vec::with_capacity(blocks * block.quants as usize);
    let mut scales = Vec::with_capacity((blocks * block.scales as usize).next_multiple_of(4));
    for block_bytes in bytes.chunks_exact(block.file as usize) {
        // In every format so far the scales stand first.
        let (own_scales, own_quants) = block_bytes.split_at(block.scales as usize);
        scales.extend_from_slice(own_scales);
        quants.extend_from_slice(own_quants);
    }
    scales.resize(scales.len().next_multiple_of(4), 0);
    (quants, scales)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repacking_keeps_every_byte_in_its_stream() {
        let bytes: Vec<u8> = (0..54).collect();
        let (quants, scales) = repack(TensorType::Q4_0, &bytes);
        assert_eq!(scales, [0, 1, 18, 19, 36, 37, 0, 0]);
        let expected: Vec<u8> = (2..18).chain(20..36).chain(38..54).collect();
        assert_eq!(quants, expected);
        assert_eq!(repack(TensorType::F16, &bytes), (bytes.clone(), Vec::new()));
    }

    #[test]
    fn block_bytes_cover_the_file() {
        let cases = [
            (TensorType::F32, 128, 128, 0),
            (TensorType::F16, 64, 64, 0),
            (TensorType::Q4_0, 18, 16, 2),
            (TensorType::Q4_1, 20, 16, 4),
            (TensorType::Q8_0, 34, 32, 2),
        ];
        for (tensor_type, file, quants, scales) in cases {
            assert_eq!(BlockBytes::of(tensor_type), BlockBytes { file, quants, scales }, "{tensor_type}");
        }
    }
}
