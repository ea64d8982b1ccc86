//! Model families as data: hyperparameters and tensor layout. The forward passes over them are in `runtime::gpu` and
//! `runtime::cpu`; a new family is a description here, not code there.

mod angles;
mod cache;
mod checks;
mod config;
mod encoder;
mod encoder_plan;
mod entries;
mod family;
mod head_planner;
mod heads;
mod layer_planner;
mod mixer;
mod pictures;
mod plan;
mod planner;
mod pooling;
mod projector;
mod projector_plan;
mod reader;
mod rope;

pub(crate) use angles::RopeAngles;
pub use cache::CacheFormat;
pub use config::{AttentionTemperature, ExpertConfig, ExpertGroups, FeedForwardConfig, LayerConfig, ModelConfig};
pub(crate) use encoder::MAX_TEXT_TOKENS;
pub use encoder::{EncoderConfig, EncoderWindow, PositionKind};
pub use encoder_plan::{EncoderFeedForward, EncoderLayerPlan, EncoderPlan, NormPlan, UpPlan};
pub use family::{Activation, HeadNorm, Scoring};
pub use heads::HeadShape;
pub use mixer::{
    AttentionConfig, DeltaNetConfig, LatentConfig, LayerRope, MixerConfig, ShortConvolutionConfig, StateSpaceConfig,
};
pub use pictures::{Filter, Markers, PictureConfig, Sizing, TILE};
pub use plan::{
    ArrangedPlan, Arrangement, AttentionPlan, DeltaNetPlan, ExpansionPlan, ExpertMatrix, ExpertsGateUp, ExpertsPlan,
    FeedForwardPlan, GateUpPlan, LatentPlan, LayerInputPlan, LayerInputsPlan, LayerPlan, MatrixId, MatrixPlan,
    MixerPlan, ModelPlan, Product, Segment, SharedExpertPlan, ShortConvolutionPlan, StateSpacePlan, VectorId,
    VectorPlan, WeightPlan,
};
pub use pooling::{HeadActivation, HeadLayer, HeadPlan, HeadResult, Pooling};
pub use projector::{GridRope, Merge, PatchPositions, ProjectorConfig, TowerWindows};
pub use projector_plan::{
    BREAK, CLASS, LinearPlan, PATCH_BIAS, POSITIONS, ProjectionPlan, ProjectorPlan, TowerLayerPlan,
};
pub use rope::{Position, ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, RopeConfig, Sections, Yarn};
