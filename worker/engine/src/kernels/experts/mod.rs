//! Dispatches of `route.wgsl` and `expert_sum.wgsl`.

pub mod reference;

use super::Grid;
use super::Shader;
use crate::models::ExpertConfig;

const SUM_WORKGROUP: u32 = 64;

/// Chooses the experts of each token. Grid: one workgroup per token.
pub fn route(experts: &ExpertConfig) -> Shader {
    Shader::new("experts/route.wgsl")
        .define_if(experts.normalise, "NORMALISE")
        .constant("COUNT", experts.count)
        .constant("USED", experts.used)
        .constant("WORKGROUP", 64)
}

/// Adds the weighted sum of the experts' outputs, vectors of `len`, to the hidden state.
pub fn expert_sum(experts: &ExpertConfig, len: u32, scale: f32) -> (Shader, Grid) {
    let shader = Shader::new("experts/expert_sum.wgsl")
        .constant("LEN", len)
        .constant("USED", experts.used)
        .constant("WORKGROUP", SUM_WORKGROUP)
        .float("SCALE", scale);
    (shader, Grid::TokensInY { x: len.div_ceil(SUM_WORKGROUP), z: 1 })
}
