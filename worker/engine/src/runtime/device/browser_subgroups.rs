//! Subgroups in browsers. wgpu does not request them there yet (gfx-rs/wgpu#10146), but passes WGSL on unchanged. So
//! the feature is added here to wgpu's requests, by wrapping JavaScript methods.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

/// Adds subgroups to requests for as long as this value lives.
pub(super) struct SubgroupRequest {
    gpu: JsValue,
    is_granted: Rc<Cell<bool>>,
}

impl SubgroupRequest {
    /// Wraps `navigator.gpu.requestAdapter`; `None` without WebGPU.
    pub(super) fn new() -> Option<Self> {
        let gpu = get(&get(&js_sys::global(), "navigator")?, "gpu")?;
        let is_granted = Rc::new(Cell::new(false));
        let request_adapter: Function = get(&gpu, "requestAdapter")?.dyn_into().ok()?;
        let (this, granted) = (gpu.clone(), Rc::clone(&is_granted));
        let wrapper = Closure::<dyn FnMut(JsValue) -> Promise>::new(move |options: JsValue| {
            let adapter = request_adapter.call1(&this, &options);
            let granted = Rc::clone(&granted);
            future_to_promise(async move {
                let adapter = JsFuture::from(adapter?.unchecked_into::<Promise>()).await?;
                add_subgroups(&adapter, granted);
                Ok(adapter)
            })
        });
        Reflect::set(&gpu, &"requestAdapter".into(), &wrapper.into_js_value()).ok()?;
        Some(Self { gpu, is_granted })
    }

    /// Whether a device was requested with subgroups, from an adapter that has them.
    pub(super) fn is_granted(&self) -> bool {
        self.is_granted.get()
    }
}

impl Drop for SubgroupRequest {
    fn drop(&mut self) {
        // The browser's own method, on the prototype, becomes visible again.
        let _ = Reflect::delete_property(self.gpu.unchecked_ref::<Object>(), &"requestAdapter".into());
    }
}

/// Adds subgroups to device requests, if the adapter has them.
fn add_subgroups(adapter: &JsValue, granted: Rc<Cell<bool>>) -> Option<()> {
    let features = get(adapter, "features")?;
    let has: Function = get(&features, "has")?.dyn_into().ok()?;
    if !has.call1(&features, &"subgroups".into()).ok()?.is_truthy() {
        return None;
    }
    let request_device: Function = get(adapter, "requestDevice")?.dyn_into().ok()?;
    let this = adapter.clone();
    let wrapper = Closure::<dyn FnMut(JsValue) -> Result<JsValue, JsValue>>::new(move |descriptor: JsValue| {
        let descriptor = if descriptor.is_object() { descriptor } else { Object::new().into() };
        let asked = get(&descriptor, "requiredFeatures").map_or_else(Array::new, |features| Array::from(&features));
        asked.push(&JsString::from("subgroups"));
        Reflect::set(&descriptor, &"requiredFeatures".into(), &asked)?;
        granted.set(true);
        request_device.call1(&this, &descriptor)
    });
    Reflect::set(adapter, &"requestDevice".into(), &wrapper.into_js_value()).ok().map(drop)
}

/// A property, if it is defined and not null.
pub(super) fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
