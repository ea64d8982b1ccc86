//! `/v1/responses`: a request becomes a chat completion (`request.rs`), whose images and sounds the host fetches and whose chunks become items and events (`events.rs`).
//! `kept.rs` is what stays on the device of a response.

mod events;
mod kept;
mod request;

use std::cell::RefCell;
use std::rc::Rc;

use parlance_engine::runtime::Model;
use parlance_protocol::openai::{
    ChatChoice, ChatChunk, ChatCompletion, ChatDelta, ChunkChoice, FunctionDelta, Response, ResponseEvent,
    ResponseRequest, ResponseStatus, ToolCallDelta,
};
use serde_json::Value;
use web_time::Instant;

use crate::answer::Processors;
use crate::chat_request::ChatRequest;
use crate::chunks::to_json;
use crate::codec::ChatCodec;
use crate::control::Control;
use crate::error::RequestError;
use crate::job::Job;
use crate::media::{Media, MediaRequest};
use crate::meta::Meta;
use crate::parse;
use crate::senses::Senses;

use self::events::Translator;
pub use self::kept::KeptResponse;
use self::request::Translated;

/// To how many responses a request may refer.
const MAX_REFERENCES: usize = 256;

/// A request for a response, as a chat completion. Its images and sounds have to be fetched before it becomes a [`ResponseJob`].
pub struct PreparedResponse {
    chat: ChatRequest,
    /// Without output.
    response: Response,
    /// The items that the model is given, as they are kept.
    input: Vec<Value>,
    /// The field that each message comes from.
    origins: Vec<String>,
    start: Instant,
}

impl PreparedResponse {
    /// The ids of the responses that a request refers to, which the host looks up: the one that it continues, and those whose items it
    /// names.
    pub fn references(body: &Value) -> Vec<String> {
        let previous = body.get("previous_response_id").and_then(Value::as_str).map(str::to_owned);
        let mut ids = Vec::new();
        for id in previous.into_iter().chain(request::referenced_responses(body)) {
            if !ids.contains(&id) && ids.len() < MAX_REFERENCES {
                ids.push(id);
            }
        }
        ids
    }

    /// Parses the body of a request. `kept` are those of its [references](Self::references) that are kept.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field, or the response that is missing.
    pub fn new(body: &Value, kept: &[KeptResponse], meta: &Meta) -> Result<Self, RequestError> {
        let start = Instant::now();
        let request: ResponseRequest = parse::read(body)?;
        let Translated { chat, input, origins } = request::translate(&request, kept, meta.random)?;
        let response = request::response(request, meta);
        let chat = ChatRequest::of(chat, meta);
        let mut chat = chat.map_err(|error| request::with_own_names(error, &origins))?;
        for medium in &mut chat.conversation.media {
            let param = medium.param_mut();
            *param = request::own_name(param, &origins);
        }
        Ok(Self { chat, response, input, origins, start })
    }

    /// The images and sounds that it has, in order.
    pub fn media(&self) -> &[MediaRequest] {
        self.chat.media()
    }
}

/// A response in progress. After an error of the device, [`ResponseJob::run`] can be called again with a new model.
pub struct ResponseJob {
    job: Job,
    translator: RefCell<Translator>,
    /// The items that the model was given, as they are kept.
    input: Vec<Value>,
    start: Instant,
}

impl ResponseJob {
    /// Parses the body of a request to a model that neither sees nor hears, see [`PreparedResponse::new`].
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field, or the response that is missing.
    pub fn new(
        codec: &Rc<ChatCodec>,
        body: &Value,
        kept: &[KeptResponse],
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let request = PreparedResponse::new(body, kept, &meta)?;
        request.media().iter().try_for_each(|medium| medium.check(None, &meta.model))?;
        Self::with_media(codec, request, Media::default(), meta, processors)
    }

    /// A job for a request, with its images and sounds, in order.
    ///
    /// # Errors
    /// [`RequestError`], which names the invalid field.
    pub fn with_media(
        codec: &Rc<ChatCodec>,
        request: PreparedResponse,
        media: Media,
        meta: Meta,
        processors: &Processors,
    ) -> Result<Self, RequestError> {
        let PreparedResponse { chat, response, input, origins, start } = request;
        let translator = RefCell::new(Translator::new(response, meta.random, meta.created));
        let job = Job::chat_with_media(codec, chat, media, meta, processors);
        let job = job.map_err(|error| request::with_own_names(error, &origins))?;
        Ok(Self { job, translator, input, start })
    }

    /// The response as far as it has been generated.
    pub fn response(&self) -> Response {
        self.translator.borrow().response().clone()
    }

    /// Whether the response is streamed.
    pub fn is_stream(&self) -> bool {
        self.job.is_stream()
    }

    /// Encodes the images and sounds of the prompt, as [`Job::perceive`] does.
    ///
    /// # Errors
    /// As [`Job::perceive`].
    pub async fn perceive(
        &self,
        codec: &ChatCodec,
        senses: Option<&mut Senses>,
        control: &impl Control,
    ) -> Result<(), RequestError> {
        let events = EventControl { control, translator: &self.translator, is_stream: self.is_stream() };
        self.job.perceive(codec, senses, &events).await
    }

    /// Generates the response. Returns it, or `None` if it was streamed to [`Control::chunk`].
    ///
    /// # Errors
    /// As [`Job::run`].
    pub async fn run(&mut self, model: &mut Model, control: &impl Control) -> Result<Option<Value>, RequestError> {
        let is_stream = self.is_stream();
        let events = EventControl { control, translator: &self.translator, is_stream };
        let completion = self.job.run(model, &events).await?;
        Ok(self.end_with(completion, control))
    }

    /// Its job, and the control through which that reports.
    pub(crate) fn parts<'a, C: Control>(&'a mut self, control: &'a C) -> (&'a mut Job, EventControl<'a, C>) {
        let is_stream = self.is_stream();
        (&mut self.job, EventControl { control, translator: &self.translator, is_stream })
    }

    /// Its job.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Its job, to compute it.
    pub(crate) fn job_mut(&mut self) -> &mut Job {
        &mut self.job
    }

    /// The response after the last answer; `None` if it was streamed.
    pub(crate) fn end(&mut self, control: &impl Control) -> Option<Value> {
        let (job, events) = self.parts(control);
        let completion = job.end(&events);
        self.end_with(completion, control)
    }

    /// The response that the job's completion becomes; `None` if it was streamed.
    fn end_with(&self, completion: Option<Value>, control: &impl Control) -> Option<Value> {
        let seconds = self.start.elapsed().as_secs();
        let mut translator = self.translator.borrow_mut();
        // This cannot fail, because it is the job's own response.
        if let Some(Ok(completion)) = completion.map(serde_json::from_value) {
            translator.push(chunk_of(completion));
        }
        translator.end(seconds);
        let events = translator.take_events();
        if self.is_stream() {
            send(events, control);
            return None;
        }
        Some(to_json(translator.response()))
    }

    /// Ends the events of a stream with the error that [`ResponseJob::run`] returned. Returns `false` if there were no events yet: then
    /// the error itself is the response.
    pub fn fail(&self, message: &str, control: &impl Control) -> bool {
        let mut translator = self.translator.borrow_mut();
        let has_begun = self.job.is_stream() && translator.has_begun();
        if has_begun {
            translator.fail(message);
            send(translator.take_events(), control);
        }
        has_begun
    }

    /// What to keep of the response once it has ended; `None` if the request does not want it kept.
    pub fn kept(&self) -> Option<KeptResponse> {
        let response = self.response();
        let is_kept = response.store && response.status != ResponseStatus::InProgress;
        is_kept.then(|| KeptResponse { response, input: self.input.clone() })
    }
}

/// Turns the chunks of a chat completion into events.
pub(crate) struct EventControl<'a, C> {
    control: &'a C,
    translator: &'a RefCell<Translator>,
    is_stream: bool,
}

impl<C: Control> EventControl<'_, C> {
    /// Announces a streamed response.
    fn begin(&self) {
        if self.is_stream {
            let mut translator = self.translator.borrow_mut();
            translator.begin();
            send(translator.take_events(), self.control);
        }
    }
}

impl<C: Control> Control for EventControl<'_, C> {
    fn prefilling(&self, done: usize, total: usize) {
        self.begin();
        self.control.prefilling(done, total);
    }

    fn seeing(&self, done: usize, total: usize) {
        self.begin();
        self.control.seeing(done, total);
    }

    fn listening(&self, seconds: f64, total: f64) {
        self.begin();
        self.control.listening(seconds, total);
    }

    fn chunk(&self, chunk: Value) {
        // This cannot fail, because it is the job's own chunk.
        let Ok(chunk) = serde_json::from_value(chunk) else { return };
        let mut translator = self.translator.borrow_mut();
        translator.push(chunk);
        send(translator.take_events(), self.control);
    }

    fn stopped(&self) -> impl Future<Output = ()> {
        self.control.stopped()
    }

    fn is_stopped(&self) -> bool {
        self.control.is_stopped()
    }
}

fn send(events: Vec<ResponseEvent>, control: &impl Control) {
    for event in &events {
        control.chunk(to_json(event));
    }
}

/// A whole completion as one chunk.
fn chunk_of(completion: ChatCompletion) -> ChatChunk {
    let ChatCompletion { id, object, created, model, choices, usage, dropped_messages } = completion;
    let choices = choices.into_iter().map(|choice| {
        let ChatChoice { index, message, logprobs, finish_reason } = choice;
        let calls = message.tool_calls.map(|calls| {
            let calls = (0..).zip(calls).map(|(index, call)| ToolCallDelta {
                index,
                id: Some(call.id),
                kind: Some(call.kind),
                function: FunctionDelta { name: Some(call.function.name), arguments: call.function.arguments },
            });
            calls.collect()
        });
        let delta = ChatDelta {
            role: Some(message.role),
            content: message.content,
            reasoning_content: message.reasoning_content,
            tool_calls: calls,
        };
        ChunkChoice { index, delta, logprobs, finish_reason: Some(finish_reason) }
    });
    let choices = choices.collect();
    ChatChunk { id, object, created, model, choices, usage: Some(usage), dropped_messages }
}
