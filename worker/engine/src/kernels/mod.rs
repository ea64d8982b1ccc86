//! Compute kernels, one folder each: the WGSL, its dispatch (`mod.rs`), and a plain reference implementation
//! (`reference.rs`) for tests and the self-test. `formats/` decodes weight formats; files in `shared/` are included by
//! several kernels.

pub mod attention;
mod cache_layout;
mod chromium_matrices;
pub mod convolution;
pub mod delta_net;
pub mod embed;
pub mod experts;
mod grid;
pub mod linear;
pub mod norm;
pub mod random;
pub mod repack;
pub mod rows;
pub mod sampling;
mod source;
pub mod state_space;
pub mod streams;
pub mod taps;
pub mod transcript;

pub use cache_layout::{CacheLayout, MAX_SEQUENCES, TokensOf};
pub use chromium_matrices::in_chromium;
pub use grid::{GROUP_UNIT, Grid, grouped_len};
pub use source::{Access, BoundVariable, Shader, bound_variables, expand};

use crate::gguf::TensorType;

/// The name of a weight format in `formats/*.wgsl`.
///
/// `None` for formats without a kernel.
pub fn format_name(tensor_type: TensorType) -> Option<&'static str> {
    Some(match tensor_type {
        TensorType::F32 => "f32",
        TensorType::F16 => "f16",
        TensorType::BF16 => "bf16",
        TensorType::Q4_0 => "q4_0",
        TensorType::Q4_1 => "q4_1",
        TensorType::Q5_0 => "q5_0",
        TensorType::Q5_1 => "q5_1",
        TensorType::Q8_0 => "q8_0",
        TensorType::Q2_K => "q2_k",
        TensorType::Q3_K => "q3_k",
        TensorType::Q4_K => "q4_k",
        TensorType::Q5_K => "q5_k",
        TensorType::Q6_K => "q6_k",
        TensorType::IQ4_NL => "iq4_nl",
        TensorType::IQ4_XS => "iq4_xs",
        TensorType::MXFP4 => "mxfp4",
        TensorType::NVFP4 => "nvfp4",
        TensorType::Q1_0 => "q1_0",
        TensorType::Q2_0 => "q2_0",
        TensorType::TQ1_0 | TensorType::TQ2_0 => "ternary",
        TensorType::IQ1_S => "iq1_s",
        TensorType::IQ1_M => "iq1_m",
        TensorType::IQ2_XXS => "iq2_xxs",
        TensorType::IQ2_XS => "iq2_xs",
        TensorType::IQ2_S => "iq2_s",
        TensorType::IQ3_XXS => "iq3_xxs",
        TensorType::IQ3_S => "iq3_s",
        TensorType::Other(_) => return None,
    })
}
