//! Model families, described as data: hyperparameters and where each tensor goes. The forward pass over
//! them is `runtime::forward`; a family adds a description here, not code there.

mod config;
mod plan;
mod rope;

pub use config::{HeadShape, ModelConfig, RopeConfig};
pub use plan::{LayerPlan, MatrixPlan, ModelPlan, ROPE_FREQUENCIES};
pub use rope::rope_angles;
