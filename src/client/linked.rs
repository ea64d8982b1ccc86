//! The model that the page's address names. A link is nobody's wish: the user is asked first, unless that model is loaded already.

use leptos::prelude::*;
use parlance_protocol::ModelSource;

use super::{Client, EngineState, LoadRequest};
use crate::storage;

impl Client {
    /// Begins with the model that the address names, and tells whether it names one. What the user has agreed to in this tab is loaded, as when
    /// the page is opened again; otherwise the worker tells which model other tabs have loaded, and what is on this device.
    pub(crate) fn begin_with_link(self) -> bool {
        let Some(url) = self.linked.get_untracked() else { return false };
        if storage::agreed_link().as_deref() == Some(&*url) {
            self.load_linked(url, true);
        } else {
            self.list_stored();
        }
        true
    }

    /// The address of that model while the user is to be asked. Reactive.
    pub(crate) fn linked_to_ask(self) -> Option<String> {
        let url = self.linked.get()?;
        let asks = match &*self.engine.read() {
            EngineState::Empty => true,
            EngineState::Ready(model) => model.url.as_deref() != Some(&*url),
            EngineState::Loading(_) | EngineState::Failed(_) => false,
        };
        asks.then_some(url)
    }

    /// Loads it, in place of the one that is loaded.
    pub(crate) fn accept_link(self) {
        let Some(url) = self.linked.get_untracked() else { return };
        storage::agree_to_load();
        storage::agree_to_link(&url);
        self.load_linked(url, false);
    }

    /// Leaves it, and goes on as without it.
    pub(crate) fn decline_link(self) {
        self.linked.set(None);
        let is_empty = matches!(&*self.engine.read_untracked(), EngineState::Empty);
        if is_empty && storage::has_agreed_to_load() {
            self.load_default_unless_loaded();
        }
    }

    fn load_linked(self, url: String, unless_loaded: bool) {
        let source = ModelSource::Url { url };
        self.load_request(LoadRequest { source, files: Vec::new(), context_tokens: None, unless_loaded });
    }
}
