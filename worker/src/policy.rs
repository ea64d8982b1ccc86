//! Where models may be fetched from. Every client has a list of hosts, and nothing is fetched for it from elsewhere. In addition, a worker inherits
//! the Content-Security-Policy of the page that started it; a request that this forbids fails as if there were no network, and only an event tells
//! the difference.

use std::cell::RefCell;
use std::collections::HashSet;

use js_sys::{Array, Function, JsString, Object, Reflect};
use parlance_worker_core::FileError;
use parlance_worker_core::hosts::AllowedHosts;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, SecurityPolicyViolationEvent, Url};

/// The hosts that a message lists; none if it has no list.
pub(crate) fn hosts_from_js(list: &JsValue) -> AllowedHosts {
    let origins = Array::is_array(list).then(|| Array::from(list));
    let origins: Vec<String> = origins.iter().flat_map(Array::iter).filter_map(|origin| origin.as_string()).collect();
    origins.into()
}

/// Hosts as messages list them.
pub(crate) fn hosts_to_js(hosts: &AllowedHosts) -> Array {
    hosts.origins().iter().map(|origin| JsString::from(origin.as_str())).collect()
}

/// Checks that `url` may be requested. Where its host redirects to is up to the host, and to the page's policy.
pub(crate) fn check(hosts: &AllowedHosts, url: &str) -> Result<(), FileError> {
    let parsed = Url::new(url).ok().filter(|url| !url.host().is_empty() || url.protocol() == "blob:");
    let url = parsed.ok_or(FileError::BadAddress)?;
    if hosts.permits(&url.origin()) { Ok(()) } else { Err(FileError::NotAllowed { host: url.host() }) }
}

thread_local! {
    /// Hosts, with their ports, to which the policy refused a request.
    static REFUSED: RefCell<HashSet<String>> = RefCell::default();
}

/// Begins to listen for violations of the policy.
pub(crate) fn listen() {
    let on_violation = Closure::<dyn Fn(SecurityPolicyViolationEvent)>::new(|event: SecurityPolicyViolationEvent| {
        if let Some(host) = host_of(&event.blocked_uri()) {
            REFUSED.with_borrow_mut(|refused| refused.insert(host));
        }
    });
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    // It fails only for values that are not listeners.
    let _ = scope.add_event_listener_with_callback("securitypolicyviolation", on_violation.as_ref().unchecked_ref());
    // It listens as long as the worker lives.
    on_violation.forget();
}

/// Where the page's policy requires Trusted Types: lets this worker start workers from its own script, and from no other. May be called again.
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
pub(crate) async fn refusal(url: &str) -> Option<FileError> {
    // The event is a task of its own.
    gloo_timers::future::sleep(std::time::Duration::from_millis(20)).await;
    let host = host_of(url)?;
    REFUSED.with_borrow(|refused| refused.contains(&host)).then_some(FileError::NotAllowed { host })
}

fn host_of(url: &str) -> Option<String> {
    Some(Url::new(url).ok()?.host()).filter(|host| !host.is_empty())
}
