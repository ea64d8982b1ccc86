//! A worker for one file, which ends with it. Whatever is wrong with it is what is wrong with the file: it died, or was made
//! to hang.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, select};
use gloo_timers::future::sleep;
use js_sys::{Object, Reflect};
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;

use crate::transport::{SiteWorker, Transport, TransportEvent};

/// How long it may take for its next event.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Dropping it ends the worker.
pub(crate) struct FileWorker<E> {
    transport: Transport,
    events: UnboundedReceiver<TransportEvent<E>>,
}

impl<E: DeserializeOwned + 'static> FileWorker<E> {
    /// Starts a worker with a message that has `value` under `key`. `None` if the browser refuses.
    pub(crate) fn start(worker: SiteWorker, key: &str, value: &JsValue) -> Option<Self> {
        let (sender, events) = unbounded();
        // Once nobody listens, the worker ends.
        let transport = Transport::start(worker, move |event| drop(sender.unbounded_send(event))).ok()?;
        let message = Object::new();
        Reflect::set(&message, &key.into(), value).ok()?;
        transport.post(&message).ok()?;
        Some(Self { transport, events })
    }

    /// Records that the worker is ready. `None` if the browser refuses the message.
    pub(crate) fn started(&self) -> Option<()> {
        self.transport.started().ok()
    }

    /// Its next event, with the message. `None` if there is none in time, or ever.
    pub(crate) async fn next(&mut self) -> Option<(E, JsValue)> {
        match select(self.events.next(), pin!(sleep(STALL_TIME))).await {
            Either::Left((Some(TransportEvent::Event(event, message)), _)) => Some((*event, message)),
            Either::Left((Some(TransportEvent::Died(_)) | None, _)) | Either::Right(_) => None,
        }
    }
}
