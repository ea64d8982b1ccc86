//! A request in progress: generates its answers one after the other, and returns them in chunks or as one response.

use std::rc::Rc;

use parlance_engine::runtime::Model;
use parlance_engine::sampling::SamplingParams;
use parlance_protocol::openai::{
    ChatChoice, ChatChunk, ChatCompletion, ChatDelta, ChunkChoice, CompletionTokens, FinishReason, FunctionCall,
    FunctionDelta, LogProbs, PromptTokens, ResponseMessage, TextChoice, TextCompletion, TextLogProbs, TokenLogProb,
    ToolCall, ToolCallDelta, Usage, UsageExtra,
};
use serde::Serialize;
use serde_json::{Map, Value};
use web_time::Instant;

use crate::answer::{Answer, Delta, Processors};
use crate::chat_request::ChatRequest;
use crate::codec::ChatCodec;
use crate::constraints::{Constraints, has_channels};
use crate::control::Control;
use crate::error::RequestError;
use crate::images::{Images, Vision};
use crate::meta::Meta;
use crate::output_parser::{CallDelta, Expected, OutputParser};
use crate::parse::{self, Options};
use crate::prompt::{self, Prompt};
use crate::tools::ToolChoice;

/// The kind of response, by endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseKind {
    Chat,
    Text,
}

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

/// What has been emitted of an answer.
#[derive(Debug, Clone, Default)]
struct Output {
    has_started: bool,
    is_finished: bool,
    all: Delta,
}

impl Job {
    /// Parses the body of a chat completion request to a model that sees no images.
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
        if !request.images().is_empty() {
            return Err(RequestError::CannotSee(meta.model));
        }
        Self::chat_with_images(codec, request, Images::default(), meta, processors)
    }

    /// A job for a chat completion request, with the images that it names, in order.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn chat_with_images(
        codec: &Rc<ChatCodec>,
        request: ChatRequest,
        images: Images,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let ChatRequest { conversation, options, start } = request;
        let prompt = Rc::new(prompt::from_conversation(codec, &conversation, &images, options.max_tokens)?);
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

    /// Encodes the images of the prompt that were not encoded yet, with the sight of the model that will [`Job::run`] it.
    ///
    /// # Errors
    /// [`RequestError::CannotSee`] if there are any and it has none; errors of images or the engine. After a device error, a
    /// call with a new projector continues where this one stopped.
    pub async fn see(
        &self,
        codec: &ChatCodec,
        vision: Option<&mut Vision>,
        control: &impl Control,
    ) -> Result<(), RequestError> {
        // All answers to a conversation have the same prompt.
        let Some(answer) = self.answers.first() else { return Ok(()) };
        let images: Vec<_> = answer.prompt().images().map(Rc::clone).collect();
        if images.is_empty() {
            return Ok(());
        }
        let vision = vision.ok_or_else(|| RequestError::CannotSee(self.meta.model.clone()))?;
        vision.encode(&images, codec.chat(), control).await
    }

    /// Generates the answers. Returns the response, or `None` if it was streamed to [`Control::chunk`].
    ///
    /// # Errors
    /// Errors of the engine or a grammar. After a device error, a call with a new model continues where this one stopped.
    pub async fn run(&mut self, model: &mut Model, control: &impl Control) -> Result<Option<Value>, RequestError> {
        for index in 0..self.answers.len() {
            let (answer, output) = (&mut self.answers[index], &mut self.outputs[index]);
            if output.is_finished {
                continue;
            }
            let dropped_messages = non_zero(self.dropped_messages);
            let chunks = ChunkSender { kind: self.kind, meta: &self.meta, index: index as u32, dropped_messages };
            let is_stream = self.options.stream;
            let mut emit = |delta: Delta| {
                if is_stream {
                    chunks.send_delta(output, &delta, control);
                }
                output.all.append(delta);
            };
            answer.run(model, control, &mut emit).await?;
            output.is_finished = true;
            if is_stream {
                chunks.send_end(output, answer, control);
            }
            if answer.finish == Some(FinishReason::Abort) {
                break;
            }
        }
        if self.options.stream {
            if self.options.include_usage {
                control.chunk(self.usage_chunk());
            }
            return Ok(None);
        }
        Ok(Some(self.response()))
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
        let image_tokens: usize = first.prompt().images().map(|image| image.len()).sum();
        let image_seconds: f64 = first.prompt().images().map(|image| image.encode_seconds()).sum();
        let since = |instant: Option<Instant>| instant.map_or(0.0, |instant| (instant - self.start).as_secs_f64());
        let per_token = |seconds: f64, count: u32| if count > 0 { seconds / f64::from(count) } else { 0.0 };
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokens {
                cached_tokens: first.stats.cached_tokens,
                image_tokens: non_zero(image_tokens as u32),
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
                image_encode_s: (image_seconds > 0.0).then_some(image_seconds),
                grammar_init_s: self.grammar_seconds,
                grammar_per_token_s: (masks > 0).then(|| sum(|answer| answer.stats.mask_seconds) / f64::from(masks)),
            },
        }
    }
}

/// Sends the chunks of one answer.
struct ChunkSender<'a> {
    kind: ResponseKind,
    meta: &'a Meta,
    index: u32,
    dropped_messages: Option<u32>,
}

impl ChunkSender<'_> {
    fn send_delta(&self, output: &mut Output, delta: &Delta, control: &impl Control) {
        let is_first = !std::mem::replace(&mut output.has_started, true);
        let non_empty = |text: &String| (!text.is_empty()).then(|| text.clone());
        let chat_delta = ChatDelta {
            role: is_first.then(|| "assistant".to_owned()),
            content: non_empty(&delta.content).or_else(|| is_first.then(String::new)),
            reasoning_content: non_empty(&delta.reasoning),
            tool_calls: (!delta.calls.is_empty())
                .then(|| delta.calls.iter().map(|call| call_delta(self.meta, self.index, call)).collect()),
        };
        // The first chunk includes the echo of the prompt.
        let text = if is_first { format!("{}{}", output.all.content, delta.content) } else { delta.content.clone() };
        self.send(chat_delta, text, &delta.logprobs, None, control);
    }

    /// Sends the reason why the answer ended.
    fn send_end(&self, output: &mut Output, answer: &Answer, control: &impl Control) {
        if !output.has_started {
            self.send_delta(output, &Delta::default(), control);
        }
        self.send(ChatDelta::default(), String::new(), &[], answer.finish, control);
    }

    fn send(
        &self,
        delta: ChatDelta,
        text: String,
        logprobs: &[TokenLogProb],
        finish_reason: Option<FinishReason>,
        control: &impl Control,
    ) {
        let (id, created, model, index) =
            (self.meta.id(self.kind), self.meta.created, self.meta.model.clone(), self.index);
        let has_logprobs = !logprobs.is_empty();
        control.chunk(match self.kind {
            ResponseKind::Chat => {
                let logprobs = has_logprobs.then(|| LogProbs::new(logprobs.to_vec()));
                // Only the first chunk has a role.
                let dropped_messages = self.dropped_messages.filter(|_| delta.role.is_some());
                let choices = vec![ChunkChoice { index, delta, logprobs, finish_reason }];
                let object = "chat.completion.chunk".to_owned();
                to_json(&ChatChunk { id, object, created, model, choices, usage: None, dropped_messages })
            }
            ResponseKind::Text => {
                let logprobs = has_logprobs.then(|| text_logprobs(logprobs));
                let choices = vec![TextChoice { index, text, logprobs, finish_reason }];
                let object = "text_completion".to_owned();
                to_json(&TextCompletion { id, object, created, model, choices, usage: None })
            }
        });
    }
}

impl Meta {
    fn id(&self, kind: ResponseKind) -> String {
        let prefix = if kind == ResponseKind::Chat { "chatcmpl" } else { "cmpl" };
        format!("{prefix}-{:016x}", self.random)
    }
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

/// A call of the answer with index `choice`.
fn tool_call(meta: &Meta, choice: u32, call: &CallDelta) -> ToolCall {
    ToolCall {
        id: call_id(meta, choice, call.index),
        kind: "function".to_owned(),
        function: FunctionCall { name: call.name.clone().unwrap_or_default(), arguments: call.arguments.clone() },
    }
}

/// An addition to a call. Only the first one has id and name.
fn call_delta(meta: &Meta, choice: u32, call: &CallDelta) -> ToolCallDelta {
    let is_first = call.name.is_some();
    ToolCallDelta {
        index: call.index,
        id: is_first.then(|| call_id(meta, choice, call.index)),
        kind: is_first.then(|| "function".to_owned()),
        function: FunctionDelta { name: call.name.clone(), arguments: call.arguments.clone() },
    }
}

fn call_id(meta: &Meta, choice: u32, index: u32) -> String {
    format!("call_{:016x}_{choice}_{index}", meta.random)
}

fn text_logprobs(logprobs: &[TokenLogProb]) -> TextLogProbs {
    let top = logprobs.iter().map(|token| {
        let entries = token.top_logprobs.iter().map(|top| (top.token.clone(), Value::from(top.logprob)));
        entries.collect::<Map<_, _>>()
    });
    TextLogProbs {
        tokens: logprobs.iter().map(|token| token.token.clone()).collect(),
        token_logprobs: logprobs.iter().map(|token| token.logprob).collect(),
        top_logprobs: top.collect(),
    }
}

fn non_zero(count: u32) -> Option<u32> {
    (count > 0).then_some(count)
}

/// A response as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Value {
    // This cannot fail, because responses are plain structs with string keys.
    serde_json::to_value(value).unwrap_or_default()
}
