//! One answer: from a prompt's tokens to text, thoughts and calls, in the decode loop or one token at a time.

use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;

use futures::future::{Either, select};
use llguidance::Matcher;
use parlance_engine::runtime::{Guessed, Model, Step};
use parlance_engine::sampling::{SamplingParams, SamplingPlan};
use parlance_engine::tokenizer::Detokenizer;
use parlance_protocol::openai::{FinishReason, TokenLogProb};
use web_time::Instant;

use crate::error::RequestError;
use crate::grammar::fault;
use crate::job::Control;
use crate::language::Language;
use crate::logprobs::log_prob;
use crate::parse::Options;
use crate::prompt::Prompt;
use crate::text::{AnswerText, Piece, TextEvent};
use crate::tools;

/// Seconds for which text is gathered into one chunk: about a frame, since a page draws no faster.
const CHUNK_SECONDS: f64 = 0.014;

/// Changes logits before a token is chosen; written in Rust and given to the worker by name.
pub trait LogitProcessor {
    /// `tokens` are those of the answer so far, `logits` has one a token of the vocabulary.
    fn process(&mut self, tokens: &[u32], logits: &mut [f32]);
}

/// Makes logit processors, by the name that requests have for them.
pub type Processors = HashMap<String, Box<dyn Fn() -> Box<dyn LogitProcessor>>>;

/// What an answer has to tell since it told something last.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct News {
    pub(crate) content: String,
    pub(crate) reasoning: String,
    pub(crate) logprobs: Vec<TokenLogProb>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_empty() && self.logprobs.is_empty()
    }
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Times {
    pub(crate) cached_tokens: u32,
    pub(crate) reasoning_tokens: u32,
    pub(crate) prefilled_tokens: u32,
    pub(crate) prefill_seconds: f64,
    pub(crate) decode_seconds: f64,
    /// When the first token came.
    pub(crate) first_token: Option<Instant>,
    /// Seconds spent on masks.
    pub(crate) mask_seconds: f64,
    pub(crate) mask_count: u32,
    /// How guesses of tokens went.
    pub(crate) guessed: Guessed,
}

/// How an answer is bound.
#[derive(Default)]
pub(crate) struct Constraints {
    /// From its beginning, or from the end of its thoughts.
    pub(crate) whole: Option<Matcher>,
    /// From a call's opener on.
    pub(crate) call: Option<Matcher>,
}

/// An answer under way. It outlives the model that computes it: after a loss of the device another takes it up.
pub(crate) struct Answer {
    language: Rc<Language>,
    options: Rc<Options>,
    params: SamplingParams,
    prompt: Vec<u32>,
    tokens: Vec<u32>,
    detokenizer: Detokenizer,
    text: AnswerText,
    constraints: Constraints,
    /// What the next token must obey.
    matcher: Option<Matcher>,
    processor: Option<Box<dyn LogitProcessor>>,
    news: News,
    told: Option<Instant>,
    pub(crate) times: Times,
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) finish: Option<FinishReason>,
}

/// How an answer goes on after a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    /// In the other mode, or under another grammar.
    Switch,
    Finish(FinishReason),
}

impl Answer {
    pub(crate) fn new(
        language: Rc<Language>,
        options: Rc<Options>,
        params: SamplingParams,
        prompt: Prompt,
        text: AnswerText,
        mut constraints: Constraints,
        processor: Option<Box<dyn LogitProcessor>>,
    ) -> Self {
        let matcher = if text.is_reasoning() { None } else { constraints.whole.take() };
        Self {
            detokenizer: language.chat().detokenizer(),
            language,
            options,
            params,
            prompt: prompt.ids,
            tokens: Vec::new(),
            text,
            constraints,
            matcher,
            processor,
            news: News::default(),
            told: None,
            times: Times::default(),
            calls: Vec::new(),
            finish: None,
        }
    }

    /// Tokens of the answer so far.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Tokens of the prompt.
    pub(crate) fn prompt_len(&self) -> usize {
        self.prompt.len()
    }

    /// Computes the answer to its end, telling what comes; or to a failure of the GPU, after which a call with a new model goes on.
    pub(crate) async fn run(
        &mut self,
        model: &mut Model,
        control: &impl Control,
        tell: &mut impl FnMut(News),
    ) -> Result<(), RequestError> {
        while self.finish.is_none() {
            let prompt = [&self.prompt[..], &self.tokens].concat();
            let flow = if self.prefill(model, &prompt, control).await? {
                let start = Instant::now();
                let flow = if self.needs_steps() {
                    self.step(model, &prompt, control, tell).await
                } else {
                    self.decode(model, &prompt, control, tell).await
                };
                self.times.decode_seconds += start.elapsed().as_secs_f64();
                flow?
            } else {
                Flow::Finish(FinishReason::Abort)
            };
            if let Flow::Finish(reason) = flow {
                self.end(reason);
            }
        }
        tell(std::mem::take(&mut self.news));
        Ok(())
    }

    /// Whether each token needs the host before it can be chosen, or after.
    fn needs_steps(&self) -> bool {
        self.matcher.is_some() || self.processor.is_some() || self.options.logprobs.is_some()
    }

    /// Reads the prompt; `false` if it was stopped.
    async fn prefill(
        &mut self,
        model: &mut Model,
        prompt: &[u32],
        control: &impl Control,
    ) -> Result<bool, RequestError> {
        let cached = model.cached_prefix_len(prompt);
        let start = Instant::now();
        let report = |done, total| {
            control.prefilling(done, total);
            true
        };
        let done = unless_stopped(control, model.prefill(prompt, report)).await;
        if self.tokens.is_empty() {
            self.times.cached_tokens = cached as u32;
            self.times.prefilled_tokens = (prompt.len() - cached) as u32;
            self.times.prefill_seconds = start.elapsed().as_secs_f64();
        }
        Ok(done.transpose()?.is_some())
    }

    fn plan(&self) -> (SamplingParams, Rc<Options>, usize) {
        (self.params, Rc::clone(&self.options), self.tokens.len())
    }

    /// The decode loop of the GPU.
    async fn decode(
        &mut self,
        model: &mut Model,
        prompt: &[u32],
        control: &impl Control,
        tell: &mut impl FnMut(News),
    ) -> Result<Flow, RequestError> {
        let (params, options, generated) = self.plan();
        let limit = options.max_tokens.map_or(usize::MAX, |max| max as usize).saturating_sub(generated);
        let tokenizer = self.language.chat().tokenizer();
        let expected = options.guess_from.as_ref().map(|text| tokenizer.encode_plain(text)).transpose()?;
        let plan = SamplingPlan { params, bias: &options.bias, generated, guess_from: expected.as_deref() };
        let mut generation = model.generate(prompt, plan, limit)?;
        let guessed_before = self.times.guessed;
        loop {
            let flow = match unless_stopped(control, generation.next()).await.transpose()? {
                None => Flow::Finish(FinishReason::Abort),
                Some(None) => Flow::Finish(FinishReason::Length),
                Some(Some(token)) => self.take(token, None),
            };
            self.times.guessed = guessed_before + generation.guessed();
            self.tell_in_time(tell);
            if flow != Flow::GoOn {
                return Ok(flow);
            }
        }
    }

    /// Token by token, with a grammar, a processor or log probabilities.
    async fn step(
        &mut self,
        model: &mut Model,
        prompt: &[u32],
        control: &impl Control,
        tell: &mut impl FnMut(News),
    ) -> Result<Flow, RequestError> {
        let (params, options, generated) = self.plan();
        let wants_logits = options.logprobs.is_some();
        let mut steps = model
            .generate_stepwise(prompt, SamplingPlan { params, bias: &options.bias, generated, guess_from: None })?;
        loop {
            if options.max_tokens.is_some_and(|max| self.tokens.len() >= max as usize) || !steps.begin().await? {
                return Ok(Flow::Finish(FinishReason::Length));
            }
            // While the GPU computes the logits.
            let mask_start = Instant::now();
            let mask = match &mut self.matcher {
                Some(matcher) => Some(matcher.compute_mask_or_eos().map_err(|error| fault(&error))?),
                None => None,
            };
            if mask.is_some() {
                self.times.mask_seconds += mask_start.elapsed().as_secs_f64();
                self.times.mask_count += 1;
            }
            if let Some(processor) = &mut self.processor {
                let mut logits = steps.logits().await?;
                processor.process(&self.tokens, &mut logits);
                steps.set_logits(&logits);
            }
            let choice = steps.choose(mask.as_ref().map(llguidance::toktrie::SimpleVob::as_slice), wants_logits);
            let Some(Step { token, logits }) = unless_stopped(control, choice).await.transpose()? else {
                return Ok(Flow::Finish(FinishReason::Abort));
            };
            let is_stop = self.language.chat().is_stop(token);
            if let Some(matcher) = self.matcher.as_mut().filter(|_| !is_stop) {
                matcher.consume_token(token).map_err(|error| fault(&error))?;
            }
            let mut flow = self.take(token, logits.as_deref());
            if flow == Flow::GoOn && self.matcher.as_ref().is_some_and(Matcher::is_stopped) {
                flow = Flow::Finish(FinishReason::Stop);
            }
            self.tell_in_time(tell);
            if flow != Flow::GoOn {
                return Ok(flow);
            }
        }
    }

    /// Takes the next token.
    fn take(&mut self, token: u32, logits: Option<&[f32]>) -> Flow {
        self.times.first_token.get_or_insert_with(Instant::now);
        if self.language.chat().is_stop(token) {
            return Flow::Finish(FinishReason::Stop);
        }
        self.tokens.push(token);
        self.times.reasoning_tokens += u32::from(self.text.is_reasoning());
        if let (Some(logits), Some(top)) = (logits, self.options.logprobs) {
            self.news.logprobs.push(log_prob(self.language.chat().tokenizer(), logits, token, top as usize));
        }
        let text = match self.language.marker(token) {
            Some(marker) => marker.to_owned(),
            None => self.detokenizer.push(token),
        };
        let piece = self.text.push(&text);
        self.note(piece)
    }

    fn note(&mut self, piece: Piece) -> Flow {
        self.news.content.push_str(&piece.content);
        self.news.reasoning.push_str(&piece.reasoning);
        match piece.event {
            None => Flow::GoOn,
            Some(TextEvent::Stopped) => Flow::Finish(FinishReason::Stop),
            Some(TextEvent::ReasoningEnded) => match self.constraints.whole.take() {
                Some(matcher) => {
                    if self.constraints.call.is_some() {
                        self.text.begin_call();
                    }
                    self.matcher = Some(matcher);
                    Flow::Switch
                }
                None => Flow::GoOn,
            },
            Some(TextEvent::CallBegan(rest)) => self.bind_call(&rest),
        }
    }

    /// Binds a call that the model has begun by itself, `rest` of which has come already.
    fn bind_call(&mut self, rest: &str) -> Flow {
        let Some(mut matcher) = self.constraints.call.as_ref().map(Matcher::deep_clone) else { return Flow::GoOn };
        let Ok(ids) = self.language.chat().tokenizer().encode_plain(rest) else { return Flow::GoOn };
        // A beginning that no tool's call has is left to the model; what comes of it is told as text.
        match matcher.try_consume_tokens(&ids) {
            Ok(count) if count == ids.len() => {
                self.matcher = Some(matcher);
                Flow::Switch
            }
            _ => Flow::GoOn,
        }
    }

    fn tell_in_time(&mut self, tell: &mut impl FnMut(News)) {
        let is_time = self.told.is_none_or(|told| told.elapsed().as_secs_f64() >= CHUNK_SECONDS);
        if is_time && !self.news.is_empty() {
            self.told = Some(Instant::now());
            tell(std::mem::take(&mut self.news));
        }
    }

    /// Ends the answer: what was held back is told, and calls are read.
    fn end(&mut self, reason: FinishReason) {
        let detokenizer = std::mem::replace(&mut self.detokenizer, self.language.chat().detokenizer());
        for piece in [self.text.push(&detokenizer.finish()), self.text.finish()] {
            self.news.content.push_str(&piece.content);
            self.news.reasoning.push_str(&piece.reasoning);
        }
        if !self.text.calls().is_empty() {
            self.calls = tools::calls(self.language.tools().format, self.text.calls());
            if self.calls.is_empty() {
                self.news.content.push_str(&self.text.release_calls());
            }
        }
        let has_calls = !self.calls.is_empty();
        self.finish = Some(if has_calls && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason });
    }
}

/// What `work` gives, or `None` as soon as the request is to stop; then the work is dropped where it stands.
async fn unless_stopped<T>(control: &impl Control, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(control.stopped()), pin!(work)).await {
        Either::Left(_) => None,
        Either::Right((result, _)) => Some(result),
    }
}
