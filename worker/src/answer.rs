//! Requests of the `OpenAI` API: which model answers them, and how they survive the loss of the GPU.

use std::rc::Rc;

use futures::future::{Either, select};
use parlance_api::{ChatCodec, ChatRequest, Control, EmbeddingJob, Images, Job, Meta, RequestError, RerankJob};
use parlance_engine::EngineError;
use parlance_engine::runtime::{Encoder, Loaded};
use parlance_protocol::openai::Endpoint;
use parlance_protocol::{Event, ModelSource, Phase, RequestId, StoredModel};
use parlance_worker_core::residency::Missing;
use serde_json::Value;
use web_time::Instant;

use crate::client::Client;
use crate::error::WorkerError;
use crate::images;
use crate::interrupts::Guard;
use crate::load::{LoadSpec, LoadedModel};
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
        let wants_chat = !matches!(endpoint, Endpoint::Embeddings | Endpoint::Rerank);
        let index = self.find(client, id, guard, body.get("model").and_then(Value::as_str), wants_chat).await?;
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
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Models => {
                let codec = self.models.model(index).model.codec.clone();
                let codec = codec.ok_or(EngineError::WrongKind("it is an embedding model"))?;
                let job = match endpoint {
                    Endpoint::Completions => Job::completion(&codec, body, meta, &self.shared.processors)?,
                    _ => self.chat_job(index, (client, guard), &codec, body, meta).await?,
                };
                self.models.note_conversation(&name);
                self.run(index, client, id, guard, job).await?
            }
        };
        Ok(Event::Response { id, body })
    }

    /// Computes an answer. If the GPU fails, the model is loaded again, once, and the answer goes on.
    async fn run(
        &mut self,
        index: usize,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        mut job: Job,
    ) -> Result<Option<Value>, WorkerError> {
        let reporter = Reporter { client, id, guard, start: Instant::now() };
        let error = match self.try_run(index, &mut job, &reporter).await {
            Err(error) if error.is_gpu() => error,
            result => {
                self.note_use(index);
                return result;
            }
        };
        let spec = self.models.model(index).spec.clone();
        self.forget_all();
        self.load_now(client, id, guard, spec).await?;
        client.post(&Event::Recovered { message: error.to_string() });
        let Some(index) = self.models.latest(true) else { return Err(error) };
        self.try_run(index, &mut job, &reporter).await
    }

    /// Looks at the images of a prompt and generates the answer.
    async fn try_run(
        &mut self,
        index: usize,
        job: &mut Job,
        reporter: &Reporter<'_>,
    ) -> Result<Option<Value>, WorkerError> {
        let LoadedModel { loaded: Loaded::Decoder(model), codec: Some(codec), vision } =
            &mut self.models.model_mut(index).model
        else {
            return Err(EngineError::WrongKind("it is an embedding model").into());
        };
        job.see(codec, vision.as_mut(), reporter).await?;
        Ok(job.run(model, reporter).await?)
    }

    /// A job for a chat completion request, whose images are fetched first.
    async fn chat_job(
        &self,
        index: usize,
        (client, guard): (&Client, &Guard),
        codec: &Rc<ChatCodec>,
        body: &Value,
        meta: Meta,
    ) -> Result<Job, WorkerError> {
        let request = ChatRequest::new(body, &meta)?;
        let vision = self.models.model(index).model.vision.as_ref();
        let mut fetched = Vec::new();
        // Nothing is fetched for a model that sees nothing.
        for image in request.images().iter().filter(|_| vision.is_some()) {
            let fetch = std::pin::pin!(images::fetch(image, &client.allowed_hosts));
            fetched.push(match select(std::pin::pin!(guard.stopped()), fetch).await {
                Either::Left(_) => return Err(EngineError::Interrupted.into()),
                Either::Right((image, _)) => image?,
            });
        }
        if vision.is_none() && !request.images().is_empty() {
            return Err(RequestError::CannotSee(meta.model).into());
        }
        let images = Images::new(fetched, vision, codec.chat(), &meta.model)?;
        Ok(Job::chat_with_images(codec, request, images, meta, &self.shared.processors)?)
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
        wants_chat: bool,
    ) -> Result<usize, WorkerError> {
        if let Some(index) = name.and_then(|name| self.models.named(name)) {
            return Ok(index);
        }
        if let Some(spec) = self.kept(name).await {
            self.models.make_room_for_kind(wants_chat);
            self.load_now(client, id, guard, spec).await?;
        }
        if let Some(index) = self.models.latest(wants_chat) {
            return Ok(index);
        }
        if let Some(spec) = self.models.freed().cloned() {
            self.load_now(client, id, guard, spec).await?;
            self.models.restored();
        }
        self.models.latest(wants_chat).ok_or_else(|| match self.models.missing(wants_chat) {
            Missing::NoModel => WorkerError::NoModel,
            Missing::OnlyEmbeddings => EngineError::WrongKind("it is an embedding model").into(),
            Missing::OnlyChats => WorkerError::OnlyChats,
        })
    }

    /// A model that is kept on this device under this name.
    async fn kept(&self, name: Option<&str>) -> Option<LoadSpec> {
        let (store, name) = (self.shared.store().await?, name?);
        let models = store.info().await.models;
        let stem = |file: &str| file.strip_suffix(".gguf").unwrap_or(file).to_owned();
        let is_it = |model: &StoredModel| {
            stem(&model.name) == stem(name) && model.done_bytes >= model.len_bytes && !model.is_projector
        };
        let source = ModelSource::Url { url: models.into_iter().find(is_it)?.url };
        Some(LoadSpec { source, files: Vec::new(), projector: None, context_tokens: None })
    }
}
