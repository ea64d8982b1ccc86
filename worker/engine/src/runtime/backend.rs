//! What computes models. Graphics cards and CPUs each implement these traits; nothing above asks which it is.

use async_trait::async_trait;

use super::measuring::{Change, Profile};
use super::memory::Memory;
use crate::error::{EngineError, Result};
use crate::sampling::SamplingPlan;

/// Natively a model may go to another thread; the objects of a browser may not.
#[cfg(not(target_family = "wasm"))]
pub(crate) trait MaybeSend: Send {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send> MaybeSend for T {}
/// Natively a model may go to another thread; the objects of a browser may not.
#[cfg(target_family = "wasm")]
pub(crate) trait MaybeSend {}
#[cfg(target_family = "wasm")]
impl<T> MaybeSend for T {}

/// Where an answer begins.
pub(crate) struct AnswerStart<'a> {
    /// Position of the first token that is fed.
    pub position: usize,
    /// This token: the prompt's last.
    pub last: u32,
    /// Most tokens to choose.
    pub limit: usize,
    pub plan: &'a SamplingPlan<'a>,
    /// What was seen of each token of the vocabulary.
    pub history: Vec<u32>,
}

/// A token with what it was chosen from.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The token.
    pub token: u32,
    /// The model's own logits before bias, penalties and temperature, if they were asked for: `[vocab]`.
    pub logits: Option<Vec<f32>>,
}

/// What is profiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profiled {
    /// One token of an answer.
    Decode,
    /// A batch of so many prompt tokens.
    Prefill(u32),
}

/// Computes a decoder's layers, chooses tokens, and holds what sequences leave behind.
///
/// Errors of all methods: whatever the device reported. After one, what was computed since the last success is unknown.
#[async_trait(?Send)]
pub(crate) trait Decoder: Memory + MaybeSend {
    /// How many prompt tokens to compute at once.
    fn batch_len(&self) -> usize;

    /// Most tokens of [`Decoder::batch_logits`].
    fn max_logit_rows(&self) -> usize;

    /// Computes tokens, the first at `position`, and waits for it.
    async fn run_batch(&mut self, position: usize, ids: &[u32]) -> Result<()>;

    /// The same, and the logits after each of them: `[ids][vocab]`.
    async fn batch_logits(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>>;

    /// The logits after one token, computed as in an answer: `[vocab]`.
    async fn decode_logits(&mut self, position: usize, id: u32) -> Result<Vec<f32>>;

    /// Begins an answer.
    fn begin_answer(&mut self, start: &AnswerStart<'_>);

    /// Whether no token of the answer is being computed.
    fn is_idle(&self) -> bool;

    /// Time of a token of the answer, once it is known.
    fn seconds_per_token(&self) -> Option<f64>;

    /// The answer's next tokens. Without `goes_on` only those that are being computed already. None at the limit.
    async fn next_tokens(&mut self, goes_on: bool) -> Result<Vec<u32>>;

    /// Most tokens of [`Decoder::choices`].
    fn max_choices(&self) -> usize;

    /// Feeds `ids`, the first at the answer's position, and chooses a token after each of them, at least up to the first choice that is
    /// not the next of `ids`. Nothing may be being computed; [`Decoder::resume`] must follow.
    async fn choices(&mut self, ids: &[u32]) -> Result<Vec<u32>>;

    /// Goes on after `accepted` of the choices, with `last` as the next token to feed. `seen` says what was seen of each token that was
    /// chosen in vain.
    fn resume(&mut self, accepted: usize, last: u32, seen: &[(u32, u32)]);

    /// Begins to compute the logits after the answer's last token, which stands at `position`.
    async fn begin_step(&mut self, position: usize) -> Result<()>;

    /// These logits: `[vocab]`.
    async fn step_logits(&mut self) -> Result<Vec<f32>>;

    /// Puts others in their place: `[vocab]`.
    fn set_step_logits(&mut self, logits: &[f32]);

    /// Chooses a token by them, among those whose bit is set in `allowed`, if there is one.
    async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step>;

    /// Prepares what every answer needs, so that none waits for it.
    async fn prepare(&self) -> Result<()>;

    /// Dispatches of one token of an answer, sampling included.
    fn dispatches_per_token(&self) -> Result<usize> {
        Ok(0)
    }

    /// Tries changes of layout, in a context of so many tokens, and keeps those that make it faster.
    async fn autotune(&mut self, _context: usize) -> Result<Vec<Change>> {
        Ok(Vec::new())
    }

    /// Makes changes of layout.
    fn apply(&mut self, _changes: &[Change]) {}

    /// Lays kernels out plainly, see [`Tuning::plain`](super::Tuning::plain).
    fn make_plain(&mut self) {}

    /// Tells the kernels of an answer's beginning from those of other formats, shapes and layouts.
    fn kernels_id(&self) -> Result<u64> {
        Ok(0)
    }

    /// Names of the kernels of an answer's beginning that do not agree with their references.
    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Times kernels at `position`, as medians of `runs` runs.
    async fn profile(&self, _what: Profiled, _position: usize, _runs: usize) -> Result<Profile> {
        Err(EngineError::NoGpu("the model is on the CPU".to_owned()))
    }
}

/// Computes the layers of a model that turns texts into vectors.
#[async_trait(?Send)]
pub(crate) trait Embedder: MaybeSend {
    /// The vectors of a text's tokens: `[ids][embedding_len]`.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn hidden(&self, ids: &[u32]) -> Result<Vec<f32>>;

    /// Tells the kernels from those of other formats, shapes and layouts.
    fn kernels_id(&self) -> u64 {
        0
    }

    /// Names of the kernels that do not agree with their references.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
