//! The page's end of the message channel: a web worker and the events that come from it.
//!
//! Written on `web_sys::Worker` rather than a worker crate: the page must learn that a worker's script failed to
//! load or that the worker died, and must be able to end one that hangs; no crate offers these.

use std::rc::Rc;

use js_sys::{Array, Object, Reflect};
use parlance_protocol::{Event, FILES_KEY, REQUEST_KEY, Request};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, File, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::options::{absolute_url, site_path};

/// The worker's script, relative to the site.
const SCRIPT: &str = "parlance-worker_loader.js";

/// What comes from the worker.
pub(super) enum TransportEvent {
    /// A message.
    Event(Box<Event>),
    /// The worker could not be started or died; the text says more.
    Died(String),
}

/// A running worker. Dropping it ends the worker at once.
pub(super) struct Transport {
    worker: Worker,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(web_sys::Event)>,
}

impl Transport {
    /// Starts a worker whose events go to `receive`, or says why it cannot be started.
    pub(super) fn start(receive: impl Fn(TransportEvent) + 'static) -> Result<Self, String> {
        let url = absolute_url(SCRIPT).ok_or("its address is not an HTTP one")?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        // Under this name the workers of all tabs of the site find each other.
        options.set_name(&site_path());
        let worker = Worker::new_with_options(&url, &options).map_err(|error| describe(&error))?;

        let receive = Rc::new(receive);
        let receive_message = Rc::clone(&receive);
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            receive_message(match serde_wasm_bindgen::from_value(message.data()) {
                Ok(event) => TransportEvent::Event(Box::new(event)),
                Err(error) => TransportEvent::Died(format!("it sent a message that is not understood ({error})")),
            });
        });
        let on_error = Closure::<dyn Fn(web_sys::Event)>::new(move |event: web_sys::Event| {
            // A script that cannot be fetched gives a plain event without a message.
            let message = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).filter(|message| !message.is_empty());
            receive(TransportEvent::Died(message.unwrap_or_else(|| "its script could not be loaded".to_owned())));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Posts a request, with the files it names beside it.
    pub(super) fn post(&self, request: &Request, files: &[File]) -> Result<(), String> {
        let message = Object::new();
        let request =
            request.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(|error| error.to_string())?;
        Reflect::set(&message, &REQUEST_KEY.into(), &request).map_err(|error| describe(&error))?;
        let files: Array = files.iter().collect();
        Reflect::set(&message, &FILES_KEY.into(), &files).map_err(|error| describe(&error))?;
        self.worker.post_message(&message).map_err(|error| describe(&error))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

fn describe(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| format!("{error:?}"))
}
