//! Parallel compilation of pipelines in browsers. wgpu creates pipelines synchronously, so a browser compiles one after
//! the other; WebGPU can also create them asynchronously (`createComputePipelineAsync`). On wgpu's first request for a
//! pipeline, its asynchronous compilation is started and wgpu gets a placeholder that is discarded; on the second
//! request it gets the compiled pipeline.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::browser_features::get;
use super::pipeline::Kernel;

/// The method that wgpu calls.
const CREATE: &str = "createComputePipeline";

/// Compiles `kernels` of a device in parallel.
pub(super) async fn compile(device: &wgpu::Device, kernels: &[Arc<Kernel>]) {
    let Some(device) = device.as_webgpu().map(|device| JsValue::from(device.clone())) else { return };
    let Some(promises) = begin(&device, kernels) else { return };
    let Ok(settled) = JsFuture::from(Promise::all_settled(&promises)).await else { return };
    // Including those that the browser rejected: created the usual way, they report what is wrong.
    let given = Rc::new(RefCell::new(JsValue::UNDEFINED));
    let pipeline = Rc::clone(&given);
    let finish = Closure::<dyn FnMut() -> JsValue>::new(move || pipeline.borrow().clone());
    for (kernel, outcome) in kernels.iter().zip(Array::from(&settled)) {
        let replaced = get(&outcome, "value").and_then(|pipeline| {
            given.replace(pipeline);
            Replaced::new(&device, finish.as_ref())
        });
        kernel.pipeline();
        drop(replaced);
    }
}

/// Starts the compilation of all kernels and returns the browser's promises.
fn begin(device: &JsValue, kernels: &[Arc<Kernel>]) -> Option<Array> {
    let create: Function = get(device, "createComputePipelineAsync")?.dyn_into().ok()?;
    let promises = Array::new();
    let (this, list) = (device.clone(), promises.clone());
    let begin = Closure::<dyn FnMut(JsValue) -> JsValue>::new(move |descriptor: JsValue| {
        if let Ok(promise) = create.call1(&this, &descriptor) {
            list.push(&promise);
        }
        // wgpu keeps this placeholder only until it is dropped.
        Object::new().into()
    });
    let _replaced = Replaced::new(device, begin.as_ref())?;
    for kernel in kernels {
        drop(kernel.create());
    }
    (promises.length() as usize == kernels.len()).then_some(promises)
}

/// Replaces the device's method for as long as this value lives.
struct Replaced<'a>(&'a JsValue);

impl<'a> Replaced<'a> {
    fn new(device: &'a JsValue, function: &JsValue) -> Option<Self> {
        Reflect::set(device, &CREATE.into(), function).ok()?;
        Some(Self(device))
    }
}

impl Drop for Replaced<'_> {
    fn drop(&mut self) {
        // The browser's own method, on the prototype, becomes visible again.
        let _ = Reflect::delete_property(self.0.unchecked_ref::<Object>(), &CREATE.into());
    }
}
