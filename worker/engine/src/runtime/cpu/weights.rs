//! A model's weights in memory.

use super::activations::Activations;
use super::matrix::{CpuMatrix, zeros};
use crate::error::Result;
use crate::models::{MatrixId, Product, VectorId, WeightPlan};

/// A model's weights, by their places in the plan.
pub(in crate::runtime) struct CpuWeights {
    matrices: Vec<CpuMatrix>,
    vectors: Vec<Vec<f32>>,
}

impl CpuWeights {
    /// Allocates all of them.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`]
    pub(in crate::runtime) fn allocate(plan: &WeightPlan) -> Result<Self> {
        Ok(Self {
            matrices: plan.matrices.iter().map(CpuMatrix::allocate).collect::<Result<_>>()?,
            vectors: plan.vectors.iter().map(|vector| zeros(vector.len() as usize)).collect::<Result<_>>()?,
        })
    }

    /// Writes whole blocks of a matrix, as they stand in the file, from its block of 32 weights `first_block` on.
    pub(in crate::runtime) fn write_matrix(&mut self, index: usize, first_block: u64, bytes: &[u8]) {
        self.matrices[index].write(first_block as usize, bytes);
    }

    /// Writes floats of a vector from its byte `at` on.
    pub(in crate::runtime) fn write_vector(&mut self, index: usize, at: u64, bytes: &[u8]) {
        let floats = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        self.vectors[index][at as usize / 4..].iter_mut().zip(floats).for_each(|(place, float)| *place = float);
    }

    pub(super) fn matrix(&self, id: MatrixId) -> &CpuMatrix {
        &self.matrices[id.0]
    }

    pub(super) fn vector(&self, id: VectorId) -> &[f32] {
        &self.vectors[id.0]
    }

    /// The product of `rows` output rows with the tokens of `x`, and `bias`: `[tokens][rows]`.
    pub(super) fn product(
        &self,
        product: &Product,
        rows: usize,
        x: &Activations<'_>,
        bias: Option<VectorId>,
    ) -> Vec<f32> {
        let mut y = match bias {
            Some(bias) => self.vector(bias).repeat(x.tokens()),
            None => vec![0.0; x.tokens() * rows],
        };
        for matrix in product.iter().map(|id| self.matrix(*id)) {
            matrix.multiply(0..matrix.rows, x, |token, row, value| y[token * rows + matrix.first_row + row] += value);
        }
        y
    }

    /// Rows of a table: `[ids][cols]`.
    pub(super) fn embed(&self, table: &Product, ids: &[u32]) -> Vec<f32> {
        let row_of = |id: &u32| {
            let id = *id as usize;
            let matrix = table.iter().map(|matrix| self.matrix(*matrix)).rfind(|matrix| matrix.first_row <= id);
            matrix.map_or_else(Vec::new, |matrix| matrix.row(id - matrix.first_row))
        };
        ids.iter().flat_map(row_of).collect()
    }
}
