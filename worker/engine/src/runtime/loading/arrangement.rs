//! Rearranges tensors whose rows are no rows of a matrix, or no whole number of blocks.

use half::f16;

use super::upload::Placed;
use crate::error::Result;
use crate::gguf::TensorType;
use crate::models::{ArrangedPlan, Arrangement};

/// The weights of the matrix, `[rows][padded cols]`, from all weights of the tensor.
fn arranged(plan: &ArrangedPlan, weights: &[f32]) -> Vec<f32> {
    let [rows, cols] = [plan.rows, plan.cols].map(|len| len as usize);
    let at = |row: usize, col: usize| match plan.arrangement {
        Arrangement::Rows => row * cols + col,
        Arrangement::Columns => col * rows + row,
        Arrangement::Interleaved { parts } => {
            let parts = parts as usize;
            let elements = cols / parts;
            row * cols + col % elements * parts + col / elements
        }
    };
    let mut matrix = Vec::with_capacity(rows * cols.next_multiple_of(32));
    for row in 0..rows {
        matrix.extend((0..cols).map(|col| weights[at(row, col)]));
        matrix.resize(matrix.len().next_multiple_of(32), 0.0);
    }
    matrix
}

impl Placed {
    /// Writes all weights of a tensor, in the order of the plan, to its matrix in `tensor_type`: F16 or F32.
    ///
    /// # Errors
    /// [`EngineError::Malformed`](crate::EngineError::Malformed) if something else already uses the weights.
    pub(super) fn arrange(&mut self, plan: &ArrangedPlan, floats: &[f32], tensor_type: TensorType) -> Result<()> {
        let weights = arranged(plan, floats);
        let bytes: Vec<u8> = if tensor_type == TensorType::F16 {
            weights.iter().flat_map(|weight| f16::from_f32(*weight).to_le_bytes()).collect()
        } else {
            weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
        };
        self.write_matrix(plan.matrix, tensor_type, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MatrixId;

    #[test]
    fn rows_are_padded_and_columns_reordered() {
        let weights: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let row = |arrangement, rows, cols| {
            let plan = ArrangedPlan { tensor: String::new(), matrix: MatrixId(0), rows, cols, arrangement };
            let matrix = arranged(&plan, &weights);
            assert_eq!(matrix.len(), rows as usize * 32);
            let last = &matrix[matrix.len() - 32..];
            assert!(last[cols as usize..].iter().all(|weight| *weight == 0.0), "padding is zero");
            last[..cols as usize].to_vec()
        };
        assert_eq!(row(Arrangement::Rows, 2, 6), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(row(Arrangement::Columns, 3, 4), [2.0, 5.0, 8.0, 11.0]);
        assert_eq!(row(Arrangement::Interleaved { parts: 2 }, 2, 6), [6.0, 8.0, 10.0, 7.0, 9.0, 11.0]);
    }
}
