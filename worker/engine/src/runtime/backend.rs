//! The traits that hide the device. GPU and CPU backends implement them; nothing above asks which of the two it is.

use async_trait::async_trait;

use super::measuring::{Change, Profile};
use super::memory::Memory;
use crate::error::{EngineError, Result};
use crate::models::Position;
use crate::sampling::SamplingPlan;
use crate::vision::PatchInput;

/// `Send`, but only natively, where a model may move to another thread. Browser objects cannot.
#[cfg(not(target_family = "wasm"))]
pub(crate) trait MaybeSend: Send {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send> MaybeSend for T {}
/// `Send`, but only natively, where a model may move to another thread. Browser objects cannot.
#[cfg(target_family = "wasm")]
pub(crate) trait MaybeSend {}
#[cfg(target_family = "wasm")]
impl<T> MaybeSend for T {}

/// Input of consecutive positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Batch<'a> {
    /// Tokens, by ID.
    Tokens(&'a [u32]),
    /// What stands in the place of token embeddings.
    Embeddings {
        /// `[positions][embedding_len]`
        rows: &'a [f32],
        /// What is added to the results of the model's first layers: `[positions][layers][embedding_len]`, or empty.
        deepstack: &'a [f32],
        /// All positions of the batch attend to each other, not only to earlier ones.
        two_way: bool,
    },
}

/// A token of one of the sequences in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SequenceToken {
    /// Index of the sequence.
    pub sequence: usize,
    /// Position in the sequence.
    pub position: usize,
    /// The token, by ID.
    pub id: u32,
}

/// How an answer starts.
pub(crate) struct AnswerStart<'a> {
    /// Position of the first token to feed.
    pub position: usize,
    /// That token, which is the last of the prompt.
    pub last: u32,
    /// Maximum number of tokens to sample.
    pub limit: usize,
    pub plan: &'a SamplingPlan<'a>,
    /// How often each token of the vocabulary occurred, see [`IN_PROMPT`](crate::sampling::IN_PROMPT).
    pub history: Vec<u32>,
}

/// How a draft starts, in an answer that has begun.
pub(crate) struct DraftStart<'a> {
    /// Position of the first of `ids`.
    pub position: usize,
    /// Tokens to feed first: what the sequence lacks of the text.
    pub ids: &'a [u32],
    /// Number of the answer's step that samples the first token.
    pub step: usize,
    /// History entries of tokens that may have changed, by ID, see [`IN_PROMPT`](crate::sampling::IN_PROMPT).
    pub seen: &'a [(u32, u32)],
    /// Maximum number of tokens to sample.
    pub count: usize,
}

/// How the next token of a sequence is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Only tokens whose bit is set here can be chosen, if given: one bit per token, lowest first.
    pub allowed: Option<&'a [u32]>,
    /// Whether the model's logits are requested, too.
    pub wants_logits: bool,
}

/// A sampled token and the logits it was sampled from.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The token.
    pub token: u32,
    /// The model's logits before bias, penalties and temperature, if requested: `[vocab]`.
    pub logits: Option<Vec<f32>>,
}

/// What to profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profiled {
    /// One token of an answer.
    Decode,
    /// A batch of this many prompt tokens.
    Prefill(u32),
    /// So many tokens that are computed at once as a draft is verified, with their logits.
    Step(u32),
}

/// Computes the layers of a generative model, samples tokens, and holds the memory of its sequences. Unless stated
/// otherwise, batches and answers belong to the selected sequence, see [`Memory::select`].
///
/// All methods fail with whatever the device reported. After that, anything computed since the last success is
/// undefined.
#[async_trait(?Send)]
pub(crate) trait Decoder: Memory + MaybeSend {
    /// Number of prompt tokens to compute at once.
    fn batch_len(&self) -> usize;

    /// Maximum number of tokens for [`Decoder::batch_logits`] and [`Decoder::each_logits`].
    fn max_logit_rows(&self) -> usize;

    /// Maximum number of positions to compute at once.
    fn max_batch_len(&self) -> usize;

    /// Sets the RoPE positions of a sequence's elements; those after `positions` count from `next` on.
    fn set_positions(&mut self, positions: &[Position], next: u32);

    /// Computes a batch that starts at index `position` of the sequence, and waits for completion.
    async fn run_batch(&mut self, position: usize, batch: Batch<'_>) -> Result<()>;

    /// Like [`Decoder::run_batch`] with tokens, and returns the logits after each token: `[ids][vocab]`.
    async fn batch_logits(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>>;

    /// Like [`Decoder::run_batch`] with tokens, and returns the hidden states after the layers, normalised as for the
    /// output head: `[ids][embedding_len]`.
    async fn batch_hidden(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>>;

    /// The logits after one token, computed by the kernels of the decode loop: `[vocab]`.
    async fn decode_logits(&mut self, position: usize, id: u32) -> Result<Vec<f32>>;

    /// Computes a token of each of several sequences together: the logits after each, `[tokens][vocab]`. No two are of
    /// the same sequence, and nothing may be in flight.
    async fn each_logits(&mut self, tokens: &[SequenceToken]) -> Result<Vec<f32>>;

    /// Starts an answer.
    fn begin_answer(&mut self, start: &AnswerStart<'_>);

    /// Whether no token of the answer is in flight.
    fn is_idle(&self) -> bool;

    /// Seconds per token of the answer, once measured.
    fn seconds_per_token(&self) -> Option<f64>;

    /// The next tokens of the answer; none at the limit. Unless `submit_more`, only tokens already in flight.
    async fn next_tokens(&mut self, submit_more: bool) -> Result<Vec<u32>>;

    /// Maximum number of tokens for [`Decoder::choices`].
    fn max_choices(&self) -> usize;

    /// Verifies draft tokens: feeds `ids`, starting at the answer's position, and samples a token after each of them,
    /// at least up to the first sample that differs from the next of `ids`. Nothing may be in flight;
    /// [`Decoder::resume`] must follow.
    async fn choices(&mut self, ids: &[u32]) -> Result<Vec<u32>>;

    /// Continues after `accepted` of the sampled tokens; `last` is the next token to feed. `seen` has (id, history
    /// entry) of each rejected sample, to restore the counts for penalties.
    fn resume(&mut self, accepted: usize, last: u32, seen: &[(u32, u32)]);

    /// Drafts tokens of the answer, for another decoder to verify: feeds the tokens of `start`, and samples at least one
    /// token after them, each from the one before. The last one is not fed. Nothing may be in flight.
    async fn draft(&mut self, start: &DraftStart<'_>) -> Result<Vec<u32>>;

    /// Starts to compute the logits after the answer's last token, which is at `position`.
    async fn begin_step(&mut self, position: usize) -> Result<()>;

    /// Returns these logits: `[vocab]`. After [`Decoder::begin_each`] there is a row for each token; otherwise it is row 0.
    async fn step_logits(&mut self, row: usize) -> Result<Vec<f32>>;

    /// Replaces these logits: `[vocab]`.
    fn set_step_logits(&mut self, row: usize, logits: &[f32]);

    /// Samples a token from them, restricted to tokens whose bit is set in `allowed` if given.
    async fn choose(&mut self, allowed: Option<&[u32]>, wants_logits: bool) -> Result<Step>;

    /// Starts an answer of the selected sequence whose tokens are computed together with those of others'.
    fn join(&mut self, start: &AnswerStart<'_>);

    /// Starts to compute the logits after a token of each of several sequences that have joined, as
    /// [`Decoder::each_logits`] does: a row for each.
    async fn begin_each(&mut self, tokens: &[SequenceToken]) -> Result<()>;

    /// Samples a token from each row, for the sequence whose token [`Decoder::begin_each`] was given there.
    async fn choose_each(&mut self, choices: &[(usize, Choice<'_>)]) -> Result<Vec<Step>>;

    /// Prepares what every answer needs (compiles kernels), so that none has to wait for it.
    async fn prepare(&self) -> Result<()>;

    /// Number of dispatches per token of an answer, including sampling.
    fn dispatches_per_token(&self) -> Result<usize> {
        Ok(0)
    }

    /// Tries changes of the kernel layout with this context length and keeps those that are faster. `None`, and the
    /// layout as before, if `is_wanted` turns false meanwhile.
    async fn autotune(&mut self, _context: usize, _is_wanted: &dyn Fn() -> bool) -> Result<Option<Vec<Change>>> {
        Ok(Some(Vec::new()))
    }

    /// Applies changes to the kernel layout.
    fn apply(&mut self, _changes: &[Change]) {}

    /// Switches to the plain kernel layout, see [`Tuning::plain`](super::Tuning::plain).
    fn make_plain(&mut self) {}

    /// Identifies the kernels used at the start of an answer, with their formats, shapes and layouts.
    fn kernels_id(&self) -> Result<u64> {
        Ok(0)
    }

    /// Names of the kernels used at the start of an answer that do not agree with their references.
    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Times kernels at `position`: medians of `runs` runs.
    async fn profile(&self, _what: Profiled, _position: usize, _runs: usize) -> Result<Profile> {
        Err(EngineError::NoGpu("the model is on the CPU".to_owned()))
    }
}

/// The input of a tower. What inputs of the same shape share, a tower may keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TowerInput<'a> {
    /// The patches of a picture, as in [`PatchInput::patches`], or the spectrogram of a window of sound, `[frames][mels]`.
    pub(crate) values: &'a [f32],
    /// Columns and rows of patches, or of positions. Inputs of the same shape differ only in `values`.
    pub(crate) shape: [u32; 2],
    /// What is added to the rows of the hidden state: `[rows][width]`.
    pub(crate) added: &'a [f32],
    /// RoPE angles: `[rows][rope_dim / 2]`; without RoPE there is one.
    pub(crate) angles: &'a [[f32; 2]],
    /// See [`PatchGrid::windows`](crate::vision::PatchGrid::windows).
    pub(crate) windows: &'a [[u32; 2]],
    /// Number of embeddings.
    pub(crate) embeddings: u32,
}

impl TowerInput<'_> {
    /// Number of rows of the tower's hidden state, where it is `width` wide.
    pub(crate) fn rows(&self, width: u32) -> u32 {
        (self.added.len() / width as usize) as u32
    }
}

impl<'a> From<&'a PatchInput> for TowerInput<'a> {
    fn from(PatchInput { patches, grid }: &'a PatchInput) -> Self {
        Self {
            values: patches,
            shape: grid.size,
            added: &grid.added,
            angles: &grid.angles,
            windows: &grid.windows,
            embeddings: grid.places.len() as u32,
        }
    }
}

/// What a tower makes of a picture or a window of sound, in the order of its input.
#[derive(Debug, Default)]
pub(crate) struct TowerOutput {
    /// `[embeddings][embedding_len]`
    pub rows: Vec<f32>,
    /// What is for the model's first layers: `[embeddings][layers][embedding_len]`, or empty.
    pub deepstack: Vec<f32>,
}

impl TowerOutput {
    /// Puts what is for one of `count` layers in its place: `[embeddings][len]`.
    pub(super) fn put_layer(&mut self, (layer, count): (usize, usize), values: &[f32], len: usize) {
        self.deepstack.resize(values.len() * count, 0.0);
        for (all, own) in self.deepstack.chunks_exact_mut(count * len).zip(values.chunks_exact(len)) {
            all[layer * len..][..len].copy_from_slice(own);
        }
    }
}

/// Computes a projector's tower and projection.
#[async_trait(?Send)]
pub(crate) trait Tower: MaybeSend {
    /// What it makes of a picture or a window of sound. `on_layer` is called with the number of layers done, at some of
    /// them, and returns whether to continue.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`], or whatever the device reported.
    async fn embeddings(
        &mut self,
        input: &TowerInput<'_>,
        on_layer: &mut dyn FnMut(usize) -> bool,
    ) -> Result<TowerOutput>;

    /// Lets other tasks of this thread run, while the caller computes something itself.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn pause(&self) -> Result<()>;

    /// Identifies the kernels, with their formats, shapes and layouts.
    ///
    /// # Errors
    /// A format without kernels, or whatever the device reported.
    async fn kernels_id(&mut self) -> Result<u64> {
        Ok(0)
    }

    /// Names of the kernels that do not agree with their references.
    ///
    /// # Errors
    /// As [`Tower::kernels_id`].
    async fn wrong_kernels(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Switches to the plain kernel layout.
    fn make_plain(&mut self) {}

    /// Times kernels on the last input: medians of `runs` runs.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] if it is not on a GPU with timestamps, [`EngineError::Prompt`] if there was no input yet, or
    /// whatever the device reported.
    async fn profile(&self, _runs: usize) -> Result<Profile> {
        Err(EngineError::NoGpu("the projector is on the CPU".to_owned()))
    }
}

/// Computes the layers of an embedding model.
#[async_trait(?Send)]
pub(crate) trait Embedder: MaybeSend {
    /// The hidden states of each text's tokens: `[ids][embedding_len]`. Texts do not see each other.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn hidden(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>>;

    /// Maximum number of tokens in a text, whatever its model supports.
    fn max_tokens(&self) -> usize {
        usize::MAX
    }

    /// Identifies the kernels, with their formats, shapes and layouts.
    ///
    /// # Errors
    /// A format without kernels.
    fn kernels_id(&self) -> Result<u64> {
        Ok(0)
    }

    /// Names of the kernels that do not agree with their references.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Computes the layers of a speech recogniser.
#[async_trait(?Send)]
pub(crate) trait Listener: MaybeSend {
    /// Encodes a window of sound, `[frames][mels]`, to which the following text attends, and forgets the text before.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn listen(&mut self, mel: &[f32]) -> Result<()>;

    /// Feeds tokens at `position` and after it, in place of any that were there, and returns the logits after the last:
    /// `[vocab]`.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn read(&mut self, position: usize, ids: &[u32]) -> Result<Vec<f32>>;

    /// Lets other tasks of this thread run, while the caller computes something itself.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn pause(&self) -> Result<()>;

    /// Writes the likeliest transcript after the tokens just read, of which the next has `position`: at most `limit`
    /// tokens with the logarithms of their likelihoods, up to the end and with it. `None` if the device leaves it to the
    /// caller to choose tokens.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn write(&mut self, _position: usize, _limit: usize) -> Result<Option<Vec<(u32, f32)>>> {
        Ok(None)
    }

    /// Identifies the kernels, with their formats, shapes and layouts.
    ///
    /// # Errors
    /// A format without kernels.
    fn kernels_id(&self) -> Result<u64> {
        Ok(0)
    }

    /// Names of the kernels that do not agree with their references.
    ///
    /// # Errors
    /// Whatever the device reported.
    async fn wrong_kernels(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
