//! Quantised formats as integer blocks: every quantised format decodes to small integers with a scale and an offset per
//! 16 weights, following `dequantize_row_*` in `ggml-quants.c`.

use super::integer_block::{IntegerBlock, half_at};
use super::{TensorType, indexed};

/// Properties of a format's integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegerFormat {
    /// For 4-bit formats, the smallest integer; all others are at most 15 larger.
    pub nibbles_from: Option<i8>,
    /// Whether the two halves of a block have different scales.
    pub halves: bool,
    /// Whether there are offsets.
    pub offsets: bool,
}

impl IntegerFormat {
    /// The properties of a format; `None` for floating-point formats.
    pub fn of(tensor_type: TensorType) -> Option<Self> {
        let (nibbles_from, halves, offsets) = match tensor_type {
            TensorType::Q1_0 | TensorType::Q2_0 | TensorType::TQ1_0 | TensorType::TQ2_0 => (Some(-1), false, false),
            TensorType::Q4_0 => (Some(-8), false, false),
            TensorType::Q4_1 | TensorType::Q4_K => (Some(0), false, true),
            TensorType::Q5_0
            | TensorType::Q8_0
            | TensorType::IQ1_S
            | TensorType::IQ2_XXS
            | TensorType::IQ3_XXS
            | TensorType::IQ3_S
            | TensorType::IQ4_NL
            | TensorType::IQ4_XS
            | TensorType::MXFP4 => (None, false, false),
            TensorType::Q5_1 | TensorType::Q5_K => (None, false, true),
            TensorType::Q2_K => (None, true, true),
            TensorType::Q3_K
            | TensorType::Q6_K
            | TensorType::IQ1_M
            | TensorType::IQ2_XS
            | TensorType::IQ2_S
            | TensorType::NVFP4 => (None, true, false),
            TensorType::F32 | TensorType::F16 | TensorType::BF16 | TensorType::Other(_) => return None,
        };
        Some(Self { nibbles_from, halves, offsets })
    }
}

/// Decodes one block of a file into one or more blocks of 32 weights.
type ReadBlock = fn(&[u8], &mut dyn FnMut(&IntegerBlock));

/// Passes the decoded blocks of `bytes`, which are whole blocks of the file, to `take`; `None` for floating-point
/// formats.
pub fn integer_blocks(tensor_type: TensorType, bytes: &[u8], mut take: impl FnMut(&IntegerBlock)) -> Option<()> {
    let read: ReadBlock = match tensor_type {
        TensorType::Q4_0 => |block, take| {
            take(&IntegerBlock::plain(nibbles(&block[2..]).map(|q| q - 8), half_at(block, 0)));
        },
        TensorType::Q4_1 => |block, take| {
            take(&IntegerBlock::with_offset(nibbles(&block[4..]), half_at(block, 0), half_at(block, 2)));
        },
        TensorType::Q5_0 => |block, take| {
            take(&IntegerBlock::plain(five_bits(&block[2..]).map(|q| q - 16), half_at(block, 0)));
        },
        TensorType::Q5_1 => |block, take| {
            take(&IntegerBlock::with_offset(five_bits(&block[4..]), half_at(block, 0), half_at(block, 2)));
        },
        TensorType::Q8_0 => |block, take| {
            take(&IntegerBlock::plain(std::array::from_fn(|i| block[2 + i].cast_signed()), half_at(block, 0)));
        },
        TensorType::Q2_K => q2_k,
        TensorType::Q3_K => q3_k,
        TensorType::Q4_K => |block, take| {
            k_blocks(block, take, |i| std::array::from_fn(|j| nibble(block[16 + i / 2 * 32 + j], i)));
        },
        TensorType::Q5_K => |block, take| {
            k_blocks(block, take, |i| {
                std::array::from_fn(|j| {
                    nibble(block[48 + i / 2 * 32 + j], i) | ((block[16 + j] >> i) & 1).cast_signed() << 4
                })
            });
        },
        TensorType::Q6_K => q6_k,
        TensorType::IQ4_NL => |block, take| {
            let quants = nibbles(&block[2..]).map(|q| IQ4_VALUES[q as usize]);
            take(&IntegerBlock::plain(quants, half_at(block, 0)));
        },
        TensorType::IQ4_XS => iq4_xs,
        TensorType::MXFP4 => |block, take| {
            let exponent = u32::from(block[0]);
            // Half of 2^(exponent - 127), because the values are doubled.
            let scale = f32::from_bits(if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 });
            take(&IntegerBlock::plain(nibbles(&block[1..]).map(|q| FP4_VALUES[q as usize]), scale));
        },
        TensorType::NVFP4 => nvfp4,
        TensorType::Q1_0 => |block, take| {
            let bit = |i: usize| ((block[2 + i / 8] >> (i % 8)) & 1).cast_signed();
            in_blocks(4, half_at(block, 0), |i| 2 * bit(i) - 1, take);
        },
        TensorType::Q2_0 => |block, take| {
            in_blocks(2, half_at(block, 0), |i| pair(block[2 + i / 4], i % 4) - 1, take);
        },
        TensorType::TQ1_0 => tq1_0,
        TensorType::TQ2_0 => |block, take| {
            in_blocks(8, half_at(block, 64), |i| pair(block[i / 128 * 32 + i % 32], i / 32 % 4) - 1, take);
        },
        TensorType::IQ1_S => indexed::iq1_s,
        TensorType::IQ1_M => indexed::iq1_m,
        TensorType::IQ2_XXS => indexed::iq2_xxs,
        TensorType::IQ2_XS => indexed::iq2_xs,
        TensorType::IQ2_S => indexed::iq2_s,
        TensorType::IQ3_XXS => indexed::iq3_xxs,
        TensorType::IQ3_S => indexed::iq3_s,
        TensorType::F32 | TensorType::F16 | TensorType::BF16 | TensorType::Other(_) => return None,
    };
    bytes.chunks_exact(tensor_type.block_bytes() as usize).for_each(|block| read(block, &mut take));
    Some(())
}

/// Passes on `count` blocks with the same scale, of the integers `quant(0)`, `quant(1)` and so on.
fn in_blocks(count: usize, scale: f32, quant: impl Fn(usize) -> i8, take: &mut dyn FnMut(&IntegerBlock)) {
    for i in 0..count {
        take(&IntegerBlock::plain(std::array::from_fn(|j| quant(32 * i + j)), scale));
    }
}

/// `kvalues_iq4nl` in `ggml-common.h`.
const IQ4_VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// The E2M1 values, doubled (OCP Microscaling Formats 1.0, table 5).
const FP4_VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// The low nibble if `i` is even, otherwise the high one.
fn nibble(byte: u8, i: usize) -> i8 {
    ((byte >> (i % 2 * 4)) & 15).cast_signed()
}

/// Pair of bits `i` of four.
fn pair(byte: u8, i: usize) -> i8 {
    ((byte >> (2 * i)) & 3).cast_signed()
}

/// All low nibbles of 16 bytes, then all high ones.
fn nibbles(bytes: &[u8]) -> [i8; 32] {
    let mut quants = [0; 32];
    let (low, high) = quants.split_at_mut(16);
    for ((byte, low), high) in bytes.iter().zip(low).zip(high) {
        (*low, *high) = (nibble(*byte, 0), nibble(*byte, 1));
    }
    quants
}

/// Four bytes with the fifth bits, then nibbles.
fn five_bits(bytes: &[u8]) -> [i8; 32] {
    let (high, low) = bytes.split_at(4);
    let mut quants = nibbles(low);
    quants.iter_mut().enumerate().for_each(|(i, q)| *q |= ((high[i / 8] >> (i % 8)) & 1).cast_signed() << 4);
    quants
}

/// 16 bytes of scales and minimums, 64 bytes of 2-bit quants, f16 d and dmin.
fn q2_k(block: &[u8], take: &mut dyn FnMut(&IntegerBlock)) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for i in 0..8 {
        let scale = |half: usize| block[2 * i + half];
        take(&IntegerBlock {
            quants: std::array::from_fn(|j| pair(block[16 + i / 4 * 32 + j], i % 4)),
            scales: [0, 1].map(|half| d * f32::from(scale(half) & 15)),
            offsets: [0, 1].map(|half| -(dmin * f32::from(scale(half) >> 4))),
        });
    }
}

/// 32 bytes of high bits, 64 bytes of low 2 bits, 12 bytes of scales, f16 d.
fn q3_k(block: &[u8], take: &mut dyn FnMut(&IntegerBlock)) {
    let d = half_at(block, 108);
    for i in 0..8 {
        let quant = |j: usize| {
            let low = (block[32 + i / 4 * 32 + j] >> (i % 4 * 2)) & 3;
            let high = (block[j] >> i) & 1;
            (low | high << 2).cast_signed() - 4
        };
        let scales = [0, 1].map(|half| d * f32::from(q3_k_scale(&block[96..108], 2 * i + half) - 32));
        take(&IntegerBlock::halves(std::array::from_fn(quant), scales));
    }
}

/// f16 d and dmin, 12 bytes of scales and minimums, then quants.
fn k_blocks(block: &[u8], take: &mut dyn FnMut(&IntegerBlock), quants: impl Fn(usize) -> [i8; 32]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for i in 0..8 {
        let (scale, minimum) = k_scale_min(&block[4..16], i);
        take(&IntegerBlock::with_offset(quants(i), d * f32::from(scale), -(dmin * f32::from(minimum))));
    }
}

/// 128 bytes of low nibbles, 64 bytes of high 2 bits, 16 signed scales, f16 d.
fn q6_k(block: &[u8], take: &mut dyn FnMut(&IntegerBlock)) {
    let d = half_at(block, 208);
    for i in 0..8 {
        let (half, quarter) = (i / 4, i % 4);
        let quant = |j: usize| {
            let low = (block[half * 64 + quarter % 2 * 32 + j] >> (quarter / 2 * 4)) & 15;
            let high = (block[128 + half * 32 + j] >> (2 * quarter)) & 3;
            (low | high << 4).cast_signed() - 32
        };
        let scales = [0, 1].map(|part| d * f32::from(block[192 + 2 * i + part].cast_signed()));
        take(&IntegerBlock::halves(std::array::from_fn(quant), scales));
    }
}

/// f16 d, 16 bits with the high bits of scales, four bytes with their low bits, nibbles that index the table.
fn iq4_xs(block: &[u8], take: &mut dyn FnMut(&IntegerBlock)) {
    let d = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for (i, quants) in block[8..].chunks_exact(16).enumerate() {
        let low = (block[4 + i / 2] >> (4 * (i % 2))) & 15;
        let scale = low | (((high >> (2 * i)) & 3) as u8) << 4;
        let quants = nibbles(quants).map(|q| IQ4_VALUES[q as usize]);
        take(&IntegerBlock::plain(quants, d * (f32::from(scale) - 32.0)));
    }
}

/// Four 8-bit floats as scales, then eight bytes of nibbles for each.
fn nvfp4(block: &[u8], take: &mut dyn FnMut(&IntegerBlock)) {
    for i in 0..2 {
        let own = &block[4 + 16 * i..][..16];
        // The low nibbles of eight bytes, then the high ones.
        let quant = |j: usize| FP4_VALUES[nibble(own[j / 16 * 8 + j % 8], j / 8) as usize];
        let scales = [0, 1].map(|half| half_of_e4m3(block[2 * i + half]));
        take(&IntegerBlock::halves(std::array::from_fn(quant), scales));
    }
}

/// Half of an unsigned 8-bit float with four bits of exponent (bias 7) and three of mantissa, because the values are
/// doubled; NaN counts as zero, as in `ggml_ue4m3_to_fp32`.
fn half_of_e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (u32::from(byte >> 3) & 15, u32::from(byte & 7));
    match (byte, exponent) {
        (0x7F, _) => 0.0,
        (_, 0) => mantissa as f32 / 1024.0,
        _ => f32::from_bits((exponent + 119) << 23 | mantissa << 20),
    }
}

/// 32 bytes, 16 bytes and four bytes, with a weight of each byte in turn, five times (the last four times), f16 d. A
/// byte is a fraction of 256 whose digits to base 3 are the weights plus 1.
fn tq1_0(block: &[u8], take: &mut dyn FnMut(&IntegerBlock)) {
    let digit = |byte: u8, n: usize| {
        let fraction = (0..n).fold(byte, |fraction, _| fraction.wrapping_mul(3));
        // At most 2.
        ((u16::from(fraction) * 3) >> 8) as i8
    };
    let quant = |i: usize| {
        let (byte, n) = match i {
            0..160 => (i % 32, i / 32),
            160..240 => (32 + i % 16, (i - 160) / 16),
            _ => (48 + i % 4, (i - 240) / 4),
        };
        digit(block[byte], n) - 1
    };
    in_blocks(8, half_at(block, 52), quant, take);
}

/// Scale `i` of 16 in the 12 bytes of a `Q3_K` block: the low four bits in the first eight bytes, the high two in the
/// rest.
pub(crate) fn q3_k_scale(packed: &[u8], i: usize) -> i8 {
    let low = (packed[i % 8] >> (4 * (i / 8))) & 15;
    let high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
    // At most 63.
    (low | high << 4).cast_signed()
}

/// Scale and minimum `i` of eight in the 12 bytes of a `Q4_K` block (`get_scale_min_k4` in `ggml-quants.c`).
pub(crate) fn k_scale_min(packed: &[u8], i: usize) -> (u8, u8) {
    if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        let (low, scale_high, min_high) = (packed[i + 4], packed[i - 4] >> 6, packed[i] >> 6);
        (low & 15 | scale_high << 4, low >> 4 | min_high << 4)
    }
}
