//! What the page's policy forbids. A worker that the page started inherits its Content-Security-Policy; a request that this forbids
//! fails like one without a network, and only an event tells the difference.

use std::cell::RefCell;
use std::collections::HashSet;

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, SecurityPolicyViolationEvent, Url};

use crate::error::WorkerError;

thread_local! {
    /// Hosts, with their ports, that a request was refused to.
    static REFUSED: RefCell<HashSet<String>> = RefCell::default();
}

/// Begins to listen.
pub(crate) fn listen() {
    let on_violation = Closure::<dyn Fn(SecurityPolicyViolationEvent)>::new(|event: SecurityPolicyViolationEvent| {
        if let Some(host) = host_of(&event.blocked_uri()) {
            REFUSED.with_borrow_mut(|refused| refused.insert(host));
        }
    });
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // Fails only for listeners that are none.
    let _ = scope.add_event_listener_with_callback("securitypolicyviolation", on_violation.as_ref().unchecked_ref());
    // It listens as long as the worker lives.
    on_violation.forget();
}

/// Where the page's policy asks for Trusted Types: lets this worker start workers of its own script, and of no other. May be said again.
pub(crate) fn allow_own_script() -> Result<(), JsValue> {
    let factory = Reflect::get(&js_sys::global(), &"trustedTypes".into())?;
    if !factory.is_object() || Reflect::get(&factory, &"defaultPolicy".into())?.is_object() {
        return Ok(());
    }
    let checked = Closure::<dyn Fn(String) -> Option<String>>::new(|url: String| {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        (url == scope.location().href()).then_some(url)
    });
    let rules = Object::new();
    Reflect::set(&rules, &"createScriptURL".into(), checked.as_ref())?;
    let create: Function = Reflect::get(&factory, &"createPolicy".into())?.dyn_into()?;
    create.call2(&factory, &"default".into(), &rules)?;
    // The policy lasts as long as the worker.
    checked.forget();
    Ok(())
}

/// The error of a request that failed, if the policy forbids it.
pub(crate) async fn refusal(url: &str) -> Option<WorkerError> {
    // The event is a task of its own.
    gloo_timers::future::sleep(std::time::Duration::from_millis(20)).await;
    let host = host_of(url)?;
    REFUSED.with_borrow(|refused| refused.contains(&host)).then_some(WorkerError::NotAllowed { host })
}

fn host_of(url: &str) -> Option<String> {
    Some(Url::new(url).ok()?.host()).filter(|host| !host.is_empty())
}
