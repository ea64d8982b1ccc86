//! Everything needed to run a model, from the bottom up: [`device`] (GPU or CPU), [`backend`] (the traits that both
//! implement), [`memory`] (KV cache and recurrent state), `gpu` and `cpu` (the two backends), [`session`] (prefill and
//! generation), [`loading`].

mod backend;
mod cpu;
mod device;
pub mod fit;
mod gpu;
mod limits;
mod loading;
mod measuring;
mod memory;
mod session;

pub use backend::Step;
#[cfg(not(target_family = "wasm"))]
pub use cpu::NativeThreads;
pub use cpu::{COMMAND_WORDS, Cpu, Helper, HelperThreads, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS};
pub use device::{AttentionSplits, Device, Dispatch, Gpu, GpuOptions, Tuning};
pub use gpu::{Matrix, scratch_bytes};
pub use loading::{Loaded, Loader, LoaderOptions, ProjectorLoader, Source};
pub use measuring::{Change, KernelTime, Profile, SelfTest, Verdict};
pub use session::{
    DraftStats, Embedding, EmbeddingSpan, Encoder, Generation, GenerationEnd, Model, Part, Projector, Prompt, Ranking,
    Span, Stepwise,
};
