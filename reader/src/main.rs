//! The worker of documents: it gets a file, and sends its text. The app starts one for each file, and ends it when it has
//! the text, when the user stops it, or when it takes too long. So whatever is wrong with a file ends nothing else.

mod file;

use js_sys::Reflect;
use parlance_protocol::documents::{DocumentEvent, DocumentFault, FILE_KEY};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent, console};

use crate::file::FileSource;

/// Progress is posted in steps of this share.
const STEP: f64 = 0.01;

fn main() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let on_file = Closure::<dyn Fn(MessageEvent)>::new(|message: MessageEvent| {
        let file = Reflect::get(&message.data(), &FILE_KEY.into()).unwrap_or_default();
        // Nothing here waits: if the file makes this panic, the page gets an error event.
        post(&match file.dyn_into::<File>() {
            Ok(file) => read(&file),
            Err(_) => DocumentEvent::Failed { fault: DocumentFault::Damaged },
        });
    });
    scope.set_onmessage(Some(on_file.as_ref().unchecked_ref()));
    // It lives as long as the worker.
    on_file.forget();
    post(&DocumentEvent::Ready);
}

fn read(file: &File) -> DocumentEvent {
    let mut posted = 0.0;
    let mut on_progress = |share: f64| {
        if share >= posted + STEP {
            posted = share;
            post(&DocumentEvent::Progress { share });
        }
    };
    let document = FileSource::new(file).and_then(|source| {
        parlance_documents::read(source, &file.name(), &mut on_progress).map_err(|error| error.fault())
    });
    match document {
        Ok(document) => DocumentEvent::Done { document },
        Err(fault) => DocumentEvent::Failed { fault },
    }
}

/// Posts an event to the page. If that fails, there is nobody left to tell, so it is logged.
fn post(event: &DocumentEvent) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let message = event.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(JsValue::from);
    if let Err(error) = message.and_then(|message| scope.post_message(&message)) {
        console::error_1(&error);
    }
}
