//! Dispatches of the kernels for hidden states of several vectors: `expand.wgsl`, `predict.wgsl`, `correct.wgsl` and
//! `merge.wgsl` (Baykal et al. 2023, "Alternating Updates for Efficient Transformers").

pub mod reference;

use super::{Grid, Shader};

const WORKGROUP: u32 = 64;

/// What happens to the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStep {
    /// Before the first layer, the others get the length of the first.
    Expand,
    /// Before a layer, all are predicted from all.
    Predict,
    /// After a layer, all are corrected by what it computed.
    Correct,
    /// After the last layer, the first becomes their mean.
    Merge,
}

/// A step with the vectors of a hidden state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Number of vectors.
    pub count: u32,
    /// Elements of a vector.
    pub len: u32,
    /// The step.
    pub step: StreamStep,
}

impl Streams {
    /// The kernel.
    pub fn shader(&self) -> Shader {
        let file = match self.step {
            StreamStep::Expand => "streams/expand.wgsl",
            StreamStep::Predict => "streams/predict.wgsl",
            StreamStep::Correct => "streams/correct.wgsl",
            StreamStep::Merge => "streams/merge.wgsl",
        };
        Shader::new(file).constant("COUNT", self.count).constant("LEN", self.len).constant("WORKGROUP", WORKGROUP)
    }

    /// Workgroups of the kernel.
    pub fn grid(&self) -> Grid {
        match self.step {
            StreamStep::Expand => Grid::TokensInY { x: self.count - 1, z: 1 },
            StreamStep::Predict | StreamStep::Correct => Grid::TokensInY { x: self.len.div_ceil(WORKGROUP), z: 1 },
            StreamStep::Merge => Grid::TokensInX,
        }
    }
}
