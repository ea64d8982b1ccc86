//! The web worker: owns the engine, takes [`Request`]s one after the other and posts [`Event`]s.
//!
//! Entry points: [`Server::serve`] is the loop over requests, `load.rs` and `chat.rs` do the two long ones.

mod chat;
mod embed;
mod error;
mod inspect;
mod interrupts;
mod load;
mod port;
mod source;

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedReceiver;
use parlance_engine::EngineError;
use parlance_engine::runtime::{Loaded, Model};
use parlance_protocol::{Event, FailureKind, Request, RequestId};
use web_sys::File;

use crate::error::WorkerError;
use crate::interrupts::Interrupts;
use crate::port::{Incoming, Port};

fn main() {
    let port = Port::new();
    Port::post_panics();
    let interrupts = Interrupts::default();
    let requests = port.listen(interrupts.clone());
    port.post(&Event::Ready);
    wasm_bindgen_futures::spawn_local(Server { port, interrupts, model: None }.serve(requests));
}

/// What the worker holds between requests.
struct Server {
    port: Port,
    interrupts: Interrupts,
    model: Option<Loaded>,
}

impl Server {
    /// Works on requests in the order in which they came. Interrupts overtake them, see [`Port::listen`].
    async fn serve(mut self, mut requests: UnboundedReceiver<Incoming>) {
        while let Some(Incoming { request, files }) = requests.next().await {
            match self.answer(request, files).await {
                Ok(event) => self.port.post(&event),
                Err((id, error)) => self.fail(id, error),
            }
        }
    }

    /// Does what is asked and returns the event that ends it.
    async fn answer(&mut self, request: Request, files: Vec<File>) -> Result<Event, (RequestId, WorkerError)> {
        match request {
            Request::Load { id, source, context_tokens } => {
                // The old model's memory is free before the new one needs its own.
                drop(self.model.take());
                let load = load::Load { id, port: &self.port, interrupts: &self.interrupts };
                let loaded = load.run(source, files, context_tokens).await;
                self.interrupts.forget(id);
                let (loaded, info) = loaded.map_err(|error| (id, error))?;
                self.model = Some(loaded);
                Ok(Event::Loaded { id, model: info })
            }
            Request::Inspect { id, source, context_tokens } => {
                let model = inspect::inspect(&source, files, context_tokens).await.map_err(|error| (id, error))?;
                Ok(Event::Inspected { id, model })
            }
            Request::Chat { id, messages, sampling, max_tokens } => {
                let chat = chat::Chat { id, port: &self.port, interrupts: &self.interrupts };
                let finished = match decoder(self.model.as_mut()) {
                    Ok(model) => chat.run(model, &messages, sampling, max_tokens).await,
                    Err(error) => Err(error),
                };
                self.interrupts.forget(id);
                let (reason, usage) = finished.map_err(|error| (id, error))?;
                Ok(Event::Finished { id, reason, usage })
            }
            Request::Embed { id, texts } => {
                let embedded = embed::embed(self.model.as_ref(), &texts, || self.interrupts.contains(id)).await;
                self.interrupts.forget(id);
                let embeddings = embedded.map_err(|error| (id, error))?;
                Ok(Event::Embedded { id, embeddings })
            }
            Request::Unload => {
                drop(self.model.take());
                Ok(Event::Unloaded)
            }
            // They are taken out of the queue where they arrive.
            Request::Interrupt { id } => Err((id, WorkerError::BadRequest("an interrupt came too late"))),
        }
    }

    /// Tells the page of a failure.
    fn fail(&mut self, id: RequestId, error: WorkerError) {
        let failure = error.into_failure();
        if failure.kind == FailureKind::Gpu {
            // Nothing on a device that failed can be trusted.
            drop(self.model.take());
        }
        self.port.post(&Event::Failed { id, failure });
    }
}

/// The model loaded, if it can chat.
fn decoder(model: Option<&mut Loaded>) -> Result<&mut Model, WorkerError> {
    match model {
        Some(Loaded::Decoder(model)) => Ok(model),
        Some(Loaded::Encoder(_)) => Err(EngineError::WrongKind("it turns texts into vectors").into()),
        None => Err(WorkerError::NO_MODEL),
    }
}
