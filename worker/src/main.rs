//! The web worker: holds the engine, or passes requests on to the tab whose worker does.
//!
//! Entry points: `link.rs` elects the worker that leads and connects the others to it; `shared.rs` sorts what arrives;
//! [`server::Server::serve`] is the loop over requests that need a model; `load.rs` and `answer.rs` do the two long ones; `storage/`
//! keeps models on this device.

mod address;
mod answer;
mod checksum;
mod client;
mod crew;
mod device;
mod error;
mod identity;
mod inspect;
mod interrupts;
mod lengths;
mod link;
mod load;
mod policy;
mod queue;
mod server;
mod shared;
mod source;
mod storage;
mod takeover;

use std::rc::Rc;

use parlance_api::Processors;
use parlance_protocol::Event;

use crate::client::Client;
use crate::link::Lead;
use crate::server::Server;
use crate::shared::{Doorkeeper, Shared};

fn main() {
    if crew::is_member() {
        return crew::serve();
    }
    client::post_panics();
    policy::listen();
    link::start(|| {
        let shared = Rc::new(Shared::new(Processors::new()));
        wasm_bindgen_futures::spawn_local(Server::new(Rc::clone(&shared)).serve());
        Rc::new(Doorkeeper(shared)) as Rc<dyn Lead>
    });
    Client::page().post(&Event::Ready);
}
