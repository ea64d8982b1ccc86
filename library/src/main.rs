//! The library worker: keeps conversations in `IndexedDB`, finds, imports and exports them, and turns Markdown into HTML.
//!
//! Every tab has its own. What one of them changes, the others hear through a `BroadcastChannel` and tell their pages.

mod database;
mod desk;
mod error;

use std::rc::Rc;

use js_sys::Reflect;
use parlance_protocol::library::{HANDLES_KEY, LibraryCall, LibraryEvent};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, DedicatedWorkerGlobalScope, MessageEvent, console};

use crate::desk::Desk;

fn main() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // Under the name that the page gives its workers, the site's path, those of all tabs find each other.
    let site = Reflect::get(&scope, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
    let changes = match BroadcastChannel::new(&format!("parlance.library:{site}")) {
        Ok(channel) => channel,
        // Without it tabs would overwrite each other's work; the page shows what the error event says.
        Err(error) => wasm_bindgen::throw_val(error),
    };
    let on_change = Closure::<dyn Fn(MessageEvent)>::new(|message: MessageEvent| {
        let conversation = message.data().as_string().and_then(|id| id.parse().ok());
        post(&LibraryEvent::Changed { conversation }, None);
    });
    changes.set_onmessage(Some(on_change.as_ref().unchecked_ref()));
    let desk = Rc::new(Desk::new(&site, changes));
    let on_call =
        Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            match serde_wasm_bindgen::from_value::<LibraryCall>(message.data()) {
                Ok(call) => {
                    let desk = Rc::clone(&desk);
                    let handles = Reflect::get(&message.data(), &HANDLES_KEY.into()).unwrap_or_default();
                    wasm_bindgen_futures::spawn_local(async move {
                        let (event, beside) = desk.answer(call, handles).await;
                        post(&event, beside.as_ref());
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

/// Tells the page, with handles beside the event if there are any. An event that cannot be posted is logged: nobody is left to tell.
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
