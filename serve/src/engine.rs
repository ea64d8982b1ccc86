//! The thread that computes answers, one after the other.

use std::cell::{Cell, OnceCell};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{pending, select};
use parlance_api::{
    ChatRequest, Control, EmbeddingJob, ImageRequest, Images, Job, KeptResponse, Meta, PreparedResponse, Processors,
    RequestError, RerankJob, ResponseJob,
};
use parlance_engine::EngineError;
use parlance_protocol::openai::{Capability, Endpoint, ModelEntry, Response};
use parlance_protocol::{Failure, FailureKind};
use pollster::block_on;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{StartError, to_json};
use crate::images;
use crate::log;
use crate::models::{ChatModel, Models, Served};
use crate::options::Compute;
use crate::queue::{Event, Queue, Work};
use crate::responses::Responses;

/// Chunks that a client may leave unread before the engine waits for it.
pub(crate) const UNREAD_CHUNKS: usize = 512;
/// How long the engine waits. Others wait as long, so it is short.
const STALL: Duration = Duration::from_secs(5);
/// As on the main thread, where the engine's examples run.
const STACK_BYTES: usize = 8 << 20;

/// Loads the models and starts to work on requests. Returns what clients are told about the models, and what resolves if the thread ends.
pub(crate) fn start(
    paths: Vec<PathBuf>,
    compute: Compute,
    (queue, responses): (Arc<Queue>, Arc<Responses>),
    runtime: Handle,
) -> Result<(Vec<ModelEntry>, oneshot::Receiver<()>), StartError> {
    let (sender, loaded) = mpsc::channel();
    let (lives, ended) = oneshot::channel();
    let work = move || {
        let closing = CloseOnDrop(queue, lives);
        match block_on(Models::load(&paths, &compute)) {
            Ok(models) => {
                // If nobody waits for it any more, the queue is closed.
                let _ = sender.send(Ok(models.entries()));
                Engine { models, responses, runtime }.serve(&closing.0);
            }
            Err(error) => {
                let _ = sender.send(Err(error));
            }
        }
    };
    thread::Builder::new().name("engine".to_owned()).stack_size(STACK_BYTES).spawn(work)?;
    let entries = loaded.recv().unwrap_or(Err(StartError::EngineStopped))?;
    Ok((entries, ended))
}

/// Closes the queue even if the thread panics, so that no client waits forever.
struct CloseOnDrop(
    Arc<Queue>,
    #[allow(dead_code, reason = "the receiver notices that it is dropped")] oneshot::Sender<()>,
);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Engine {
    models: Models,
    responses: Arc<Responses>,
    runtime: Handle,
}

impl Engine {
    /// Works on requests until the queue is closed.
    fn serve(mut self, queue: &Queue) {
        while let Some(work) = queue.next() {
            let reporter = Reporter::new(&work.events, &self.runtime);
            let event = match block_on(answer(&mut self.models, &self.responses, &work, &reporter)) {
                Ok(response) => Event::Done(response.map(|response| to_json(&response))),
                Err(failure) => Event::Failed(failure),
            };
            reporter.send(event);
        }
    }
}

/// Answers a request; `None` if the response was streamed.
async fn answer(
    models: &mut Models,
    responses: &Responses,
    work: &Work,
    reporter: &Reporter<'_>,
) -> Result<Option<Value>, Box<Failure>> {
    let body = &work.body;
    let wanted = match work.endpoint {
        Endpoint::Embeddings => Capability::Embeddings,
        Endpoint::Rerank => Capability::Rerank,
        _ => Capability::Chat,
    };
    let model = models.find(body.get("model").and_then(Value::as_str), wanted)?;
    let meta = Meta { random: random(), created: now(), model: model.name.clone() };
    match work.endpoint {
        Endpoint::Embeddings => {
            let mut job = EmbeddingJob::new(body, meta).map_err(failure)?;
            loop {
                reporter.check()?;
                let step = job.step(model.encoder().await?).await;
                if !noting_loss(step, model)? {
                    return Ok(Some(job.response()));
                }
            }
        }
        Endpoint::Rerank => {
            let mut job = RerankJob::new(body, meta).map_err(failure)?;
            loop {
                reporter.check()?;
                let step = job.step(model.encoder().await?).await;
                if !noting_loss(step, model)? {
                    return Ok(Some(job.response()));
                }
            }
        }
        _ => {
            let mut answer = Answer::new(work, responses, &model.chat().await?, meta).map_err(failure)?;
            if let Some(response) = answer.response() {
                reporter.stop_if_closed(responses.begin(work.owner, response));
            }
            let result = run(model, &mut answer, reporter).await;
            responses.end(work.owner, answer.kept().as_ref());
            result
        }
    }
}

/// What generates an answer.
enum Answer {
    Completion(Box<Job>),
    Response(Box<ResponseJob>),
}

impl Answer {
    fn new(work: &Work, responses: &Responses, chat: &ChatModel<'_>, meta: Meta) -> Result<Self, RequestError> {
        let (codec, body, processors) = (&chat.codec, &work.body, Processors::new());
        Ok(match work.endpoint {
            Endpoint::Responses => {
                let references = PreparedResponse::references(body);
                let kept: Vec<_> = references.iter().filter_map(|id| responses.find(work.owner, id)).collect();
                let request = PreparedResponse::new(body, &kept, &meta)?;
                let images = images_of(request.images(), chat, &meta.model)?;
                Self::Response(Box::new(ResponseJob::with_images(codec, request, images, meta, &processors)?))
            }
            Endpoint::Completions => Self::Completion(Box::new(Job::completion(codec, body, meta, &processors)?)),
            _ => {
                let request = ChatRequest::new(body, &meta)?;
                let images = images_of(request.images(), chat, &meta.model)?;
                Self::Completion(Box::new(Job::chat_with_images(codec, request, images, meta, &processors)?))
            }
        })
    }

    /// Looks at the images of the prompt and generates the answer.
    async fn run(&mut self, chat: ChatModel<'_>, reporter: &Reporter<'_>) -> Result<Option<Value>, RequestError> {
        let ChatModel { model, codec, vision } = chat;
        match self {
            Self::Completion(job) => {
                job.see(&codec, vision, reporter).await?;
                job.run(model, reporter).await
            }
            Self::Response(job) => {
                job.see(&codec, vision, reporter).await?;
                job.run(model, reporter).await
            }
        }
    }

    /// The response at its beginning, if it is one.
    fn response(&self) -> Option<Response> {
        match self {
            Self::Completion(_) => None,
            Self::Response(job) => Some(job.response()),
        }
    }

    /// What is to be kept of it at its end.
    fn kept(&self) -> Option<KeptResponse> {
        match self {
            Self::Completion(_) => None,
            Self::Response(job) => job.kept(),
        }
    }

    /// Ends a stream of typed events with an error. Returns `false` if this is none, or has not begun.
    fn fail(&self, message: &str, reporter: &Reporter<'_>) -> bool {
        match self {
            Self::Completion(_) => false,
            Self::Response(job) => job.fail(message, reporter),
        }
    }
}

/// The images that a request names. Nothing is decoded for a model that sees nothing.
fn images_of(requests: &[ImageRequest], chat: &ChatModel<'_>, model: &str) -> Result<Images, RequestError> {
    if chat.vision.is_none() && !requests.is_empty() {
        return Err(RequestError::CannotSee(model.to_owned()));
    }
    let read = requests.iter().map(images::read).collect::<Result<Vec<_>, _>>()?;
    Images::new(read, chat.vision.as_deref(), chat.codec.chat(), model)
}

/// Computes an answer. If the GPU fails, the model is loaded again, once, and the answer goes on.
async fn run(model: &mut Served, answer: &mut Answer, reporter: &Reporter<'_>) -> Result<Option<Value>, Box<Failure>> {
    let first = answer.run(model.chat().await?, reporter).await;
    let result = match first {
        Err(error) if error.kind() == FailureKind::Gpu => {
            log::note(&format!("loading the model again: {error}"));
            model.forget();
            answer.run(model.chat().await?, reporter).await
        }
        result => result,
    };
    match noting_loss(result, model) {
        Err(failure) if answer.fail(&failure.message, reporter) => Ok(None),
        result => result,
    }
}

/// Frees a model whose device has failed, so that the next request loads it again.
fn noting_loss<T>(result: Result<T, RequestError>, model: &mut Served) -> Result<T, Box<Failure>> {
    result.map_err(|error| {
        if error.kind() == FailureKind::Gpu {
            model.forget();
        }
        failure(error)
    })
}

fn failure(error: RequestError) -> Box<Failure> {
    Box::new(error.failure())
}

/// A random number. Without one, ids repeat and answers without a seed are the same, which harms nobody.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Reports on one request to its client.
struct Reporter<'a> {
    events: &'a Sender<Event>,
    runtime: &'a Handle,
    /// The client has not read for so long that its answer ends.
    is_stalled: Cell<bool>,
    /// Closes when the client cancels its response.
    cancelled: OnceCell<Sender<()>>,
}

impl<'a> Reporter<'a> {
    fn new(events: &'a Sender<Event>, runtime: &'a Handle) -> Self {
        Self { events, runtime, is_stalled: Cell::new(false), cancelled: OnceCell::new() }
    }

    /// Stops the request when this channel closes.
    fn stop_if_closed(&self, cancelled: Sender<()>) {
        // A request has one response.
        let _ = self.cancelled.set(cancelled);
    }

    /// Sends an event, after those before it have been read.
    fn send(&self, event: Event) {
        if self.is_stalled.get() {
            return;
        }
        // If the channel is closed, the client is gone, which `stopped` notices.
        if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
            // This thread has no runtime of its own.
            let sent = self.runtime.block_on(async { timeout(STALL, self.events.send(event)).await });
            self.is_stalled.set(sent.is_err());
        }
    }

    /// Fails if the request must stop.
    fn check(&self) -> Result<(), Box<Failure>> {
        if self.events.is_closed() { Err(failure(EngineError::Interrupted.into())) } else { Ok(()) }
    }
}

impl Control for Reporter<'_> {
    fn prefilling(&self, _done: usize, _total: usize) {}

    fn chunk(&self, chunk: Value) {
        // Only chunks of the Responses API have a type.
        let kind = chunk.get("type").and_then(Value::as_str).map(|kind| format!("event: {kind}\n"));
        self.send(Event::Chunk(format!("{}data: {}\n\n", kind.unwrap_or_default(), to_json(&chunk))));
    }

    async fn stopped(&self) {
        if self.is_stalled.get() {
            return;
        }
        let cancelled = async {
            match self.cancelled.get() {
                Some(cancelled) => cancelled.closed().await,
                None => pending().await,
            }
        };
        select(pin!(self.events.closed()), pin!(cancelled)).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::runtime::Runtime;

    use super::*;

    #[test]
    fn an_answer_that_nobody_reads_ends() -> std::io::Result<()> {
        let runtime = Runtime::new()?;
        let (events, mut unread) = tokio::sync::mpsc::channel(1);
        let reporter = Reporter::new(&events, runtime.handle());
        let chunk = |text: &str| Event::Chunk(text.to_owned());
        reporter.send(chunk("first"));
        assert_eq!(reporter.stopped().now_or_never(), None);
        reporter.send(chunk("second"));
        assert_eq!(reporter.stopped().now_or_never(), Some(()));
        // Nothing follows what is missing.
        assert!(matches!(unread.try_recv(), Ok(Event::Chunk(text)) if text == "first"));
        reporter.send(chunk("third"));
        assert!(unread.try_recv().is_err());
        Ok(())
    }

    #[test]
    fn an_answer_ends_when_it_is_cancelled() -> std::io::Result<()> {
        let runtime = Runtime::new()?;
        let (events, _unread) = tokio::sync::mpsc::channel(1);
        let reporter = Reporter::new(&events, runtime.handle());
        let (cancelled, wanted) = tokio::sync::mpsc::channel(1);
        reporter.stop_if_closed(cancelled);
        assert_eq!(reporter.stopped().now_or_never(), None);
        drop(wanted);
        assert_eq!(reporter.stopped().now_or_never(), Some(()));
        assert_eq!(reporter.stopped().now_or_never(), Some(()), "it stays cancelled");
        Ok(())
    }

    #[test]
    fn an_answer_ends_when_its_reader_leaves() -> std::io::Result<()> {
        let runtime = Runtime::new()?;
        let (events, unread) = tokio::sync::mpsc::channel(1);
        let reporter = Reporter::new(&events, runtime.handle());
        assert!(reporter.check().is_ok());
        drop(unread);
        assert_eq!(reporter.stopped().now_or_never(), Some(()));
        assert_eq!(reporter.check().err().map(|failure| failure.kind), Some(FailureKind::Interrupted));
        Ok(())
    }
}
