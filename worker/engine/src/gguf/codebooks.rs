//! Codebooks of the formats whose weights are indices (`iq2xxs_grid` and its like in `ggml-common.h`).

use super::TensorType;

/// The entries of all codebooks, 16 bits each: first the low bytes of all, then the high ones, which compresses better.
/// A weight is a digit of `16 / weights` bits, the first in the lowest. `tests/fixtures/make_fixtures.py` writes it.
static ENTRIES: &[u8] = include_bytes!("codebooks.bin");

/// Entries of four or eight weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codebook {
    /// Index of the first entry in [`ENTRIES`].
    first: usize,
    /// Number of entries.
    len: usize,
    /// Number of weights per entry.
    weights: usize,
    /// The weights that digits stand for.
    values: &'static [i8],
}

const IQ1_VALUES: &[i8] = &[-1, 0, 1];
const IQ2_VALUES: &[i8] = &[8, 25, 43];

impl Codebook {
    /// `iq1s_grid`, also of `IQ1_M`.
    pub(super) const IQ1: Self = Self { first: 2560, len: 2048, weights: 8, values: IQ1_VALUES };
    /// `iq2xxs_grid`
    pub(super) const IQ2_XXS: Self = Self { first: 0, len: 256, weights: 8, values: IQ2_VALUES };
    /// `iq2xs_grid`
    pub(super) const IQ2_XS: Self = Self { first: 256, len: 512, weights: 8, values: IQ2_VALUES };
    /// `iq2s_grid`
    pub(super) const IQ2_S: Self = Self { first: 768, len: 1024, weights: 8, values: IQ2_VALUES };
    /// `iq3xxs_grid`
    pub(super) const IQ3_XXS: Self =
        Self { first: 1792, len: 256, weights: 4, values: &[4, 12, 20, 28, 36, 44, 52, 62] };
    /// `iq3s_grid`
    pub(super) const IQ3_S: Self = Self { first: 2048, len: 512, weights: 4, values: &[1, 3, 5, 7, 9, 11, 13, 15] };

    /// The codebook of a format, if it has one.
    pub fn of(tensor_type: TensorType) -> Option<Self> {
        Some(match tensor_type {
            TensorType::IQ1_S | TensorType::IQ1_M => Self::IQ1,
            TensorType::IQ2_XXS => Self::IQ2_XXS,
            TensorType::IQ2_XS => Self::IQ2_XS,
            TensorType::IQ2_S => Self::IQ2_S,
            TensorType::IQ3_XXS => Self::IQ3_XXS,
            TensorType::IQ3_S => Self::IQ3_S,
            _ => return None,
        })
    }

    /// 32 weights, from the entries with the indices `index(0)`, `index(1)` and so on.
    pub(super) fn read(self, index: impl Fn(usize) -> usize) -> [i8; 32] {
        std::array::from_fn(|i| self.weight(index(i / self.weights), i % self.weights))
    }

    fn weight(self, index: usize, i: usize) -> i8 {
        let (low, high) = ENTRIES.split_at(ENTRIES.len() / 2);
        let entry = usize::from(low[self.first + index]) | usize::from(high[self.first + index]) << 8;
        let bits = 16 / self.weights;
        self.values[(entry >> (bits * i)) & ((1 << bits) - 1)]
    }

    /// Number of [`Codebook::words`].
    pub fn word_count(self) -> usize {
        if self.has_magnitudes() { self.len * self.weights / 4 } else { self.len }
    }

    /// The codebook in the layout of `kernels/formats`, see `signed_block.wgsl` and `iq1_block.wgsl` there.
    pub fn words(self) -> Vec<u32> {
        // Four weights as bytes.
        let word = |index: usize, from: usize, bias: i8| {
            let bytes = std::array::from_fn(|i| (self.weight(index, from + i) + bias).cast_unsigned());
            u32::from_le_bytes(bytes)
        };
        if self.has_magnitudes() {
            (0..self.len * self.weights / 4).map(|i| word(4 * i / self.weights, 4 * i % self.weights, 64)).collect()
        } else {
            (0..self.len).map(|index| word(index, 0, 1) << 3 | word(index, 4, 1) << 5).collect()
        }
    }

    /// Whether signs are stored elsewhere.
    fn has_magnitudes(self) -> bool {
        self.values[0] > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum (FNV-1a) is that of the `gguf` package's codebooks, printed by `make_fixtures.py`.
    #[test]
    fn all_entries_are_those_of_the_gguf_package() {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        let codebooks =
            [Codebook::IQ2_XXS, Codebook::IQ2_XS, Codebook::IQ2_S, Codebook::IQ3_XXS, Codebook::IQ3_S, Codebook::IQ1];
        for codebook in codebooks {
            for (index, i) in (0..codebook.len).flat_map(|index| (0..codebook.weights).map(move |i| (index, i))) {
                let byte = codebook.weight(index, i).cast_unsigned();
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
            }
            assert_eq!(codebook.words().len(), codebook.word_count());
        }
        assert_eq!(hash, 0x9D89_F86E_4257_AF40);
    }
}
