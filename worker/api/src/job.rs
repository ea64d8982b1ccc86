//! A request in progress: its answers, returned in chunks or as one response.

use std::rc::Rc;

use parlance_engine::runtime::Model;
use parlance_engine::sampling::SamplingParams;
use parlance_protocol::openai::{
    ChatChoice, ChatChunk, ChatCompletion, CompletionTokens, FinishReason, LogProbs, PromptTokens, ResponseMessage,
    TextChoice, TextCompletion, ToolCall, Usage, UsageExtra,
};
use serde_json::Value;
use web_time::Instant;

use crate::answer::{Answer, Delta, Processors};
use crate::chat_request::ChatRequest;
use crate::chunks::{ChunkSender, Output, ResponseKind, non_zero, text_logprobs, to_json, tool_call};
use crate::codec::ChatCodec;
use crate::constraints::{Constraints, has_channels};
use crate::control::Control;
use crate::error::RequestError;
use crate::media::{Media, Medium, PromptMedium};
use crate::meta::Meta;
use crate::output_parser::{Expected, OutputParser};
use crate::parse::{self, Options};
use crate::prompt::{self, Prompt};
use crate::senses::Senses;
use crate::tools::ToolChoice;

/// A request in progress. After an error of the device, [`Job::run`] can be called again with a new model.
pub struct Job {
    kind: ResponseKind,
    meta: Meta,
    options: Rc<Options>,
    answers: Vec<Answer>,
    /// What has been emitted of each answer.
    outputs: Vec<Output>,
    start: Instant,
    grammar_seconds: Option<f64>,
    /// How many of the oldest messages were dropped.
    dropped_messages: u32,
}

impl Job {
    /// Parses the body of a chat completion request to a model that neither sees nor hears.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn chat(
        codec: &Rc<ChatCodec>,
        body: &Value,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let request = ChatRequest::new(body, &meta)?;
        request.media().iter().try_for_each(|medium| medium.check(None, &meta.model))?;
        Self::chat_with_media(codec, request, Media::default(), meta, processors)
    }

    /// A job for a chat completion request, with its images and sounds, in order.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn chat_with_media(
        codec: &Rc<ChatCodec>,
        request: ChatRequest,
        media: Media,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let ChatRequest { conversation, options, start } = request;
        let prompt = Rc::new(prompt::from_conversation(codec, &conversation, &media, options.max_tokens)?);
        let grammar_start = Instant::now();
        let constraints = Constraints::of_chat(codec, &conversation, &options)?;
        let is_constrained = constraints.whole.is_some() || constraints.call.is_some();
        let grammar_seconds = is_constrained.then(|| grammar_start.elapsed().as_secs_f64());
        let must_call = !conversation.tools.is_empty() && conversation.tool_choice != ToolChoice::Auto;
        let options = Rc::new(options);
        let has_format = options.format.as_ref().is_some_and(|format| format.kind != "text");
        let in_channels = has_channels(codec, &conversation);
        // An answer in a response format has no calls, unless it must be one.
        let tools = if has_format && !must_call { Vec::new() } else { conversation.tools };
        let expected = Expected { format: codec.tools().format, tools: tools.into() };
        let new_parser = || match prompt.reasoning_ends {
            None if has_format && !must_call && !in_channels => {
                OutputParser::content_only(options.stop_sequences.clone())
            }
            // Within a call that is required, stop sequences have no meaning.
            ends if must_call => OutputParser::new(ends, Some(expected.clone()), Vec::new()),
            ends => OutputParser::new(ends, Some(expected.clone()), options.stop_sequences.clone()),
        };
        let answers = new_answers(codec, &options, &prompt, &constraints, processors, new_parser)?;
        let job = Self::new(ResponseKind::Chat, meta, options, answers, start, grammar_seconds);
        Ok(Self { dropped_messages: prompt.dropped_messages, ..job })
    }

    /// Parses the body of a text completion request.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn completion(
        codec: &Rc<ChatCodec>,
        body: &Value,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let start = Instant::now();
        let (prompts, echo, options) = parse::completion(parse::read(body)?, meta.random as u32)?;
        let options = Rc::new(options);
        let grammar_start = Instant::now();
        let constraints = Constraints::of_text(codec, &options)?;
        let grammar_seconds = constraints.whole.is_some().then(|| grammar_start.elapsed().as_secs_f64());
        let mut answers = Vec::new();
        let mut echoes = Vec::new();
        for text in &prompts {
            let prompt = Rc::new(Prompt::of_tokens(codec.chat().raw_prompt(text)?));
            let new_parser = || OutputParser::content_only(options.stop_sequences.clone());
            answers.extend(new_answers(codec, &options, &prompt, &constraints, processors, new_parser)?);
            echoes.resize(answers.len(), if echo { text.clone() } else { String::new() });
        }
        let mut job = Self::new(ResponseKind::Text, meta, options, answers, start, grammar_seconds);
        for (output, echo) in job.outputs.iter_mut().zip(echoes) {
            output.all.content = echo;
        }
        Ok(job)
    }

    fn new(
        kind: ResponseKind,
        meta: Meta,
        options: Rc<Options>,
        answers: Vec<Answer>,
        start: Instant,
        grammar_seconds: Option<f64>,
    ) -> Self {
        let outputs = vec![Output::default(); answers.len()];
        Self { kind, meta, options, answers, outputs, start, grammar_seconds, dropped_messages: 0 }
    }

    /// Whether the response is streamed.
    pub fn is_stream(&self) -> bool {
        self.options.stream
    }

    /// How many of the oldest messages were dropped because the context is full, not counting system messages.
    pub fn dropped_messages(&self) -> u32 {
        self.dropped_messages
    }

    /// Encodes the images and sounds of the prompt that were not encoded yet, with the senses of the model that will
    /// [`Job::run`] it.
    ///
    /// # Errors
    /// As [`MediaRequest::check`](crate::MediaRequest::check) if it has none; errors of images, sounds or the engine. After a
    /// device error, a call with a new projector continues where this one stopped.
    pub async fn perceive(
        &self,
        codec: &ChatCodec,
        senses: Option<&mut Senses>,
        control: &impl Control,
    ) -> Result<(), RequestError> {
        // All answers to a conversation have the same prompt.
        let Some(answer) = self.answers.first() else { return Ok(()) };
        let media: Vec<_> = answer.prompt().media().map(Rc::clone).collect();
        let Some(first) = media.first() else { return Ok(()) };
        let model = || self.meta.model.clone();
        let senses = senses.ok_or_else(|| match first.medium() {
            Medium::Image(_) => RequestError::CannotSee(model()),
            Medium::Sound(_) => RequestError::CannotHear(model()),
        })?;
        senses.encode(&media, codec.chat(), control).await
    }

    /// Generates the answers one after the other, in the model's selected sequence. Returns the response, or `None` if it was
    /// streamed to [`Control::chunk`].
    ///
    /// # Errors
    /// Errors of the engine or a grammar. After a device error, a call with a new model continues where this one stopped.
    pub async fn run(&mut self, model: &mut Model, control: &impl Control) -> Result<Option<Value>, RequestError> {
        for index in 0..self.answers.len() {
            if self.outputs[index].is_finished {
                continue;
            }
            self.run_answer(index, model, control, &|| false).await?;
            if self.answers[index].finish == Some(FinishReason::Abort) {
                break;
            }
        }
        Ok(self.end(control))
    }

    /// The number of answers.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// An answer.
    pub(crate) fn answer(&self, index: usize) -> &Answer {
        &self.answers[index]
    }

    /// An answer, to compute it.
    pub(crate) fn answer_mut(&mut self, index: usize) -> &mut Answer {
        &mut self.answers[index]
    }

    /// Generates an answer in the model's selected sequence, until it has ended or `others` says that there are others to
    /// compute it with.
    pub(crate) async fn run_answer(
        &mut self,
        index: usize,
        model: &mut Model,
        control: &impl Control,
        others: &dyn Fn() -> bool,
    ) -> Result<(), RequestError> {
        let chunks = sender(self.kind, &self.meta, index, self.dropped_messages);
        let (answer, output, is_stream) = (&mut self.answers[index], &mut self.outputs[index], self.options.stream);
        let mut emit = |delta: Delta| chunks.emit(output, delta, is_stream, control);
        answer.run(model, control, &mut emit, others).await?;
        self.note_end(index, control);
        Ok(())
    }

    /// Emits the output of an answer that is computed together with others, if it is due, and its end.
    pub(crate) fn emit(&mut self, index: usize, control: &impl Control) {
        let chunks = sender(self.kind, &self.meta, index, self.dropped_messages);
        if let Some(delta) = self.answers[index].due() {
            chunks.emit(&mut self.outputs[index], delta, self.options.stream, control);
        }
        self.note_end(index, control);
    }

    /// Sends the end of an answer that has ended.
    fn note_end(&mut self, index: usize, control: &impl Control) {
        let (finish, output) = (self.answers[index].finish, &mut self.outputs[index]);
        if finish.is_none() || std::mem::replace(&mut output.is_finished, true) {
            return;
        }
        if self.options.stream {
            let chunks = sender(self.kind, &self.meta, index, self.dropped_messages);
            chunks.send_end(output, finish, control);
        }
    }

    /// The response after the last answer; `None` if it was streamed.
    pub(crate) fn end(&self, control: &impl Control) -> Option<Value> {
        if !self.options.stream {
            return Some(self.response());
        }
        if self.options.include_usage {
            control.chunk(self.usage_chunk());
        }
        None
    }

    fn response(&self) -> Value {
        let answers = self.answers.iter().zip(&self.outputs).enumerate();
        let finished = answers.filter(|(_, (_, output))| output.is_finished);
        let (id, created, model) = (self.meta.id(self.kind), self.meta.created, self.meta.model.clone());
        let usage = self.usage();
        match self.kind {
            ResponseKind::Chat => to_json(&ChatCompletion {
                id,
                object: "chat.completion".to_owned(),
                created,
                model,
                choices: finished
                    .map(|(index, (answer, output))| self.chat_choice(index as u32, answer, output))
                    .collect(),
                usage,
                dropped_messages: non_zero(self.dropped_messages),
            }),
            ResponseKind::Text => to_json(&TextCompletion {
                id,
                object: "text_completion".to_owned(),
                created,
                model,
                choices: finished
                    .map(|(index, (answer, output))| TextChoice {
                        index: index as u32,
                        text: output.all.content.clone(),
                        logprobs: self.options.logprobs.map(|_| text_logprobs(&output.all.logprobs)),
                        finish_reason: answer.finish,
                    })
                    .collect(),
                usage: Some(usage),
            }),
        }
    }

    fn chat_choice(&self, index: u32, answer: &Answer, output: &Output) -> ChatChoice {
        let Delta { content, reasoning, calls, logprobs } = &output.all;
        let calls: Vec<ToolCall> = calls.iter().map(|call| tool_call(&self.meta, index, call)).collect();
        ChatChoice {
            index,
            message: ResponseMessage {
                role: "assistant".to_owned(),
                content: (calls.is_empty() || !content.is_empty()).then(|| content.clone()),
                reasoning_content: (!reasoning.is_empty()).then(|| reasoning.clone()),
                refusal: None,
                tool_calls: (!calls.is_empty()).then_some(calls),
            },
            logprobs: self.options.logprobs.map(|_| LogProbs::new(logprobs.clone())),
            finish_reason: answer.finish.unwrap_or(FinishReason::Abort),
        }
    }

    /// The chunk with the usage.
    fn usage_chunk(&self) -> Value {
        let (id, created, model) = (self.meta.id(self.kind), self.meta.created, self.meta.model.clone());
        let usage = Some(self.usage());
        match self.kind {
            ResponseKind::Chat => {
                let object = "chat.completion.chunk".to_owned();
                to_json(&ChatChunk { id, object, created, model, choices: Vec::new(), usage, dropped_messages: None })
            }
            ResponseKind::Text => {
                let object = "text_completion".to_owned();
                to_json(&TextCompletion { id, object, created, model, choices: Vec::new(), usage })
            }
        }
    }

    /// Token counts and speeds of all answers.
    fn usage(&self) -> Usage {
        let Some(first) = self.answers.first() else { return Usage::default() };
        let count = |of: fn(&Answer) -> u32| self.answers.iter().map(of).sum::<u32>();
        let completion_tokens = count(|answer| answer.len() as u32);
        let sum = |of: fn(&Answer) -> f64| self.answers.iter().map(of).sum::<f64>();
        let decode_seconds = sum(|answer| answer.stats.decode_seconds);
        let masks = count(|answer| answer.stats.mask_count);
        let speed = |count: u32, seconds: f64| if seconds > 0.0 { f64::from(count) / seconds } else { 0.0 };
        let prompt_tokens = first.prompt().len() as u32;
        let (images, sounds): (Vec<_>, Vec<_>) =
            first.prompt().media().partition(|medium| matches!(medium.medium(), Medium::Image(_)));
        let tokens = |media: &[&Rc<PromptMedium>]| media.iter().map(|medium| medium.len() as u32).sum::<u32>();
        let encode_seconds = |media: &[&Rc<PromptMedium>]| {
            let seconds: f64 = media.iter().map(|medium| medium.encode_seconds()).sum();
            (seconds > 0.0).then_some(seconds)
        };
        let since = |instant: Option<Instant>| instant.map_or(0.0, |instant| (instant - self.start).as_secs_f64());
        let per_token = |seconds: f64, count: u32| if count > 0 { seconds / f64::from(count) } else { 0.0 };
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokens {
                cached_tokens: first.stats.cached_tokens,
                image_tokens: non_zero(tokens(&images)),
                audio_tokens: non_zero(tokens(&sounds)),
            },
            completion_tokens_details: CompletionTokens {
                reasoning_tokens: count(|answer| answer.stats.reasoning_tokens),
                accepted_prediction_tokens: count(|answer| answer.stats.drafts.accepted as u32),
                rejected_prediction_tokens: count(|answer| answer.stats.drafts.rejected as u32),
            },
            extra: UsageExtra {
                e2e_latency_s: self.start.elapsed().as_secs_f64(),
                time_to_first_token_s: since(first.stats.first_token),
                time_per_output_token_s: per_token(decode_seconds, completion_tokens),
                prefill_tokens_per_s: speed(first.stats.prefilled_tokens, first.stats.prefill_seconds),
                decode_tokens_per_s: speed(completion_tokens, decode_seconds),
                image_encode_s: encode_seconds(&images),
                audio_encode_s: encode_seconds(&sounds),
                grammar_init_s: self.grammar_seconds,
                grammar_per_token_s: (masks > 0).then(|| sum(|answer| answer.stats.mask_seconds) / f64::from(masks)),
            },
        }
    }
}

/// Sends the chunks of the answer with this index.
fn sender(kind: ResponseKind, meta: &Meta, index: usize, dropped_messages: u32) -> ChunkSender<'_> {
    ChunkSender { kind, meta, index: index as u32, dropped_messages: non_zero(dropped_messages) }
}

/// The answers to one prompt, each with its own seed.
fn new_answers(
    codec: &Rc<ChatCodec>,
    options: &Rc<Options>,
    prompt: &Rc<Prompt>,
    constraints: &Constraints,
    processors: &Processors,
    new_parser: impl Fn() -> OutputParser,
) -> Result<Vec<Answer>, RequestError> {
    let answers = (0..options.choices).map(|index| {
        let params = SamplingParams { seed: options.params.seed.wrapping_add(index), ..options.params };
        let processor = processor(options, processors)?;
        let (codec, options, constraints) = (Rc::clone(codec), Rc::clone(options), constraints.deep_clone());
        Ok(Answer::new(codec, options, params, Rc::clone(prompt), new_parser(), constraints, processor))
    });
    answers.collect()
}

fn processor(
    options: &Options,
    processors: &Processors,
) -> Result<Option<Box<dyn crate::LogitProcessor>>, RequestError> {
    let Some(name) = &options.processor else { return Ok(None) };
    match processors.get(name) {
        Some(make) => Ok(Some(make())),
        None => Err(RequestError::field("logit_processor", format!("there is no logit processor “{name}”"))),
    }
}
