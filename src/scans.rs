//! Pages of PDF files as images, which a worker draws. Each file gets a worker of its own.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::future::{Either, select};
use gloo_timers::future::sleep;
use js_sys::{Array, Object, Reflect};
use parlance_protocol::scans::{BYTES_KEY, ScanEvent, ScanFault};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use crate::transport::{SiteWorker, Transport, TransportEvent};

/// How long a page may take; one that takes longer is damaged, or made to.
const PAGE_TIME: Duration = Duration::from_secs(60);

/// What was read of a file.
pub(crate) struct Scanned {
    /// How many images of pages there are.
    pub(crate) images: u32,
    /// There are more pages without text.
    pub(crate) is_cut_off: bool,
}

/// Draws the pages of a PDF file that have no text. `on_page` gets each with its number.
pub(crate) async fn read(file: &File, mut on_page: impl AsyncFnMut(u32, Blob)) -> Result<Scanned, ScanFault> {
    // Whatever else fails, there is no more to say than that the file cannot be read.
    let damaged = |_| ScanFault::Damaged;
    let (sender, mut events) = mpsc::unbounded::<TransportEvent<ScanEvent>>();
    // Once nobody listens, the worker ends.
    let transport = Transport::start(SiteWorker::Scans, move |event| drop(sender.unbounded_send(event)));
    let transport = transport.map_err(|_| ScanFault::Damaged)?;
    let message = Object::new();
    let bytes = JsFuture::from(file.array_buffer()).await.map_err(damaged)?;
    Reflect::set(&message, &BYTES_KEY.into(), &bytes).map_err(damaged)?;
    transport.post(&message).map_err(|_| ScanFault::Damaged)?;
    loop {
        match select(events.next(), pin!(sleep(PAGE_TIME))).await {
            Either::Left((Some(TransportEvent::Event(event, data)), _)) => match *event {
                ScanEvent::Ready => transport.started().map_err(|_| ScanFault::Damaged)?,
                ScanEvent::Page { number } => on_page(number, png(&data).map_err(damaged)?).await,
                ScanEvent::Done { images, is_cut_off, .. } => return Ok(Scanned { images, is_cut_off }),
                ScanEvent::Failed { fault } => return Err(fault),
            },
            Either::Left((Some(TransportEvent::Died(_)) | None, _)) | Either::Right(_) => {
                return Err(ScanFault::Damaged);
            }
        }
    }
}

/// The file in a message.
fn png(message: &JsValue) -> Result<Blob, JsValue> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Reflect::get(message, &BYTES_KEY.into())?))
}
