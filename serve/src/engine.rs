//! The thread that computes answers: those of one model together, everything else one after the other.

use std::cell::{Cell, OnceCell};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{pending, select};
use parlance_api::{
    Callers, ChatRequest, Control, EmbeddingJob, Ended, Job, Media, MediaRequest, Medium, Meta, PreparedResponse,
    Processors, RequestError, RerankJob, ResponseJob, Senses, TranscriptionJob, Work as Asked,
};
use parlance_engine::EngineError;
use parlance_protocol::openai::{Capability, Endpoint, ModelEntry};
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
use crate::models::{ChatModel, Joining, Models, Served, not_for_chats};
use crate::options::Compute;
use crate::queue::{Event, Owner, Queue, Work};
use crate::responses::Responses;
use crate::sound;

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
            if is_for_answers(&work) {
                block_on(self.converse(work, queue));
                continue;
            }
            let reporter = Reporter::new(&work, &self.runtime);
            let is_audio = matches!(work.endpoint, Endpoint::Transcriptions | Endpoint::Translations);
            let computed = if is_audio {
                block_on(transcribe(&mut self.models, &work, &reporter))
            } else {
                block_on(compute(&mut self.models, &work, &reporter)).map(Some)
            };
            reporter.send(match computed {
                Ok(response) => Event::Done(response.map(Into::into)),
                Err(failure) => Event::Failed(failure),
            });
        }
    }

    /// Answers a request, and those that come meanwhile and can be computed together with it. If the GPU fails, the model is
    /// loaded again, once for each of them, and they go on.
    async fn converse(&mut self, first: Work, queue: &Queue) {
        let Some(index) = self.models.position(model_of(&first), Capability::Chat) else {
            return Reporter::new(&first, &self.runtime).send(Event::Failed(not_for_chats()));
        };
        let joining = self.models.joining(index);
        let mut callers = Callers::default();
        let mut next = Some(first);
        loop {
            let chat = match self.models.get_mut(index).chat().await {
                Ok(chat) => chat,
                Err(failure) => {
                    if let Some(work) = next {
                        Reporter::new(&work, &self.runtime).send(Event::Failed(failure.clone()));
                    }
                    let lost = RequestError::Engine(EngineError::Gpu(failure.message.clone()));
                    let ended = callers.fail(&lost).into_iter();
                    return ended.for_each(|ended| end(ended, &self.responses, Some(&*failure)));
                }
            };
            while let Some(work) = next.take().or_else(|| joining_one(&callers, &chat, queue, &joining)) {
                let reporter = Reporter::new(&work, &self.runtime);
                admit(&chat, (&joining.name, &work), &self.responses, reporter, &mut callers);
            }
            if callers.is_empty() {
                return;
            }
            let others = || queue.is_next(|work| is_for_answers(work) && joining.takes(model_of(work)));
            let ended = match turn(chat, &mut callers, &others).await {
                Ok(ended) => ended,
                Err(error) if error.kind() == FailureKind::Gpu => {
                    log::note(&format!("loading the model again: {error}"));
                    self.models.get_mut(index).forget();
                    callers.recover(&error)
                }
                Err(error) => callers.fail(&error),
            };
            for ended in ended {
                end(ended, &self.responses, None);
            }
        }
    }
}

/// Whether a request is one for answers.
fn is_for_answers(work: &Work) -> bool {
    matches!(work.endpoint, Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Responses)
}

/// The model that a request names.
fn model_of(work: &Work) -> Option<&str> {
    work.body.get("model").and_then(Value::as_str)
}

/// The next request, if it can be computed together with those under way.
fn joining_one(callers: &Callers<Reporter>, chat: &ChatModel<'_>, queue: &Queue, joining: &Joining) -> Option<Work> {
    let has_room = callers.has_room(chat.model);
    has_room.then(|| queue.next_if(|work| is_for_answers(work) && joining.takes(model_of(work)))).flatten()
}

/// Adds a request to those under way, for the model of this name.
fn admit(
    chat: &ChatModel<'_>,
    (name, work): (&str, &Work),
    responses: &Responses,
    reporter: Reporter,
    callers: &mut Callers<Reporter>,
) {
    let meta = Meta { random: random(), created: now(), model: name.to_owned() };
    match asked(work, responses, chat, meta) {
        Ok(asked) => {
            if let Asked::Response(job) = &asked {
                reporter.stop_if_closed(responses.begin(work.owner, job.response()));
            }
            callers.add(asked, reporter);
        }
        Err(error) => reporter.send(Event::Failed(failure(error))),
    }
}

/// Does what comes next for the requests under way, and returns those that have ended.
async fn turn(
    chat: ChatModel<'_>,
    callers: &mut Callers<Reporter>,
    others: &dyn Fn() -> bool,
) -> Result<Vec<Ended<Reporter>>, RequestError> {
    let ChatModel { model, codec, senses } = chat;
    callers.perceive(&codec, senses).await?;
    callers.turn(model, others).await
}

/// Tells a client that its request has ended, or why: `failed`, if that is more exact. A response is kept.
fn end(Ended { work, control, result }: Ended<Reporter>, responses: &Responses, failed: Option<&Failure>) {
    let event = match result {
        Ok(response) => Event::Done(response.map(Into::into)),
        Err(error) => {
            let failure = failed.cloned().map_or_else(|| failure(error), Box::new);
            // A stream that has begun ends with the error.
            if work.fail(&failure.message, &control) { Event::Done(None) } else { Event::Failed(failure) }
        }
    };
    if let Asked::Response(job) = &work {
        responses.end(control.owner, &job.response().id, job.kept().as_ref());
    }
    control.send(event);
}

/// Computes embeddings or a ranking.
async fn compute(models: &mut Models, work: &Work, reporter: &Reporter) -> Result<Value, Box<Failure>> {
    let is_ranking = work.endpoint == Endpoint::Rerank;
    let wanted = if is_ranking { Capability::Rerank } else { Capability::Embeddings };
    let model = models.find(model_of(work), wanted)?;
    let meta = Meta { random: random(), created: now(), model: model.name.clone() };
    if is_ranking {
        let mut job = RerankJob::new(&work.body, meta).map_err(failure)?;
        loop {
            reporter.check()?;
            let step = job.step(model.encoder().await?).await;
            if !noting_loss(step, model)? {
                return Ok(job.response());
            }
        }
    }
    let mut job = EmbeddingJob::new(&work.body, meta).map_err(failure)?;
    loop {
        reporter.check()?;
        let step = job.step(model.encoder().await?).await;
        if !noting_loss(step, model)? {
            return Ok(job.response());
        }
    }
}

/// Transcribes a recording; `None` if the transcript was streamed. If the GPU fails, the model is loaded again, once.
async fn transcribe(models: &mut Models, work: &Work, reporter: &Reporter) -> Result<Option<Value>, Box<Failure>> {
    let model = models.find(model_of(work), Capability::Transcription)?;
    let mut job = TranscriptionJob::new(&work.body, work.endpoint == Endpoint::Translations).map_err(failure)?;
    let no_file = || RequestError::Field { param: "file".to_owned(), message: "it must be a recording".to_owned() };
    let file = work.file.as_ref().ok_or_else(|| failure(no_file()))?;
    let samples = sound::decode(file).map_err(failure)?;
    let first = job.run(model.transcriber().await?, samples.as_slice(), reporter).await;
    let result = match first {
        Err(error) if error.kind() == FailureKind::Gpu => {
            log::note(&format!("loading the model again: {error}"));
            model.forget();
            job.run(model.transcriber().await?, samples.as_slice(), reporter).await
        }
        result => result,
    };
    noting_loss(result, model)
}

/// What a request asks of a chat model.
fn asked(work: &Work, responses: &Responses, chat: &ChatModel<'_>, meta: Meta) -> Result<Asked, RequestError> {
    let (codec, body, processors) = (&chat.codec, &work.body, Processors::new());
    Ok(match work.endpoint {
        Endpoint::Responses => {
            let references = PreparedResponse::references(body);
            let kept: Vec<_> = references.iter().filter_map(|id| responses.find(work.owner, id)).collect();
            let request = PreparedResponse::new(body, &kept, &meta)?;
            let media = media_of(request.media(), chat, &meta.model)?;
            Asked::Response(Box::new(ResponseJob::with_media(codec, request, media, meta, &processors)?))
        }
        Endpoint::Completions => Asked::Completion(Box::new(Job::completion(codec, body, meta, &processors)?)),
        _ => {
            let request = ChatRequest::new(body, &meta)?;
            let media = media_of(request.media(), chat, &meta.model)?;
            Asked::Completion(Box::new(Job::chat_with_media(codec, request, media, meta, &processors)?))
        }
    })
}

/// The images and recordings of a request. Nothing is decoded for a model that perceives none.
fn media_of(requests: &[MediaRequest], chat: &ChatModel<'_>, model: &str) -> Result<Media, RequestError> {
    let projector = chat.senses.as_deref().map(Senses::projector);
    requests.iter().try_for_each(|request| request.check(projector, model))?;
    let read = requests.iter().map(|request| match request {
        MediaRequest::Image(image) => images::read(image).map(Medium::Image),
        MediaRequest::Sound(recording) => sound::read(recording).map(Medium::Sound),
    });
    Media::new(read.collect::<Result<Vec<_>, _>>()?, projector, chat.codec.chat(), model)
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
struct Reporter {
    owner: Owner,
    events: Sender<Event>,
    runtime: Handle,
    /// The client has not read for so long that its answer ends.
    is_stalled: Cell<bool>,
    /// Closes when the client cancels its response.
    cancelled: OnceCell<Sender<()>>,
}

impl Reporter {
    fn new(work: &Work, runtime: &Handle) -> Self {
        let (owner, events, runtime) = (work.owner, work.events.clone(), runtime.clone());
        Self { owner, events, runtime, is_stalled: Cell::new(false), cancelled: OnceCell::new() }
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

impl Control for Reporter {
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

    fn is_stopped(&self) -> bool {
        let is_cancelled = self.cancelled.get().is_some_and(Sender::is_closed);
        self.is_stalled.get() || self.events.is_closed() || is_cancelled
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::runtime::Runtime;

    use super::*;

    /// Reports on a request that is answered through this channel.
    fn reporter(events: Sender<Event>, runtime: &Runtime) -> Reporter {
        let work =
            Work { owner: Owner::Key(0), endpoint: Endpoint::ChatCompletions, body: Value::Null, file: None, events };
        Reporter::new(&work, runtime.handle())
    }

    #[test]
    fn an_answer_that_nobody_reads_ends() -> std::io::Result<()> {
        let runtime = Runtime::new()?;
        let (events, mut unread) = tokio::sync::mpsc::channel(1);
        let reporter = reporter(events, &runtime);
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
        let reporter = reporter(events, &runtime);
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
        let reporter = reporter(events, &runtime);
        assert!(reporter.check().is_ok());
        drop(unread);
        assert_eq!(reporter.stopped().now_or_never(), Some(()));
        assert_eq!(reporter.check().err().map(|failure| failure.kind), Some(FailureKind::Interrupted));
        Ok(())
    }
}
