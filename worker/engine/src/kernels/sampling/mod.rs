//! Dispatches of `logit_scan.wgsl` and `sample.wgsl`.

pub mod reference;

use super::Shader;

/// Number of tokens per workgroup of the scan.
const CHUNK_LEN: u32 = 1024;

/// Number of sampled tokens that the GPU keeps until the host has read them.
pub const RING_LEN: u32 = 256;

/// Number of workgroups of the scan over a vocabulary.
pub fn chunk_count(vocab: u32) -> u32 {
    vocab.div_ceil(CHUNK_LEN)
}

/// Applies bias, penalties, temperature and the mask of allowed tokens, and finds the likeliest token of each chunk.
/// Grid: [`chunk_count`].
pub fn logit_scan(vocab: u32) -> Shader {
    Shader::new("sampling/logit_scan.wgsl")
        .constant("VOCAB", vocab)
        .constant("CHUNK_LEN", CHUNK_LEN)
        .constant("WORKGROUP", 256)
}

/// Samples a token. Grid: one workgroup.
pub fn sample(vocab: u32) -> Shader {
    Shader::new("sampling/sample.wgsl")
        .constant("VOCAB", vocab)
        .constant("CHUNKS", chunk_count(vocab))
        .constant("WORKGROUP", 256)
        .constant("RING_LEN", RING_LEN)
}
