//! The library worker: stores conversations in `IndexedDB` and their images in files, searches, imports and exports them, and renders Markdown to HTML.
//!
//! Every tab has its own. A change in one tab is announced on a `BroadcastChannel`; the other workers forward it to their pages.

mod database;
mod error;
mod images;
mod projects;
mod request_handler;
mod search;

use std::rc::Rc;

use js_sys::Reflect;
use parlance_protocol::library::{HANDLES_KEY, LibraryCall, LibraryEvent};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, MessageEvent, console};

use crate::request_handler::RequestHandler;

fn main() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // The page names its workers after the site's path, so this is the same in all tabs.
    let site = Reflect::get(&scope, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
    let changes = match BroadcastChannel::new(&format!("parlance.library:{site}")) {
        Ok(channel) => channel,
        // Without it, tabs would overwrite each other's changes. The page shows the message of the error event.
        Err(error) => wasm_bindgen::throw_val(error),
    };
    let requests = Rc::new(RequestHandler::new(&site, changes.clone()));
    let noting = Rc::clone(&requests);
    let on_change = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
        let conversation = message.data().as_string().and_then(|id| id.parse().ok());
        noting.changed_elsewhere(conversation);
        post(&LibraryEvent::Changed { conversation }, None);
    });
    changes.set_onmessage(Some(on_change.as_ref().unchecked_ref()));
    let on_call =
        Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            match serde_wasm_bindgen::from_value::<LibraryCall>(message.data()) {
                Ok(call) => {
                    let requests = Rc::clone(&requests);
                    let handles = Reflect::get(&message.data(), &HANDLES_KEY.into()).unwrap_or_default();
                    wasm_bindgen_futures::spawn_local(async move {
                        let (event, handles) = requests.handle(call, handles).await;
                        post(&event, handles.as_ref());
                    });
                }
                Err(error) => console::error_1(&error.into()),
            }
        });
    scope.set_onmessage(Some(on_call.as_ref().unchecked_ref()));
    // Both live as long as the worker.
    on_change.forget();
    on_call.forget();
    post(&LibraryEvent::Ready, None);
}

/// Posts an event to the page, with file handles if there are any. If that fails, there is nobody left to tell, so it is logged.
fn post(event: &LibraryEvent, handles: Option<&JsValue>) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let posted = event.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(JsValue::from).and_then(
        |message| {
            if let Some(handles) = handles {
                Reflect::set(&message, &HANDLES_KEY.into(), handles)?;
            }
            scope.post_message(&message)
        },
    );
    if let Err(error) = posted {
        console::error_1(&error);
    }
}
