//! Where models may come from. Every client has a list of hosts, and nothing is fetched for it from elsewhere. Beyond that, a worker inherits
//! the Content-Security-Policy of the page that started it; a request that this forbids fails like one without a network, and only an event
//! tells the difference.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Object, Reflect};
use serde::Deserialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, SecurityPolicyViolationEvent, Url};

use crate::error::WorkerError;

/// The origins that a client lets models be fetched from; `*.` stands for any name below a domain, as in a Content-Security-Policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<String>")]
pub(crate) struct AllowedHosts(Rc<[String]>);

impl From<Vec<String>> for AllowedHosts {
    fn from(origins: Vec<String>) -> Self {
        Self(origins.into())
    }
}

impl AllowedHosts {
    /// As a message lists them; none where it has no list.
    pub(crate) fn from_js(list: &JsValue) -> Self {
        let origins = Array::is_array(list).then(|| Array::from(list));
        Self(origins.iter().flat_map(Array::iter).filter_map(|origin| origin.as_string()).collect())
    }

    /// As messages list them.
    pub(crate) fn to_js(&self) -> Array {
        self.0.iter().map(|origin| JsString::from(origin.as_str())).collect()
    }

    /// An error unless an address may be asked. Where its host sends files from is up to the host, and to the page's policy.
    pub(crate) fn check(&self, url: &str) -> Result<(), WorkerError> {
        let parsed = Url::new(url).ok().filter(|url| !url.host().is_empty() || url.protocol() == "blob:");
        let url = parsed.ok_or(WorkerError::BadAddress)?;
        if self.permits(&url.origin()) { Ok(()) } else { Err(WorkerError::NotAllowed { host: url.host() }) }
    }

    fn permits(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| is_meant(allowed, origin))
    }
}

/// Whether an origin is one that is allowed.
fn is_meant(allowed: &str, origin: &str) -> bool {
    let Some((scheme, domain)) = allowed.split_once("*.") else { return allowed == origin };
    let below = origin.strip_prefix(scheme).and_then(|host| host.strip_suffix(domain));
    scheme.ends_with("://") && below.is_some_and(|name| name.len() > 1 && name.ends_with('.'))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_by_its_origin() {
        let hosts = ["https://models.example.org", "https://*.hf.co", "http://*.local:8080", "*.bare.org"];
        let allowed = AllowedHosts::from(hosts.map(str::to_owned).to_vec());
        let meant = ["https://models.example.org", "https://cdn.hf.co", "https://a.b.hf.co", "http://nas.local:8080"];
        for origin in meant {
            assert!(allowed.permits(origin), "{origin}");
        }
        for origin in [
            "http://models.example.org",
            "https://models.example.org:444",
            "https://example.org",
            "https://models.example.org.evil.net",
            "https://hf.co",
            "https://.hf.co",
            "https://evilhf.co",
            "http://cdn.hf.co",
            "https://cdn.hf.co:444",
            "http://nas.local",
            "https://a.bare.org",
            "null",
            "",
        ] {
            assert!(!allowed.permits(origin), "{origin}");
        }
        assert!(!AllowedHosts::default().permits("https://models.example.org"), "nothing is allowed by itself");
    }
}
