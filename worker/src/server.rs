//! The engine's side of the worker: the models in memory and the requests that need them, one after the other.

use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use parlance_engine::EngineError;
use parlance_engine::runtime::{Loaded, Model};
use parlance_protocol::{Event, ModelInfo, ModelSource, Request, RequestId, Settings};

use crate::client::{Client, Incoming};
use crate::error::WorkerError;
use crate::interrupts::Guard;
use crate::load::{Load, LoadSpec, Resident};
use crate::shared::Shared;
use crate::source::Part;

/// What the leading worker holds between requests.
pub(crate) struct Server {
    pub(crate) shared: Rc<Shared>,
    /// The one loaded last stands last.
    pub(crate) models: Vec<Resident>,
    /// What was freed because nobody used it: it is loaded again when somebody does.
    pub(crate) idle: Option<LoadSpec>,
    /// The model that holds the conversation answered last.
    last_used: Option<String>,
}

impl Server {
    pub(crate) fn new(shared: Rc<Shared>) -> Self {
        Self { shared, models: Vec::new(), idle: None, last_used: None }
    }

    /// Works on requests, clients in turn. What needs no model does not come here, see [`Shared::take`].
    pub(crate) async fn serve(mut self) {
        loop {
            let Some(Incoming { client, request, files }) = self.next().await else { continue };
            let Some(id) = request.id() else { continue };
            let guard = self.shared.interrupts.begin((client.id.clone(), id));
            let done = match request {
                Request::Load { source, context_tokens, beside, unless_loaded, .. } => {
                    let spec = LoadSpec { source, files, context_tokens };
                    self.load(&client, id, &guard, spec, beside, unless_loaded).await
                }
                Request::Api { endpoint, body, .. } => self.answer(&client, id, &guard, endpoint, &body).await,
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
                        // Nothing on a device that failed can be trusted.
                        self.forget_all();
                    }
                    client.fail(id, error);
                }
            }
            self.shared.note_models(&self.models);
        }
    }

    /// The next request, or nothing, after models were idle for so long that their memory was freed.
    async fn next(&mut self) -> Option<Incoming> {
        let queue = self.shared.queue.clone();
        let Settings { idle_unload_seconds: Some(seconds), .. } = self.shared.settings.get() else {
            return Some(queue.next().await);
        };
        if self.models.is_empty() {
            return Some(queue.next().await);
        }
        // The settings may change meanwhile: they are looked at every second.
        let pause = Duration::from_secs_f64(seconds.clamp(0.05, 1.0));
        match select(std::pin::pin!(queue.next()), std::pin::pin!(gloo_timers::future::sleep(pause))).await {
            Either::Left((incoming, _)) => Some(incoming),
            Either::Right(_) => {
                let is_idle = self.models.iter().all(|model| model.used.elapsed().as_secs_f64() >= seconds);
                if is_idle {
                    self.idle = self.models.pop().map(|model| model.spec);
                    self.models.clear();
                    self.shared.note_models(&self.models);
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
        let is_wanted = |model: &Resident| {
            let is_same = matches!(spec.source, ModelSource::Url { .. })
                && model.spec.source == spec.source
                && model.means == self.shared.settings.get().into()
                && spec.context_tokens.is_none_or(|tokens| tokens == model.info.context_tokens);
            is_same || unless_loaded && model.info.can_chat
        };
        if let Some(model) = self.models.iter().rev().find(|model| is_wanted(model)) {
            return Ok(Event::Loaded { id, model: model.info.clone() });
        }
        // A source that is refused costs nobody the model that is loaded.
        Part::of(&spec.source, spec.files.clone(), self.shared.store().await, &client.allowed_hosts).await?;
        self.idle = None;
        if !beside {
            // The old model's memory is free before the new one needs its own.
            self.models.clear();
        }
        let model = self.load_now(client, id, guard, spec).await?;
        Ok(Event::Loaded { id, model })
    }

    /// Loads a model, makes room for it within the budget, and tells all clients.
    pub(crate) async fn load_now(
        &mut self,
        client: &Client,
        id: RequestId,
        guard: &Guard,
        spec: LoadSpec,
    ) -> Result<ModelInfo, WorkerError> {
        let means = self.shared.settings.get().into();
        let load = Load { id, client, guard, store: self.shared.store().await, means };
        let resident = load.run(spec).await?;
        if let (Some(store), ModelSource::Url { url }) = (self.shared.store().await, &resident.spec.source) {
            store.note_use(url).await;
        }
        let info = resident.info.clone();
        self.models.push(resident);
        self.keep_budget();
        self.shared.note_models(&self.models);
        self.shared.tell_others(Some(client), Some(&info));
        Ok(info)
    }

    /// Frees models used longest ago, until the others are within the budget; the last one stays in any case.
    fn keep_budget(&mut self) {
        let Some(budget) = self.shared.settings.get().budget_bytes else { return };
        while self.models.len() > 1 && self.models.iter().map(|model| model.len_bytes as f64).sum::<f64>() > budget {
            let before_last = &self.models[..self.models.len() - 1];
            let oldest = (0..before_last.len()).min_by_key(|index| before_last[*index].used);
            self.models.remove(oldest.unwrap_or_default());
        }
    }

    fn unload(&mut self, name: Option<&str>, client: &Client) {
        match name {
            Some(name) => self.models.retain(|model| model.info.name != name),
            None => self.models.clear(),
        }
        self.idle = None;
        let left = self.models.iter().rev().find(|model| model.info.can_chat).map(|model| model.info.clone());
        self.shared.note_models(&self.models);
        self.shared.tell_others(Some(client), left.as_ref());
    }

    /// Frees models whose device failed; the last one is loaded again when it is needed.
    pub(crate) fn forget_all(&mut self) {
        self.idle = self.models.pop().map(|model| model.spec).or(self.idle.take());
        self.models.clear();
        self.shared.note_models(&self.models);
    }

    fn count_tokens(&mut self, id: RequestId, text: &str) -> Result<Event, WorkerError> {
        let ids = self.last_decoder()?.chat().tokenizer().encode_plain(text)?;
        Ok(Event::Counted { id, tokens: ids.len() as u32 })
    }

    async fn save_conversation(&mut self, id: RequestId, name: &str) -> Result<Event, WorkerError> {
        let store = self.shared.store().await.ok_or(WorkerError::NoStorage)?;
        let (bytes, tokens) = {
            let model = self.last_decoder()?;
            (model.snapshot().await?, model.cached_tokens().len() as u32)
        };
        store.save_conversation(name, &bytes).await?;
        Ok(Event::Saved { id, tokens })
    }

    async fn restore_conversation(&mut self, id: RequestId, name: &str) -> Result<Event, WorkerError> {
        let store = self.shared.store().await.ok_or(WorkerError::NoStorage)?;
        let bytes = store.conversation(name).await.ok_or(WorkerError::BadRequest("no conversation has this name"))?;
        let model = self.last_decoder()?;
        model.restore(&bytes)?;
        Ok(Event::Saved { id, tokens: model.cached_tokens().len() as u32 })
    }

    /// Notes which model holds the conversation answered last.
    pub(crate) fn note_answer(&mut self, name: &str) {
        self.last_used = Some(name.to_owned());
    }

    fn last_decoder(&mut self) -> Result<&mut Model, WorkerError> {
        let is_last = |model: &Resident| Some(&model.info.name) == self.last_used.as_ref();
        let index = self.models.iter().rposition(is_last).or_else(|| self.models.iter().rposition(|m| m.info.can_chat));
        match index.map(|index| &mut self.models[index].loaded) {
            Some(Loaded::Decoder(model)) => Ok(model),
            Some(Loaded::Encoder(_)) => Err(EngineError::WrongKind("it turns texts into vectors").into()),
            None => Err(WorkerError::NoModel),
        }
    }
}
