//! The page's end of a message channel: a web worker and the events that come from it.
//!
//! Written on `web_sys::Worker` rather than a worker crate: the page must learn that a worker's script failed to
//! load or that the worker died, and must be able to end one that hangs; no crate offers these.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Reflect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker};

use crate::sources;

// `web/start-worker.js`, which lies beside this program's script. The ES module starts its worker by it, too.
#[wasm_bindgen(raw_module = "./start-worker.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = startEngine)]
    fn start_engine(allowed_hosts: &Array) -> Result<Worker, JsValue>;

    #[wasm_bindgen(catch, js_name = startLibrary)]
    fn start_library() -> Result<Worker, JsValue>;
}

/// The site's workers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SiteWorker {
    /// Holds the engine, or passes requests on to the tab that does.
    Engine,
    /// Keeps conversations.
    Library,
}

/// What comes from a worker.
pub(crate) enum TransportEvent<E> {
    /// A message, and its JavaScript form, for what has no other.
    Event(Box<E>, JsValue),
    /// The worker could not be started or died; the text says more.
    Died(String),
}

/// A worker. Dropping it ends the worker at once.
pub(crate) struct Transport {
    worker: Worker,
    /// Messages that wait for the worker to start: before that the browser would drop them. `None` once it runs.
    waiting: RefCell<Option<Vec<JsValue>>>,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(web_sys::Event)>,
}

impl Transport {
    /// Starts a worker. Its events go to `receive`. Or says why it cannot be started.
    pub(crate) fn start<E: DeserializeOwned + 'static>(
        worker: SiteWorker,
        receive: impl Fn(TransportEvent<E>) + 'static,
    ) -> Result<Self, String> {
        let started = match worker {
            SiteWorker::Engine => start_engine(&sources::in_force()),
            SiteWorker::Library => start_library(),
        };
        let worker = started.map_err(|error| describe(&error))?;

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
        let waiting = RefCell::new(Some(Vec::new()));
        Ok(Self { worker, waiting, _on_message: on_message, _on_error: on_error })
    }

    /// Whether the worker has said that it runs.
    pub(crate) fn has_started(&self) -> bool {
        self.waiting.borrow().is_none()
    }

    /// Notes that the worker runs, and posts what has waited for that.
    pub(crate) fn started(&self) -> Result<(), String> {
        let waiting = self.waiting.take().unwrap_or_default();
        waiting.iter().try_for_each(|message| self.post(message))
    }

    /// Posts a message, once the worker runs.
    pub(crate) fn post(&self, message: &JsValue) -> Result<(), String> {
        if let Some(waiting) = &mut *self.waiting.borrow_mut() {
            waiting.push(message.clone());
            return Ok(());
        }
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
