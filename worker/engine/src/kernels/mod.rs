//! WGSL kernels. `NAME.wgsl` holds the shader, `NAME.rs` its dispatch, `reference/NAME.rs` its plain CPU twin.

pub mod attention;
pub mod embed;
pub mod linear;
pub mod sampling;
mod source;

pub use source::{Shader, expand};

use crate::gguf::TensorType;

/// The define that selects the `formats/*.wgsl` of a weight format.
///
/// `None` for formats without a kernel.
pub fn format_name(tensor_type: TensorType) -> Option<&'static str> {
    match tensor_type {
        TensorType::F32 => Some("f32"),
        TensorType::F16 => Some("f16"),
        TensorType::Q4_0 => Some("q4_0"),
        TensorType::Q4_1 => Some("q4_1"),
        TensorType::Q8_0 => Some("q8_0"),
        TensorType::Other(_) => None,
    }
}
