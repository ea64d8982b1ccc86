//! Generates one answer: content, reasoning and tool calls, with the engine's decode loop or token by token.

use std::collections::HashMap;
use std::rc::Rc;

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;
use parlance_engine::EngineError;
use parlance_engine::runtime::{DraftStats, Model, Prompt as Prompted, Step};
use parlance_engine::sampling::{SamplingParams, SamplingPlan};
use parlance_engine::tokenizer::Detokenizer;
use parlance_protocol::openai::{FinishReason, TokenLogProb};
use web_time::Instant;

use crate::codec::ChatCodec;
use crate::constraints::Constraints;
use crate::control::{Control, unless_stopped};
use crate::error::RequestError;
use crate::grammar::grammar_error;
use crate::logprobs::log_prob;
use crate::output_parser::{CallDelta, OutputEvent, OutputParser, Parsed};
use crate::parse::Options;
use crate::prompt::Prompt;

/// Minimum seconds between chunks: about a frame, because a page is not drawn more often.
const CHUNK_SECONDS: f64 = 0.014;

/// Changes logits before a token is sampled. Implemented in Rust and registered with the worker by name.
pub trait LogitProcessor {
    /// `tokens` are the answer's tokens so far; `logits` has one for each token of the vocabulary.
    fn process(&mut self, tokens: &[u32], logits: &mut [f32]);
}

/// Creates logit processors, by the names that requests use for them.
pub type Processors = HashMap<String, Box<dyn Fn() -> Box<dyn LogitProcessor>>>;

/// An addition to an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Delta {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<CallDelta>,
    pub(crate) logprobs: Vec<TokenLogProb>,
}

impl Delta {
    fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_empty() && self.calls.is_empty() && self.logprobs.is_empty()
    }

    /// Appends another addition.
    pub(crate) fn append(&mut self, other: Self) {
        self.content.push_str(&other.content);
        self.reasoning.push_str(&other.reasoning);
        self.append_calls(other.calls);
        self.logprobs.extend(other.logprobs);
    }

    /// Appends additions to calls; those to the same call become one.
    fn append_calls(&mut self, calls: Vec<CallDelta>) {
        for call in calls {
            match self.calls.last_mut().filter(|last| last.index == call.index) {
                Some(last) => last.arguments.push_str(&call.arguments),
                None => self.calls.push(call),
            }
        }
    }
}

/// Token counts and times of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct AnswerStats {
    pub(crate) cached_tokens: u32,
    pub(crate) reasoning_tokens: u32,
    pub(crate) prefilled_tokens: u32,
    pub(crate) prefill_seconds: f64,
    pub(crate) decode_seconds: f64,
    /// When the first token was generated.
    pub(crate) first_token: Option<Instant>,
    /// Seconds spent on computing grammar masks.
    pub(crate) mask_seconds: f64,
    pub(crate) mask_count: u32,
    /// Accepted and rejected draft tokens.
    pub(crate) drafts: DraftStats,
}

/// An answer in progress. It outlives the model: if the device is lost, generation continues with another one.
pub(crate) struct Answer {
    codec: Rc<ChatCodec>,
    options: Rc<Options>,
    params: SamplingParams,
    prompt: Rc<Prompt>,
    tokens: Vec<u32>,
    detokenizer: Detokenizer,
    parser: OutputParser,
    constraints: Constraints,
    /// The grammar that constrains the next token.
    matcher: Option<Matcher>,
    processor: Option<Box<dyn LogitProcessor>>,
    /// Output that has not been emitted yet.
    pending: Delta,
    /// When output was last emitted.
    emitted: Option<Instant>,
    pub(crate) stats: AnswerStats,
    has_calls: bool,
    pub(crate) finish: Option<FinishReason>,
}

/// How generation continues after a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    /// Generation restarts, because the grammar has changed.
    Switch,
    /// Others have come, with whom it continues.
    Yield,
    Finish(FinishReason),
}

impl Answer {
    pub(crate) fn new(
        codec: Rc<ChatCodec>,
        options: Rc<Options>,
        params: SamplingParams,
        prompt: Rc<Prompt>,
        parser: OutputParser,
        mut constraints: Constraints,
        processor: Option<Box<dyn LogitProcessor>>,
    ) -> Self {
        let matcher = if parser.is_reasoning() { None } else { constraints.whole.take() };
        Self {
            detokenizer: codec.chat().detokenizer(),
            codec,
            options,
            params,
            prompt,
            tokens: Vec::new(),
            parser,
            constraints,
            matcher,
            processor,
            pending: Delta::default(),
            emitted: None,
            stats: AnswerStats::default(),
            has_calls: false,
            finish: None,
        }
    }

    /// The number of tokens of the answer so far.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The prompt.
    pub(crate) fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// Generates the answer alone and passes it to `emit` piece by piece, until it has ended or `others` have come. After a
    /// device error, a call with a new model continues it.
    pub(crate) async fn run(
        &mut self,
        model: &mut Model,
        control: &impl Control,
        emit: &mut impl FnMut(Delta),
        others: &dyn Fn() -> bool,
    ) -> Result<(), RequestError> {
        while self.finish.is_none() {
            if self.is_full(model) {
                self.end(FinishReason::Length);
                break;
            }
            let (given, generated) = (Rc::clone(&self.prompt), self.tokens.clone());
            let prompt = given.with_answer(&generated);
            let mut flow = self.prefill(model, &prompt, control, others).await?;
            if flow == Flow::Continue {
                let start = Instant::now();
                let mut take = Take { control, emit: &mut *emit, others };
                let result = if self.needs_steps() {
                    self.step(model, &prompt, &mut take).await
                } else {
                    self.decode(model, &prompt, &mut take).await
                };
                self.stats.decode_seconds += start.elapsed().as_secs_f64();
                flow = result?;
            }
            match flow {
                Flow::Finish(reason) => self.end(reason),
                Flow::Yield => return Ok(()),
                Flow::Continue | Flow::Switch => {}
            }
        }
        emit(std::mem::take(&mut self.pending));
        Ok(())
    }

    /// Whether the host is involved in choosing each token, or needs its logits.
    fn needs_steps(&self) -> bool {
        self.matcher.is_some() || self.processor.is_some() || self.options.logprobs.is_some()
    }

    /// Processes the prompt.
    async fn prefill(
        &mut self,
        model: &mut Model,
        prompt: &Prompted<'_>,
        control: &impl Control,
        others: &dyn Fn() -> bool,
    ) -> Result<Flow, RequestError> {
        self.note_cached(model.cached_prefix_len(prompt));
        let start = Instant::now();
        let report = |done, total| {
            control.prefilling(done, total);
            // Natively, nothing waits between batches, so `unless_stopped` would notice only at the end.
            !control.is_stopped() && !others()
        };
        let done = if self.needs_steps() {
            unless_stopped(control, model.prefill(prompt, report)).await
        } else {
            unless_stopped(control, model.prefill_with_draft(prompt, report)).await
        };
        self.note_prefill(start);
        match done {
            Some(Err(EngineError::Interrupted)) if !control.is_stopped() => Ok(Flow::Yield),
            None | Some(Err(EngineError::Interrupted)) => Ok(Flow::Finish(FinishReason::Abort)),
            Some(result) => Ok(result.map(|()| Flow::Continue)?),
        }
    }

    /// Notes how much of the prompt was in the KV cache, when its computation begins.
    pub(crate) fn note_cached(&mut self, cached: usize) {
        // Later parts of a prompt that is read in pieces, or again, were computed for this answer.
        if self.tokens.is_empty() && self.stats.prefilled_tokens == 0 {
            self.stats.cached_tokens = cached as u32;
            self.stats.prefilled_tokens = self.prompt.len().saturating_sub(cached) as u32;
        }
    }

    /// Notes that a part of the prompt was computed since then.
    pub(crate) fn note_prefill(&mut self, start: Instant) {
        if self.tokens.is_empty() {
            self.stats.prefill_seconds += start.elapsed().as_secs_f64();
        }
    }

    fn plan(&self) -> (SamplingParams, Rc<Options>, usize) {
        (self.params, Rc::clone(&self.options), self.tokens.len())
    }

    /// Generates tokens with the engine's decode loop.
    async fn decode<C: Control, E: FnMut(Delta)>(
        &mut self,
        model: &mut Model,
        prompt: &Prompted<'_>,
        take: &mut Take<'_, C, E>,
    ) -> Result<Flow, RequestError> {
        let (params, options, generated) = self.plan();
        let limit = options.max_tokens.map_or(usize::MAX, |max| max as usize).saturating_sub(generated);
        let tokenizer = self.codec.chat().tokenizer();
        let draft_from = options.draft_from.as_ref().map(|text| tokenizer.encode_plain(text)).transpose()?;
        let plan = SamplingPlan { params, bias: &options.bias, generated, draft_from: draft_from.as_deref() };
        let mut generation = model.generate(prompt, plan, limit)?;
        let drafts_before = self.stats.drafts;
        loop {
            let flow = match unless_stopped(take.control, generation.next()).await.transpose()? {
                None => Flow::Finish(FinishReason::Abort),
                Some(None) => Flow::Finish(FinishReason::Length),
                Some(Some(token)) => self.take(token, None),
            };
            self.stats.drafts = drafts_before + generation.drafts();
            if let Some(flow) = take.flow(self, flow) {
                return Ok(flow);
            }
        }
    }

    /// Generates token by token, with a grammar, a logit processor or log probabilities.
    async fn step<C: Control, E: FnMut(Delta)>(
        &mut self,
        model: &mut Model,
        prompt: &Prompted<'_>,
        take: &mut Take<'_, C, E>,
    ) -> Result<Flow, RequestError> {
        let (params, options, generated) = self.plan();
        let mut steps = model
            .generate_stepwise(prompt, SamplingPlan { params, bias: &options.bias, generated, draft_from: None })?;
        loop {
            if self.has_all() || !steps.begin().await? {
                return Ok(Flow::Finish(FinishReason::Length));
            }
            // The mask is computed while the GPU computes the logits.
            let mask = self.mask()?;
            if self.processes() {
                let mut logits = steps.logits().await?;
                self.process(&mut logits);
                steps.set_logits(&logits);
            }
            let choice = steps.choose(mask.as_ref().map(SimpleVob::as_slice), self.wants_logits());
            let Some(step) = unless_stopped(take.control, choice).await.transpose()? else {
                return Ok(Flow::Finish(FinishReason::Abort));
            };
            let flow = self.take_step(step)?;
            if let Some(flow) = take.flow(self, flow) {
                return Ok(flow);
            }
        }
    }

    /// Whether the model's context has no room to go on with it from its prompt and its tokens so far.
    pub(crate) fn is_full(&self, model: &Model) -> bool {
        !self.tokens.is_empty() && self.prompt.len() + self.tokens.len() >= model.context_tokens() as usize
    }

    /// Whether it has as many tokens as were requested.
    pub(crate) fn has_all(&self) -> bool {
        self.options.max_tokens.is_some_and(|max| self.tokens.len() >= max as usize)
    }

    /// The tokens that the grammar allows next, if there is one.
    pub(crate) fn mask(&mut self) -> Result<Option<SimpleVob>, RequestError> {
        let Some(matcher) = &mut self.matcher else { return Ok(None) };
        let start = Instant::now();
        let mask = matcher.compute_mask_or_eos().map_err(|error| grammar_error(&error))?;
        self.stats.mask_seconds += start.elapsed().as_secs_f64();
        self.stats.mask_count += 1;
        Ok(Some(mask))
    }

    /// Whether a logit processor takes part.
    pub(crate) fn processes(&self) -> bool {
        self.processor.is_some()
    }

    /// Lets the logit processor change the next token's logits.
    pub(crate) fn process(&mut self, logits: &mut [f32]) {
        if let Some(processor) = &mut self.processor {
            processor.process(&self.tokens, logits);
        }
    }

    /// Whether the logits of its tokens are needed.
    pub(crate) fn wants_logits(&self) -> bool {
        self.options.logprobs.is_some()
    }

    /// Adds a token that was chosen under its grammar.
    fn take_step(&mut self, Step { token, logits }: Step) -> Result<Flow, RequestError> {
        let is_stop = self.codec.chat().is_stop(token);
        if let Some(matcher) = self.matcher.as_mut().filter(|_| !is_stop) {
            matcher.consume_token(token).map_err(|error| grammar_error(&error))?;
        }
        let flow = self.take(token, logits.as_deref());
        if flow == Flow::Continue && self.matcher.as_ref().is_some_and(Matcher::is_stopped) {
            return Ok(Flow::Finish(FinishReason::Stop));
        }
        Ok(flow)
    }

    /// Adds a token that was computed together with others' in so many seconds. Such a token is the last one computed, so
    /// a grammar that begins with the next one changes nothing else.
    pub(crate) fn take_joint(&mut self, step: Step, seconds: f64) -> Result<(), RequestError> {
        self.stats.decode_seconds += seconds;
        if let Flow::Finish(reason) = self.take_step(step)? {
            self.end(reason);
        }
        Ok(())
    }

    /// The prompt and the answer so far.
    pub(crate) fn text(&self) -> Prompted<'_> {
        self.prompt.with_answer(&self.tokens)
    }

    /// Starts to compute tokens of the answer together with others', in the model's selected sequence.
    pub(crate) fn join(&self, model: &mut Model) -> Result<(), RequestError> {
        let (params, options, generated) = self.plan();
        let plan = SamplingPlan { params, bias: &options.bias, generated, draft_from: None };
        Ok(model.join(self.text(), plan)?)
    }

    /// The same prompt is that of this answer, too.
    pub(crate) fn shares_prompt(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.prompt, &other.prompt)
    }

    /// Adds the next token to the answer.
    fn take(&mut self, token: u32, logits: Option<&[f32]>) -> Flow {
        self.stats.first_token.get_or_insert_with(Instant::now);
        if self.codec.chat().is_stop(token) {
            return Flow::Finish(FinishReason::Stop);
        }
        self.tokens.push(token);
        self.stats.reasoning_tokens += u32::from(self.parser.is_reasoning());
        if let (Some(logits), Some(top)) = (logits, self.options.logprobs) {
            self.pending.logprobs.push(log_prob(self.codec.chat().tokenizer(), logits, token, top as usize));
        }
        let text = match self.codec.marker(token) {
            Some(marker) => marker.to_owned(),
            None => self.detokenizer.push(token),
        };
        let parsed = self.parser.push(&text);
        match self.append(parsed) {
            None => Flow::Continue,
            Some(OutputEvent::Stopped) => Flow::Finish(FinishReason::Stop),
            Some(OutputEvent::ReasoningEnded) => match self.constraints.whole.take() {
                Some(matcher) => {
                    self.matcher = Some(matcher);
                    Flow::Switch
                }
                None => Flow::Continue,
            },
            Some(OutputEvent::CallStarted(text)) => self.constrain_call(&text),
        }
    }

    /// Adds output to what is pending, and returns the event.
    fn append(&mut self, parsed: Parsed) -> Option<OutputEvent> {
        let Parsed { content, reasoning, calls, event } = parsed;
        self.has_calls |= !calls.is_empty();
        self.pending.append(Delta { content, reasoning, calls, logprobs: Vec::new() });
        event
    }

    /// Constrains a tool call that the model has started on its own; `text` is what follows its opener.
    fn constrain_call(&mut self, text: &str) -> Flow {
        if self.matcher.is_some() {
            return Flow::Continue;
        }
        let Some(mut matcher) = self.constraints.call.as_ref().map(Matcher::deep_clone) else { return Flow::Continue };
        let Ok(ids) = self.codec.chat().tokenizer().encode_plain(text) else { return Flow::Continue };
        // If no valid call begins like this, generation continues without a grammar, and the text becomes content.
        match matcher.try_consume_tokens(&ids) {
            Ok(count) if count == ids.len() => {
                self.matcher = Some(matcher);
                Flow::Switch
            }
            _ => Flow::Continue,
        }
    }

    /// Pending output, unless some was emitted a moment ago and more will come.
    pub(crate) fn due(&mut self) -> Option<Delta> {
        let is_due = self.emitted.is_none_or(|emitted| emitted.elapsed().as_secs_f64() >= CHUNK_SECONDS);
        if self.pending.is_empty() || !is_due && self.finish.is_none() {
            return None;
        }
        self.emitted = Some(Instant::now());
        Some(std::mem::take(&mut self.pending))
    }

    /// Ends the answer: releases text that was held back.
    pub(crate) fn end(&mut self, reason: FinishReason) {
        let detokenizer = std::mem::replace(&mut self.detokenizer, self.codec.chat().detokenizer());
        for parsed in [self.parser.push(&detokenizer.finish()), self.parser.finish()] {
            self.append(parsed);
        }
        self.finish =
            Some(if self.has_calls && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason });
    }
}

/// Who takes the tokens of an answer that is computed alone.
struct Take<'a, C, E> {
    control: &'a C,
    emit: &'a mut E,
    /// Whether there are others to compute it with.
    others: &'a dyn Fn() -> bool,
}

impl<C, E: FnMut(Delta)> Take<'_, C, E> {
    /// Emits what is due after a token, and says how generation ends, if it does.
    fn flow(&mut self, answer: &mut Answer, flow: Flow) -> Option<Flow> {
        if let Some(delta) = answer.due() {
            (self.emit)(delta);
        }
        match flow {
            Flow::Continue if (self.others)() => Some(Flow::Yield),
            Flow::Continue => None,
            other => Some(other),
        }
    }
}
