//! The worker's end of the message channel.

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use js_sys::{Array, Reflect};
use parlance_protocol::{Event, FILES_KEY, REQUEST_KEY, Request};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent, console};

use crate::interrupts::Interrupts;

/// A request with the files that travelled beside it.
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) files: Vec<File>,
}

/// Posts events to the page.
#[derive(Clone)]
pub(crate) struct Port(DedicatedWorkerGlobalScope);

impl Port {
    /// The port of this worker.
    pub(crate) fn new() -> Self {
        Self(js_sys::global().unchecked_into())
    }

    /// Posts an event. One that cannot be posted is logged: nobody is left to tell.
    pub(crate) fn post(&self, event: &Event) {
        let posted = event
            .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
            .map_err(JsValue::from)
            .and_then(|message| self.0.post_message(&message));
        if let Err(error) = posted {
            console::error_1(&error);
        }
    }

    /// Tells the page of a panic before the worker dies of it.
    pub(crate) fn post_panics() {
        // The hook must be `Send`, which the scope is not; it is looked up anew instead.
        std::panic::set_hook(Box::new(|info| {
            let message = info.to_string();
            console::error_1(&message.as_str().into());
            Self::new().post(&Event::Panicked { message });
        }));
    }

    /// Starts to queue requests. An interrupt takes effect at once instead of waiting behind what it stops.
    pub(crate) fn listen(&self, interrupts: Interrupts) -> UnboundedReceiver<Incoming> {
        let (sender, receiver) = unbounded();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| match parse(&event.data()) {
            Ok(Incoming { request: Request::Interrupt { id }, .. }) => interrupts.stop(id),
            Ok(incoming) => {
                // The receiver lives as long as the worker.
                let _ = sender.unbounded_send(incoming);
            }
            Err(error) => console::error_2(&"a request could not be read:".into(), &error),
        });
        self.0.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
        receiver
    }
}

fn parse(data: &JsValue) -> Result<Incoming, JsValue> {
    let request = serde_wasm_bindgen::from_value(Reflect::get(data, &REQUEST_KEY.into())?)?;
    let files = match Reflect::get(data, &FILES_KEY.into())?.dyn_into::<Array>() {
        Ok(files) => files.iter().filter_map(|file| file.dyn_into().ok()).collect(),
        Err(_) => Vec::new(),
    };
    Ok(Incoming { request, files })
}
