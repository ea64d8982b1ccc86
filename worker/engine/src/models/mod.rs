//! Model families as data: hyperparameters and tensor layout. The forward passes over them are in `runtime::gpu` and
//! `runtime::cpu`; a new family is a description here, not code there.

mod angles;
mod attention_reader;
mod cache;
mod checks;
mod config;
mod encoder;
mod encoder_plan;
mod entries;
mod family;
mod feed_forward_reader;
mod head_planner;
mod heads;
mod layer_planner;
mod mixer;
mod pictures;
mod plan;
mod planner;
mod pooling;
mod projector;
mod projector_family;
mod projector_plan;
mod projector_reader;
mod reader;
mod rope;
mod sounds;
mod speech;
mod speech_plan;
mod tower_planner;

pub(crate) use angles::RopeAngles;
pub use cache::CacheFormat;
pub use config::{AttentionTemperature, ExpertConfig, ExpertGroups, FeedForwardConfig, LayerConfig, ModelConfig};
pub(crate) use encoder::MAX_TEXT_TOKENS;
pub use encoder::{EncoderConfig, EncoderWindow, PositionKind};
pub use encoder_plan::{EncoderFeedForward, EncoderLayerPlan, EncoderPlan, NormPlan};
pub use family::{Activation, HeadNorm, Scoring};
pub use heads::HeadShape;
pub use mixer::{
    AttentionConfig, DeltaNetConfig, LatentConfig, LayerRope, MixerConfig, ShortConvolutionConfig, StateSpaceConfig,
};
pub use pictures::{Filter, Markers, PictureConfig, Sizing, TILE};
pub use plan::{
    ArrangedPlan, Arrangement, AttentionPlan, DeltaNetPlan, ExpansionPlan, ExpertMatrix, ExpertNormsPlan,
    ExpertsGateUp, ExpertsPlan, FeedForwardPlan, GateUpPlan, LatentExpertsPlan, LatentPlan, LayerInputPlan,
    LayerInputsPlan, LayerPlan, LayerStreamsPlan, LowRankPlan, MatrixId, MatrixPlan, MixerPlan, ModelPlan, Product,
    Segment, SharedExpertPlan, ShortConvolutionPlan, StateSpacePlan, StreamsPlan, VectorId, VectorPlan, WeightPlan,
};
pub use pooling::{HeadActivation, HeadLayer, HeadPlan, HeadResult, Pooling};
pub use projector::{ProjectorConfig, Sense, TowerWindows};
pub use projector_family::{GridRope, Merge, PatchPositions};
pub use projector_plan::{
    BREAK, CLASS, HEARD_POSITIONS, LinearPlan, PATCH_BIAS, POSITIONS, ProjectionPlan, ProjectorPlan, StepPlan,
    TowerLayerPlan,
};
pub(crate) use projector_plan::{TowerTensors, convolved_len};
pub use rope::{Position, ROPE_FREQUENCIES, ROPE_LONG, ROPE_SHORT, RopeConfig, SectionOrder, Sections, Yarn};
pub(crate) use sounds::SOUND_FRAMES;
pub use sounds::{SOUND_POSITIONS, SoundConfig};
pub(crate) use speech::{FRAMES_PER_POSITION, SPEECH_ARCHITECTURE, SPEECH_NORM_EPS, TAPS, taps_len};
pub use speech::{SpeechConfig, StackConfig};
pub use speech_plan::{BiasedProduct, CrossAttentionPlan, SelfAttentionPlan, SpeechLayerPlan, SpeechPlan, StackPlan};
