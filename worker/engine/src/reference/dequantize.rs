//! Block formats to floats, as `ggml-quants.c` (`dequantize_row_*`) does it.

use half::f16;

use crate::gguf::TensorType;
use crate::runtime::repack::{k_scale_min, q3_k_scale};

/// Dequantises whole blocks; `None` if the format has no kernel or `bytes` is no whole number of blocks.
pub fn dequantize(tensor_type: TensorType, bytes: &[u8]) -> Option<Vec<f32>> {
    let block_bytes = tensor_type.block_bytes() as usize;
    if !bytes.len().is_multiple_of(block_bytes) {
        return None;
    }
    let to_floats: fn(&[u8], &mut Vec<f32>) = match tensor_type {
        TensorType::F32 => |block, out| out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
        TensorType::F16 => |block, out| out.push(half_at(block, 0)),
        TensorType::BF16 => |block, out| out.push(f32::from_le_bytes([0, 0, block[0], block[1]])),
        TensorType::Q4_0 => |block, out| {
            let d = half_at(block, 0);
            nibbles(&block[2..], out, |q| (f32::from(q) - 8.0) * d);
        },
        TensorType::Q4_1 => |block, out| {
            let (d, m) = (half_at(block, 0), half_at(block, 2));
            nibbles(&block[4..], out, |q| f32::from(q) * d + m);
        },
        TensorType::Q5_0 => |block, out| {
            let d = half_at(block, 0);
            five_bits(&block[2..], out, |q| (f32::from(q) - 16.0) * d);
        },
        TensorType::Q5_1 => |block, out| {
            let (d, m) = (half_at(block, 0), half_at(block, 2));
            five_bits(&block[4..], out, |q| f32::from(q) * d + m);
        },
        TensorType::Q8_0 => |block, out| {
            let d = half_at(block, 0);
            out.extend(block[2..].iter().map(|byte| f32::from(byte.cast_signed()) * d));
        },
        TensorType::Q2_K => q2_k,
        TensorType::Q3_K => q3_k,
        TensorType::Q4_K => q4_k,
        TensorType::Q5_K => q5_k,
        TensorType::Q6_K => q6_k,
        TensorType::IQ4_NL => |block, out| {
            let d = half_at(block, 0);
            nibbles(&block[2..], out, |q| d * IQ4_VALUES[usize::from(q)]);
        },
        TensorType::IQ4_XS => iq4_xs,
        TensorType::MXFP4 => |block, out| {
            let exponent = u32::from(block[0]);
            // Half of 2^(exponent - 127), since the values are doubled.
            let d = f32::from_bits(if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 });
            nibbles(&block[1..], out, |q| d * MXFP4_VALUES[usize::from(q)]);
        },
        TensorType::Other(_) => return None,
    };
    let mut floats = Vec::with_capacity(bytes.len() / block_bytes * tensor_type.block_len() as usize);
    for block in bytes.chunks_exact(block_bytes) {
        to_floats(block, &mut floats);
    }
    Some(floats)
}

/// `kvalues_iq4nl` in `ggml-common.h`.
const IQ4_VALUES: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];
/// Twice the values of E2M1 (OCP Microscaling Formats 1.0, table 5).
const MXFP4_VALUES: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// All low nibbles, then all high ones.
fn nibbles(bytes: &[u8], out: &mut Vec<f32>, weight: impl Fn(u8) -> f32) {
    out.extend(bytes.iter().map(|byte| weight(byte & 15)));
    out.extend(bytes.iter().map(|byte| weight(byte >> 4)));
}

/// Four bytes of fifth bits, then nibbles.
fn five_bits(bytes: &[u8], out: &mut Vec<f32>, weight: impl Fn(u8) -> f32) {
    let (high, low) = bytes.split_at(4);
    let quants = low.iter().map(|byte| byte & 15).chain(low.iter().map(|byte| byte >> 4));
    out.extend(quants.enumerate().map(|(i, q)| weight(q | ((high[i / 8] >> (i % 8)) & 1) << 4)));
}

fn q2_k(block: &[u8], out: &mut Vec<f32>) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for i in 0..256 {
        let q = (block[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
        let scale = block[i / 16];
        out.push(d * f32::from(scale & 15) * f32::from(q) - dmin * f32::from(scale >> 4));
    }
}

fn q3_k(block: &[u8], out: &mut Vec<f32>) {
    let d = half_at(block, 108);
    for i in 0..256 {
        let low = (block[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
        let high = (block[i % 32] >> (i / 32)) & 1;
        let scale = q3_k_scale(&block[96..108], i / 16) - 32;
        out.push(d * f32::from(scale) * (f32::from(low | high << 2) - 4.0));
    }
}

fn q4_k(block: &[u8], out: &mut Vec<f32>) {
    k_block(block, out, |i| (block[16 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15);
}

fn q5_k(block: &[u8], out: &mut Vec<f32>) {
    k_block(block, out, |i| {
        let low = (block[48 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15;
        low | ((block[16 + i % 32] >> (i / 32)) & 1) << 4
    });
}

fn k_block(block: &[u8], out: &mut Vec<f32>, quant: impl Fn(usize) -> u8) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for i in 0..256 {
        let (scale, minimum) = k_scale_min(&block[4..16], i / 32);
        out.push(d * f32::from(scale) * f32::from(quant(i)) - dmin * f32::from(minimum));
    }
}

fn q6_k(block: &[u8], out: &mut Vec<f32>) {
    let d = half_at(block, 208);
    for i in 0..256 {
        let (half, quarter) = (i / 128, i % 128 / 32);
        let low = (block[half * 64 + quarter % 2 * 32 + i % 32] >> (quarter / 2 * 4)) & 15;
        let high = (block[128 + half * 32 + i % 32] >> (2 * quarter)) & 3;
        let scale = block[192 + i / 16].cast_signed();
        out.push(d * f32::from(scale) * (f32::from(low | high << 4) - 32.0));
    }
}

fn iq4_xs(block: &[u8], out: &mut Vec<f32>) {
    let d = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for (i, quants) in block[8..].chunks_exact(16).enumerate() {
        let low = (block[4 + i / 2] >> (4 * (i % 2))) & 15;
        let scale = low | (((high >> (2 * i)) & 3) as u8) << 4;
        nibbles(quants, out, |q| d * (f32::from(scale) - 32.0) * IQ4_VALUES[usize::from(q)]);
    }
}
