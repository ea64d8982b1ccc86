//! Everything needed to run a model, from the bottom up: `device` (GPU or CPU), `backend` (the traits that both
//! implement), `memory` (KV cache and recurrent state), `gpu` and `cpu` (the two backends), `session` (prefill and
//! generation), `loading`.

mod backend;
mod cpu;
mod device;
pub mod fit;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(not(feature = "gpu"))]
#[path = "gpu/absent.rs"]
mod gpu;
mod limits;
mod loading;
mod measuring;
mod memory;
mod session;

pub use backend::{Choice, Step};
#[cfg(not(target_family = "wasm"))]
pub use cpu::NativeThreads;
pub use cpu::{COMMAND_WORDS, Cpu, Helper, HelperThreads, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS, NativeSendSync};
#[cfg(feature = "gpu")]
pub use device::{AttentionSplits, Dispatch, GpuOptions, Tuning};
pub use device::{Device, Gpu};
#[cfg(feature = "gpu")]
pub use gpu::Matrix;
pub use gpu::scratch_bytes;
pub use loading::{Loaded, Loader, LoaderOptions, ProjectorLoader, Source};
pub use measuring::{Change, KernelTime, Profile, SelfTest, Verdict};
pub use session::{
    DraftStats, Embedding, EmbeddingSpan, Encoder, Generation, GenerationEnd, JointStep, Model, Part, Projector,
    Prompt, Ranking, Schedule, Span, Stepwise, Transcriber, TranscriptEvent, TranscriptSegment, TranscriptionOptions,
    Turn,
};
