//! Whom this worker answers: the page that started it, and, through channels, other tabs and the site's service worker.

use js_sys::{Array, Reflect};
use parlance_protocol::{Event, FILES_KEY, Phase, REQUEST_KEY, Request, RequestId};
use parlance_worker_core::hosts::AllowedHosts;
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, File, console};
use web_time::Instant;

use crate::error::WorkerError;
use crate::identity;
use crate::names::{ClientId, RequestKey, events_channel};

/// A client.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    /// Hosts from which models may be fetched for it.
    pub(crate) allowed_hosts: AllowedHosts,
    port: Port,
}

#[derive(Clone)]
enum Port {
    Page(DedicatedWorkerGlobalScope),
    Channel(BroadcastChannel),
}

/// A request with its sender and the files that came with it.
#[derive(Clone)]
pub(crate) struct Incoming {
    pub(crate) client: Client,
    pub(crate) request: Request,
    pub(crate) files: Vec<File>,
}

impl Incoming {
    /// Reads a message.
    pub(crate) fn parse(client: Client, data: &JsValue) -> Result<Self, JsValue> {
        let request: Request = serde_wasm_bindgen::from_value(Reflect::get(data, &REQUEST_KEY.into())?)?;
        let files = match Reflect::get(data, &FILES_KEY.into())?.dyn_into::<Array>() {
            Ok(files) => files.iter().filter_map(|file| file.dyn_into().ok()).collect(),
            Err(_) => Vec::new(),
        };
        Ok(Self { client, request: request.resolved(), files })
    }

    /// Identifies the request among those of all clients.
    pub(crate) fn key(&self) -> Option<RequestKey> {
        Some((self.client.id.clone(), self.request.id()?))
    }
}

impl Client {
    /// The page that started this worker.
    pub(crate) fn page() -> Self {
        let port = Port::Page(js_sys::global().unchecked_into());
        Self { id: String::new(), allowed_hosts: identity::allowed_hosts(), port }
    }

    /// A client in another tab.
    pub(crate) fn remote(id: &str, allowed_hosts: AllowedHosts) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(&events_channel(id))?;
        Ok(Self { id: id.to_owned(), allowed_hosts, port: Port::Channel(channel) })
    }

    /// Posts an event. One that cannot be posted is logged: there is nobody left to tell.
    pub(crate) fn post(&self, event: &Event) {
        let posted = event
            .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
            .map_err(JsValue::from)
            .and_then(|message| match &self.port {
                Port::Page(scope) => scope.post_message(&message),
                Port::Channel(channel) => channel.post_message(&message),
            });
        if let Err(error) = posted {
            console::error_1(&error);
        }
    }

    /// Posts that a request failed.
    pub(crate) fn fail(&self, id: RequestId, error: WorkerError) {
        self.post(&Event::Failed { id, failure: error.into_failure() });
    }

    /// Posts how far a request is.
    pub(crate) fn report(&self, id: RequestId, phase: Phase, done: f64, total: Option<f64>, since: Instant) {
        let seconds = since.elapsed().as_secs_f64();
        self.post(&Event::Progress { id, phase, done, total, seconds });
    }
}

/// Has panics posted to the page before the worker dies of them.
pub(crate) fn post_panics() {
    // The hook must be `Send`, which the scope is not, so each panic looks it up.
    std::panic::set_hook(Box::new(|info| {
        let message = info.to_string();
        console::error_1(&message.as_str().into());
        Client::page().post(&Event::Panicked { message });
    }));
}
