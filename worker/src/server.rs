//! The engine's side of the worker: the models in memory, and the requests that need them, one after the other but for answers
//! of the same model.

use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use gloo_timers::future::sleep;
use parlance_engine::EngineError;
use parlance_engine::runtime::{Loaded, Model};
use parlance_protocol::openai::Endpoint;
use parlance_protocol::{Event, ModelInfo, ModelSource, Request, RequestId, Settings};
use parlance_worker_core::residency::Residency;
use parlance_worker_core::route::is_for_answers;
use web_sys::File;
use web_time::Instant;

use crate::client::{Client, Incoming};
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::later;
use crate::leader::Shared;
use crate::load::Load;
use crate::resident::{LoadSpec, LoadedModel};
use crate::source::Part;

/// What the leading worker holds between requests.
pub(crate) struct Server {
    pub(crate) shared: Rc<Shared>,
    pub(crate) models: Residency<File, LoadedModel>,
    /// When the clock began that says when models were used.
    clock: Instant,
}

impl Server {
    pub(crate) fn new(shared: Rc<Shared>) -> Self {
        Self { shared, models: Residency::default(), clock: Instant::now() }
    }

    /// Works on requests, clients in turn. What needs no model does not come here, see [`route`](parlance_worker_core::route::route).
    pub(crate) async fn serve(mut self) {
        loop {
            let Some(incoming) = self.next().await else { continue };
            if is_for_answers(&incoming.request) {
                Box::pin(self.converse(incoming)).await;
                self.note_models();
                continue;
            }
            let Incoming { client, request, files, sound } = incoming;
            let Some(id) = request.id() else { continue };
            let guard = self.shared.interrupts.begin((client.id.clone(), id));
            let done = match request {
                Request::Load { source, projector, draft_model, context_tokens, beside, unless_loaded, .. } => {
                    let spec = LoadSpec { source, files, projector, context_tokens, draft: None };
                    let spec = spec.with_draft(draft_model, File::name);
                    self.load(&client, id, &guard, spec, beside, unless_loaded).await
                }
                Request::Api {
                    endpoint: endpoint @ (Endpoint::Transcriptions | Endpoint::Translations), body, ..
                } => Box::pin(self.transcribe(&client, id, &guard, endpoint, (&body, &sound))).await,
                Request::Api { endpoint, body, .. } => {
                    Box::pin(self.answer(&client, id, &guard, endpoint, &body)).await
                }
                Request::Unload { model, .. } => {
                    self.unload(model.as_deref(), &client);
                    Ok(Event::Unloaded { id })
                }
                Request::CountTokens { text, .. } => self.count_tokens(id, &text),
                Request::SaveConversation { name, .. } => self.save_conversation(id, &name).await,
                Request::RestoreConversation { name, .. } => self.restore_conversation(id, &name).await,
                _ => Err(WorkerError::BadRequest("this request needs no model")),
            };
            drop(guard);
            match done {
                Ok(event) => client.post(&event),
                Err(error) => {
                    if error.is_gpu() {
                        self.forget_all();
                    }
                    client.fail(id, error);
                }
            }
            self.note_models();
        }
    }

    /// The next request, or nothing if settings may have changed, idle models were freed, or something was done that had time until now.
    async fn next(&mut self) -> Option<Incoming> {
        let queue = self.shared.queue.clone();
        if self.has_work() {
            return match select(std::pin::pin!(queue.next()), std::pin::pin!(sleep(later::PAUSE))).await {
                Either::Left((incoming, _)) => Some(incoming),
                Either::Right(_) => self.work().await,
            };
        }
        let Settings { idle_unload_seconds: Some(seconds), .. } = self.shared.settings.get() else {
            return Some(queue.next().await);
        };
        if self.models.is_empty() {
            return Some(queue.next().await);
        }
        // The settings may change meanwhile, so they are read again every second.
        let pause = Duration::from_secs_f64(seconds.clamp(0.05, 1.0));
        match select(std::pin::pin!(queue.next()), std::pin::pin!(sleep(pause))).await {
            Either::Left((incoming, _)) => Some(incoming),
            Either::Right(_) => {
                let (now, limit) = (self.now(), Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
                if self.models.free_idle(now, limit) {
                    self.note_models();
                    self.shared.tell_others(None, None);
                }
                None
            }
        }
    }

    async fn load(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        spec: LoadSpec,
        beside: bool,
        unless_loaded: bool,
    ) -> Result<Event, WorkerError> {
        let options = self.shared.settings.get().into();
        if let Some(model) = self.models.already_loaded(&spec, options, unless_loaded) {
            return Ok(Event::Loaded { id, model: model.clone() });
        }
        // A source that is refused must not cost anybody the model that is loaded.
        let (store, hosts) = (self.shared.store().await, &client.allowed_hosts);
        Part::of(&spec.source, spec.files.clone(), store, hosts).await?;
        if let Some(url) = spec.projector.clone().filter(|url| !url.is_empty()) {
            Part::of(&ModelSource::Url { url }, Vec::new(), store, hosts).await?;
        }
        if let Some(draft) = &spec.draft {
            Part::of(&draft.source, draft.files.clone(), store, hosts).await?;
        }
        self.models.make_room(beside);
        let model = self.load_now(client, id, guard, spec).await?;
        Ok(Event::Loaded { id, model })
    }

    /// Loads a model, keeps to the budget, and tells all clients.
    pub(crate) async fn load_now(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        spec: LoadSpec,
    ) -> Result<ModelInfo, WorkerError> {
        let options = self.shared.settings.get().into();
        let load = Load { id, client, guard, store: self.shared.store().await, options, clock: self.clock };
        let resident = load.run(spec).await?;
        if let (Some(store), ModelSource::Url { url }) = (self.shared.store().await, &resident.spec.source) {
            store.note_use(url, Some(&resident.info.abilities())).await;
        }
        let info = resident.info.clone();
        self.models.add(resident, self.shared.settings.get().budget_bytes);
        self.note_models();
        self.shared.tell_others(Some(client), Some(&info));
        Ok(info)
    }

    fn unload(&mut self, name: Option<&str>, client: &Client) {
        let left = self.models.unload(name).cloned();
        self.note_models();
        self.shared.tell_others(Some(client), left.as_ref());
    }

    /// Frees models whose device failed; the latest one is loaded again when it is needed.
    pub(crate) fn forget_all(&mut self) {
        self.models.forget_all();
        self.note_models();
    }

    fn count_tokens(&mut self, id: RequestId, text: &str) -> Result<Event, WorkerError> {
        let ids = self.conversation_model()?.chat().tokenizer().encode_plain(text)?;
        Ok(Event::Counted { id, tokens: ids.len() as u32 })
    }

    async fn save_conversation(&mut self, id: RequestId, name: &str) -> Result<Event, WorkerError> {
        let store = self.shared.store().await.ok_or(WorkerError::NoStorage)?;
        let (bytes, tokens) = {
            let model = self.conversation_model()?;
            (model.snapshot().await?, model.cached_len() as u32)
        };
        store.save_conversation(name, &bytes).await?;
        Ok(Event::Saved { id, tokens })
    }

    async fn restore_conversation(&mut self, id: RequestId, name: &str) -> Result<Event, WorkerError> {
        let store = self.shared.store().await.ok_or(WorkerError::NoStorage)?;
        let bytes = store.conversation(name).await.ok_or(WorkerError::BadRequest("no conversation has this name"))?;
        let model = self.conversation_model()?;
        model.restore(&bytes)?;
        Ok(Event::Saved { id, tokens: model.cached_len() as u32 })
    }

    /// The model with the latest conversation.
    fn conversation_model(&mut self) -> Result<&mut Model, WorkerError> {
        let index = self.models.with_conversation().ok_or(WorkerError::NoModel)?;
        match &mut self.models.model_mut(index).model.loaded {
            Loaded::Decoder(model) => Ok(model),
            Loaded::Encoder(_) => Err(EngineError::WrongKind("it is an embedding model").into()),
            Loaded::Transcriber(_) => Err(EngineError::WrongKind("it recognises speech").into()),
        }
    }

    /// The time by the server's clock.
    pub(crate) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    fn note_models(&self) {
        self.shared.note_models(self.models.infos());
    }
}
