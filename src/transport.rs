//! The page's end of a message channel: a web worker and the events that come from it.
//!
//! Written on `web_sys::Worker` rather than a worker crate: the page must learn that a worker's script failed to
//! load or that the worker died, and must be able to end one that hangs; no crate offers these.

use std::rc::Rc;

use js_sys::Reflect;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::options::{absolute_url, site_path};

/// What comes from a worker.
pub(crate) enum TransportEvent<E> {
    /// A message, and its JavaScript form, for what has no other.
    Event(Box<E>, JsValue),
    /// The worker could not be started or died; the text says more.
    Died(String),
}

/// A running worker. Dropping it ends the worker at once.
pub(crate) struct Transport {
    worker: Worker,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(web_sys::Event)>,
}

impl Transport {
    /// Starts the worker of a script, named relative to the site. Its events go to `receive`. Or says why it cannot be started.
    pub(crate) fn start<E: DeserializeOwned + 'static>(
        script: &str,
        receive: impl Fn(TransportEvent<E>) + 'static,
    ) -> Result<Self, String> {
        let url = absolute_url(script).ok_or("its address is not an HTTP one")?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        // Under this name the workers of all tabs of the site find each other.
        options.set_name(&site_path());
        let worker = Worker::new_with_options(&url, &options).map_err(|error| describe(&error))?;

        let receive = Rc::new(receive);
        let receive_message = Rc::clone(&receive);
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            receive_message(match serde_wasm_bindgen::from_value(message.data()) {
                Ok(event) => TransportEvent::Event(Box::new(event), message.data()),
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

    /// Posts a message.
    pub(crate) fn post(&self, message: &JsValue) -> Result<(), String> {
        self.worker.post_message(message).map_err(|error| describe(&error))
    }
}

/// The plain JavaScript form of a message.
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

/// What went wrong, in words.
pub(crate) fn describe(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.unwrap_or_else(|| format!("{error:?}"))
}
