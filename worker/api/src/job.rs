//! A request under way: its answers one after the other, told in chunks or at the end.

use std::rc::Rc;

use llguidance::api::TopLevelGrammar;
use parlance_engine::runtime::Model;
use parlance_engine::sampling::SamplingParams;
use parlance_protocol::openai::{
    ChatChoice, ChatChunk, ChatCompletion, ChatDelta, ChunkChoice, CompletionTokens, FinishReason, FunctionCall,
    LogProbs, PromptTokens, ResponseMessage, TextChoice, TextCompletion, TextLogProbs, TokenLogProb, ToolCall, Usage,
    UsageExtra,
};
use serde::Serialize;
use serde_json::{Map, Value};
use web_time::Instant;

use crate::answer::{Answer, Constraints, News, Processors};
use crate::error::RequestError;
use crate::grammar;
use crate::language::Language;
use crate::parse::{self, Conversation, Options, ToolChoice};
use crate::prompt::{self, Prompt};
use crate::text::AnswerText;

/// Who waits for the answers.
pub trait Control {
    /// So many of the prompt's tokens have been read, of all that must be.
    fn prefilling(&self, done: usize, total: usize);

    /// A chunk of a streamed answer.
    fn chunk(&self, chunk: Value);

    /// Resolves when the request is to stop; never, if it goes on.
    fn stopped(&self) -> impl Future<Output = ()>;
}

/// What a response says of itself, and the caller's random number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Random: becomes part of ids, and the seed where a request has none.
    pub random: u64,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: String,
}

/// Which of the API's forms a response has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Chat,
    Text,
}

/// A request under way. [`Job::run`] may be called again with a new model after the GPU failed.
pub struct Job {
    form: Form,
    meta: Meta,
    options: Rc<Options>,
    answers: Vec<Answer>,
    /// What has been told of each answer.
    told: Vec<Told>,
    start: Instant,
    grammar_seconds: Option<f64>,
    /// The oldest messages that no answer sees.
    dropped_messages: u32,
}

/// What has been told of an answer.
#[derive(Debug, Clone, Default)]
struct Told {
    has_begun: bool,
    has_ended: bool,
    all: News,
}

impl Job {
    /// Reads a body of `/v1/chat/completions`.
    ///
    /// # Errors
    /// [`RequestError`], which names the field that is wrong.
    pub fn chat(
        language: &Rc<Language>,
        body: &Value,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let start = Instant::now();
        let (conversation, options) = parse::chat(parse::read(body)?, meta.random as u32)?;
        let prompt = prompt::of_conversation(language, &conversation, options.max_tokens)?;
        let grammar_start = Instant::now();
        let style = language.tools();
        let bound = constraints(language, &conversation, &options)?;
        let is_bound = bound.whole.is_some() || bound.call.is_some();
        let grammar_seconds = is_bound.then(|| grammar_start.elapsed().as_secs_f64());
        let has_tools = !conversation.tools.is_empty();
        let must_call = has_tools && conversation.choice != ToolChoice::Auto;
        let options = Rc::new(options);
        let text = |stops: Vec<String>| match (&options.format, prompt.opens_thoughts) {
            (_, true) => AnswerText::new(true, (has_tools && !must_call).then_some(style.format), stops),
            _ if must_call => AnswerText::calls_only(style.format),
            (Some(format), _) if format.kind != "text" => AnswerText::plain(stops),
            _ => AnswerText::new(false, has_tools.then_some(style.format), stops),
        };
        let new_text = || text(options.stops.clone());
        let answers = choices(language, &options, &prompt, &bound, processors, new_text)?;
        let job = Self::new(Form::Chat, meta, options, answers, start, grammar_seconds);
        Ok(Self { dropped_messages: prompt.dropped_messages, ..job })
    }

    /// Reads a body of `/v1/completions`.
    ///
    /// # Errors
    /// [`RequestError`], which names the field that is wrong.
    pub fn completion(
        language: &Rc<Language>,
        body: &Value,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let start = Instant::now();
        let (prompts, echo, options) = parse::completion(parse::read(body)?, meta.random as u32)?;
        let options = Rc::new(options);
        let grammar_start = Instant::now();
        let bound = Constraints { whole: format_matcher(language, &options)?, call: None };
        let grammar_seconds = bound.whole.is_some().then(|| grammar_start.elapsed().as_secs_f64());
        let mut answers = Vec::new();
        let mut told = Vec::new();
        for text in &prompts {
            let prompt = Prompt { ids: language.chat().raw_prompt(text)?, ..Prompt::default() };
            let new_text = || AnswerText::plain(options.stops.clone());
            answers.extend(choices(language, &options, &prompt, &bound, processors, new_text)?);
            told.resize(answers.len(), if echo { text.clone() } else { String::new() });
        }
        let mut job = Self::new(Form::Text, meta, options, answers, start, grammar_seconds);
        for (told, echoed) in job.told.iter_mut().zip(told) {
            told.all.content = echoed;
        }
        Ok(job)
    }

    fn new(
        form: Form,
        meta: Meta,
        options: Rc<Options>,
        answers: Vec<Answer>,
        start: Instant,
        grammar_seconds: Option<f64>,
    ) -> Self {
        let told = vec![Told::default(); answers.len()];
        Self { form, meta, options, answers, told, start, grammar_seconds, dropped_messages: 0 }
    }

    /// Whether the answers come in chunks.
    pub fn is_stream(&self) -> bool {
        self.options.stream
    }

    /// The oldest messages that were left out because the context is full; system messages are not counted.
    pub fn dropped_messages(&self) -> u32 {
        self.dropped_messages
    }

    /// Computes the answers. Returns the response; of a streamed one, which went to [`Control::chunk`], nothing is left to tell.
    ///
    /// # Errors
    /// Whatever the engine or a grammar reported. After a failure of the GPU, a call with a new model goes on where this one ended.
    pub async fn run(&mut self, model: &mut Model, control: &impl Control) -> Result<Option<Value>, RequestError> {
        for index in 0..self.answers.len() {
            if self.told[index].has_ended {
                continue;
            }
            let (answers, told) = (&mut self.answers, &mut self.told[index]);
            let dropped_messages = dropped(self.dropped_messages);
            let teller = Teller { form: self.form, meta: &self.meta, index: index as u32, dropped_messages };
            let is_stream = self.options.stream;
            let mut tell = |news: News| {
                if is_stream {
                    teller.tell(told, &news, control);
                }
                told.all.content.push_str(&news.content);
                told.all.reasoning.push_str(&news.reasoning);
                told.all.logprobs.extend(news.logprobs);
            };
            let answer = &mut answers[index];
            answer.run(model, control, &mut tell).await?;
            told.has_ended = true;
            if is_stream {
                teller.end(told, answer, control);
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
        let ended = self.answers.iter().zip(&self.told).enumerate().filter(|(_, (_, told))| told.has_ended);
        let (id, created, model) = (self.meta.id(self.form), self.meta.created, self.meta.model.clone());
        let usage = self.usage();
        match self.form {
            Form::Chat => json(&ChatCompletion {
                id,
                object: "chat.completion".to_owned(),
                created,
                model,
                choices: ended.map(|(index, (answer, told))| self.chat_choice(index as u32, answer, told)).collect(),
                usage,
                dropped_messages: dropped(self.dropped_messages),
            }),
            Form::Text => json(&TextCompletion {
                id,
                object: "text_completion".to_owned(),
                created,
                model,
                choices: ended
                    .map(|(index, (answer, told))| TextChoice {
                        index: index as u32,
                        text: told.all.content.clone(),
                        logprobs: self.options.logprobs.map(|_| text_logprobs(&told.all.logprobs)),
                        finish_reason: answer.finish,
                    })
                    .collect(),
                usage: Some(usage),
            }),
        }
    }

    fn chat_choice(&self, index: u32, answer: &Answer, told: &Told) -> ChatChoice {
        let calls = tool_calls(&self.meta, index, answer, false);
        let News { content, reasoning, logprobs } = &told.all;
        ChatChoice {
            index,
            message: ResponseMessage {
                role: "assistant".to_owned(),
                content: (calls.is_empty() || !content.is_empty()).then(|| content.clone()),
                reasoning_content: (!reasoning.is_empty()).then(|| reasoning.clone()),
                refusal: None,
                tool_calls: (!calls.is_empty()).then_some(calls),
            },
            logprobs: self.options.logprobs.map(|_| LogProbs { content: logprobs.clone() }),
            finish_reason: answer.finish.unwrap_or(FinishReason::Abort),
        }
    }

    /// The chunk that tells the usage.
    fn usage_chunk(&self) -> Value {
        let (id, created, model) = (self.meta.id(self.form), self.meta.created, self.meta.model.clone());
        let usage = Some(self.usage());
        match self.form {
            Form::Chat => {
                let object = "chat.completion.chunk".to_owned();
                json(&ChatChunk { id, object, created, model, choices: Vec::new(), usage, dropped_messages: None })
            }
            Form::Text => {
                let object = "text_completion".to_owned();
                json(&TextCompletion { id, object, created, model, choices: Vec::new(), usage })
            }
        }
    }

    /// What all answers took.
    fn usage(&self) -> Usage {
        let Some(first) = self.answers.first() else { return Usage::default() };
        let count = |of: fn(&Answer) -> u32| self.answers.iter().map(of).sum::<u32>();
        let completion_tokens = count(|answer| answer.len() as u32);
        let sum = |of: fn(&Answer) -> f64| self.answers.iter().map(of).sum::<f64>();
        let decode_seconds = sum(|answer| answer.times.decode_seconds);
        let masks = count(|answer| answer.times.mask_count);
        let speed = |count: u32, seconds: f64| if seconds > 0.0 { f64::from(count) / seconds } else { 0.0 };
        let prompt_tokens = first.prompt_len() as u32;
        let since = |instant: Option<Instant>| instant.map_or(0.0, |instant| (instant - self.start).as_secs_f64());
        let per_token = |seconds: f64, count: u32| if count > 0 { seconds / f64::from(count) } else { 0.0 };
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptTokens { cached_tokens: first.times.cached_tokens },
            completion_tokens_details: CompletionTokens {
                reasoning_tokens: count(|answer| answer.times.reasoning_tokens),
                accepted_prediction_tokens: count(|answer| answer.times.guessed.accepted as u32),
                rejected_prediction_tokens: count(|answer| answer.times.guessed.rejected as u32),
            },
            extra: UsageExtra {
                e2e_latency_s: self.start.elapsed().as_secs_f64(),
                time_to_first_token_s: since(first.times.first_token),
                time_per_output_token_s: per_token(decode_seconds, completion_tokens),
                prefill_tokens_per_s: speed(first.times.prefilled_tokens, first.times.prefill_seconds),
                decode_tokens_per_s: speed(completion_tokens, decode_seconds),
                grammar_init_s: self.grammar_seconds,
                grammar_per_token_s: (masks > 0).then(|| sum(|answer| answer.times.mask_seconds) / f64::from(masks)),
            },
        }
    }
}

/// Tells chunks of one answer.
struct Teller<'a> {
    form: Form,
    meta: &'a Meta,
    index: u32,
    dropped_messages: Option<u32>,
}

impl Teller<'_> {
    fn tell(&self, told: &mut Told, news: &News, control: &impl Control) {
        let is_first = !std::mem::replace(&mut told.has_begun, true);
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let delta = ChatDelta {
            role: is_first.then(|| "assistant".to_owned()),
            content: some(&news.content).or_else(|| is_first.then(String::new)),
            reasoning_content: some(&news.reasoning),
            tool_calls: None,
        };
        // What is repeated of the prompt comes with the first piece.
        let text = if is_first { format!("{}{}", told.all.content, news.content) } else { news.content.clone() };
        self.chunk(delta, text, &news.logprobs, None, control);
    }

    fn end(&self, told: &mut Told, answer: &Answer, control: &impl Control) {
        if !told.has_begun {
            self.tell(told, &News::default(), control);
        }
        let calls = tool_calls(self.meta, self.index, answer, true);
        if !calls.is_empty() {
            let delta = ChatDelta { tool_calls: Some(calls), ..ChatDelta::default() };
            self.chunk(delta, String::new(), &[], None, control);
        }
        self.chunk(ChatDelta::default(), String::new(), &[], answer.finish, control);
    }

    fn chunk(
        &self,
        delta: ChatDelta,
        text: String,
        logprobs: &[TokenLogProb],
        finish_reason: Option<FinishReason>,
        control: &impl Control,
    ) {
        let (id, created, model, index) =
            (self.meta.id(self.form), self.meta.created, self.meta.model.clone(), self.index);
        let has_logprobs = !logprobs.is_empty();
        control.chunk(match self.form {
            Form::Chat => {
                let logprobs = has_logprobs.then(|| LogProbs { content: logprobs.to_vec() });
                // The first piece alone has a role.
                let dropped_messages = self.dropped_messages.filter(|_| delta.role.is_some());
                let choices = vec![ChunkChoice { index, delta, logprobs, finish_reason }];
                let object = "chat.completion.chunk".to_owned();
                json(&ChatChunk { id, object, created, model, choices, usage: None, dropped_messages })
            }
            Form::Text => {
                let logprobs = has_logprobs.then(|| text_logprobs(logprobs));
                let choices = vec![TextChoice { index, text, logprobs, finish_reason }];
                json(&TextCompletion { id, object: "text_completion".to_owned(), created, model, choices, usage: None })
            }
        });
    }
}

impl Meta {
    fn id(&self, form: Form) -> String {
        let prefix = if form == Form::Chat { "chatcmpl" } else { "cmpl" };
        format!("{prefix}-{:016x}", self.random)
    }
}

impl Constraints {
    fn copied(&self) -> Self {
        let copy = |matcher: &Option<llguidance::Matcher>| matcher.as_ref().map(llguidance::Matcher::deep_clone);
        Self { whole: copy(&self.whole), call: copy(&self.call) }
    }
}

/// The answers to one prompt, each with a seed of its own.
fn choices(
    language: &Rc<Language>,
    options: &Rc<Options>,
    prompt: &Prompt,
    bound: &Constraints,
    processors: &Processors,
    new_text: impl Fn() -> AnswerText,
) -> Result<Vec<Answer>, RequestError> {
    let answers = (0..options.choices).map(|index| {
        let params = SamplingParams { seed: options.params.seed.wrapping_add(index), ..options.params };
        let processor = processor(options, processors)?;
        let (language, options) = (Rc::clone(language), Rc::clone(options));
        Ok(Answer::new(language, options, params, prompt.clone(), new_text(), bound.copied(), processor))
    });
    answers.collect()
}

/// The grammars that a conversation's answer must obey.
fn constraints(
    language: &Language,
    conversation: &Conversation,
    options: &Options,
) -> Result<Constraints, RequestError> {
    if conversation.tools.is_empty() {
        return Ok(Constraints { whole: format_matcher(language, options)?, call: None });
    }
    let has_format = options.format.as_ref().is_some_and(|format| format.kind != "text");
    let all = conversation.tools.iter();
    let tools: Vec<_> = match &conversation.choice {
        ToolChoice::Named(name) => all.filter(|tool| tool.name == *name).collect(),
        ToolChoice::Auto | ToolChoice::Required => all.collect(),
    };
    let grammars = language.grammars()?;
    let matcher = |with_opener| {
        let format = language.tools().format;
        let tokenizer = language.chat().tokenizer();
        let grammar = format.grammar(&tools, conversation.parallel_calls, with_opener, tokenizer)?;
        grammars.matcher(TopLevelGrammar::from_lark(grammar), "tools")
    };
    let call = Some(matcher(false)?);
    let whole = match &conversation.choice {
        ToolChoice::Auto if has_format => format_matcher(language, options)?,
        ToolChoice::Auto => None,
        ToolChoice::Required | ToolChoice::Named(_) => Some(matcher(true)?),
    };
    // A form for all of an answer leaves no room for calls.
    let call = call.filter(|_| !(has_format && conversation.choice == ToolChoice::Auto));
    Ok(Constraints { whole, call })
}

fn format_matcher(language: &Language, options: &Options) -> Result<Option<llguidance::Matcher>, RequestError> {
    let Some(format) = &options.format else { return Ok(None) };
    let Some((grammar, param)) = grammar::of_format(format)? else { return Ok(None) };
    language.grammars()?.matcher(grammar, param).map(Some)
}

fn processor(
    options: &Options,
    processors: &Processors,
) -> Result<Option<Box<dyn crate::LogitProcessor>>, RequestError> {
    let Some(name) = &options.processor else { return Ok(None) };
    match processors.get(name) {
        Some(make) => Ok(Some(make())),
        None => Err(RequestError::field("logit_processor", format!("there is none called “{name}”"))),
    }
}

fn tool_calls(meta: &Meta, choice: u32, answer: &Answer, with_index: bool) -> Vec<ToolCall> {
    let calls = (0u32..).zip(&answer.calls).map(|(index, (name, arguments))| ToolCall {
        index: with_index.then_some(index),
        id: format!("call_{:016x}_{choice}_{index}", meta.random),
        kind: "function".to_owned(),
        function: FunctionCall { name: name.clone(), arguments: arguments.clone() },
    });
    calls.collect()
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

/// What a response says of messages that were left out; nothing if none was.
fn dropped(messages: u32) -> Option<u32> {
    (messages > 0).then_some(messages)
}

/// The JSON of a response.
pub(crate) fn json(value: &impl Serialize) -> Value {
    // Responses are plain structs with string keys.
    serde_json::to_value(value).unwrap_or_default()
}
