//! Hosts of models that the user allows this site to connect to, beside the site itself. `web/policy.js` makes the browser obey it.

use js_sys::{Array, Reflect};
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::Url;

use crate::storage;

/// Where the list of origins is kept; `web/policy.js` reads it before the page begins.
const KEY: &str = "parlance.sources";

/// The origin of an address.
pub(crate) fn origin_of(url: &str) -> Option<String> {
    Some(Url::new(url).ok()?.origin())
}

/// The origins that the user has allowed.
pub(crate) fn allowed() -> Vec<String> {
    storage::read(KEY).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// The hosts that the browser lets this page and its workers connect to beside the site, as `web/policy.js` has read them when the page began,
/// with those that they send files from.
pub(crate) fn in_force() -> Array {
    let hosts = Reflect::get(&window(), &"parlanceAllowedHosts".into()).unwrap_or_default();
    hosts.dyn_into().unwrap_or_default()
}

/// Whether the user has allowed an address's host. The page may be older than that.
pub(crate) fn is_allowed(url: &str) -> bool {
    origin_of(url).is_some_and(|origin| allowed().contains(&origin))
}

/// Whether the user has to allow an address's host before it can be asked.
pub(crate) fn needs_permission(url: &str) -> bool {
    let own = window().location().origin().ok();
    origin_of(url) != own && !is_allowed(url)
}

/// Allows an address's host, and opens the page anew with that model, since a page's policy can only become narrower.
pub(crate) fn allow(url: &str) {
    keep_allowed(url);
    storage::agree_to_link(url);
    let location = window().location();
    let query = web_sys::UrlSearchParams::new_with_str(&location.search().unwrap_or_default());
    if let Ok(query) = query {
        query.set("model", url);
        // The page is left whatever this returns.
        let _ = location.set_search(&query.to_string().as_string().unwrap_or_default());
    }
}

/// Allows an address's host, and opens the page anew as it is.
pub(crate) fn allow_here(url: &str) {
    keep_allowed(url);
    // The page is left whatever this returns.
    let _ = window().location().reload();
}

fn keep_allowed(url: &str) {
    let Some(origin) = origin_of(url) else { return };
    let mut origins = allowed();
    if !origins.contains(&origin) {
        origins.push(origin);
    }
    keep(&origins);
}

/// Forgets an origin. The page that is open may connect to it until it is closed.
pub(crate) fn forget(origin: &str) {
    let mut origins = allowed();
    origins.retain(|allowed| allowed != origin);
    keep(&origins);
}

fn keep(origins: &[String]) {
    // A list of texts always has a JSON form.
    storage::write(KEY, &serde_json::to_string(origins).unwrap_or_default());
}
