//! A decoder's dispatches, by purpose. They and their kernels are created on first use: many models never see a long
//! context or draft tokens.

use std::cell::OnceCell;

use super::decoder::{GpuDecoder, Programs, STEP_LAYOUTS};
use super::forward::{ForwardBuilder, Layout, Tokens};
use crate::error::Result;
use crate::models::FeedForwardConfig;
use crate::runtime::device::{Dispatch, Tuning};

impl GpuDecoder {
    /// Switches to another kernel layout.
    pub(super) fn lay_out(&mut self, tuning: &Tuning) {
        self.gpu = self.gpu.with_tuning(*tuning);
        self.programs = Programs::default();
    }

    /// Layers and head for `count` tokens, at most [`GpuDecoder::max_verified`].
    pub(super) fn verification_program(&self, count: usize) -> Result<&[Dispatch]> {
        let (index, layout) = self.step_layout(count);
        self.program(&self.programs.verification[index], layout, |builder| builder.whole(&self.buffers.prompt_ids))
    }

    /// Layers and head for a token of each of `count` sequences, at most [`GpuDecoder::logit_rows`].
    pub(super) fn each_program(&self, count: usize) -> Result<&[Dispatch]> {
        let (index, layout) = self.step_layout(count);
        let layout = Layout { tokens: Tokens::OneOfEach, ..layout };
        self.program(&self.programs.each[index], layout, |builder| builder.whole(&self.buffers.prompt_ids))
    }

    /// Layout of a step of `count` tokens, after its index among those of all steps.
    fn step_layout(&self, count: usize) -> (usize, Layout) {
        let tuning = self.gpu.tuning();
        let linear = tuning.step(count as u32);
        if !linear.has_lanes() {
            return (STEP_LAYOUTS - 1, Layout::batch(linear));
        }
        // Each token has experts of its own.
        (linear.tokens.ilog2() as usize, Layout { experts: tuning.decode, ..Layout::batch(linear) })
    }

    /// Maximum number of tokens in a draft.
    pub(super) fn max_verified(&self) -> usize {
        self.gpu.tuning().prefill.tokens.min(self.max_batch) as usize
    }

    /// Maximum number of tokens whose logits the buffers have room for.
    pub(super) fn logit_rows(&self) -> usize {
        self.gpu.tuning().step_rows(self.buffers.sequences).min(self.max_batch) as usize
    }

    /// The embedding of a batch of prompt tokens.
    pub(super) fn embed_program(&self) -> Result<&[Dispatch]> {
        let layout = Layout::batch(self.gpu.tuning().prefill);
        self.program(&self.programs.embed, layout, |builder| builder.embed(&self.buffers.prompt_ids))
    }

    /// The layers for a batch of the prompt. If `two_way`, its positions attend to each other in both directions.
    pub(super) fn prefill_program(&self, two_way: bool) -> Result<&[Dispatch]> {
        let layout = Layout { two_way, ..Layout::batch(self.gpu.tuning().prefill) };
        self.program(&self.programs.prefill[usize::from(two_way)], layout, |builder| {
            builder.layers(&self.buffers.prompt_ids)
        })
    }

    /// The layers for a batch of `len` tokens of the prompt, whose positions attend to those before.
    pub(super) fn prompt_program(&self, len: usize) -> Result<&[Dispatch]> {
        let tuning = self.gpu.tuning();
        let per_expert = |part: &FeedForwardConfig| match part {
            FeedForwardConfig::Experts(experts) => Some((len as u32 * experts.used).div_ceil(experts.count)),
            FeedForwardConfig::Dense(_) => None,
        };
        let (few, experts) = match self.config.feed_forwards().filter_map(per_expert).max() {
            Some(_) if len <= tuning.few_tokens as usize => (0, tuning.decode),
            Some(tokens) if tokens <= tuning.narrow_tokens => (1, tuning.prefill_narrow),
            _ => return self.prefill_program(false),
        };
        let layout = Layout { experts, ..Layout::batch(tuning.prefill) };
        self.program(&self.programs.few[few], layout, |builder| builder.layers(&self.buffers.prompt_ids))
    }

    /// As [`GpuDecoder::prefill_program`], for embeddings that are also added to the results of the first layers.
    pub(super) fn deepstack_program(&self, two_way: bool) -> Result<&[Dispatch]> {
        let layout = Layout { two_way, has_deepstack: true, ..Layout::batch(self.gpu.tuning().prefill) };
        self.program(&self.programs.deepstack[usize::from(two_way)], layout, |builder| {
            builder.layers(&self.buffers.prompt_ids)
        })
    }

    /// The norm before the output head, in place, for a batch of an embedding model.
    pub(super) fn output_norm_program(&self) -> Result<&[Dispatch]> {
        let layout = Layout::batch(self.gpu.tuning().prefill);
        self.program(&self.programs.output_norm, layout, |builder| Ok(vec![builder.output_norm()]))
    }

    /// The output head for a batch of prompt tokens.
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method has one lifetime, the closure any")]
    pub(super) fn prefill_head(&self) -> Result<&[Dispatch]> {
        let layout = Layout::batch(self.gpu.tuning().prefill);
        self.program(&self.programs.prefill_head, layout, |builder| builder.head())
    }

    /// Layers and head for one token at `position`.
    pub(super) fn decode_program(&self, position: usize) -> Result<&[Dispatch]> {
        let tuning = self.gpu.tuning();
        let step = tuning.split_step(position);
        let layout = Layout::token(&tuning, step);
        self.program(&self.programs.decode[step], layout, |builder| builder.whole(&self.buffers.sampler.next_id))
    }

    /// The dispatches used at the start of an answer, without the sampler.
    pub(super) fn first_dispatches(&self) -> Result<impl Iterator<Item = &Dispatch>> {
        // One more than what has the kernels for single tokens.
        let short = self.prompt_program(self.gpu.tuning().few_tokens as usize + 1)?;
        let layers = self.prefill_program(false)?.iter().chain(short).chain(self.decode_program(0)?);
        Ok(self.embed_program()?.iter().chain(layers))
    }

    /// The program in `cell`, built on first use.
    fn program<'a>(
        &'a self,
        cell: &'a OnceCell<Vec<Dispatch>>,
        layout: Layout,
        build: impl FnOnce(&ForwardBuilder<'_>) -> Result<Vec<Dispatch>>,
    ) -> Result<&'a [Dispatch]> {
        if let Some(program) = cell.get() {
            return Ok(program);
        }
        let Self { gpu, config, plan, weights, buffers, .. } = self;
        let program = build(&ForwardBuilder { gpu, config, plan, weights, buffers, layout })?;
        Ok(cell.get_or_init(|| program))
    }
}
