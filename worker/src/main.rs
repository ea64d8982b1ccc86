//! The web worker: owns the engine, takes [`Request`]s one after the other and posts [`Event`]s.
//!
//! Entry points: [`serve`] is the loop over requests, `load.rs` and `chat.rs` do the two long ones.

mod chat;
mod error;
mod inspect;
mod interrupts;
mod load;
mod port;
mod source;

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedReceiver;
use parlance_engine::runtime::Model;
use parlance_protocol::{Event, FailureKind, Request};

use crate::interrupts::Interrupts;
use crate::port::{Incoming, Port};

fn main() {
    let port = Port::new();
    Port::post_panics();
    let interrupts = Interrupts::default();
    let requests = port.listen(interrupts.clone());
    port.post(&Event::Ready);
    wasm_bindgen_futures::spawn_local(serve(port, requests, interrupts));
}

/// Works on requests in the order in which they came. Interrupts overtake them, see [`Port::listen`].
async fn serve(port: Port, mut requests: UnboundedReceiver<Incoming>, interrupts: Interrupts) {
    let mut model: Option<Model> = None;
    while let Some(Incoming { request, files }) = requests.next().await {
        match request {
            Request::Load { id, source, context_tokens } => {
                // The old model's memory is free before the new one needs its own.
                drop(model.take());
                let load = load::Load { id, port: &port, interrupts: &interrupts };
                match load.run(source, files, context_tokens).await {
                    Ok((loaded, info)) => {
                        model = Some(loaded);
                        port.post(&Event::Loaded { id, model: info });
                    }
                    Err(error) => port.post(&Event::Failed { id, failure: error.into_failure() }),
                }
                interrupts.forget(id);
            }
            Request::Inspect { id, source, context_tokens } => {
                match inspect::inspect(&source, files, context_tokens).await {
                    Ok(model) => port.post(&Event::Inspected { id, model }),
                    Err(error) => port.post(&Event::Failed { id, failure: error.into_failure() }),
                }
            }
            Request::Chat { id, messages, sampling, max_tokens } => {
                let chat = chat::Chat { id, port: &port, interrupts: &interrupts };
                match chat.run(model.as_mut(), &messages, sampling, max_tokens).await {
                    Ok((reason, usage)) => port.post(&Event::Finished { id, reason, usage }),
                    Err(error) => {
                        let failure = error.into_failure();
                        if failure.kind == FailureKind::Gpu {
                            // Nothing on a device that failed can be trusted.
                            drop(model.take());
                        }
                        port.post(&Event::Failed { id, failure });
                    }
                }
                interrupts.forget(id);
            }
            Request::Unload => {
                drop(model.take());
                port.post(&Event::Unloaded);
            }
            Request::Interrupt { .. } => {}
        }
    }
}
