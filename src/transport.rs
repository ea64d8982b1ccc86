//! A web worker as a message channel: messages to it and events from it.
//!
//! Uses `web_sys::Worker` rather than gloo-worker, as the microphone's worker does (`microphone.rs`), because the page has to
//! notice a script that fails to load and a worker that dies, and has to terminate one that hangs; see ARCHITECTURE.md.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Object, Reflect};
use parlance_protocol::{FILES_KEY, REQUEST_KEY, Request, SOUND_KEY};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, File, MessageEvent, Worker};

use crate::allowed_hosts;

// Scripts of `web/`, which are served next to this program's. The ES module `parlance.js` uses the first, too.
#[wasm_bindgen(raw_module = "./start-worker.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = startEngine)]
    fn start_engine(allowed_hosts: &Array) -> Result<Worker, JsValue>;
}

#[wasm_bindgen(raw_module = "./start-library.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = startLibrary)]
    fn start_library() -> Result<Worker, JsValue>;
}

#[wasm_bindgen(raw_module = "./start-reader.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = startReader)]
    fn start_reader() -> Result<Worker, JsValue>;
}

#[wasm_bindgen(raw_module = "./start-scans.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = startScans)]
    fn start_scans() -> Result<Worker, JsValue>;
}

/// The site's workers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SiteWorker {
    /// Runs the engine, or forwards requests to the tab that does.
    Engine,
    /// Stores conversations and renders Markdown.
    Library,
    /// Reads a document as text.
    Reader,
    /// Draws pages of a PDF file.
    Scans,
}

/// An event from a worker.
pub(crate) enum TransportEvent<E> {
    /// A message, with its JavaScript value for parts that serde cannot represent.
    Event(Box<E>, JsValue),
    /// The worker could not be started or died, with the reason.
    Died(String),
}

/// A running worker. Dropping it terminates the worker.
pub(crate) struct Transport {
    worker: Worker,
    /// Messages queued until the worker is ready, because the browser drops earlier ones. `None` once it is ready.
    queued: RefCell<Option<Vec<JsValue>>>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(web_sys::Event)>,
}

impl Transport {
    /// Starts a worker whose events go to `receive`. Fails with a description if the browser refuses.
    pub(crate) fn start<E: DeserializeOwned + 'static>(
        worker: SiteWorker,
        receive: impl Fn(TransportEvent<E>) + 'static,
    ) -> Result<Self, String> {
        let started = match worker {
            SiteWorker::Engine => start_engine(&allowed_hosts::in_force()),
            SiteWorker::Library => start_library(),
            SiteWorker::Reader => start_reader(),
            SiteWorker::Scans => start_scans(),
        };
        let worker = started.map_err(|error| describe(&error))?;

        let receive = Rc::new(receive);
        let receive_message = Rc::clone(&receive);
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            receive_message(match serde_wasm_bindgen::from_value(message.data()) {
                Ok(event) => TransportEvent::Event(Box::new(event), message.data()),
                Err(error) => TransportEvent::Died(format!("it sent an invalid message ({error})")),
            });
        });
        let on_error = Closure::<dyn Fn(web_sys::Event)>::new(move |event: web_sys::Event| {
            // A script that cannot be fetched causes a plain event without a message.
            let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).filter(|message| !message.is_empty());
            receive(TransportEvent::Died(message.unwrap_or_else(|| "its script could not be loaded".to_owned())));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let queued = RefCell::new(Some(Vec::new()));
        Ok(Self { worker, queued, _on_message: on_message, _on_error: on_error })
    }

    /// Whether the worker has reported that it is ready.
    pub(crate) fn has_started(&self) -> bool {
        self.queued.borrow().is_none()
    }

    /// Records that the worker is ready and posts the queued messages.
    pub(crate) fn started(&self) -> Result<(), String> {
        let queued = self.queued.take().unwrap_or_default();
        queued.iter().try_for_each(|message| self.post(message))
    }

    /// Posts a message, or queues it until the worker is ready.
    pub(crate) fn post(&self, message: &JsValue) -> Result<(), String> {
        if let Some(queued) = &mut *self.queued.borrow_mut() {
            queued.push(message.clone());
            return Ok(());
        }
        self.worker.post_message(message).map_err(|error| describe(&error))
    }
}

impl Transport {
    /// Posts a request to the engine together with the files and the recording it refers to.
    pub(crate) fn post_request(&self, request: &Request, files: &[File], sound: &JsValue) -> Result<(), String> {
        let message = Object::new();
        let files: Array = files.iter().collect();
        let entries = [(REQUEST_KEY, to_js(request)?), (FILES_KEY, files.into()), (SOUND_KEY, sound.clone())];
        for (key, value) in entries {
            Reflect::set(&message, &key.into(), &value).map_err(|error| describe(&error))?;
        }
        self.post(&message)
    }
}

/// Converts a message to a plain JavaScript object.
pub(crate) fn to_js(message: &impl Serialize) -> Result<JsValue, String> {
    message.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(|error| error.to_string())
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// The message of a JavaScript error.
pub(crate) fn describe(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| format!("{error:?}"))
}
