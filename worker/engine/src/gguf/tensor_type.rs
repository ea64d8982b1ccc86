//! Tensor storage formats and their block sizes.

use std::fmt;

/// Storage format of a tensor. For numbers and block sizes see `ggml_type` in `ggml.h`, and `ggml-common.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "the formats' own names")]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// The upper 16 bits of 32-bit floats.
    BF16,
    /// Blocks of 32: f16 scale, 16 bytes of nibbles; `w = d (q - 8)`.
    Q4_0,
    /// Blocks of 32: f16 scale and minimum, 16 bytes of nibbles; `w = d q + m`.
    Q4_1,
    /// Like `Q4_0`, with the fifth bits stored separately; `w = d (q - 16)`.
    Q5_0,
    /// Like `Q4_1`, with the fifth bits stored separately.
    Q5_1,
    /// Blocks of 32: f16 scale, 32 signed bytes; `w = d q`.
    Q8_0,
    /// Blocks of 256: two bits per weight, 4-bit scale and minimum per 16 weights.
    Q2_K,
    /// Blocks of 256: three bits per weight, 6-bit scale per 16 weights.
    Q3_K,
    /// Blocks of 256: four bits per weight, 6-bit scale and minimum per 32 weights.
    Q4_K,
    /// Like `Q4_K`, with the fifth bits stored separately.
    Q5_K,
    /// Blocks of 256: six bits per weight, 8-bit scale per 16 weights.
    Q6_K,
    /// Like `Q4_0`, with nibbles that index a table of unevenly spaced values.
    IQ4_NL,
    /// Blocks of 256: like `IQ4_NL`, with a 6-bit scale per 32 weights.
    IQ4_XS,
    /// Blocks of 32: a power of two as scale, nibbles that are 4-bit floats.
    MXFP4,
    /// Blocks of 64: like `MXFP4`, with an 8-bit float as scale per 16 weights.
    NVFP4,
    /// Blocks of 128: f16 scale, one bit per weight; `w = d` or `-d`.
    Q1_0,
    /// Blocks of 64: f16 scale, two bits per weight; `w = d (q - 1)`.
    Q2_0,
    /// Blocks of 256: f16 scale, weights of -1, 0 or 1, five to a byte.
    TQ1_0,
    /// Blocks of 256: f16 scale, two bits per weight; `w = d (q - 1)`.
    TQ2_0,
    /// Blocks of 256: 11-bit indices into a codebook of eight weights of -1, 0 or 1; 3-bit scale and a shift of 1/8 up
    /// or down per 32 weights.
    IQ1_S,
    /// Like `IQ1_S`, with a scale per 16 weights and a shift per eight.
    IQ1_M,
    /// Blocks of 256: 8-bit indices into a codebook of eight magnitudes, seven signs for each, 4-bit scale per 32
    /// weights.
    IQ2_XXS,
    /// Like `IQ2_XXS`, with 9-bit indices and a scale per 16 weights.
    IQ2_XS,
    /// Like `IQ2_XS`, with 10-bit indices and all signs.
    IQ2_S,
    /// Like `IQ2_XXS`, with a codebook of four magnitudes.
    IQ3_XXS,
    /// Like `IQ3_XXS`, with 9-bit indices and all signs.
    IQ3_S,
    /// A known but unsupported format, by its `ggml_type` number.
    Other(u32),
}

/// The supported formats and their `ggml_type` numbers.
const SUPPORTED: [(TensorType, u32); 28] = [
    (TensorType::F32, 0),
    (TensorType::F16, 1),
    (TensorType::Q4_0, 2),
    (TensorType::Q4_1, 3),
    (TensorType::Q5_0, 6),
    (TensorType::Q5_1, 7),
    (TensorType::Q8_0, 8),
    (TensorType::Q2_K, 10),
    (TensorType::Q3_K, 11),
    (TensorType::Q4_K, 12),
    (TensorType::Q5_K, 13),
    (TensorType::Q6_K, 14),
    (TensorType::IQ2_XXS, 16),
    (TensorType::IQ2_XS, 17),
    (TensorType::IQ3_XXS, 18),
    (TensorType::IQ1_S, 19),
    (TensorType::IQ4_NL, 20),
    (TensorType::IQ3_S, 21),
    (TensorType::IQ2_S, 22),
    (TensorType::IQ4_XS, 23),
    (TensorType::IQ1_M, 29),
    (TensorType::BF16, 30),
    (TensorType::TQ1_0, 34),
    (TensorType::TQ2_0, 35),
    (TensorType::MXFP4, 39),
    (TensorType::NVFP4, 40),
    (TensorType::Q1_0, 41),
    (TensorType::Q2_0, 42),
];

/// Name, elements per block and bytes per block, by `ggml_type` number; retired numbers have an empty name.
const GGML_TYPES: [(&str, u64, u64); 43] = [
    ("F32", 1, 4),
    ("F16", 1, 2),
    ("Q4_0", 32, 18),
    ("Q4_1", 32, 20),
    ("", 1, 1),
    ("", 1, 1),
    ("Q5_0", 32, 22),
    ("Q5_1", 32, 24),
    ("Q8_0", 32, 34),
    ("Q8_1", 32, 36),
    ("Q2_K", 256, 84),
    ("Q3_K", 256, 110),
    ("Q4_K", 256, 144),
    ("Q5_K", 256, 176),
    ("Q6_K", 256, 210),
    ("Q8_K", 256, 292),
    ("IQ2_XXS", 256, 66),
    ("IQ2_XS", 256, 74),
    ("IQ3_XXS", 256, 98),
    ("IQ1_S", 256, 50),
    ("IQ4_NL", 32, 18),
    ("IQ3_S", 256, 110),
    ("IQ2_S", 256, 82),
    ("IQ4_XS", 256, 136),
    ("I8", 1, 1),
    ("I16", 1, 2),
    ("I32", 1, 4),
    ("I64", 1, 8),
    ("F64", 1, 8),
    ("IQ1_M", 256, 56),
    ("BF16", 1, 2),
    ("", 1, 1),
    ("", 1, 1),
    ("", 1, 1),
    ("TQ1_0", 256, 54),
    ("TQ2_0", 256, 66),
    ("", 1, 1),
    ("", 1, 1),
    ("", 1, 1),
    ("MXFP4", 32, 17),
    ("NVFP4", 64, 36),
    ("Q1_0", 128, 18),
    ("Q2_0", 64, 18),
];

impl TensorType {
    /// The supported formats.
    pub fn supported() -> impl Iterator<Item = Self> {
        SUPPORTED.iter().map(|(tensor_type, _)| *tensor_type)
    }

    /// The type with this `ggml_type` number, if it exists.
    pub fn from_number(number: u32) -> Option<Self> {
        let (name, ..) = GGML_TYPES.get(number as usize)?;
        if name.is_empty() {
            return None;
        }
        let supported = SUPPORTED.iter().find(|(_, own)| *own == number);
        Some(supported.map_or(Self::Other(number), |(tensor_type, _)| *tensor_type))
    }

    /// The `ggml_type` number.
    pub fn number(self) -> u32 {
        match self {
            Self::Other(number) => number,
            // Every other type is in the table.
            known => SUPPORTED.iter().find(|(own, _)| *own == known).map_or(0, |(_, number)| *number),
        }
    }

    /// The type's name as printed by llama.cpp.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// Number of elements per block.
    pub fn block_len(self) -> u64 {
        self.entry().1
    }

    /// Number of bytes per block.
    pub fn block_bytes(self) -> u64 {
        self.entry().2
    }

    fn entry(self) -> (&'static str, u64, u64) {
        // The number of `Other` comes only from `from_number`, so it is in the table.
        GGML_TYPES[self.number() as usize]
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
