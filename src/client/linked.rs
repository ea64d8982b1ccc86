//! The model that the page's URL names. A link is not consent, so the user is asked first unless that model is already loaded.

use leptos::prelude::*;

use super::{Candidate, Client, EngineState, LoadRequest};
use crate::storage;

impl Client {
    /// Handles the model that the URL names and returns whether it names one. A model that the user has already agreed to in this tab is
    /// loaded, for example after a reload. Otherwise the worker is started, to learn which model other tabs use and what is on this device.
    pub(crate) fn handle_link(self) -> bool {
        let Some(url) = self.linked.get_untracked() else { return false };
        if storage::agreed_link().as_deref() == Some(&*url) {
            self.load_linked(url, true);
        } else {
            self.list_stored();
        }
        true
    }

    /// The linked model's URL while the user has to decide about it. Reactive.
    pub(crate) fn link_to_confirm(self) -> Option<String> {
        let url = self.linked.get()?;
        let asks = match &*self.engine.read() {
            EngineState::Empty => true,
            EngineState::Ready(model) => model.url.as_deref() != Some(&*url),
            EngineState::Loading(_) | EngineState::Failed(_) => false,
        };
        asks.then_some(url)
    }

    /// Loads the linked model in place of the current one.
    pub(crate) fn accept_link(self) {
        let Some(url) = self.linked.get_untracked() else { return };
        storage::agree_to_load();
        storage::agree_to_link(&url);
        self.load_linked(url, false);
    }

    /// Dismisses the linked model and starts as without a link.
    pub(crate) fn decline_link(self) {
        self.linked.set(None);
        let is_empty = matches!(&*self.engine.read_untracked(), EngineState::Empty);
        if is_empty && storage::has_agreed_to_load() {
            self.load_default_unless_loaded();
        }
    }

    fn load_linked(self, url: String, unless_loaded: bool) {
        self.load_request(LoadRequest { candidate: Candidate::of_url(url), context_tokens: None, unless_loaded });
    }
}
