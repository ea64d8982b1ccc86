//! Hosts that the user allows this site to fetch models from, besides the site itself. `web/policy.js` makes the browser enforce the list.

use js_sys::{Array, Reflect};
use leptos::prelude::*;
use wasm_bindgen::JsCast as _;
use web_sys::Url;

use crate::storage;

/// The `localStorage` key of the list of origins; `web/policy.js` reads it before the page starts.
const KEY: &str = "parlance.sources";

/// The origin of a URL.
pub(crate) fn origin_of(url: &str) -> Option<String> {
    Some(Url::new(url).ok()?.origin())
}

/// The origins that the user has allowed.
pub(crate) fn allowed() -> Vec<String> {
    storage::read(KEY).and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// The hosts that the browser currently lets this page and its workers connect to: those that were allowed when the page started, with the
/// hosts that they redirect downloads to. Set by `web/policy.js`.
pub(crate) fn in_force() -> Array {
    let hosts = Reflect::get(&window(), &"parlanceAllowedHosts".into()).unwrap_or_default();
    hosts.dyn_into().unwrap_or_default()
}

/// Whether the browser lets this page connect to a URL's host now.
pub(crate) fn is_in_force(url: &str) -> bool {
    let Some(origin) = origin_of(url) else { return false };
    let own = window().location().origin().ok();
    own.as_ref() == Some(&origin) || in_force().iter().any(|allowed| allowed.as_string().as_ref() == Some(&origin))
}

/// Whether the user has allowed a URL's host, possibly after the page was opened.
pub(crate) fn is_allowed(url: &str) -> bool {
    origin_of(url).is_some_and(|origin| allowed().contains(&origin))
}

/// Whether the user has to allow a URL's host before the page may connect to it.
pub(crate) fn needs_permission(url: &str) -> bool {
    let own = window().location().origin().ok();
    origin_of(url) != own && !is_allowed(url)
}

/// Allows a URL's host and reloads the page with that model. A reload is needed because a page's policy can only be tightened.
pub(crate) fn allow(url: &str) {
    add(url);
    storage::agree_to_link(url);
    let location = window().location();
    let query = web_sys::UrlSearchParams::new_with_str(&location.search().unwrap_or_default());
    if let Ok(query) = query {
        query.set("model", url);
        // The page is unloaded whatever this returns.
        let _ = location.set_search(&query.to_string().as_string().unwrap_or_default());
    }
}

/// Allows a URL's host and reloads the page as it is.
pub(crate) fn allow_here(url: &str) {
    add(url);
    // The page is unloaded whatever this returns.
    let _ = window().location().reload();
}

fn add(url: &str) {
    let Some(origin) = origin_of(url) else { return };
    let mut origins = allowed();
    if !origins.contains(&origin) {
        origins.push(origin);
    }
    save(&origins);
}

/// Removes an origin. Pages that are already open may connect to it until they are closed.
pub(crate) fn remove(origin: &str) {
    let mut origins = allowed();
    origins.retain(|allowed| allowed != origin);
    save(&origins);
}

fn save(origins: &[String]) {
    // A list of strings always serialises.
    storage::write(KEY, &serde_json::to_string(origins).unwrap_or_default());
}
