//! Dispatches of `route.wgsl`, `group.wgsl` and `expert_sum.wgsl`.

pub mod reference;

use super::{GROUP_UNIT, Grid, Shader};
use crate::models::{ExpertConfig, ExpertGroups, Scoring};

const SUM_WORKGROUP: u32 = 64;
/// Padding in a list of slots by expert.
pub const NO_SLOT: u32 = u32::MAX;

/// The choice of experts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Router {
    /// The experts.
    pub experts: ExpertConfig,
    /// The choice depends on a bias per expert.
    pub is_biased: bool,
    /// The row's last score is the gate of the shared expert.
    pub is_gated: bool,
    /// Each expert has a factor of its weight.
    pub is_scaled: bool,
}

impl Router {
    /// Number of scores per token.
    pub fn row_len(&self) -> u32 {
        self.experts.count + u32::from(self.is_gated)
    }

    /// Chooses the experts of each token. Grid: one workgroup per token.
    pub fn shader(&self) -> Shader {
        let experts = &self.experts;
        let groups = experts.groups.unwrap_or(ExpertGroups { count: 1, used: 1 });
        Shader::new("experts/route.wgsl")
            .define_if(experts.normalise, "NORMALISE")
            .define_if(experts.scoring == Scoring::Sigmoid, "SIGMOID")
            .define_if(self.is_biased || experts.groups.is_some(), "BY_LIKELIHOOD")
            .define_if(self.is_biased, "BIAS")
            .define_if(experts.groups.is_some(), "GROUPED")
            .define_if(experts.sums_shared(), "SHARED")
            .define_if(self.is_gated, "GATED")
            .define_if(self.is_scaled, "SCALES")
            .constant("COUNT", experts.count)
            .constant("USED", experts.used)
            .constant("GROUPS", groups.count)
            .constant("GROUPS_USED", groups.used)
            .constant("ROW_LEN", self.row_len())
            .constant("OUTPUTS", experts.outputs())
            .constant("WORKGROUP", 64)
            .float("WEIGHT_SCALE", experts.weight_scale)
    }
}

/// Lists the slots of a batch by expert, so that tiles of products can share one.
pub fn group(experts: &ExpertConfig) -> (Shader, Grid) {
    let shader = Shader::new("experts/group.wgsl")
        .constant("COUNT", experts.count)
        .constant("USED", experts.used)
        .constant("UNIT", GROUP_UNIT)
        .constant("WORKGROUP", 128);
    (shader, Grid::Fixed([experts.count, 1, 1]))
}

/// The weighted sum of the experts' outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpertSum {
    /// The experts.
    pub experts: ExpertConfig,
    /// Elements of an output.
    pub len: u32,
    /// Factor of the sum.
    pub scale: f32,
    /// The sum replaces what was there; otherwise it is added to that.
    pub replaces: bool,
}

impl ExpertSum {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        Shader::new("experts/expert_sum.wgsl")
            .define_if(self.experts.sums_shared(), "SHARED")
            .define_if(self.replaces, "REPLACE")
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
