//! Tensor storage formats and their block sizes.

use std::fmt;

/// How a tensor's elements are stored. Numbers and block sizes: `ggml.h` (`ggml_type`) and `ggml-common.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(non_camel_case_types, reason = "the formats' own names")]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// Blocks of 32: f16 scale, 16 bytes of nibbles; `w = d (q - 8)`.
    Q4_0,
    /// Blocks of 32: f16 scale and minimum, 16 bytes of nibbles; `w = d q + m`.
    Q4_1,
    /// Blocks of 32: f16 scale, 32 signed bytes; `w = d q`.
    Q8_0,
    /// A known format that the engine has no kernels for, by its `ggml_type` number.
    Other(u32),
}

/// Name, elements a block, bytes a block, by `ggml_type` number; an empty name is a retired number.
const GGML_TYPES: [(&str, u64, u64); 40] = [
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
];

impl TensorType {
    /// The type with this `ggml_type` number, or `None` where there is none such.
    pub fn from_number(number: u32) -> Option<Self> {
        let (name, ..) = GGML_TYPES.get(number as usize)?;
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            _ if name.is_empty() => return None,
            other => Self::Other(other),
        })
    }

    /// The `ggml_type` number.
    pub fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 8,
            Self::Other(number) => number,
        }
    }

    /// The type's name as llama.cpp prints it.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// Elements a block.
    pub fn block_len(self) -> u64 {
        self.entry().1
    }

    /// Bytes a block.
    pub fn block_bytes(self) -> u64 {
        self.entry().2
    }

    fn entry(self) -> (&'static str, u64, u64) {
        // `number` comes from `from_number` only, so it is in the table.
        GGML_TYPES[self.number() as usize]
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
