//! What this worker's name says, see [`parlance_worker_core::identity`].

use parlance_worker_core::hosts::AllowedHosts;
use parlance_worker_core::identity::Identity;
use wasm_bindgen::JsCast as _;
use web_sys::DedicatedWorkerGlobalScope;

thread_local! {
    static IDENTITY: Identity = {
        let worker: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        Identity::parse(&worker.name())
    };
}

/// What the names of this worker's channels and locks contain.
pub(crate) fn scope() -> String {
    IDENTITY.with(Identity::scope)
}

/// Hosts from which the page that started this worker lets models be fetched.
pub(crate) fn allowed_hosts() -> AllowedHosts {
    IDENTITY.with(|identity| identity.allowed_hosts.clone())
}
