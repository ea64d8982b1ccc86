//! Requests for answers of a chat model. Those that come while it answers, and that it can take, are computed together with
//! the ones under way; when the GPU fails, all of them go on with the model loaded again.

use std::rc::Rc;

use futures::future::{Either, select};
use parlance_api::{
    Callers, ChatCodec, ChatRequest, Control, Ended, Job, KeptResponse, Media, MediaRequest, Medium, PreparedResponse,
    RequestError, ResponseJob, Senses, Work,
};
use parlance_engine::EngineError;
use parlance_engine::runtime::Loaded;
use parlance_protocol::openai::{Capability, Endpoint};
use parlance_protocol::{Event, Failure, FailureKind, Phase, Request, RequestId, model_name};
use parlance_worker_core::hosts::AllowedHosts;
use parlance_worker_core::route::is_for_answers;
use serde_json::Value;
use web_time::Instant;

use crate::client::{Client, Incoming};
use crate::error::WorkerError;
use crate::images;
use crate::interrupts::Guard;
use crate::leader::{Running, Shared};
use crate::resident::LoadedModel;
use crate::server::Server;
use crate::sounds;

/// Reports on one request to its client.
pub(crate) struct Reporter {
    client: Client,
    id: RequestId,
    guard: Guard,
    start: Instant,
}

impl Control for Reporter {
    fn prefilling(&self, done: usize, total: usize) {
        self.client.report(self.id, Phase::Prefill, done as f64, Some(total as f64), self.start);
    }

    fn seeing(&self, done: usize, total: usize) {
        self.client.report(self.id, Phase::See, done as f64, Some(total as f64), self.start);
    }

    fn listening(&self, seconds: f64, total: f64) {
        self.client.report(self.id, Phase::Listen, seconds, Some(total), self.start);
    }

    fn chunk(&self, body: Value) {
        self.client.post(&Event::Chunk { id: self.id, body });
    }

    async fn stopped(&self) {
        self.guard.stopped().await;
    }

    fn is_stopped(&self) -> bool {
        self.guard.is_stopped()
    }
}

/// A request for answers, taken from the queue.
struct Asked {
    reporter: Reporter,
    endpoint: Endpoint,
    body: Value,
}

impl Asked {
    /// Notes that a request is under way; `None` if it is no such request.
    fn begin(shared: &Shared, Incoming { client, request, .. }: Incoming) -> Option<Self> {
        let Request::Api { id, endpoint, body } = request else { return None };
        let guard = shared.interrupts.begin((client.id.clone(), id));
        Some(Self { reporter: Reporter { client, id, guard, start: Instant::now() }, endpoint, body })
    }
}

/// An image or a recording of a request.
async fn fetch(request: &MediaRequest, allowed_hosts: &AllowedHosts) -> Result<Medium, WorkerError> {
    Ok(match request {
        MediaRequest::Image(image) => Medium::Image(images::fetch(image, allowed_hosts).await?),
        MediaRequest::Sound(sound) => Medium::Sound(sounds::open(sound).await?),
    })
}

/// Which requests a model takes while it answers others.
struct Joining {
    /// The model's name, and the one by which the first request found it: any that is unknown means the latest model.
    names: Vec<String>,
    /// It also takes those that name no model.
    is_latest: bool,
}

impl Joining {
    fn takes(&self, incoming: &Incoming) -> bool {
        let Request::Api { body, .. } = &incoming.request else { return false };
        is_for_answers(&incoming.request)
            && body
                .get("model")
                .and_then(Value::as_str)
                .map_or(self.is_latest, |name| self.names.iter().any(|own| model_name(own) == model_name(name)))
    }
}

impl Server {
    /// Answers a request, and those that come meanwhile and can be computed together with it.
    pub(crate) async fn converse(&mut self, first: Incoming) {
        let Some(first) = Asked::begin(&self.shared, first) else { return };
        let Reporter { client, id, guard, .. } = &first.reporter;
        let name = first.body.get("model").and_then(Value::as_str).map(str::to_owned);
        let mut index = match self.find(client, *id, guard, name.as_deref(), Capability::Chat).await {
            Ok(index) => index,
            Err(error) => {
                if error.is_gpu() {
                    self.forget_all();
                }
                return client.fail(*id, error);
            }
        };
        let mut callers = Callers::default();
        self.admit(index, first, &mut callers).await;
        while !callers.is_empty() {
            let joining = self.joining(index, name.clone());
            while self.has_room(index, &callers) {
                let Some(next) = self.shared.queue.next_if(|next| joining.takes(next)) else { break };
                if let Some(next) = Asked::begin(&self.shared, next) {
                    self.admit(index, next, &mut callers).await;
                }
            }
            let ended = match self.turn(index, &mut callers, &joining).await {
                Ok(ended) => ended,
                Err(error) if error.kind() == FailureKind::Gpu => {
                    match self.recover(index, &mut callers, &error).await {
                        Some(reloaded) => {
                            index = reloaded;
                            continue;
                        }
                        // There is nothing that they could use.
                        None => return self.end_all(callers.fail(&error)).await,
                    }
                }
                Err(error) => callers.fail(&error),
            };
            for ended in ended {
                self.note_use(index);
                if ended.result.is_ok() {
                    self.models.model_mut(index).model.later.note_answer();
                }
                self.end(ended).await;
            }
        }
    }

    fn joining(&self, index: usize, asked: Option<String>) -> Joining {
        let names = asked.into_iter().chain([self.models.model(index).info.name.clone()]).collect();
        Joining { names, is_latest: self.models.latest(Capability::Chat) == Some(index) }
    }

    fn has_room(&self, index: usize, callers: &Callers<Reporter>) -> bool {
        match &self.models.model(index).model.loaded {
            Loaded::Decoder(model) => callers.has_room(model),
            Loaded::Encoder(_) | Loaded::Transcriber(_) => false,
        }
    }

    /// Prepares a request and adds it to those under way.
    async fn admit(&mut self, index: usize, asked: Asked, callers: &mut Callers<Reporter>) {
        let Asked { reporter, endpoint, body } = asked;
        match self.prepare(index, endpoint, &body, &reporter).await {
            Ok(work) => {
                if let Work::Response(job) = &work {
                    let key = (reporter.client.id.clone(), reporter.id);
                    self.shared.running.borrow_mut().push(Running { key, response: job.response() });
                }
                callers.add(work, reporter);
            }
            Err(error) => reporter.client.fail(reporter.id, error),
        }
    }

    /// What a request asks of a model.
    async fn prepare(
        &mut self,
        index: usize,
        endpoint: Endpoint,
        body: &Value,
        reporter: &Reporter,
    ) -> Result<Work, WorkerError> {
        let meta = self.meta(index);
        let name = meta.model.clone();
        let codec = self.models.model(index).model.codec.clone();
        let codec: Rc<ChatCodec> = codec.ok_or(EngineError::WrongKind("it is an embedding model"))?;
        let work = match endpoint {
            Endpoint::Responses => {
                let request = PreparedResponse::new(body, &self.kept_responses(body).await, &meta)?;
                let media = self.media(index, reporter, &codec, request.media()).await?;
                let job = ResponseJob::with_media(&codec, request, media, meta, &self.shared.processors)?;
                Work::Response(Box::new(job))
            }
            Endpoint::Completions => {
                Work::Completion(Box::new(Job::completion(&codec, body, meta, &self.shared.processors)?))
            }
            _ => {
                let request = ChatRequest::new(body, &meta)?;
                let media = self.media(index, reporter, &codec, request.media()).await?;
                let job = Job::chat_with_media(&codec, request, media, meta, &self.shared.processors)?;
                Work::Completion(Box::new(job))
            }
        };
        self.models.note_conversation(&name);
        Ok(work)
    }

    /// The kept responses that a request refers to.
    async fn kept_responses(&self, body: &Value) -> Vec<KeptResponse> {
        let mut kept = Vec::new();
        for id in PreparedResponse::references(body) {
            let Some(store) = self.shared.store().await else { break };
            kept.extend(store.responses().find(&id).await);
        }
        kept
    }

    /// The images and recordings of a request, fetched and measured. Nothing is fetched for a model that perceives none.
    async fn media(
        &self,
        index: usize,
        reporter: &Reporter,
        codec: &ChatCodec,
        requests: &[MediaRequest],
    ) -> Result<Media, WorkerError> {
        let resident = self.models.model(index);
        let (name, projector) = (&resident.info.name, resident.model.senses.as_ref().map(Senses::projector));
        requests.iter().try_for_each(|request| request.check(projector, name))?;
        let mut fetched = Vec::new();
        for request in requests {
            let fetch = std::pin::pin!(fetch(request, &reporter.client.allowed_hosts));
            fetched.push(match select(std::pin::pin!(reporter.guard.stopped()), fetch).await {
                Either::Left(_) => return Err(EngineError::Interrupted.into()),
                Either::Right((medium, _)) => medium?,
            });
        }
        Ok(Media::new(fetched, projector, codec.chat(), name)?)
    }

    /// Does what comes next for the requests under way, and returns those that have ended.
    async fn turn(
        &mut self,
        index: usize,
        callers: &mut Callers<Reporter>,
        joining: &Joining,
    ) -> Result<Vec<Ended<Reporter>>, RequestError> {
        let queue = self.shared.queue.clone();
        let LoadedModel { loaded, codec, senses, .. } = &mut self.models.model_mut(index).model;
        let (Loaded::Decoder(model), Some(codec)) = (loaded, codec) else {
            return Err(EngineError::WrongKind("it is an embedding model").into());
        };
        callers.perceive(codec, senses.as_mut()).await?;
        callers.turn(model, &|| queue.is_next(|next| joining.takes(next))).await
    }

    /// Loads a model again whose GPU has failed, so that the requests under way go on. `None` if none is left of them.
    async fn recover(&mut self, index: usize, callers: &mut Callers<Reporter>, error: &RequestError) -> Option<usize> {
        let spec = self.models.model(index).spec.clone();
        self.forget_all();
        self.end_all(callers.recover(error)).await;
        let Reporter { client, id, guard, .. } = callers.controls().next()?;
        if let Err(refused) = self.load_now(client, *id, guard, spec).await {
            let failure = refused.into_failure();
            for Ended { work, control, .. } in callers.fail(error) {
                self.finish(&work, &control, Err(failure.clone())).await;
            }
            return None;
        }
        for reporter in callers.controls() {
            reporter.client.post(&Event::Recovered { message: error.to_string() });
        }
        self.models.latest(Capability::Chat)
    }

    /// Tells clients that their requests have ended.
    async fn end_all(&self, ended: Vec<Ended<Reporter>>) {
        for ended in ended {
            self.end(ended).await;
        }
    }

    /// Tells a client that its request has ended.
    async fn end(&self, Ended { work, control, result }: Ended<Reporter>) {
        let result = result.map_err(|error| WorkerError::from(error).into_failure());
        self.finish(&work, &control, result).await;
    }

    /// The same, with what the client hears. A response is kept.
    async fn finish(&self, work: &Work, reporter: &Reporter, result: Result<Option<Value>, Failure>) {
        let (client, id) = (&reporter.client, reporter.id);
        let key = (client.id.clone(), id);
        self.shared.running.borrow_mut().retain(|running| running.key != key);
        let body = match result {
            Ok(body) => body,
            // A stream that has begun ends with the error.
            Err(failure) if work.fail(&failure.message, reporter) => None,
            Err(failure) => return client.post(&Event::Failed { id, failure }),
        };
        let kept = match work {
            Work::Response(job) => job.kept(),
            Work::Completion(_) => None,
        };
        if let (Some(kept), Some(store)) = (kept, self.shared.store().await) {
            // Without room for it, the response is sent nevertheless.
            let _ = store.responses().keep(&kept).await;
        }
        client.post(&Event::Response { id, body });
    }
}
