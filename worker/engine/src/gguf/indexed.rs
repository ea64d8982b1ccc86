//! Formats whose weights are indices into a codebook, as integer blocks, following `dequantize_row_iq*` in
//! `ggml-quants.c`. All have blocks of 256 weights.

use half::f16;

use super::codebooks::Codebook;
use super::integer_block::{IntegerBlock, half_at};

type Take<'t> = &'t mut dyn FnMut(&IntegerBlock);

fn short_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(short_at(bytes, at)) | u32::from(short_at(bytes, at + 2)) << 16
}

/// An index whose low byte is stored apart from its other bits.
fn index(low: u8, high: u16) -> usize {
    usize::from(low) | usize::from(high) << 8
}

/// Negates the weights whose bits are set.
fn signed(magnitudes: [i8; 32], signs: u32) -> [i8; 32] {
    std::array::from_fn(|i| if (signs >> i) & 1 == 1 { -magnitudes[i] } else { magnitudes[i] })
}

/// From four times seven signs to all: of eight weights, an even number are negative.
fn even_signs(sevens: u32) -> u32 {
    (0..4).fold(0, |signs, i| {
        let seven = (sevens >> (7 * i)) & 127;
        signs | (seven | (seven.count_ones() & 1) << 7) << (8 * i)
    })
}

/// Scales of two halves from the nibbles of a byte, in `IQ2_XS` and `IQ2_S`.
fn half_scales(d: f32, byte: u8) -> [f32; 2] {
    [byte & 15, byte >> 4].map(|scale| d * (0.5 + f32::from(scale)) * 0.25)
}

/// f16 d; per 32 weights four bytes of indices, and a word with signs and the scale.
pub(super) fn iq2_xxs(block: &[u8], take: Take<'_>) {
    let d = half_at(block, 0);
    for own in block[2..].chunks_exact(8) {
        let signs = word_at(own, 4);
        let magnitudes = Codebook::IQ2_XXS.read(|i| own[i].into());
        let scale = d * (0.5 + (signs >> 28) as f32) * 0.25;
        take(&IntegerBlock::plain(signed(magnitudes, even_signs(signs)), scale));
    }
}

/// f16 d; per eight weights 16 bits, nine of an index and seven signs; eight bytes of scales.
pub(super) fn iq2_xs(block: &[u8], take: Take<'_>) {
    let d = half_at(block, 0);
    for (i, scales) in block[66..].iter().enumerate() {
        let both = |j: usize| short_at(block, 2 + 8 * i + 2 * j);
        let signs = (0..4).fold(0, |signs, j| signs | u32::from(both(j) >> 9) << (7 * j));
        let magnitudes = Codebook::IQ2_XS.read(|j| usize::from(both(j) & 511));
        take(&IntegerBlock::halves(signed(magnitudes, even_signs(signs)), half_scales(d, *scales)));
    }
}

/// f16 d, 32 bytes of indices, 32 bytes of signs, eight bytes with two more bits per index, eight bytes of scales.
pub(super) fn iq2_s(block: &[u8], take: Take<'_>) {
    let d = half_at(block, 0);
    for (i, scales) in block[74..].iter().enumerate() {
        let magnitudes = Codebook::IQ2_S.read(|j| index(block[2 + 4 * i + j], u16::from(block[66 + i] >> (2 * j)) & 3));
        let quants = signed(magnitudes, word_at(block, 34 + 4 * i));
        take(&IntegerBlock::halves(quants, half_scales(d, *scales)));
    }
}

/// f16 d, 64 bytes of indices; per 32 weights a word with signs and the scale.
pub(super) fn iq3_xxs(block: &[u8], take: Take<'_>) {
    let d = half_at(block, 0);
    for i in 0..8 {
        let signs = word_at(block, 66 + 4 * i);
        let magnitudes = Codebook::IQ3_XXS.read(|j| block[2 + 8 * i + j].into());
        let scale = d * (0.5 + (signs >> 28) as f32) * 0.5;
        take(&IntegerBlock::plain(signed(magnitudes, even_signs(signs)), scale));
    }
}

/// f16 d, 64 bytes of indices, eight bytes with another bit per index, 32 bytes of signs, four bytes of scales.
pub(super) fn iq3_s(block: &[u8], take: Take<'_>) {
    let d = half_at(block, 0);
    for i in 0..8 {
        let magnitudes = Codebook::IQ3_S.read(|j| index(block[2 + 8 * i + j], u16::from(block[66 + i] >> j) & 1));
        let scale = (block[106 + i / 2] >> (4 * (i % 2))) & 15;
        let quants = signed(magnitudes, word_at(block, 74 + 4 * i));
        take(&IntegerBlock::plain(quants, d * f32::from(1 + 2 * scale)));
    }
}

/// Weights times eight, with the eighth that `is_lower` says for each index subtracted or added.
fn shifted(weights: [i8; 32], is_lower: impl Fn(usize) -> bool) -> [i8; 32] {
    std::array::from_fn(|i| 8 * weights[i] + if is_lower(i / 8) { -1 } else { 1 })
}

/// The scale of weights times eight, with odd factors of d.
fn eighth(d: f32, scale: u16) -> f32 {
    d * f32::from(2 * (scale & 7) + 1) / 8.0
}

/// f16 d, 32 bytes of indices; per 32 weights 16 bits: three more per index, three of scale, the shift's sign.
pub(super) fn iq1_s(block: &[u8], take: Take<'_>) {
    let d = half_at(block, 0);
    for i in 0..8 {
        let own = short_at(block, 34 + 2 * i);
        let weights = Codebook::IQ1.read(|j| index(block[2 + 4 * i + j], (own >> (3 * j)) & 7));
        take(&IntegerBlock::plain(shifted(weights, |_| own >> 15 == 1), eighth(d, own >> 12)));
    }
}

/// 32 bytes of indices; per index four bits: three more of it, the shift's sign; per 64 weights 16 bits: four scales
/// of three bits, four bits of f16 d.
pub(super) fn iq1_m(block: &[u8], take: Take<'_>) {
    let shorts: [u16; 4] = std::array::from_fn(|i| short_at(block, 48 + 2 * i));
    let d = f16::from_bits((0..4).fold(0, |bits, i| bits | (shorts[i] >> 12) << (4 * i))).to_f32();
    for i in 0..8 {
        let own = |j: usize| short_at(block, 32 + 2 * i) >> (4 * j);
        let weights = Codebook::IQ1.read(|j| index(block[4 * i + j], own(j) & 7));
        let scales = [0, 3].map(|shift| eighth(d, shorts[i / 2] >> (6 * (i % 2) + shift)));
        take(&IntegerBlock::halves(shifted(weights, |j| own(j) & 8 == 8), scales));
    }
}
