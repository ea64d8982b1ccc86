//! Models stored on this device, and the settings sent to the worker.

use std::collections::HashMap;

use leptos::prelude::*;
use parlance_protocol::openai::Capability;
use parlance_protocol::{DeviceChoice, Failure, Request, Settings, StorageInfo, StoredModel, is_ggml_name};
use web_sys::File;

use super::Client;
use crate::hub;
use crate::options::is_same_model;
use crate::storage;

impl Client {
    /// The models stored on this device; `None` until [`Client::list_stored`] has been answered.
    pub(crate) fn stored(self) -> Signal<Option<Result<StorageInfo, Failure>>> {
        self.stored.into()
    }

    /// The models on this device that can chat, the most recently used first. Reactive.
    pub(crate) fn chat_models(self) -> Vec<StoredModel> {
        let is_usable = |model: &StoredModel| {
            // What a model can do is known once it has been loaded.
            let can_chat = model.abilities.as_ref().is_none_or(|known| known.capabilities.contains(&Capability::Chat));
            can_chat && !is_ggml_name(&model.name) && !model.is_projector && model.done_bytes >= model.len_bytes
        };
        let stored = self.stored.get().and_then(Result::ok);
        stored.into_iter().flat_map(|storage| storage.models).filter(is_usable).collect()
    }

    /// Results of [`Client::verify_stored`]: whether models are intact, by URL.
    pub(crate) fn verified(self) -> Signal<HashMap<String, bool>> {
        self.verified.into()
    }

    /// Requests the list of stored models.
    pub(crate) fn list_stored(self) {
        self.send(Request::Storage { id: self.next_request() }, Vec::new());
    }

    /// Copies files into the storage.
    pub(crate) fn import(self, files: Vec<File>) {
        self.send(Request::Import { id: self.next_request() }, files);
    }

    /// Deletes a stored model.
    pub(crate) fn delete_stored(self, url: String) {
        if storage::preferred_model().is_some_and(|model| is_same_model(&model.url, &url)) {
            storage::prefer_model(None);
        }
        self.send(Request::Delete { id: self.next_request(), url }, Vec::new());
    }

    /// Deletes all KV caches saved with the `conversations.save` method of `parlance.js`.
    pub(crate) fn delete_saved_caches(self) {
        self.send(Request::DeleteConversations { id: self.next_request() }, Vec::new());
    }

    /// Compares a stored model with its checksum.
    pub(crate) fn verify_stored(self, url: String) {
        self.verified.update(|verified| {
            verified.remove(&url);
        });
        self.send(Request::Verify { id: self.next_request(), url }, Vec::new());
    }

    /// The device that models run on: from the URL, or else the settings.
    fn device(self) -> DeviceChoice {
        let chosen = self.settings.0.with_untracked(|settings| settings.device);
        self.options.with_value(|options| options.device).unwrap_or(chosen)
    }

    /// Whether models will probably run on the GPU, before one has been loaded. Reactive.
    pub(crate) fn may_use_gpu(self) -> bool {
        let chosen = self.settings.0.read().device;
        let device = self.options.with_value(|options| options.device).unwrap_or(chosen);
        let has_webgpu = js_sys::Reflect::get(&window().navigator(), &"gpu".into()).is_ok_and(|gpu| gpu.is_object());
        device != DeviceChoice::Cpu && has_webgpu
    }

    /// Sends the current settings, and the token for gated repositories, to the worker.
    pub(crate) fn configure(self) {
        let minutes = self.settings.0.with_untracked(|settings| settings.idle_minutes);
        let idle_unload_seconds = (minutes > 0).then(|| f64::from(minutes) * 60.0);
        let kv_cache = self.settings.0.with_untracked(|settings| settings.kv_cache);
        let settings = Settings { idle_unload_seconds, device: self.device(), kv_cache, ..Settings::default() };
        self.send(Request::Configure { settings, tokens: Some(hub::tokens()) }, Vec::new());
    }
}
