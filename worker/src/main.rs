//! The web worker: holds the engine, or passes requests on to the tab whose worker does.
//!
//! It drives the state machines of `worker/core` with the browser's APIs: `election.rs` (which worker leads), `storage/download.rs` and
//! [`server::Server`] (models in memory). `leader.rs` sorts what arrives at the leader; [`server::Server::serve`] is the loop over requests that need
//! a model; `load.rs` (with `draft.rs`, `senses.rs` and `speech.rs`), `completions.rs` (with `images.rs` and `sounds.rs`) and `transcripts.rs` (with `sound/`) do the long ones, and `idle.rs` what has
//! time until nobody waits; `storage/` keeps models on this device.

mod address;
mod answer;
mod bytes;
mod client;
mod completions;
mod device;
mod draft;
mod election;
mod error;
mod hashing;
mod identity;
mod idle;
mod images;
mod inspect;
mod interrupts;
mod js;
mod later;
mod leader;
mod load;
mod locks;
mod model_info;
mod names;
mod policy;
mod prepare;
mod projector;
mod queue;
mod resident;
mod responses;
mod senses;
mod server;
mod sound;
mod sounds;
mod source;
mod speech;
mod storage;
mod stream;
mod threads;
mod tokens;
mod transcripts;

use std::rc::Rc;

use parlance_api::Processors;
use parlance_protocol::Event;

use crate::client::Client;
use crate::election::Lead;
use crate::leader::{Leader, Shared};
use crate::server::Server;

fn main() {
    if threads::is_helper() {
        return threads::help();
    }
    if hashing::is_helper() {
        return hashing::help();
    }
    client::post_panics();
    policy::listen();
    election::start(|| {
        let shared = Rc::new(Shared::new(Processors::new()));
        wasm_bindgen_futures::spawn_local(Server::new(Rc::clone(&shared)).serve());
        Rc::new(Leader(shared)) as Rc<dyn Lead>
    });
    Client::page().post(&Event::Ready);
}
