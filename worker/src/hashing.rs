//! The checksum of a model's file, beside its download: a helper, which is this program in another worker, hashes the bytes that this worker hands
//! over once it needs them no more. So neither the download nor the GPU waits for SHA-256, which takes longer than both.

use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, select};
use futures::stream::StreamExt as _;
use gloo_timers::future::sleep;
use js_sys::{Array, Uint8Array};
use parlance_worker_core::FileError;
use parlance_worker_core::checksum::FileChecksum;
use parlance_worker_core::download::Bytes as _;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker};

use crate::bytes::JsBytes;
use crate::error::network_error;
use crate::threads::{scope, start};

/// The name of helpers, which distinguishes them from the workers that pages start.
const NAME: &str = "hashing";
/// Files that are shorter are hashed here, before a helper would have started.
const MIN_BYTES: u64 = 32 << 20;
/// Bytes that the helper may be behind: they are in memory.
const MOST_BEHIND_BYTES: u64 = 32 << 20;
/// A helper that does not answer in this time is gone.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The checksum of a file, as far as its bytes came.
pub(crate) struct Hashing {
    checksum: FileChecksum,
    /// `None` where the checksum is computed here.
    helper: Option<Helper>,
}

impl Hashing {
    /// Begins with the start of a file of this length, if known.
    pub(crate) fn new(checksum: FileChecksum, len_bytes: Option<u64>) -> Self {
        let is_long = len_bytes.is_none_or(|len| len >= MIN_BYTES);
        // Where none can be started, it is done here.
        let helper = if is_long { Helper::start().ok() } else { None };
        Self { checksum, helper }
    }

    /// Adds the next bytes. Nobody else can use them afterwards.
    pub(crate) async fn update(&mut self, bytes: JsBytes) -> Result<(), FileError> {
        let has_helper = match &mut self.helper {
            Some(helper) => helper.has_started().await,
            None => false,
        };
        if !has_helper {
            self.helper = None;
        }
        let Some(helper) = &mut self.helper else { return self.checksum.update(&bytes.to_vec()) };
        let unseen_bytes = self.checksum.unseen_bytes();
        if unseen_bytes > 0 {
            self.checksum.see(&bytes.first(unseen_bytes))?;
        }
        helper.hash(&bytes).await
    }

    /// The checksum of the whole file.
    ///
    /// # Errors
    /// It is not the expected one, or the helper was lost.
    pub(crate) async fn finish(self) -> Result<String, FileError> {
        match self.helper {
            Some(mut helper) if helper.sent_bytes > 0 => self.checksum.finish_with(helper.finish().await?),
            _ => self.checksum.finish(),
        }
    }
}

/// A worker that hashes. Dropping it ends it.
struct Helper {
    worker: Worker,
    /// What it says: nothing once it started, the number of bytes that it hashed, or the checksum; `None` where it failed.
    replies: UnboundedReceiver<Option<JsValue>>,
    /// They have to live as long as the worker.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(JsValue)>,
    has_started: bool,
    sent_bytes: u64,
    hashed_bytes: u64,
}

impl Helper {
    fn start() -> Result<Self, JsValue> {
        let worker = start(NAME)?;
        let (send, replies) = unbounded();
        let fail = send.clone();
        // Nobody may listen any more.
        let on_message: Closure<dyn FnMut(MessageEvent)> = Closure::new(move |message: MessageEvent| {
            let _ = send.unbounded_send(Some(message.data()));
        });
        let on_error: Closure<dyn FnMut(JsValue)> = Closure::new(move |_: JsValue| {
            let _ = fail.unbounded_send(None);
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self {
            worker,
            replies,
            _on_message: on_message,
            _on_error: on_error,
            has_started: false,
            sent_bytes: 0,
            hashed_bytes: 0,
        })
    }

    /// Waits until it has started; says whether it could. Before that, browsers may lose messages to it.
    async fn has_started(&mut self) -> bool {
        if !self.has_started {
            self.has_started = self.reply().await.is_ok();
        }
        self.has_started
    }

    async fn hash(&mut self, bytes: &JsBytes) -> Result<(), FileError> {
        let array = bytes.array();
        // Before they are handed over, which leaves nothing of them here.
        self.sent_bytes += bytes.len_bytes();
        let buffer = Array::of1(&array.buffer());
        self.worker.post_message_with_transfer(array, &buffer).map_err(|error| network_error(&error))?;
        while self.sent_bytes - self.hashed_bytes > MOST_BEHIND_BYTES {
            let hashed_bytes = self.reply().await?.as_f64().unwrap_or_default();
            self.hashed_bytes += hashed_bytes as u64;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<String, FileError> {
        self.worker.post_message(&JsValue::NULL).map_err(|error| network_error(&error))?;
        loop {
            if let Some(checksum) = self.reply().await?.as_string() {
                return Ok(checksum);
            }
        }
    }

    async fn reply(&mut self) -> Result<JsValue, FileError> {
        match select(self.replies.next(), std::pin::pin!(sleep(TIMEOUT))).await {
            Either::Left((Some(Some(reply)), _)) => Ok(reply),
            _ => Err(FileError::Network("its checksum could not be computed; try again".to_owned())),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// Whether this worker is another worker's helper.
pub(crate) fn is_helper() -> bool {
    scope().name() == NAME
}

/// Hashes for another worker until that ends this one: arrays are the next bytes, and anything else is the end.
pub(crate) fn help() {
    let mut checksum = Some(FileChecksum::new("", None));
    let on_message: Closure<dyn FnMut(MessageEvent)> = Closure::new(move |message: MessageEvent| {
        let reply = match message.data().dyn_into::<Uint8Array>() {
            Ok(bytes) => {
                // It fails only for a file whose beginning is known.
                let _ = checksum.as_mut().map(|checksum| checksum.update(&bytes.to_vec()));
                JsValue::from(bytes.length())
            }
            Err(_) => checksum.take().and_then(|checksum| checksum.finish().ok()).map_or(JsValue::NULL, JsValue::from),
        };
        let _ = scope().post_message(&reply);
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // The other worker waits for it.
    let _ = scope().post_message(&JsValue::NULL);
}
