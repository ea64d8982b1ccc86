//! Subgroups in browsers. wgpu does not ask a browser for them yet (gfx-rs/wgpu#10146), but hands WGSL on as it is. So the
//! feature is added here to what wgpu asks for, on the objects' way through JavaScript.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

/// Asks for subgroups for as long as it lives.
pub(super) struct SubgroupRequest {
    gpu: JsValue,
    is_granted: Rc<Cell<bool>>,
}

impl SubgroupRequest {
    /// Puts itself between wgpu and `navigator.gpu`; `None` where there is no WebGPU.
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

    /// Whether a device was asked for subgroups that its adapter has.
    pub(super) fn is_granted(&self) -> bool {
        self.is_granted.get()
    }
}

impl Drop for SubgroupRequest {
    fn drop(&mut self) {
        // What the browser has itself shows again.
        let _ = Reflect::delete_property(self.gpu.unchecked_ref::<Object>(), &"requestAdapter".into());
    }
}

/// Adds subgroups to whatever is asked of an adapter that has them.
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

/// A property that is there.
pub(super) fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
