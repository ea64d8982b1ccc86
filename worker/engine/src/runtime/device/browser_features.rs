//! Features of browsers that wgpu does not request there: subgroups (gfx-rs/wgpu#10146), and Chromium's experimental
//! matrices. It passes WGSL on unchanged, so they are added here to its requests, by wrapping JavaScript methods.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Array, Function, JsString, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::kernels::in_chromium;
use crate::kernels::linear::COOPERATIVE_SUBGROUP;

/// Features that a device was requested with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Granted {
    pub(super) subgroups: bool,
    /// 16x16 matrices of f16 with sums in f32, in subgroups of the size that the kernels expect.
    pub(super) matrices: bool,
}

/// Adds features to requests for as long as this value lives.
pub(super) struct FeatureRequest {
    gpu: JsValue,
    granted: Rc<Cell<Granted>>,
}

impl FeatureRequest {
    /// Wraps `navigator.gpu.requestAdapter`; `None` without WebGPU.
    pub(super) fn new() -> Option<Self> {
        let gpu = get(&get(&js_sys::global(), "navigator")?, "gpu")?;
        let granted = Rc::<Cell<Granted>>::default();
        let request_adapter: Function = get(&gpu, "requestAdapter")?.dyn_into().ok()?;
        let (this, shared) = (gpu.clone(), Rc::clone(&granted));
        let wrapper = Closure::<dyn FnMut(JsValue) -> Promise>::new(move |options: JsValue| {
            let adapter = request_adapter.call1(&this, &options);
            let (gpu, granted) = (this.clone(), Rc::clone(&shared));
            future_to_promise(async move {
                let adapter = JsFuture::from(adapter?.unchecked_into::<Promise>()).await?;
                add_features(&adapter, offered(&gpu, &adapter), granted);
                Ok(adapter)
            })
        });
        Reflect::set(&gpu, &"requestAdapter".into(), &wrapper.into_js_value()).ok()?;
        Some(Self { gpu, granted })
    }

    /// What the adapter has of them, once a device was requested.
    pub(super) fn granted(&self) -> Granted {
        self.granted.get()
    }
}

impl Drop for FeatureRequest {
    fn drop(&mut self) {
        // The browser's own method, on the prototype, becomes visible again.
        let _ = Reflect::delete_property(self.gpu.unchecked_ref::<Object>(), &"requestAdapter".into());
    }
}

/// Which of the features an adapter has.
fn offered(gpu: &JsValue, adapter: &JsValue) -> Granted {
    let has = |name: &str| has_member(adapter, "features", name);
    let subgroups = has(SUBGROUPS);
    let can_multiply =
        subgroups && has(MATRICES) && has("shader-f16") && has_member(gpu, "wgslLanguageFeatures", "subgroup_id");
    Granted { subgroups, matrices: can_multiply && has_matrices(adapter).unwrap_or(false) }
}

const SUBGROUPS: &str = "subgroups";
const MATRICES: &str = "chromium-experimental-subgroup-matrix";

/// Whether a set of names has this one.
fn has_member(object: &JsValue, set: &str, name: &str) -> bool {
    let has = || {
        let set = get(object, set)?;
        get(&set, "has")?.dyn_into::<Function>().ok()?.call1(&set, &name.into()).ok()
    };
    has().is_some_and(|has| has.is_truthy())
}

/// Whether an adapter has matrices of the kind that the kernels use.
fn has_matrices(adapter: &JsValue) -> Option<bool> {
    let info = get(adapter, "info")?;
    let number = |object: &JsValue, name: &str| get(object, name).and_then(|number| number.as_f64());
    let subgroup = Some(f64::from(COOPERATIVE_SUBGROUP));
    let has_size = ["subgroupMinSize", "subgroupMaxSize"].iter().all(|name| number(&info, name) == subgroup);
    let kinds = Array::from(&get(&info, "subgroupMatrixConfigs")?);
    let fits = |kind: JsValue| {
        let is = |name: &str, value: &str| get(&kind, name).and_then(|own| own.as_string()).as_deref() == Some(value);
        let has_shape = ["M", "N", "K"].iter().all(|side| number(&kind, side) == Some(16.0));
        has_shape && is("componentType", "f16") && is("resultComponentType", "f32")
    };
    Some(has_size && kinds.iter().any(fits))
}

/// Adds features to device requests.
fn add_features(adapter: &JsValue, features: Granted, granted: Rc<Cell<Granted>>) -> Option<()> {
    let request_device: Function = get(adapter, "requestDevice")?.dyn_into().ok()?;
    let this = adapter.clone();
    let wrapper = Closure::<dyn FnMut(JsValue) -> Result<JsValue, JsValue>>::new(move |descriptor: JsValue| {
        let descriptor = if descriptor.is_object() { descriptor } else { Object::new().into() };
        let asked = get(&descriptor, "requiredFeatures").map_or_else(Array::new, |features| Array::from(&features));
        for (is_offered, name) in [(features.subgroups, SUBGROUPS), (features.matrices, MATRICES)] {
            if is_offered {
                asked.push(&JsString::from(name));
            }
        }
        Reflect::set(&descriptor, &"requiredFeatures".into(), &asked)?;
        granted.set(features);
        request_device.call1(&this, &descriptor)
    });
    Reflect::set(adapter, &"requestDevice".into(), &wrapper.into_js_value()).ok().map(drop)
}

/// The operations on matrices that kernels use, in naga's dialect.
const MATRIX_OPERATIONS: &str = "enable f16;
enable wgpu_cooperative_matrix;
var<workgroup> halves: array<vec4<f16>, 64>;
var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(32)
fn main(@builtin(subgroup_id) subgroup: u32) {
    let a = coopLoadT<coop_mat16x16<f16, A>>(&halves[subgroup], 4u);
    let b = coopLoad<coop_mat16x16<f16, B>>(&halves[subgroup], 4u);
    let c = coopLoad<coop_mat16x16<f32, C>>(&sums[0], 16u);
    coopStore(coopMultiplyAdd(a, b, c), &sums[0], 16u);
}
";

/// Whether the browser still knows its extension as the kernels use it: experiments change, and a kernel that does not
/// compile would end the device.
pub(super) async fn compiles_matrices(device: &wgpu::Device) -> bool {
    let Some(text) = in_chromium(MATRIX_OPERATIONS) else { return false };
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let _ = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("matrix operations"),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    scope.pop().await.is_none()
}

/// A property, if it is defined and not null.
pub(super) fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}
