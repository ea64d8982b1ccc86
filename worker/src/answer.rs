//! Requests of the `OpenAI` API: which model answers them. Embeddings and rankings are computed here, answers in
//! `completions.rs`.

use parlance_api::{EmbeddingJob, Meta, RerankJob};
use parlance_engine::EngineError;
use parlance_engine::runtime::{Encoder, Loaded};
use parlance_protocol::openai::{Capability, Endpoint};
use parlance_protocol::{Event, ModelSource, RequestId, StoredModel, model_name};
use parlance_worker_core::residency::Missing;
use serde_json::Value;

use crate::client::Client;
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::resident::LoadSpec;
use crate::server::Server;

impl Server {
    /// Answers a request for embeddings or a ranking.
    pub(crate) async fn answer(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        endpoint: Endpoint,
        body: &Value,
    ) -> Result<Event, WorkerError> {
        let is_ranking = endpoint == Endpoint::Rerank;
        let wanted = if is_ranking { Capability::Rerank } else { Capability::Embeddings };
        let index = self.find(client, id, guard, body.get("model").and_then(Value::as_str), wanted).await?;
        let meta = self.meta(index);
        let body = if is_ranking {
            let mut job = RerankJob::new(body, meta)?;
            while job.step(self.encoder(index, guard)?).await? {}
            job.response()
        } else {
            let mut job = EmbeddingJob::new(body, meta)?;
            while job.step(self.encoder(index, guard)?).await? {}
            job.response()
        };
        Ok(Event::Response { id, body: Some(body) })
    }

    /// Metadata of a response of this model.
    pub(crate) fn meta(&self, index: usize) -> Meta {
        Meta {
            random: (js_sys::Math::random() * 9e15) as u64,
            created: (js_sys::Date::now() / 1000.0) as u64,
            model: self.models.model(index).info.name.clone(),
        }
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

    pub(crate) fn note_use(&mut self, index: usize) {
        let now = self.now();
        self.models.model_mut(index).used = now;
    }

    /// The model for a request: the one that it names, if that is loaded or kept on this device, or the latest of its kind.
    pub(crate) async fn find(
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
            Missing::NoTranscriber => WorkerError::NoTranscriber,
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
        Some(LoadSpec { source, files: Vec::new(), projector: None, context_tokens: None, draft: None })
    }
}
