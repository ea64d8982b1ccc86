//! Reference of `repack.wgsl`: from a file's blocks to the streams that `kernels/formats` reads.

use crate::gguf::blocks::{k_scale_min, q3_k_scale};
use crate::gguf::{Codebook, TensorType, integer_blocks};
use crate::kernels::repack::Group;

/// Splits blocks into the streams of quants and scales; the latter begins with the codebook, if the format has one. An
/// incomplete last group is padded with zeros.
pub fn repack(tensor_type: TensorType, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let repack_group: fn(&[u8], &mut Stream, &mut Stream) = match tensor_type {
        TensorType::F32 | TensorType::F16 | TensorType::BF16 | TensorType::Other(_) => {
            return (bytes.to_vec(), Vec::new());
        }
        TensorType::Q1_0 => q1_0,
        TensorType::Q4_0 | TensorType::IQ4_NL => scales_first::<18, 2>,
        TensorType::Q4_1 => scales_first::<20, 4>,
        TensorType::Q5_0 => q5_0,
        TensorType::Q5_1 => q5_1,
        TensorType::Q8_0 => scales_first::<34, 2>,
        TensorType::MXFP4 => scales_first::<17, 1>,
        TensorType::Q2_K => q2_k,
        TensorType::Q3_K => q3_k,
        TensorType::Q4_K => q4_k,
        TensorType::Q5_K => q5_k,
        TensorType::Q6_K => q6_k,
        TensorType::IQ4_XS => scales_first::<136, 8>,
        TensorType::NVFP4 => scales_first::<36, 4>,
        TensorType::Q2_0 => q2_0,
        TensorType::TQ1_0 => tq1_0,
        TensorType::TQ2_0 => tq2_0,
        TensorType::IQ1_S => iq1_s,
        TensorType::IQ1_M => iq1_m,
        TensorType::IQ2_XXS => iq2_xxs,
        TensorType::IQ2_XS => iq2_xs,
        TensorType::IQ2_S => iq2_s,
        TensorType::IQ3_XXS => iq3_xxs,
        TensorType::IQ3_S => iq3_s,
    };
    let group_bytes = Group::of(tensor_type).file as usize;
    let (mut quants, mut scales) = (Stream::default(), Stream::default());
    for word in Codebook::of(tensor_type).into_iter().flat_map(Codebook::words) {
        scales.put_word(word);
    }
    for group in bytes.chunks(group_bytes) {
        let mut group = group.to_vec();
        group.resize(group_bytes, 0);
        repack_group(&group, &mut quants, &mut scales);
    }
    (quants.0, scales.0)
}

/// The contents of a stream.
#[derive(Default)]
struct Stream(Vec<u8>);

impl Stream {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn put_word(&mut self, word: u32) {
        self.put(&word.to_le_bytes());
    }

    /// An f16 in a word of its own.
    fn put_half(&mut self, half: &[u8]) {
        self.put(half);
        self.put(&[0; 2]);
    }
}

/// Blocks of `BLOCK` bytes, of which the first `SCALES` are scales.
fn scales_first<const BLOCK: usize, const SCALES: usize>(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    for block in group.chunks_exact(BLOCK) {
        let (own_scales, own_quants) = block.split_at(SCALES);
        scales.put(own_scales);
        quants.put(own_quants);
    }
}

/// Two blocks: f16 d, 16 bytes of bits.
fn q1_0(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    for block in group.chunks_exact(18) {
        let (own_scales, own_bits) = block.split_at(2);
        scales.put(own_scales);
        own_bits.chunks_exact(4).for_each(|bits| quants.put(&spread_bits(bits)));
    }
}

/// Two blocks: f16 d, four bytes of high bits, nibbles.
fn q5_0(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    let (first, second) = group.split_at(22);
    for block in [first, second] {
        scales.put(&spread_bits(&block[2..6]));
        quants.put(&block[6..]);
    }
    scales.put(&first[..2]);
    scales.put(&second[..2]);
}

/// f16 d and m, four bytes of high bits, nibbles.
fn q5_1(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    scales.put(&spread_bits(&group[4..8]));
    scales.put(&group[..4]);
    quants.put(&group[8..]);
}

/// 16 bytes of scales and minimums, 64 bytes of 2-bit quants, f16 d and dmin.
fn q2_k(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    pairs_of_bits(&group[16..80], quants);
    scales.put(&group[..16]);
    scales.put(&group[80..]);
}

/// 32 bytes of high bits, 64 bytes of low 2 bits, 12 bytes of scales, f16 d.
fn q3_k(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    pairs_of_bits(&group[32..96], quants);
    high_bits(&group[..32], scales);
    let own_scales: [u8; 16] = std::array::from_fn(|i| (q3_k_scale(&group[96..108], i) - 32).cast_unsigned());
    scales.put(&own_scales);
    scales.put_half(&group[108..]);
}

/// f16 d and dmin, 12 bytes of scales and minimums, nibbles.
fn q4_k(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    k_scales(&group[..16], scales);
    k_nibbles(&group[16..], quants);
}

/// Like [`q4_k`], with 32 bytes of high bits before the nibbles.
fn q5_k(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    k_scales(&group[..16], scales);
    high_bits(&group[16..48], scales);
    k_nibbles(&group[48..], quants);
}

/// Two halves of 64 bytes of nibbles, two halves of 32 bytes of high 2 bits, 16 signed scales, f16 d.
fn q6_k(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    for half in group[..128].chunks_exact(64) {
        let (first, second) = half.split_at(32);
        quants.put(&low_nibbles(first));
        quants.put(&low_nibbles(second));
        quants.put(&high_nibbles(first));
        quants.put(&high_nibbles(second));
    }
    pairs_of_bits(&group[128..192], scales);
    scales.put(&group[192..208]);
    scales.put_half(&group[208..]);
}

/// Two blocks: f16 d, 16 bytes of pairs of bits.
fn q2_0(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    two_bits(TensorType::Q2_0, group, quants);
    scales.put(&group[..2]);
    scales.put(&group[18..20]);
}

/// 52 bytes of weights, f16 d.
fn tq1_0(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    two_bits(TensorType::TQ1_0, group, quants);
    scales.put_half(&group[52..]);
}

/// 64 bytes of pairs of bits, f16 d.
fn tq2_0(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    pairs_of_bits(&group[..64], quants);
    scales.put_half(&group[64..]);
}

/// f16 d, 32 bytes of indices, 16 bits per block.
fn iq1_s(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    quants.put(&group[2..34]);
    scales.put(&group[34..]);
    scales.put_half(&group[..2]);
}

/// 32 bytes of indices, 24 bytes of the rest.
fn iq1_m(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    quants.put(&group[..32]);
    scales.put(&group[32..]);
}

/// f16 d; per block four bytes of indices, and signs with a scale.
fn iq2_xxs(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    for block in group[2..].as_chunks::<8>().0 {
        let [a, b, c, d, signs @ ..] = *block;
        let signs = u32::from_le_bytes(signs);
        quants.put(&[a, b, c, d]);
        quants.put_word(even_signs(signs, signs >> 28));
    }
    scales.put_half(&group[..2]);
}

/// f16 d; 16 bits per eight weights: nine of an index, seven signs; scales.
fn iq2_xs(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    for block in group[2..66].as_chunks::<8>().0 {
        let (mut signs, mut high) = (0, 0);
        for (i, [low, both]) in block.as_chunks::<2>().0.iter().enumerate() {
            quants.put(&[*low]);
            high |= u32::from(both & 1) << i;
            signs |= u32::from(both >> 1) << (7 * i);
        }
        quants.put_word(even_signs(signs, high));
    }
    scales.put(&group[66..]);
    scales.put_half(&group[..2]);
}

/// f16 d, 32 bytes of indices, 32 bytes of signs, high bits of the indices, scales.
fn iq2_s(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    for (indices, signs) in group[2..34].chunks_exact(4).zip(group[34..66].chunks_exact(4)) {
        quants.put(indices);
        quants.put(&spread_bits(signs));
    }
    scales.put(&group[66..]);
    scales.put_half(&group[..2]);
}

/// f16 d, 64 bytes of indices; per block signs with a scale.
fn iq3_xxs(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    quants.put(&group[2..66]);
    for signs in group[66..].as_chunks::<4>().0 {
        let signs = u32::from_le_bytes(*signs);
        scales.put_word(even_signs(signs, signs >> 28));
    }
    scales.put_half(&group[..2]);
}

/// f16 d, 64 bytes of indices, eight bytes of their high bits, 32 bytes of signs, scales.
fn iq3_s(group: &[u8], quants: &mut Stream, scales: &mut Stream) {
    quants.put(&group[2..66]);
    group[74..106].chunks_exact(4).for_each(|signs| scales.put(&spread_bits(signs)));
    scales.put(&group[66..74]);
    scales.put(&group[106..]);
    scales.put_half(&group[..2]);
}

/// Weights from -1 to 2 in the order of [`pairs_of_bits`], each plus 1.
fn two_bits(tensor_type: TensorType, group: &[u8], quants: &mut Stream) {
    integer_blocks(tensor_type, group, |block| {
        for half_block in block.quants.chunks_exact(16) {
            let bits = |i: usize, q: i8| u32::from((q + 1).cast_unsigned()) << (8 * (i % 4) + 2 * (i / 4));
            quants.put_word(half_block.iter().enumerate().fold(0, |word, (i, q)| word | bits(i, *q)));
        }
    });
}

/// From four times seven signs, in ascending bits: spread as all signs would be, with the eighth of every eight
/// replaced by a bit of `spare`.
fn even_signs(sevens: u32, spare: u32) -> u32 {
    let eights = (0..4).fold(0, |bits, i| bits | ((sevens >> (7 * i)) & 127) << (8 * i));
    let others = (0..4).fold(0, |bits, i| bits | ((spare >> i) & 1) << (25 + 2 * i));
    u32::from_le_bytes(spread_bits(&eights.to_le_bytes())) | others
}

/// d and dmin, then the packed scales, in the layout of `formats/k_scales.wgsl`.
fn k_scales(header: &[u8], scales: &mut Stream) {
    let (mut low_scales, mut low_minima, mut high) = (0u32, 0u32, 0u32);
    for i in 0..8 {
        let (scale, minimum) = k_scale_min(&header[4..], i);
        low_scales |= u32::from(scale & 15) << (4 * i);
        low_minima |= u32::from(minimum & 15) << (4 * i);
        high |= (u32::from(scale >> 4) | u32::from(minimum >> 4) << 16) << (2 * i);
    }
    scales.put(&header[..4]);
    scales.put_word(low_scales);
    scales.put_word(low_minima);
    scales.put_word(high);
}

/// The low nibbles of 32 bytes are a block, the high nibbles the next one.
fn k_nibbles(bytes: &[u8], quants: &mut Stream) {
    for pair in bytes.chunks_exact(32) {
        quants.put(&low_nibbles(pair));
        quants.put(&high_nibbles(pair));
    }
}

/// A block from the low nibbles of 32 bytes: byte i holds weight i low, weight i + 16 high.
fn low_nibbles(bytes: &[u8]) -> [u8; 16] {
    std::array::from_fn(|i| bytes[i] & 15 | bytes[i + 16] << 4)
}

/// A block from the high nibbles of 32 bytes.
fn high_nibbles(bytes: &[u8]) -> [u8; 16] {
    std::array::from_fn(|i| bytes[i] >> 4 | bytes[i + 16] & 0xF0)
}

/// Converts two halves of 32 bytes, each with one pair of bits for four blocks, to two words per block: weights 4k to
/// 4k + 3 of a half block are in the word's four bytes, starting at bit 2k.
fn pairs_of_bits(bytes: &[u8], out: &mut Stream) {
    for half in bytes.as_chunks::<32>().0 {
        let words = words(half);
        for block in 0..4 {
            for half_block in words.as_chunks::<4>().0 {
                let pairs = half_block.map(|word| (word >> (2 * block)) & 0x0303_0303);
                let word = (0..).zip(pairs).fold(0, |bits, (k, pair)| bits | pair << (2 * k));
                out.put_word(word);
            }
        }
    }
}

/// Converts 32 bytes with one bit each for eight blocks to a word per block: weights 4k to 4k + 3 are in its four
/// bytes, in bit k.
fn high_bits(bytes: &[u8], out: &mut Stream) {
    for bytes in bytes.as_chunks::<32>().0 {
        let words = words(bytes);
        for block in 0..8 {
            let bits = words.map(|word| (word >> block) & 0x0101_0101);
            let word = (0..).zip(bits).fold(0, |bits, (k, bit)| bits | bit << k);
            out.put_word(word);
        }
    }
}

/// Converts a word with the bit of weight i in bit i to the order of [`high_bits`].
fn spread_bits(word: &[u8]) -> [u8; 4] {
    let word = word.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let spread = (0..8).fold(0, |bits, k| {
        let four = (word >> (4 * k)) & 15;
        bits | ((four | four << 7 | four << 14 | four << 21) & 0x0101_0101) << k
    });
    spread.to_le_bytes()
}

/// Little-endian words.
fn words(bytes: &[u8; 32]) -> [u32; 8] {
    std::array::from_fn(|i| u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_formats_keep_every_byte() {
        let bytes: Vec<u8> = (0..54).collect();
        let (quants, scales) = repack(TensorType::Q4_0, &bytes);
        assert_eq!(scales, [0, 1, 18, 19, 36, 37, 0, 0]);
        let expected: Vec<u8> = (2..18).chain(20..36).chain(38..54).chain([0; 16]).collect();
        assert_eq!(quants, expected);
        assert_eq!(repack(TensorType::F16, &bytes), (bytes.clone(), Vec::new()));
    }

    #[test]
    fn groups_fill_whole_words_and_waste_little() {
        for tensor_type in TensorType::supported() {
            let group = Group::of(tensor_type);
            let (quants, scales) = repack(tensor_type, &vec![0; group.file as usize]);
            let codebook = Codebook::of(tensor_type).map_or(0, |codebook| 4 * codebook.word_count());
            let lens = (quants.len() as u64, (scales.len() - codebook) as u64);
            assert_eq!(lens, (group.quants, group.scales), "{tensor_type}");
            assert_eq!(group.scales % 4 + group.quants % 4, 0, "{tensor_type}");
            // Weights of TQ1_0 take two bits: digits to base 3 would be slow.
            let waste = if tensor_type == TensorType::TQ1_0 { 14 } else { 6 };
            assert!((group.file..=group.file + waste).contains(&(group.quants + group.scales)), "{tensor_type}");
        }
    }
}
