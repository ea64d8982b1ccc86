//! Models kept on this device.

use std::collections::HashMap;

use leptos::prelude::*;
use parlance_protocol::{DeviceChoice, Failure, Request, Settings, StorageInfo};
use web_sys::File;

use super::Client;

impl Client {
    /// What is kept on this device, once [`Client::list_stored`] has asked.
    pub(crate) fn stored(self) -> Signal<Option<Result<StorageInfo, Failure>>> {
        self.stored.into()
    }

    /// Models that were read and compared, by address, and whether they are intact.
    pub(crate) fn verified(self) -> Signal<HashMap<String, bool>> {
        self.verified.into()
    }

    /// Asks what is kept on this device.
    pub(crate) fn list_stored(self) {
        self.send(Request::Storage { id: self.next_request() }, Vec::new());
    }

    /// Keeps copies of files.
    pub(crate) fn import(self, files: Vec<File>) {
        self.send(Request::Import { id: self.next_request() }, files);
    }

    /// Deletes a kept model.
    pub(crate) fn delete_stored(self, url: String) {
        self.send(Request::Delete { id: self.next_request(), url }, Vec::new());
    }

    /// Deletes the KV caches of conversations that are kept for a later visit, as pages that embed the module may have asked.
    pub(crate) fn delete_kept_caches(self) {
        self.send(Request::DeleteConversations { id: self.next_request() }, Vec::new());
    }

    /// Reads a kept model and compares it with its checksum.
    pub(crate) fn verify_stored(self, url: String) {
        self.verified.update(|verified| {
            verified.remove(&url);
        });
        self.send(Request::Verify { id: self.next_request(), url }, Vec::new());
    }

    /// What models are computed on: as the address says, or the user chose.
    fn device(self) -> DeviceChoice {
        let chosen = self.settings.0.with_untracked(|settings| settings.device);
        self.options.with_value(|options| options.device).unwrap_or(chosen)
    }

    /// Whether models may be computed on a GPU, as far as that is known before one is. Reactive.
    pub(crate) fn may_use_gpu(self) -> bool {
        let chosen = self.settings.0.read().device;
        let device = self.options.with_value(|options| options.device).unwrap_or(chosen);
        let has_webgpu = js_sys::Reflect::get(&window().navigator(), &"gpu".into()).is_ok_and(|gpu| gpu.is_object());
        device != DeviceChoice::Cpu && has_webgpu
    }

    /// Tells the worker what the user has chosen.
    pub(crate) fn configure(self) {
        let minutes = self.settings.0.with_untracked(|settings| settings.idle_minutes);
        let idle_unload_seconds = (minutes > 0).then(|| f64::from(minutes) * 60.0);
        let kv_cache = self.settings.0.with_untracked(|settings| settings.kv_cache);
        let settings = Settings { idle_unload_seconds, budget_bytes: None, device: self.device(), kv_cache };
        self.send(Request::Configure { settings }, Vec::new());
    }
}
