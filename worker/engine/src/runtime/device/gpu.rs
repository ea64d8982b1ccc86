//! The device and how kernels are laid out on it.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

#[cfg(target_family = "wasm")]
use super::browser_subgroups::get;
use super::pipeline::{Edit, Kernel, Kernels};
use super::tuning::Tuning;
use crate::error::{EngineError, Result};
use crate::kernels::Shader;
use crate::kernels::linear::{COOPERATIVE_SUBGROUP, Tiles};
use crate::runtime::limits::DeviceLimits;

/// Optional features that are used where the adapter has them; timestamps only to measure.
const USED_FEATURES: wgpu::Features =
    wgpu::Features::SUBGROUP.union(wgpu::Features::SHADER_F16).union(wgpu::Features::TIMESTAMP_QUERY);

/// What `cooperative.wgsl` needs.
const MATRIX_FEATURES: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16).union(wgpu::Features::SUBGROUP);

/// Whether the adapter multiplies f16 matrices of 16 by 16 into f32 sums, in subgroups of the size that the kernel has.
fn has_matrix_units(adapter: &wgpu::Adapter) -> bool {
    let info = adapter.get_info();
    let has_size = [info.subgroup_min_size, info.subgroup_max_size].iter().all(|size| *size == COOPERATIVE_SUBGROUP);
    let fits = |shape: &wgpu::CooperativeMatrixProperties| {
        [shape.m_size, shape.n_size, shape.k_size] == [16; 3]
            && shape.ab_type == wgpu::CooperativeScalarType::F16
            && shape.cr_type == wgpu::CooperativeScalarType::F32
    };
    adapter.features().contains(MATRIX_FEATURES) && has_size && adapter.cooperative_matrix_properties().iter().any(fits)
}

/// What a browser says of an adapter; wgpu asks for the description only, which most leave empty.
#[cfg(target_family = "wasm")]
fn browser_name_parts(device: &wgpu::Device) -> [String; 3] {
    let info = device.as_webgpu().and_then(|device| get(device, "adapterInfo"));
    ["vendor", "architecture", "description"]
        .map(|field| info.as_ref().and_then(|info| get(info, field)?.as_string()).unwrap_or_default())
}

#[allow(unsafe_code, reason = "wgpu's token for features that may still have faults; no other way to matrix units")]
fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: asks only to be aware of that. Chosen natively only, where the kernels' tests cover what is used.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// What to ask of the adapter. The default asks for all it has.
#[derive(Debug, Clone, Copy, Default)]
pub struct GpuOptions {
    /// Ask for no optional feature and no more than WebGPU's default limits.
    pub baseline: bool,
    /// Lay kernels out this way instead of as suits the adapter: for measuring.
    pub tuning: Option<Tuning>,
    /// Plan for bindings no larger than this, in bytes: for testing how large matrices are split.
    pub max_binding_bytes: Option<u64>,
    /// Change the text of kernels before they are compiled: for testing what a compiler that is wrong comes to.
    pub edit_kernels: Option<Edit>,
}

/// A WebGPU device with its queue and its kernels. Clones share all of it.
#[derive(Clone)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    adapter_name: String,
    is_software: bool,
    has_subgroups: bool,
    tiles: Tiles,
    tuning: Arc<Tuning>,
    max_binding_bytes: u64,
    faults: Arc<Mutex<Option<String>>>,
    kernels: Arc<Kernels>,
}

impl Gpu {
    /// Opens the fastest adapter.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] where there is none or it gives no device.
    pub async fn new(options: GpuOptions) -> Result<Self> {
        #[cfg(target_family = "wasm")]
        let subgroups = (!options.baseline).then(super::browser_subgroups::SubgroupRequest::new).flatten();
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            })
            .await
            // What it says in full lists the backends that were not compiled in, which helps nobody.
            .map_err(|_| EngineError::NoGpu("no graphics adapter is available".to_owned()))?;
        let info = adapter.get_info();
        let (used, experimental_features) = if !options.baseline && has_matrix_units(&adapter) {
            (USED_FEATURES | MATRIX_FEATURES, experimental_features())
        } else {
            (USED_FEATURES, wgpu::ExperimentalFeatures::disabled())
        };
        let (features, limits) = if options.baseline {
            (wgpu::Features::empty(), wgpu::Limits::default())
        } else {
            (adapter.features() & used, adapter.limits())
        };
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("parlance"),
                required_features: features,
                required_limits: limits,
                memory_hints: wgpu::MemoryHints::Performance,
                experimental_features,
                ..Default::default()
            })
            .await
            .map_err(|error| EngineError::NoGpu(error.to_string()))?;

        let has_subgroups = features.contains(wgpu::Features::SUBGROUP);
        #[cfg(target_family = "wasm")]
        let has_subgroups = has_subgroups || subgroups.is_some_and(|request| request.is_granted());
        let faults = Arc::new(Mutex::new(None));
        let on_error = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| record(&on_error, error.to_string())));
        let on_lost = Arc::clone(&faults);
        // Also where it was destroyed: whoever holds a model on it must hear of it.
        device.set_device_lost_callback(move |_, message| {
            record(&on_lost, format!("the device was lost ({message})"));
        });
        #[cfg(not(target_family = "wasm"))]
        let name_parts = [info.name.clone(), info.driver.clone(), info.driver_info.clone()];
        #[cfg(target_family = "wasm")]
        let name_parts = browser_name_parts(&device);
        let adapter_name = name_parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        let lower_name = adapter_name.to_lowercase();
        let is_software = info.device_type == wgpu::DeviceType::Cpu
            || ["swiftshader", "llvmpipe", "lavapipe"].iter().any(|name| lower_name.contains(name));
        let subgroup_min_size = has_subgroups.then_some(info.subgroup_min_size);
        let limits = device.limits();
        let has_packed =
            instance.wgsl_language_features().contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct);
        let tiles = if features.contains(MATRIX_FEATURES) {
            Tiles::Cooperative
        } else if has_packed {
            Tiles::Packed
        } else {
            Tiles::Shared
        };
        let tuning = Tuning::for_adapter(is_software, subgroup_min_size)
            .with_tiles(limits.max_compute_workgroup_storage_size, tiles);
        let max_binding_bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        Ok(Self {
            is_software,
            has_subgroups,
            tiles,
            tuning: Arc::new(options.tuning.unwrap_or(tuning)),
            max_binding_bytes: max_binding_bytes.min(options.max_binding_bytes.unwrap_or(u64::MAX)),
            adapter_name,
            device,
            queue,
            faults,
            kernels: Arc::new(Kernels::new(options.edit_kernels)),
        })
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// The adapter's name for people.
    pub fn adapter_name(&self) -> &str {
        &self.adapter_name
    }

    /// Whether the adapter computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.is_software
    }

    /// Names of the optional features that are in use.
    pub fn feature_names(&self) -> Vec<&'static str> {
        let features = self.device.features();
        let names = [
            (features.contains(wgpu::Features::SHADER_F16), "shader-f16"),
            (self.has_subgroups, "subgroups"),
            (features.contains(wgpu::Features::TIMESTAMP_QUERY), "timestamp-query"),
            (self.has_matrix_units(), "cooperative-matrix"),
            (self.tuning.prefill_large.tiles == Tiles::Packed, "packed-integer-dot-product"),
        ];
        names.into_iter().filter_map(|(is_used, name)| is_used.then_some(name)).collect()
    }

    /// Whether kernels may use subgroup operations.
    pub fn has_subgroups(&self) -> bool {
        self.has_subgroups
    }

    /// The best tiles that large products may use.
    pub fn tiles(&self) -> Tiles {
        self.tiles
    }

    /// Whether kernels may multiply on the adapter's matrix units.
    pub fn has_matrix_units(&self) -> bool {
        self.tiles == Tiles::Cooperative
    }

    /// The first error that the GPU reported, if any.
    ///
    /// # Errors
    /// [`EngineError::Gpu`] with its text.
    pub fn check(&self) -> Result<()> {
        match &*self.faults.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(EngineError::Gpu(message.clone())),
            None => Ok(()),
        }
    }

    /// How kernels are laid out.
    pub fn tuning(&self) -> Tuning {
        *self.tuning
    }

    /// The same device, with kernels laid out in another way.
    #[must_use]
    pub fn with_tuning(&self, tuning: Tuning) -> Self {
        Self { tuning: Arc::new(tuning), ..self.clone() }
    }

    /// A storage buffer of `len_bytes`, rounded up to a multiple of 16.
    pub fn storage_buffer(&self, label: &str, len_bytes: u64) -> wgpu::Buffer {
        self.buffer(label, len_bytes, wgpu::BufferUsages::STORAGE)
    }

    /// A buffer of `len_bytes`, rounded up to a multiple of 16, that can also be copied to and from.
    pub fn buffer(&self, label: &str, len_bytes: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: len_bytes.next_multiple_of(16).max(16),
            usage: usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    }

    /// A storage buffer that holds `contents`.
    pub fn storage_buffer_with<T: bytemuck::Pod>(&self, label: &str, contents: &[T]) -> wgpu::Buffer {
        let bytes = bytemuck::cast_slice(contents);
        let buffer = self.storage_buffer(label, bytes.len() as u64);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// The largest storage binding, in bytes.
    pub fn max_binding_bytes(&self) -> u64 {
        self.max_binding_bytes
    }

    /// What the device can hold.
    pub fn limits(&self) -> DeviceLimits {
        DeviceLimits { max_binding_bytes: self.max_binding_bytes() }
    }

    /// The kernel of `shader`.
    pub(super) fn kernel(&self, shader: &Shader) -> Arc<Kernel> {
        self.kernels.get(&self.device, shader)
    }

    /// Compiles the kernels that were asked for and not needed yet, side by side. What fails is told when it is used.
    pub(in crate::runtime) async fn compile(&self) {
        self.kernels.compile().await;
    }

    /// Starts to read `range` (bytes) of `staging`, a `MAP_READ` buffer that `submission` fills.
    pub fn read(&self, staging: wgpu::Buffer, len_bytes: u64, submission: wgpu::SubmissionIndex) -> Readback {
        let mapping = Mapping::new(&staging, wgpu::MapMode::Read, len_bytes, Some(submission));
        Readback { staging, len_bytes, mapping }
    }

    /// Reads `len_bytes` from the start of `buffer`.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn read_buffer<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, len_bytes: u64) -> Result<Vec<T>> {
        self.read_range(buffer, 0, len_bytes).await
    }

    /// Reads `len_bytes` of `buffer` from byte `start` on; both are multiples of four.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn read_range<T: bytemuck::Pod>(
        &self,
        buffer: &wgpu::Buffer,
        start: u64,
        len_bytes: u64,
    ) -> Result<Vec<T>> {
        let staging = self.staging_buffer(len_bytes);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, start, &staging, 0, len_bytes);
        let submission = self.queue.submit([encoder.finish()]);
        self.read(staging, len_bytes, submission).finish(self).await.map(|(contents, _)| contents)
    }

    /// A buffer that the host can read.
    pub fn staging_buffer(&self, len_bytes: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read-back"),
            size: len_bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}

/// Remembers the first fault: later ones mostly follow from it.
fn record(faults: &Mutex<Option<String>>, message: String) {
    faults.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
}

/// A buffer that the host is about to be given.
pub(in crate::runtime) struct Mapping {
    submission: Option<wgpu::SubmissionIndex>,
    receiver: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Mapping {
    /// Asks for the first `len_bytes` of a buffer, which `submission` uses.
    pub(in crate::runtime) fn new(
        buffer: &wgpu::Buffer,
        mode: wgpu::MapMode,
        len_bytes: u64,
        submission: Option<wgpu::SubmissionIndex>,
    ) -> Self {
        let (sender, receiver) = oneshot::channel();
        buffer.map_async(mode, 0..len_bytes, move |result| {
            // The receiver is gone if whoever asked was dropped, which is no fault.
            let _ = sender.send(result);
        });
        Self { submission, receiver }
    }

    /// Waits for it.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub(in crate::runtime) async fn wait(self, gpu: &Gpu) -> Result<()> {
        // In a browser this does nothing, and the map future resolves by itself.
        gpu.device
            .poll(wgpu::PollType::Wait { submission_index: self.submission, timeout: None })
            .map_err(|error| EngineError::Gpu(error.to_string()))?;
        let mapped = self.receiver.await;
        gpu.check()?;
        mapped
            .map_err(|_| EngineError::Gpu("what was to be mapped was dropped".to_owned()))?
            .map_err(|error| EngineError::Gpu(error.to_string()))
    }
}

/// A read-back under way.
pub struct Readback {
    staging: wgpu::Buffer,
    len_bytes: u64,
    mapping: Mapping,
}

impl Readback {
    /// Waits for the submission and returns what it left in the staging buffer, and the buffer for reuse.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn finish<T: bytemuck::Pod>(self, gpu: &Gpu) -> Result<(Vec<T>, wgpu::Buffer)> {
        self.mapping.wait(gpu).await?;
        let view = self
            .staging
            .slice(0..self.len_bytes)
            .get_mapped_range()
            .map_err(|error| EngineError::Gpu(error.to_string()))?;
        // Collected element by element: the view need not be aligned for T.
        let contents = view.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect();
        drop(view);
        self.staging.unmap();
        Ok((contents, self.staging))
    }
}
