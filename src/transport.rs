//! The page's end of a message channel: a web worker and the events that come from it.
//!
//! Written on `web_sys::Worker` rather than a worker crate: the page must learn that a worker's script failed to
//! load or that the worker died, and must be able to end one that hangs; no crate offers these.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Reflect;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, ErrorEvent, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

use crate::options::{absolute_url, site_path};

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
        let worker = Worker::new_with_options(&inheriting(&url)?, &options).map_err(|error| describe(&error))?;

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

/// The address of a script that imports another one. A worker of it inherits the page's policy, and with it the hosts that it may
/// connect to; one of a script that a server sends has the policy that the server sends with it, and static hosts send none.
fn inheriting(url: &str) -> Result<String, String> {
    let source = js_sys::Array::of1(
        &format!("import {};", js_sys::JSON::stringify(&url.into()).map_err(|e| describe(&e))?).into(),
    );
    let options = BlobPropertyBag::new();
    options.set_type("text/javascript");
    let blob = Blob::new_with_str_sequence_and_options(&source, &options).map_err(|error| describe(&error))?;
    let address = Url::create_object_url_with_blob(&blob).map_err(|error| describe(&error))?;
    // For whoever looks at the page's workers.
    Ok(format!("{address}#{}", url.rsplit('/').next().unwrap_or_default()))
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
