//! Requests of the `OpenAI` API: which model answers them, and how they survive the loss of the GPU.

use std::rc::Rc;

use futures::future::{Either, select};
use parlance_api::{
    ChatCodec, ChatRequest, Control, EmbeddingJob, ImageRequest, Images, Job, KeptResponse, Meta, PreparedResponse,
    RequestError, RerankJob, ResponseJob,
};
use parlance_engine::EngineError;
use parlance_engine::runtime::{Encoder, Loaded};
use parlance_protocol::openai::{Capability, Endpoint};
use parlance_protocol::{Event, ModelSource, Phase, RequestId, StoredModel, model_name};
use parlance_worker_core::residency::Missing;
use serde_json::Value;
use web_time::Instant;

use crate::client::Client;
use crate::error::WorkerError;
use crate::images;
use crate::interrupts::Guard;
use crate::leader::Running;
use crate::resident::{LoadSpec, LoadedModel};
use crate::server::Server;

/// Reports on one request to its client.
struct Reporter<'a> {
    client: &'a Client,
    id: RequestId,
    guard: &'a Guard,
    start: Instant,
}

impl Control for Reporter<'_> {
    fn prefilling(&self, done: usize, total: usize) {
        self.client.report(self.id, Phase::Prefill, done as f64, Some(total as f64), self.start);
    }

    fn seeing(&self, done: usize, total: usize) {
        self.client.report(self.id, Phase::See, done as f64, Some(total as f64), self.start);
    }

    fn chunk(&self, body: Value) {
        self.client.post(&Event::Chunk { id: self.id, body });
    }

    async fn stopped(&self) {
        self.guard.stopped().await;
    }
}

/// What generates an answer.
enum Work<'a> {
    Completion(&'a mut Job),
    Response(&'a mut ResponseJob),
}

impl Work<'_> {
    /// Looks at the images of a prompt and generates the answer.
    async fn run(&mut self, model: &mut LoadedModel, reporter: &Reporter<'_>) -> Result<Option<Value>, WorkerError> {
        let LoadedModel { loaded, codec, vision, .. } = model;
        let (model, codec) = match (loaded, codec) {
            (Loaded::Decoder(model), Some(codec)) => (model, codec),
            (Loaded::Transcriber(_), _) => return Err(EngineError::WrongKind("it recognises speech").into()),
            _ => return Err(EngineError::WrongKind("it is an embedding model").into()),
        };
        let body = match self {
            Self::Completion(job) => {
                job.see(codec, vision.as_mut(), reporter).await?;
                job.run(model, reporter).await?
            }
            Self::Response(job) => {
                job.see(codec, vision.as_mut(), reporter).await?;
                job.run(model, reporter).await?
            }
        };
        Ok(body)
    }
}

impl Server {
    /// Answers a request of the API.
    pub(crate) async fn answer(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        endpoint: Endpoint,
        body: &Value,
    ) -> Result<Event, WorkerError> {
        let wanted = match endpoint {
            Endpoint::Embeddings => Capability::Embeddings,
            Endpoint::Rerank => Capability::Rerank,
            _ => Capability::Chat,
        };
        let index = self.find(client, id, guard, body.get("model").and_then(Value::as_str), wanted).await?;
        let name = self.models.model(index).info.name.clone();
        let meta = Meta {
            random: (js_sys::Math::random() * 9e15) as u64,
            created: (js_sys::Date::now() / 1000.0) as u64,
            model: name.clone(),
        };
        let body = match endpoint {
            Endpoint::Embeddings => {
                let mut job = EmbeddingJob::new(body, meta)?;
                while job.step(self.encoder(index, guard)?).await? {}
                Some(job.response())
            }
            Endpoint::Rerank => {
                let mut job = RerankJob::new(body, meta)?;
                while job.step(self.encoder(index, guard)?).await? {}
                Some(job.response())
            }
            Endpoint::Responses => {
                let codec = self.codec(index)?;
                let request = PreparedResponse::new(body, &self.kept_responses(body).await, &meta)?;
                let images = self.images(index, (client, guard), &codec, request.images()).await?;
                let job = ResponseJob::with_images(&codec, request, images, meta, &self.shared.processors)?;
                self.models.note_conversation(&name);
                Box::pin(self.respond(index, client, id, guard, job)).await?
            }
            _ => {
                let codec = self.codec(index)?;
                let mut job = if endpoint == Endpoint::Completions {
                    Job::completion(&codec, body, meta, &self.shared.processors)?
                } else {
                    let request = ChatRequest::new(body, &meta)?;
                    let images = self.images(index, (client, guard), &codec, request.images()).await?;
                    Job::chat_with_images(&codec, request, images, meta, &self.shared.processors)?
                };
                self.models.note_conversation(&name);
                self.run(index, client, id, guard, Work::Completion(&mut job)).await?
            }
        };
        Ok(Event::Response { id, body })
    }

    fn codec(&self, index: usize) -> Result<Rc<ChatCodec>, WorkerError> {
        let codec = self.models.model(index).model.codec.clone();
        Ok(codec.ok_or(EngineError::WrongKind("it is an embedding model"))?)
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

    /// Computes a response and keeps it.
    async fn respond(
        &mut self,
        index: usize,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        mut job: ResponseJob,
    ) -> Result<Option<Value>, WorkerError> {
        let running = Running { key: (client.id.clone(), id), response: job.response() };
        self.shared.running.replace(Some(running));
        let result = self.run(index, client, id, guard, Work::Response(&mut job)).await;
        self.shared.running.replace(None);
        let reporter = Reporter { client, id, guard, start: Instant::now() };
        let body = match result {
            // A stream that has begun ends with the error.
            Err(error) if job.fail(&error.to_string(), &reporter) => {
                if error.is_gpu() {
                    self.forget_all();
                }
                None
            }
            result => result?,
        };
        if let (Some(kept), Some(store)) = (job.kept(), self.shared.store().await) {
            // Without room for it, the response is sent nevertheless.
            let _ = store.responses().keep(&kept).await;
        }
        Ok(body)
    }

    /// Computes an answer. If the GPU fails, the model is loaded again, once, and the answer goes on.
    async fn run(
        &mut self,
        index: usize,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        mut work: Work<'_>,
    ) -> Result<Option<Value>, WorkerError> {
        let reporter = Reporter { client, id, guard, start: Instant::now() };
        let first = work.run(&mut self.models.model_mut(index).model, &reporter).await;
        let error = match first {
            Err(error) if error.is_gpu() => error,
            result => {
                self.note_use(index);
                if result.is_ok() {
                    self.models.model_mut(index).model.later.note_answer();
                }
                return result;
            }
        };
        let spec = self.models.model(index).spec.clone();
        self.forget_all();
        self.load_now(client, id, guard, spec).await?;
        client.post(&Event::Recovered { message: error.to_string() });
        let Some(index) = self.models.latest(Capability::Chat) else { return Err(error) };
        work.run(&mut self.models.model_mut(index).model, &reporter).await
    }

    /// The images that a request names, fetched and measured.
    async fn images(
        &self,
        index: usize,
        (client, guard): (&Client, &Guard),
        codec: &ChatCodec,
        requests: &[ImageRequest],
    ) -> Result<Images, WorkerError> {
        let resident = self.models.model(index);
        let (name, vision) = (&resident.info.name, resident.model.vision.as_ref());
        // Nothing is fetched for a model that sees nothing.
        if vision.is_none() && !requests.is_empty() {
            return Err(RequestError::CannotSee(name.clone()).into());
        }
        let mut fetched = Vec::new();
        for request in requests {
            let fetch = std::pin::pin!(images::fetch(request, &client.allowed_hosts));
            fetched.push(match select(std::pin::pin!(guard.stopped()), fetch).await {
                Either::Left(_) => return Err(EngineError::Interrupted.into()),
                Either::Right((image, _)) => image?,
            });
        }
        Ok(Images::new(fetched, vision, codec.chat(), name)?)
    }

    /// An embedding model or a ranker, for the next text of a request that goes on.
    fn encoder(&mut self, index: usize, guard: &Guard) -> Result<&mut Encoder, WorkerError> {
        if guard.is_stopped() {
            return Err(EngineError::Interrupted.into());
        }
        self.note_use(index);
        match &mut self.models.model_mut(index).model.loaded {
            Loaded::Encoder(encoder) => Ok(encoder),
            Loaded::Decoder(_) => Err(WorkerError::OnlyChats),
            Loaded::Transcriber(_) => Err(EngineError::WrongKind("it recognises speech").into()),
        }
    }

    fn note_use(&mut self, index: usize) {
        let now = self.now();
        self.models.model_mut(index).used = now;
    }

    /// The model for a request: the one that it names, if that is loaded or kept on this device, or the latest of its kind.
    async fn find(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        name: Option<&str>,
        wanted: Capability,
    ) -> Result<usize, WorkerError> {
        if let Some(index) = name.and_then(|name| self.models.named(name)) {
            return Ok(index);
        }
        if let Some(spec) = self.kept(name).await {
            self.models.make_room_for_kind(wanted);
            self.load_now(client, id, guard, spec).await?;
        }
        if let Some(index) = self.models.latest(wanted) {
            return Ok(index);
        }
        if let Some(spec) = self.models.freed().cloned() {
            self.load_now(client, id, guard, spec).await?;
            self.models.restored();
        }
        self.models.latest(wanted).ok_or_else(|| match self.models.missing(wanted) {
            Missing::NoModel => WorkerError::NoModel,
            Missing::NoChat => EngineError::WrongKind("it is an embedding model").into(),
            Missing::NoEmbeddings => WorkerError::OnlyChats,
            Missing::NoRanker => WorkerError::NoRanker,
        })
    }

    /// A model that is kept on this device under this name.
    async fn kept(&self, name: Option<&str>) -> Option<LoadSpec> {
        let (store, name) = (self.shared.store().await?, name?);
        let models = store.info().await.models;
        let is_it = |model: &StoredModel| {
            model_name(&model.name) == model_name(name) && model.done_bytes >= model.len_bytes && !model.is_projector
        };
        let source = ModelSource::Url { url: models.into_iter().find(is_it)?.url };
        Some(LoadSpec { source, files: Vec::new(), projector: None, context_tokens: None })
    }
}
