//! What arrives at the leading worker: requests that need the engine are queued, the others are answered at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::lock::Mutex;
use parlance_api::{Processors, find_model, model_list};
use parlance_engine::EngineError;
use parlance_protocol::openai::{Endpoint, ModelEntry, Response};
use parlance_protocol::{Event, ModelInfo, Request, RequestId, Settings, StorageInfo, StoredModel, model_name};
use parlance_worker_core::residency::LoadSpec;
use parlance_worker_core::route::{Route, route};
use wasm_bindgen_futures::spawn_local;
use web_sys::File;
use web_time::Instant;

use crate::client::{Client, Incoming};
use crate::election::Lead;
use crate::error::WorkerError;
use crate::inspect::inspect;
use crate::interrupts::Interrupts;
use crate::load::Load;
use crate::names::{ClientId, RequestKey};
use crate::queue::Queue;
use crate::storage::Store;
use crate::tokens;

/// Maximum requests of a client that wait for the engine.
const MAX_WAITING: usize = 256;

/// A response in progress.
pub(crate) struct Running {
    /// The request that it answers.
    pub(crate) key: RequestKey,
    /// The response at its beginning.
    pub(crate) response: Response,
}

/// What those who take requests and the server that works on them share.
pub(crate) struct Shared {
    pub(crate) queue: Queue<ClientId, Incoming>,
    pub(crate) interrupts: Interrupts,
    pub(crate) settings: Cell<Settings>,
    /// Logit processors that requests may name. This is where an application adds its own.
    pub(crate) processors: Processors,
    /// Opened when it is first used; `None` inside where the browser gives no storage.
    store: Mutex<Option<&'static Option<Store>>>,
    /// Models in memory.
    models: RefCell<Vec<ModelInfo>>,
    clients: RefCell<Vec<Client>>,
    /// Held while a model is fetched: one at a time, so that nothing is fetched twice when several tabs ask for it.
    fetching: Mutex<()>,
    /// The responses in progress.
    pub(crate) running: RefCell<Vec<Running>>,
}

impl Shared {
    pub(crate) fn new(processors: Processors) -> Self {
        Self {
            queue: Queue::default(),
            interrupts: Interrupts::default(),
            settings: Cell::default(),
            processors,
            store: Mutex::default(),
            models: RefCell::default(),
            clients: RefCell::new(vec![Client::page()]),
            fetching: Mutex::default(),
            running: RefCell::default(),
        }
    }

    /// The files kept on this device, if the browser gives any storage.
    pub(crate) async fn store(&self) -> Option<&'static Store> {
        let mut store = self.store.lock().await;
        if let Some(store) = *store {
            return store.as_ref();
        }
        // It lives as long as the worker.
        let opened: &'static Option<Store> = Box::leak(Box::new(Store::open().await));
        *store = Some(opened);
        opened.as_ref()
    }

    /// Notes which models are in memory.
    pub(crate) fn note_models(&self, models: Vec<ModelInfo>) {
        self.models.replace(models);
    }

    /// Tells all clients but one which model answers now.
    pub(crate) fn tell_others(&self, but: Option<&Client>, model: Option<&ModelInfo>) {
        for client in self.clients.borrow().iter().filter(|client| but.is_none_or(|but| but.id != client.id)) {
            client.post(&Event::ModelChanged { model: model.cloned() });
        }
    }

    /// Answers a request that needs no engine.
    async fn answer(&self, id: RequestId, incoming: Incoming) -> Result<Event, WorkerError> {
        let Incoming { client, request, files, .. } = incoming;
        let store = self.store().await;
        let needed = || store.ok_or(WorkerError::NoStorage);
        Ok(match request {
            Request::Inspect { source, projector, draft_model, context_tokens, .. } => {
                let spec = LoadSpec { source, files, projector, context_tokens, draft: None };
                let spec = spec.with_draft(draft_model, File::name);
                let model = inspect(spec, store, &client.allowed_hosts, self.settings.get()).await?;
                Event::Inspected { id, model }
            }
            Request::Fetch { source, projector, .. } => {
                let guard = self.interrupts.begin((client.id.clone(), id));
                let options = self.settings.get().into();
                let load = Load { id, client: &client, guard: &guard, store, options, clock: Instant::now() };
                let _turn = load.unless_stopped(self.fetching.lock()).await?;
                load.keep(&LoadSpec { source, files, projector, context_tokens: None, draft: None }).await?;
                Event::Fetched { id }
            }
            Request::Delete { url, .. } => {
                needed()?.remove(&url).await?;
                Event::Storage { id, storage: needed()?.info().await }
            }
            Request::DeleteConversations { .. } => {
                needed()?.delete_conversations().await?;
                Event::Storage { id, storage: needed()?.info().await }
            }
            Request::Import { .. } => {
                for file in &files {
                    needed()?.import(file).await?;
                }
                Event::Storage { id, storage: needed()?.info().await }
            }
            Request::Verify { url, .. } => {
                let is_intact = needed()?.is_intact(&url).await?;
                Event::Verified { id, url, is_intact }
            }
            Request::Api { endpoint: Endpoint::Models, .. } => {
                Event::Response { id, body: Some(model_list(self.entries(store).await)) }
            }
            Request::Api { endpoint: Endpoint::RetrieveModel, body, .. } => {
                Event::Response { id, body: Some(find_model(&self.entries(store).await, &body)?) }
            }
            Request::Api { endpoint, body, .. } => {
                Event::Response { id, body: Some(self.answer_for_response(endpoint, &body).await?) }
            }
            _ => Event::Storage {
                id,
                storage: match store {
                    Some(store) => store.info().await,
                    None => StorageInfo::default(),
                },
            },
        })
    }

    /// What `/v1/models` lists: models in memory, then those kept on this device.
    async fn entries(&self, store: Option<&Store>) -> Vec<ModelEntry> {
        let kept = match store {
            Some(store) => store.info().await.models,
            None => Vec::new(),
        };
        let loaded = |model: &ModelInfo| ModelEntry::new(model.name.clone(), Some(model.abilities()));
        let mut data: Vec<ModelEntry> = self.models.borrow().iter().rev().map(loaded).collect();
        let is_usable = |model: &StoredModel| model.done_bytes >= model.len_bytes && !model.is_projector;
        for model in kept.into_iter().filter(is_usable) {
            let name = model_name(&model.name);
            if !data.iter().any(|entry| entry.id == name) {
                data.push(ModelEntry::new(name.to_owned(), model.abilities));
            }
        }
        data
    }
}

/// The leading worker, as its clients see it.
pub(crate) struct Leader(pub(crate) Rc<Shared>);

impl Lead for Leader {
    fn take(&self, incoming: Incoming) {
        let shared = Rc::clone(&self.0);
        let client = incoming.client.clone();
        match route(&incoming.request) {
            Route::Configure(settings) => {
                shared.settings.set(settings);
                if let Request::Configure { tokens: Some(known), .. } = &incoming.request {
                    tokens::set(known.clone());
                }
                // Wakes the server, which waits as the old settings said.
                shared.queue.push(client.id.clone(), incoming);
            }
            Route::Interrupt(id) => {
                let key = (client.id.clone(), id);
                for removed in shared.queue.remove(&client.id, |waiting| waiting.key().as_ref() == Some(&key)) {
                    client.fail(removed.request.id().unwrap_or_default(), EngineError::Interrupted.into());
                }
                shared.interrupts.stop(&key);
            }
            Route::AtOnce(id) => spawn_local(async move {
                match shared.answer(id, incoming).await {
                    Ok(event) => client.post(&event),
                    Err(error) => client.fail(id, error),
                }
            }),
            Route::Queue if shared.queue.len_of(&client.id) >= MAX_WAITING => {
                client.fail(incoming.request.id().unwrap_or_default(), WorkerError::QueueFull);
            }
            Route::Queue => shared.queue.push(client.id.clone(), incoming),
        }
    }

    fn joined(&self, client: Client) {
        let model = self.0.models.borrow().iter().rev().find(|model| model.can_chat).cloned();
        if model.is_some() {
            client.post(&Event::ModelChanged { model });
        }
        self.0.clients.borrow_mut().push(client);
    }

    fn left(&self, client: &ClientId) {
        self.0.clients.borrow_mut().retain(|other| other.id != *client);
        self.0.queue.remove(client, |_| true);
        self.0.interrupts.stop_all(client);
    }
}
