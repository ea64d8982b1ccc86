//! Web Locks, as far as they are needed: a lock is held until the worker ends.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`: web-sys counts it as unstable.
    pub(crate) type Locks;

    #[wasm_bindgen(method, js_name = request)]
    fn request(this: &Locks, name: &str, options: &JsValue, callback: &Function) -> Promise;
}

/// The site's locks, if the browser has any here.
pub(crate) fn locks() -> Option<Locks> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}

impl Locks {
    /// Waits for a lock and holds it until this worker ends.
    pub(crate) fn hold(&self, name: &str, granted: impl FnOnce() + 'static) {
        self.hold_with(name, false, move |_| granted());
    }

    /// Holds a lock until this worker ends, if nobody else has it; `decided` hears whether it was granted.
    pub(crate) fn hold_if_free(&self, name: &str, decided: impl FnOnce(bool) + 'static) {
        self.hold_with(name, true, decided);
    }

    /// Waits until nobody holds a lock.
    pub(crate) fn wait_until_free(&self, name: &str, free: impl FnOnce() + 'static) {
        let callback = Closure::once_into_js(move |_lock: JsValue| free());
        let _ = self.request(name, &Object::new(), callback.unchecked_ref());
    }

    fn hold_with(&self, name: &str, only_if_free: bool, decided: impl FnOnce(bool) + 'static) {
        let callback = Closure::once_into_js(move |lock: JsValue| {
            let is_granted = !lock.is_null();
            decided(is_granted);
            // A promise that never resolves keeps the lock.
            if is_granted { Promise::new(&mut |_, _| ()).into() } else { JsValue::UNDEFINED }
        });
        let options = Object::new();
        // A plain object takes any key.
        let _ = Reflect::set(&options, &"ifAvailable".into(), &only_if_free.into());
        let _ = self.request(name, &options, callback.unchecked_ref());
    }
}
