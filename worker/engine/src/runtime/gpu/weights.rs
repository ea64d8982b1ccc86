//! Weights on the GPU, as two aligned streams: quants and scales.

use crate::error::{EngineError, Result};
use crate::gguf::{Codebook, Group, TensorType, stream_bytes};
use crate::kernels::Grid;
use crate::kernels::repack::{Piece, Repack};
use crate::models::{MatrixId, MatrixPlan, Segment, VectorId, WeightPlan};
use crate::runtime::device::{Dispatch, Gpu};

/// A matrix on the GPU: `[rows][cols]`, in blocks of 32 columns.
pub struct Matrix {
    /// The weight format.
    pub tensor_type: TensorType,
    /// Number of rows.
    pub rows: u32,
    /// Number of columns.
    pub cols: u32,
    /// Row of the product's output that the first row computes.
    pub first_row: u32,
    /// Quants: a whole number of `vec4<u32>` per two blocks, see `kernels/formats`.
    pub quants: wgpu::Buffer,
    /// The format's codebook, if it has one, then scales, packed as the format requires.
    pub scales: wgpu::Buffer,
}

impl Matrix {
    /// Allocates a planned matrix; [`Matrix::repacking`] fills it.
    ///
    /// # Errors
    /// [`EngineError::TooLarge`] if a stream exceeds the device's largest binding.
    pub fn allocate(gpu: &Gpu, plan: &MatrixPlan) -> Result<Self> {
        let bytes = stream_bytes(plan.tensor_type, plan.rows, plan.cols);
        if bytes.largest() > gpu.max_binding_bytes() {
            return Err(EngineError::TooLarge(format!(
                "the tensor “{}” needs {} MiB, but this device supports at most {} MiB per binding",
                plan.label(),
                bytes.largest() >> 20,
                gpu.max_binding_bytes() >> 20
            )));
        }
        let label = plan.label();
        let scales = gpu.storage_buffer(&label, bytes.codebook + bytes.scales);
        if let Some(codebook) = Codebook::of(plan.tensor_type) {
            gpu.queue().write_buffer(&scales, 0, bytemuck::cast_slice(&codebook.words()));
        }
        Ok(Self {
            tensor_type: plan.tensor_type,
            rows: plan.rows,
            cols: plan.cols,
            first_row: plan.first_row,
            quants: gpu.storage_buffer(&label, bytes.quants),
            scales,
        })
    }

    /// Creates a matrix from bytes in the file format, at most
    /// [`MAX_PIECE_BYTES`](crate::kernels::repack::MAX_PIECE_BYTES).
    ///
    /// # Errors
    /// As [`Matrix::allocate`].
    pub fn from_bytes(gpu: &Gpu, tensor_type: TensorType, rows: u32, cols: u32, bytes: &[u8]) -> Result<Self> {
        let segments = vec![Segment { tensor: String::new(), first_row: 0, rows }];
        let matrix = Self::allocate(gpu, &MatrixPlan { segments, tensor_type, rows, cols, first_row: 0 })?;
        matrix.write(gpu, bytes, 0)?;
        Ok(matrix)
    }

    /// Writes whole blocks in the file format, as many as for [`Matrix::from_bytes`], from block `first_block` on, as
    /// for [`Matrix::repacking`].
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`].
    pub(in crate::runtime) fn write(&self, gpu: &Gpu, bytes: &[u8], first_block: u64) -> Result<()> {
        // Starts at an odd byte, as pieces of files may; the kernel reads up to a word beyond the end.
        let piece = Piece { start: 1, len_bytes: bytes.len() as u64 };
        let mut file = [&[0], bytes].concat();
        file.resize(file.len().next_multiple_of(4) + 4, 0);
        let file = gpu.storage_buffer_with("file", &file);
        let repacking = self.repacking(gpu, &file, piece, first_block)?;
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        repacking.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), 1);
        gpu.queue().submit([encoder.finish()]);
        // A browser would keep it until garbage collection. Submitted work still completes.
        file.destroy();
        Ok(())
    }

    /// Repacks whole blocks from `file`, in the file format, to the two streams, starting at `first_block` (of 32
    /// weights), which must begin a group of the format.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`].
    pub(in crate::runtime) fn repacking(
        &self,
        gpu: &Gpu,
        file: &wgpu::Buffer,
        piece: Piece,
        first_block: u64,
    ) -> Result<Dispatch> {
        let group = Group::of(self.tensor_type);
        debug_assert!(first_block.is_multiple_of(group.blocks), "the planner splits between groups");
        let to_byte = first_block / group.blocks * group.quants;
        repacking(gpu, self.tensor_type, file, piece, [&self.quants, &self.scales], to_byte)
    }
}

/// Requests the repacking kernel of a format, so that it is compiled together with others.
///
/// # Errors
/// [`EngineError::UnsupportedFormat`].
pub(in crate::runtime) fn ask_for_repacking(gpu: &Gpu, tensor_type: TensorType) -> Result<()> {
    let [file, streams] = ["file", "streams"].map(|label| gpu.storage_buffer(label, 0));
    repacking(gpu, tensor_type, &file, Piece { start: 0, len_bytes: 0 }, [&streams, &streams], 0).map(drop)
}

/// Repacks to the two streams, starting at byte `to_byte` of the quants.
fn repacking(
    gpu: &Gpu,
    tensor_type: TensorType,
    file: &wgpu::Buffer,
    piece: Piece,
    [quants, scales]: [&wgpu::Buffer; 2],
    to_byte: u64,
) -> Result<Dispatch> {
    let unsupported = || EngineError::UnsupportedFormat { tensor: "a matrix".to_owned(), format: tensor_type };
    let repack = Repack::of(tensor_type).ok_or_else(unsupported)?;
    let words = [piece.start, piece.len_bytes, to_byte / repack.quant_bytes, 0].map(|number| number as u32);
    let uniform = gpu.buffer("piece", 16, wgpu::BufferUsages::UNIFORM);
    gpu.queue().write_buffer(&uniform, 0, bytemuck::cast_slice(&words));
    let buffers = [("piece", &uniform), ("file", file), ("quants", quants), ("scales", scales)];
    let buffers = if repack.has_scales { &buffers[..] } else { &buffers[..3] };
    let grid = Grid::Fixed([repack.workgroups(piece.len_bytes), 1, 1]);
    Ok(Dispatch::new(gpu, &repack.shader, buffers, grid))
}

/// A model's weights, indexed as in its plan.
pub(in crate::runtime) struct Weights {
    pub(in crate::runtime) matrices: Vec<Matrix>,
    pub(in crate::runtime) vectors: Vec<wgpu::Buffer>,
}

impl Weights {
    /// Allocates all weights.
    pub(in crate::runtime) fn allocate(gpu: &Gpu, arena: &WeightPlan) -> Result<Self> {
        let matrices = arena.matrices.iter().map(|matrix| Matrix::allocate(gpu, matrix)).collect::<Result<_>>()?;
        let vectors = arena.vectors.iter().map(|vector| gpu.storage_buffer("vector", u64::from(vector.len()) * 4));
        Ok(Self { vectors: vectors.collect(), matrices })
    }

    /// As [`Matrix::repacking`], to the matrix at an index, starting at its block `first_block`.
    pub(in crate::runtime) fn repacking(
        &self,
        gpu: &Gpu,
        file: &wgpu::Buffer,
        piece: Piece,
        (index, first_block): (usize, u64),
    ) -> Result<Dispatch> {
        self.matrices[index].repacking(gpu, file, piece, first_block)
    }

    /// Copies floats from `file`, in the file format, to the vector at an index, starting at its byte `to_byte`.
    ///
    /// # Errors
    /// [`EngineError::UnsupportedFormat`].
    pub(in crate::runtime) fn copying(
        &self,
        gpu: &Gpu,
        file: &wgpu::Buffer,
        piece: Piece,
        (index, to_byte): (usize, u64),
    ) -> Result<Dispatch> {
        let vector = &self.vectors[index];
        repacking(gpu, TensorType::F32, file, piece, [vector, vector], to_byte)
    }

    /// As [`Matrix::write`].
    pub(in crate::runtime) fn write(&self, gpu: &Gpu, id: MatrixId, bytes: &[u8], first_block: u64) -> Result<()> {
        self.matrix(id).write(gpu, bytes, first_block)
    }

    pub(in crate::runtime) fn matrix(&self, id: MatrixId) -> &Matrix {
        &self.matrices[id.0]
    }

    pub(in crate::runtime) fn product<'w>(&'w self, product: &'w [MatrixId]) -> impl Iterator<Item = &'w Matrix> {
        product.iter().map(|id| self.matrix(*id))
    }

    pub(in crate::runtime) fn vector(&self, id: VectorId) -> &wgpu::Buffer {
        &self.vectors[id.0]
    }
}
