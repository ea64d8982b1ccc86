//! Dispatches of `route.wgsl` and `expert_sum.wgsl`.

pub mod reference;

use super::Grid;
use super::Shader;
use crate::models::{ExpertConfig, Scoring};

const SUM_WORKGROUP: u32 = 64;

/// The choice of experts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Router {
    /// The experts.
    pub experts: ExpertConfig,
    /// The choice depends on a bias per expert.
    pub is_biased: bool,
    /// The row's last score is the gate of the shared expert.
    pub is_gated: bool,
}

impl Router {
    /// Number of scores per token.
    pub fn row_len(&self) -> u32 {
        self.experts.count + u32::from(self.is_gated)
    }

    /// Chooses the experts of each token. Grid: one workgroup per token.
    pub fn shader(&self) -> Shader {
        let experts = &self.experts;
        Shader::new("experts/route.wgsl")
            .define_if(experts.normalise, "NORMALISE")
            .define_if(experts.scoring == Scoring::Sigmoid, "SIGMOID")
            .define_if(self.is_biased, "BIAS")
            .define_if(experts.sums_shared(), "SHARED")
            .define_if(self.is_gated, "GATED")
            .constant("COUNT", experts.count)
            .constant("USED", experts.used)
            .constant("ROW_LEN", self.row_len())
            .constant("OUTPUTS", experts.outputs())
            .constant("WORKGROUP", 64)
            .float("WEIGHT_SCALE", experts.weight_scale)
    }
}

/// The weighted sum of the experts' outputs, which is added to the hidden state, or stored if experts work in another
/// space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertSum {
    /// The experts.
    pub experts: ExpertConfig,
    /// Elements of an output.
    pub len: u32,
    /// Factor of the sum.
    pub scale: f32,
}

impl ExpertSum {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("experts/expert_sum.wgsl")
            .define_if(self.experts.sums_shared(), "SHARED")
            .define_if(self.experts.latent_len.is_some(), "REPLACE")
            .constant("LEN", self.len)
            .constant("USED", self.experts.used)
            .constant("OUTPUTS", self.experts.outputs())
            .constant("WORKGROUP", SUM_WORKGROUP)
            .float("SCALE", self.scale)
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        Grid::TokensInY { x: self.len.div_ceil(SUM_WORKGROUP), z: 1 }
    }
}
