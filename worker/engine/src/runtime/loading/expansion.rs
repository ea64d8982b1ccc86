//! Converts the tensor that expands latent vectors to keys and values in old files.

use std::sync::Arc;

use half::f16;

use super::upload::{HOST_WINDOW_BYTES, Placed};
use crate::error::{EngineError, Result};
use crate::gguf::{Group, TensorType};
use crate::models::{ExpansionPlan, MatrixId};

/// The matrices of keys and of values, in F16, from all weights of the tensor.
fn matrices(plan: &ExpansionPlan, weights: &[f32]) -> [Vec<u8>; 2] {
    let [key_rows, value_rows, cols] = [plan.key_rows, plan.value_rows, plan.cols].map(|len| len as usize);
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let push = |halves: &mut Vec<u8>, weight: f32| halves.extend(f16::from_f32(weight).to_le_bytes());
    for head in weights.chunks_exact((key_rows + value_rows) * cols) {
        let (own_keys, own_values) = head.split_at(key_rows * cols);
        for col in 0..cols {
            own_keys.iter().skip(col).step_by(cols).for_each(|weight| push(&mut keys, *weight));
        }
        for weight in own_values {
            push(&mut values, *weight);
        }
    }
    [keys, values]
}

impl Placed {
    /// Writes all weights of a tensor, converted, to the matrices.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] if something else already uses the weights.
    pub(super) fn expand(&mut self, plan: &ExpansionPlan, floats: &[f32]) -> Result<()> {
        for (id, bytes) in [plan.keys, plan.values].into_iter().zip(matrices(plan, floats)) {
            self.write_matrix(id, TensorType::F16, &bytes)?;
        }
        Ok(())
    }

    /// Writes all weights of a matrix, in the file format of `tensor_type`.
    ///
    /// # Errors
    /// [`EngineError::Malformed`] if something else already uses the weights.
    pub(super) fn write_matrix(&mut self, id: MatrixId, tensor_type: TensorType, bytes: &[u8]) -> Result<()> {
        let group = Group::of(tensor_type);
        let groups = HOST_WINDOW_BYTES / group.file;
        let windows = bytes.chunks((groups * group.file) as usize);
        for (first_block, window) in (0u64..).step_by((groups * group.blocks) as usize).zip(windows) {
            match self {
                Self::Gpu(gpu, weights) => weights.matrix(id).write(gpu, window, first_block)?,
                Self::Cpu(_, weights) => {
                    let shared = || EngineError::malformed("the weights are in use already");
                    Arc::get_mut(weights).ok_or_else(shared)?.write_matrix(id.0, first_block, window);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_transposed_and_values_are_not() {
        let (keys, values) = (MatrixId(0), MatrixId(1));
        let plan = ExpansionPlan { tensor: String::new(), heads: 2, key_rows: 2, value_rows: 1, cols: 3, keys, values };
        let weights: Vec<f32> = (0..18).map(|i| i as f32).collect();
        let [keys, values] = matrices(&plan, &weights).map(|bytes| -> Vec<u32> {
            bytes.chunks_exact(2).map(|half| f16::from_le_bytes([half[0], half[1]]).to_f32() as u32).collect()
        });
        assert_eq!(keys, [0, 3, 1, 4, 2, 5, 9, 12, 10, 13, 11, 14]);
        assert_eq!(values, [6, 7, 8, 15, 16, 17]);
    }
}
