//! Requests of the `OpenAI` API: which model they are for, and how they survive a loss of the GPU.

use std::rc::Rc;

use parlance_api::{Control, EmbeddingJob, Job, Language, Meta, Processors};
use parlance_engine::EngineError;
use parlance_engine::runtime::Loaded;
use parlance_protocol::openai::Endpoint;
use parlance_protocol::{Event, ModelSource, Phase, RequestId};
use serde_json::Value;
use web_time::Instant;

use crate::client::Client;
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::load::{LoadSpec, Resident};
use crate::server::Server;

/// Tells one client of one request.
struct Teller<'a> {
    client: &'a Client,
    id: RequestId,
    guard: &'a Guard,
    start: Instant,
}

impl Control for Teller<'_> {
    fn prefilling(&self, done: usize, total: usize) {
        self.client.report(self.id, Phase::Prefill, done as f64, Some(total as f64), self.start);
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
        let wants_chat = endpoint != Endpoint::Embeddings;
        let index = self.find(client, id, guard, body.get("model").and_then(Value::as_str), wants_chat).await?;
        let name = self.models[index].info.name.clone();
        let meta = Meta {
            random: (js_sys::Math::random() * 9e15) as u64,
            created: (js_sys::Date::now() / 1000.0) as u64,
            model: name.clone(),
        };
        let body = match endpoint {
            Endpoint::Embeddings => Some(self.embed(index, guard, EmbeddingJob::new(body, meta)?).await?),
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Models => {
                let language = self.models[index].language.clone().ok_or(EngineError::WrongKind("it cannot chat"))?;
                let job = new_job(endpoint, &language, body, meta, &self.shared.processors)?;
                self.note_answer(&name);
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
        let teller = Teller { client, id, guard, start: Instant::now() };
        let first = match &mut self.models[index].loaded {
            Loaded::Decoder(model) => job.run(model, &teller).await,
            Loaded::Encoder(_) => return Err(EngineError::WrongKind("it turns texts into vectors").into()),
        };
        let error = match first.map_err(WorkerError::from) {
            Err(error) if error.is_gpu() => error,
            result => {
                self.models[index].used = Instant::now();
                return result;
            }
        };
        let spec = self.models[index].spec.clone();
        self.forget_all();
        self.load_now(client, id, guard, spec).await?;
        client.post(&Event::Recovered { message: error.to_string() });
        let Some(Resident { loaded: Loaded::Decoder(model), .. }) = self.models.last_mut() else { return Err(error) };
        Ok(job.run(model, &teller).await?)
    }

    async fn embed(&mut self, index: usize, guard: &Guard, mut job: EmbeddingJob) -> Result<Value, WorkerError> {
        let resident = &mut self.models[index];
        let Loaded::Encoder(encoder) = &resident.loaded else {
            return Err(WorkerError::OnlyChats);
        };
        while job.step(encoder).await? {
            if guard.is_stopped() {
                return Err(EngineError::Interrupted.into());
            }
        }
        resident.used = Instant::now();
        Ok(job.response())
    }

    /// The place of the model for a request: the one it names, if that is loaded or kept on this device, or the last that fits.
    async fn find(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        name: Option<&str>,
        wants_chat: bool,
    ) -> Result<usize, WorkerError> {
        let fits = |model: &Resident| model.info.can_chat == wants_chat;
        if let Some(index) = self.models.iter().position(|model| Some(model.info.name.as_str()) == name) {
            return Ok(index);
        }
        if let Some(spec) = self.kept(name).await {
            if !wants_chat || self.models.iter().any(|model| !model.info.can_chat) {
                // Vectors and chats do not push each other out.
                self.models.retain(|model| !fits(model));
            } else {
                self.models.clear();
            }
            self.load_now(client, id, guard, spec).await?;
        }
        if let Some(index) = self.models.iter().rposition(fits) {
            return Ok(index);
        }
        // What was freed because it was idle, or with its device.
        if let Some(spec) = self.idle.take() {
            self.load_now(client, id, guard, spec).await?;
        }
        match self.models.iter().rposition(fits) {
            Some(index) => Ok(index),
            None if self.models.is_empty() => Err(WorkerError::NoModel),
            None if wants_chat => Err(EngineError::WrongKind("it turns texts into vectors").into()),
            None => Err(WorkerError::OnlyChats),
        }
    }

    /// A model that is kept on this device under this name.
    async fn kept(&self, name: Option<&str>) -> Option<LoadSpec> {
        let (store, name) = (self.shared.store().await?, name?);
        let models = store.info().await.ok()?.models;
        let stem = |file: &str| file.strip_suffix(".gguf").unwrap_or(file).to_owned();
        let model =
            models.into_iter().find(|model| stem(&model.name) == stem(name) && model.done_bytes >= model.len_bytes)?;
        Some(LoadSpec { source: ModelSource::Url { url: model.url }, files: Vec::new(), context_tokens: None })
    }
}

fn new_job(
    endpoint: Endpoint,
    language: &Rc<Language>,
    body: &Value,
    meta: Meta,
    processors: &Processors,
) -> Result<Job, WorkerError> {
    Ok(match endpoint {
        Endpoint::Completions => Job::completion(language, body, meta, processors)?,
        _ => Job::chat(language, body, meta, processors)?,
    })
}
