//! The worker of scans: it gets a PDF file, and sends its pages without text as images. The app starts one for each file,
//! and ends it when it has read the pages or takes too long. So whatever is wrong with a file ends nothing else.

mod scan;

use js_sys::{Reflect, Uint8Array};
use parlance_protocol::scans::{BYTES_KEY, ScanEvent};
use serde::Serialize as _;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, console};

use crate::scan::{Content, Scan};

/// Most pages that become images: each takes a part of a model's context.
const MAX_IMAGES: u32 = 16;

fn main() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let on_file = Closure::<dyn Fn(MessageEvent)>::new(|message: MessageEvent| {
        let bytes = Reflect::get(&message.data(), &BYTES_KEY.into()).unwrap_or_default();
        // Nothing here waits: if the file makes this panic, the page gets an error event.
        read(Uint8Array::new(&bytes).to_vec());
    });
    scope.set_onmessage(Some(on_file.as_ref().unchecked_ref()));
    // It lives as long as the worker.
    on_file.forget();
    post(&ScanEvent::Ready, None);
}

fn read(file: Vec<u8>) {
    let scan = match Scan::open(file) {
        Ok(scan) => scan,
        Err(fault) => return post(&ScanEvent::Failed { fault }, None),
    };
    let (mut images, mut with_text, mut is_cut_off) = (0, 0, false);
    scan.read(|number, content| {
        match content {
            Content::Text => with_text += 1,
            Content::Blank => {}
            Content::Image(_) if images == MAX_IMAGES => is_cut_off = true,
            Content::Image(file) => {
                images += 1;
                post(&ScanEvent::Page { number }, Some(&file));
            }
        }
        !is_cut_off
    });
    post(&ScanEvent::Done { images, with_text, is_cut_off }, None);
}

/// Posts an event to the page, with a file if it has one. If that fails, there is nobody left to tell, so it is logged.
fn post(event: &ScanEvent, file: Option<&[u8]>) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let posted = event.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(JsValue::from).and_then(
        |message| {
            if let Some(file) = file {
                Reflect::set(&message, &BYTES_KEY.into(), &Uint8Array::from(file))?;
            }
            scope.post_message(&message)
        },
    );
    if let Err(error) = posted {
        console::error_1(&error);
    }
}
