//! Pages of PDF files as images, which a worker draws. Each file gets a worker of its own.

use js_sys::{Array, Reflect};
use parlance_protocol::scans::{BYTES_KEY, ScanEvent, ScanFault};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use crate::file_worker::FileWorker;
use crate::transport::SiteWorker;

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
    let bytes = JsFuture::from(file.array_buffer()).await.map_err(damaged)?;
    let mut worker = FileWorker::start(SiteWorker::Scans, BYTES_KEY, &bytes).ok_or(ScanFault::Damaged)?;
    loop {
        let (event, message) = worker.next().await.ok_or(ScanFault::Damaged)?;
        match event {
            ScanEvent::Ready => worker.started().ok_or(ScanFault::Damaged)?,
            ScanEvent::Page { number } => on_page(number, png(&message).map_err(damaged)?).await,
            ScanEvent::Done { images, is_cut_off, .. } => return Ok(Scanned { images, is_cut_off }),
            ScanEvent::Failed { fault } => return Err(fault),
        }
    }
}

/// The file in a message.
fn png(message: &JsValue) -> Result<Blob, JsValue> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Reflect::get(message, &BYTES_KEY.into())?))
}
