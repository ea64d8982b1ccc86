//! Model families, described as data: hyperparameters and where each tensor goes. The forward pass over
//! them is `runtime::forward`; a family adds a description here, not code there.

mod cache;
mod config;
mod encoder;
mod family;
mod plan;
mod planner;
mod reader;
mod rope;

pub use cache::CacheFormat;
pub use config::{
    AttentionConfig, DeltaNetConfig, ExpertConfig, FeedForwardConfig, HeadShape, LayerConfig, LayerRope, MixerConfig,
    ModelConfig, ShortConvolutionConfig,
};
pub use encoder::{EncoderConfig, EncoderLayerPlan, EncoderPlan, NormPlan, Pooling, UpPlan};
pub use family::{Activation, HeadNorm};
pub use plan::{
    AttentionPlan, DeltaNetPlan, FeedForwardPlan, GateUpPlan, LayerPlan, MatrixId, MatrixPlan, MixerPlan, ModelPlan,
    Product, Segment, ShortConvolutionPlan, VectorId, VectorPlan, WeightPlan,
};
pub(crate) use rope::rope_angles;
pub use rope::{ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, RopeConfig, Yarn};
