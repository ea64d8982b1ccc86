//! Dequantises block formats, as `dequantize_row_*` in `ggml-quants.c` does.

use crate::gguf::{TensorType, half_at, integer_blocks};

/// Dequantises whole blocks; `None` if the format is unsupported or `bytes` is not a whole number of blocks.
pub fn dequantize(tensor_type: TensorType, bytes: &[u8]) -> Option<Vec<f32>> {
    let block_bytes = tensor_type.block_bytes() as usize;
    if !bytes.len().is_multiple_of(block_bytes) {
        return None;
    }
    let of_each = |to_float: fn(&[u8]) -> f32| Some(bytes.chunks_exact(block_bytes).map(to_float).collect());
    match tensor_type {
        TensorType::F32 => of_each(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        TensorType::F16 => of_each(|bytes| half_at(bytes, 0)),
        TensorType::BF16 => of_each(|bytes| f32::from_le_bytes([0, 0, bytes[0], bytes[1]])),
        _ => {
            let mut floats = Vec::with_capacity(bytes.len() / block_bytes * tensor_type.block_len() as usize);
            integer_blocks(tensor_type, bytes, |block| floats.extend(block.weights()))?;
            Some(floats)
        }
    }
}
