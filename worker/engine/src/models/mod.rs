//! Model families as data: hyperparameters and tensor layout. The forward passes over them are in `runtime::gpu` and
//! `runtime::cpu`; a new family is a description here, not code there.

mod angles;
mod cache;
mod config;
mod encoder;
mod family;
mod heads;
mod layer_planner;
mod plan;
mod planner;
mod reader;
mod rope;

pub(crate) use angles::RopeAngles;
pub use cache::CacheFormat;
pub use config::{
    AttentionConfig, AttentionTemperature, DeltaNetConfig, ExpertConfig, FeedForwardConfig, LayerConfig, LayerRope,
    MixerConfig, ModelConfig, ShortConvolutionConfig, StateSpaceConfig,
};
pub use encoder::{EncoderConfig, EncoderLayerPlan, EncoderPlan, NormPlan, Pooling, UpPlan};
pub use family::{Activation, HeadNorm, Scoring};
pub use heads::HeadShape;
pub use plan::{
    AttentionPlan, DeltaNetPlan, ExpertsPlan, FeedForwardPlan, GateUpPlan, LayerPlan, MatrixId, MatrixPlan, MixerPlan,
    ModelPlan, Product, Segment, SharedExpertPlan, ShortConvolutionPlan, StateSpacePlan, VectorId, VectorPlan,
    WeightPlan,
};
pub use rope::{Position, ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, RopeConfig, Sections, Yarn};
