//! Block formats to floats, as `ggml-quants.c` (`dequantize_row_*`) does it.

use half::f16;

use crate::gguf::TensorType;

/// Dequantises whole blocks; `None` if the format has no kernel or `bytes` is no whole number of blocks.
pub fn dequantize(tensor_type: TensorType, bytes: &[u8]) -> Option<Vec<f32>> {
    let block_bytes = tensor_type.block_bytes() as usize;
    if !bytes.len().is_multiple_of(block_bytes) {
        return None;
    }
    let to_floats: fn(&[u8], &mut Vec<f32>) = match tensor_type {
        TensorType::F32 => |block, out| out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
        TensorType::F16 => |block, out| out.push(half_at(block, 0)),
        TensorType::Q4_0 => |block, out| {
            let d = half_at(block, 0);
            nibbles(&block[2..], out, |q| (f32::from(q) - 8.0) * d);
        },
        TensorType::Q4_1 => |block, out| {
            let (d, m) = (half_at(block, 0), half_at(block, 2));
            nibbles(&block[4..], out, |q| f32::from(q) * d + m);
        },
        TensorType::Q8_0 => |block, out| {
            let d = half_at(block, 0);
            out.extend(block[2..].iter().map(|byte| f32::from(byte.cast_signed()) * d));
        },
        TensorType::Other(_) => return None,
    };
    let mut floats = Vec::with_capacity(bytes.len() / block_bytes * tensor_type.block_len() as usize);
    for block in bytes.chunks_exact(block_bytes) {
        to_floats(block, &mut floats);
    }
    Some(floats)
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// All low nibbles, then all high ones.
fn nibbles(bytes: &[u8], out: &mut Vec<f32>, weight: impl Fn(u8) -> f32) {
    out.extend(bytes.iter().map(|byte| weight(byte & 15)));
    out.extend(bytes.iter().map(|byte| weight(byte >> 4)));
}
