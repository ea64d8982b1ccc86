//! Pseudo-random inputs for comparing kernels with their references, the same on every run.

use crate::gguf::TensorType;

/// A small seeded random number generator (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A float in -1..1.
    pub fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    /// `len` floats in -1..1.
    pub fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    /// `len` weights of a format, a whole number of blocks, with arbitrary quants and small finite scales.
    pub fn weights(&mut self, tensor_type: TensorType, len: usize) -> Vec<u8> {
        // Offset of a block's f16 scales, and their number.
        let (scales_at, scale_count) = match tensor_type {
            TensorType::F32 => return (0..len).flat_map(|_| (self.float() * 0.3).to_le_bytes()).collect(),
            TensorType::F16
            | TensorType::Q1_0
            | TensorType::Q2_0
            | TensorType::Q4_0
            | TensorType::Q5_0
            | TensorType::Q8_0
            | TensorType::IQ1_S
            | TensorType::IQ2_XXS
            | TensorType::IQ2_XS
            | TensorType::IQ2_S
            | TensorType::IQ3_XXS
            | TensorType::IQ3_S
            | TensorType::IQ4_NL
            | TensorType::IQ4_XS => (0, 1),
            TensorType::TQ1_0 => (52, 1),
            TensorType::TQ2_0 => (64, 1),
            TensorType::Q2_K => (80, 2),
            TensorType::Q3_K => (108, 1),
            TensorType::Q6_K => (208, 1),
            TensorType::BF16 | TensorType::MXFP4 | TensorType::NVFP4 | TensorType::IQ1_M => (0, 0),
            _ => (0, 2),
        };
        // Gives weights of a similar size in every format.
        let scale = match tensor_type {
            TensorType::TQ1_0 | TensorType::TQ2_0 => 0.2,
            // Their quants are large. Sharper attention would be ill-conditioned.
            TensorType::Q8_0 | TensorType::IQ4_NL => 0.004,
            TensorType::Q6_K | TensorType::IQ4_XS => 0.0002,
            _ if tensor_type.block_len() == 256 => 0.002,
            _ => 0.05,
        };
        let mut bytes = Vec::new();
        for _ in 0..len / tensor_type.block_len() as usize {
            let mut block: Vec<u8> = (0..tensor_type.block_bytes()).map(|_| (self.bits() >> 32) as u8).collect();
            for half in block[scales_at..][..2 * scale_count].chunks_exact_mut(2) {
                half.copy_from_slice(&half::f16::from_f32(self.float() * scale).to_le_bytes());
            }
            match tensor_type {
                // Only exponents near 2^-4.
                TensorType::MXFP4 => block[0] = 120 + block[0] % 8,
                TensorType::NVFP4 => block[..4].iter_mut().for_each(|byte| *byte %= 32),
                TensorType::IQ1_M => {
                    // Four bits of the scale go to the end of every second byte.
                    let bits = half::f16::from_f32(self.float() * scale).to_bits();
                    for (i, both) in block[48..].chunks_exact_mut(2).enumerate() {
                        both[1] = both[1] & 15 | ((bits >> (4 * i)) << 4) as u8;
                    }
                }
                TensorType::BF16 => block[1] = 0x3C | block[1] & 0x83,
                _ => {}
            }
            bytes.extend(block);
        }
        bytes
    }
}
