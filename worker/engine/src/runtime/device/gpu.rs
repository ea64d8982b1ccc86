//! A WebGPU device, its buffers and its kernels.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

#[cfg(target_family = "wasm")]
use super::browser_features::get;
use super::kernels::{Edit, Kernels};
use super::pipeline::Kernel;
use super::tuning::Tuning;
use crate::error::{EngineError, Result};
use crate::kernels::Shader;
use crate::kernels::linear::{COOPERATIVE_SUBGROUP, Tiles};
use crate::runtime::limits::DeviceLimits;

/// Optional features that are used if the adapter has them; timestamps only for profiling.
const USED_FEATURES: wgpu::Features =
    wgpu::Features::SUBGROUP.union(wgpu::Features::SHADER_F16).union(wgpu::Features::TIMESTAMP_QUERY);

/// Features that `cooperative.wgsl` needs.
const MATRIX_FEATURES: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16).union(wgpu::Features::SUBGROUP);

/// Whether the adapter multiplies 16x16 f16 matrices into f32 sums, in subgroups of the size that the kernel expects.
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

/// What a browser reveals about an adapter. wgpu only reads the description, which most leave empty.
#[cfg(target_family = "wasm")]
fn browser_name_parts(device: &wgpu::Device) -> [String; 3] {
    let info = device.as_webgpu().and_then(|device| get(device, "adapterInfo"));
    ["vendor", "architecture", "description"]
        .map(|field| info.as_ref().and_then(|info| get(info, field)?.as_string()).unwrap_or_default())
}

#[allow(unsafe_code, reason = "wgpu's token for features that may still have bugs; matrix units need it")]
fn experimental_features() -> wgpu::ExperimentalFeatures {
    // SAFETY: only asks the caller to know that. Used natively only, where the tests of the kernels cover what is used.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// What to request from the adapter. By default, everything it has.
#[derive(Debug, Clone, Copy, Default)]
pub struct GpuOptions {
    /// Request no optional features and only WebGPU's default limits.
    pub baseline: bool,
    /// Kernel layout to use instead of the adapter's default: for benchmarks.
    pub tuning: Option<Tuning>,
    /// Plan for bindings of at most this many bytes: for testing how large matrices are split.
    pub max_binding_bytes: Option<u64>,
    /// Edits the source of kernels before compilation: for testing the effects of a wrong shader compiler.
    pub edit_kernels: Option<Edit>,
}

/// A WebGPU device with its queue and kernels. Clones share them.
#[derive(Clone)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    adapter_name: String,
    is_software: bool,
    has_subgroups: bool,
    has_packed_products: bool,
    tiles: Tiles,
    tuning: Arc<Tuning>,
    max_binding_bytes: u64,
    first_error: Arc<Mutex<Option<String>>>,
    kernels: Arc<Kernels>,
}

impl Gpu {
    /// Opens the fastest adapter.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] if there is no adapter or it provides no device.
    pub async fn new(options: GpuOptions) -> Result<Self> {
        #[cfg(target_family = "wasm")]
        let request = (!options.baseline).then(super::browser_features::FeatureRequest::new).flatten();
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance
            .request_adapter(&wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..Default::default()
            })
            .await
            // The full message lists backends that were not compiled in, which helps nobody.
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

        #[cfg(not(target_family = "wasm"))]
        let has_subgroups = features.contains(wgpu::Features::SUBGROUP);
        #[cfg(target_family = "wasm")]
        let granted = request.map(|request| request.granted()).unwrap_or_default();
        #[cfg(target_family = "wasm")]
        let has_subgroups = granted.subgroups;
        let first_error = Arc::new(Mutex::new(None));
        let on_error = Arc::clone(&first_error);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| record(&on_error, error.to_string())));
        let on_lost = Arc::clone(&first_error);
        // Recorded even if the device was destroyed on purpose: users of its models must notice.
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
        let has_packed_products =
            instance.wgsl_language_features().contains(wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct);
        let tiles = if features.contains(MATRIX_FEATURES) {
            Tiles::Cooperative
        } else if has_packed_products {
            Tiles::Packed
        } else {
            Tiles::Shared
        };
        let tuning = Tuning::for_adapter(is_software, subgroup_min_size)
            .with_tiles(limits.max_compute_workgroup_storage_size, tiles);
        #[cfg(target_family = "wasm")]
        let tuning = if granted.matrices && super::browser_features::compiles_matrices(&device).await {
            tuning.with_untried_units(limits.max_compute_workgroup_storage_size)
        } else {
            tuning
        };
        let max_binding_bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        Ok(Self {
            is_software,
            has_subgroups,
            has_packed_products,
            tiles,
            tuning: Arc::new(options.tuning.unwrap_or(tuning)),
            max_binding_bytes: max_binding_bytes.min(options.max_binding_bytes.unwrap_or(u64::MAX)),
            adapter_name,
            device,
            queue,
            first_error,
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

    /// Human-readable name of the adapter.
    pub fn adapter_name(&self) -> &str {
        &self.adapter_name
    }

    /// Whether the adapter computes in software.
    pub fn is_software(&self) -> bool {
        self.is_software
    }

    /// Names of the optional features in use.
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

    /// Whether kernels can multiply packed 8-bit integers.
    pub fn has_packed_products(&self) -> bool {
        self.has_packed_products
    }

    /// The best kind of tiles that large products can use.
    pub fn tiles(&self) -> Tiles {
        self.tiles
    }

    /// Whether kernels can multiply on the adapter's matrix units.
    pub fn has_matrix_units(&self) -> bool {
        self.tiles == Tiles::Cooperative
    }

    /// The first error that the GPU reported, if any.
    ///
    /// # Errors
    /// [`EngineError::Gpu`] with its message.
    pub fn check(&self) -> Result<()> {
        match &*self.first_error.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(EngineError::Gpu(message.clone())),
            None => Ok(()),
        }
    }

    /// The kernel layout.
    pub fn tuning(&self) -> Tuning {
        *self.tuning
    }

    /// The same device with another kernel layout.
    #[must_use]
    pub fn with_tuning(&self, tuning: Tuning) -> Self {
        Self { tuning: Arc::new(tuning), ..self.clone() }
    }

    /// The same device, for prompt batches of up to `tokens`.
    pub(in crate::runtime) fn for_batches(&self, tokens: u32) -> Self {
        // A multiple of the tile size.
        self.with_tuning(Tuning { prefill_batch: tokens.next_multiple_of(64), ..self.tuning() })
    }

    /// Runs `allocate`. An error scope detects whether memory ran out.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], errors of `allocate`, or whatever the GPU reported.
    pub(in crate::runtime) async fn allocating<T>(&self, allocate: impl FnOnce() -> Result<T>) -> Result<T> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let result = allocate();
        if let Some(error) = scope.pop().await {
            return Err(EngineError::OutOfMemory(error.to_string()));
        }
        self.check()?;
        result
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

    /// A storage buffer with these contents.
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

    /// Limits that models must fit.
    pub fn limits(&self) -> DeviceLimits {
        DeviceLimits { max_binding_bytes: self.max_binding_bytes() }
    }

    /// The kernel of `shader`.
    pub(super) fn kernel(&self, shader: &Shader) -> Arc<Kernel> {
        self.kernels.get(&self.device, shader)
    }

    /// Compiles all requested kernels that are not compiled yet, in parallel. Errors are reported when a kernel is
    /// used.
    pub(in crate::runtime) async fn compile(&self) {
        self.kernels.compile().await;
    }

    /// Starts to read the first `len_bytes` of `staging`, a `MAP_READ` buffer that `submission` fills.
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

    /// Reads `len_bytes` of `buffer` at byte offset `start`; both are multiples of four.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub async fn read_range<T: bytemuck::Pod>(
        &self,
        buffer: &wgpu::Buffer,
        start: u64,
        len_bytes: u64,
    ) -> Result<Vec<T>> {
        self.start_to_read(buffer, start, len_bytes).finish(self).await.map(|(contents, _)| contents)
    }

    /// Starts to read `len_bytes` of `buffer` at byte offset `start`, as they are after what was submitted so far.
    pub(in crate::runtime) fn start_to_read(&self, buffer: &wgpu::Buffer, start: u64, len_bytes: u64) -> Readback {
        let staging = self.staging_buffer(len_bytes);
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, start, &staging, 0, len_bytes);
        let submission = self.queue.submit([encoder.finish()]);
        self.read(staging, len_bytes, submission)
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

/// Records the first error; later ones are usually consequences of it.
fn record(first_error: &Mutex<Option<String>>, message: String) {
    first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
}

/// A buffer that is being mapped for the host.
pub(in crate::runtime) struct Mapping {
    submission: Option<wgpu::SubmissionIndex>,
    receiver: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Mapping {
    /// Maps the first `len_bytes` of a buffer, which `submission` uses.
    pub(in crate::runtime) fn new(
        buffer: &wgpu::Buffer,
        mode: wgpu::MapMode,
        len_bytes: u64,
        submission: Option<wgpu::SubmissionIndex>,
    ) -> Self {
        let (sender, receiver) = oneshot::channel();
        buffer.map_async(mode, 0..len_bytes, move |result| {
            // The receiver is gone if the caller was dropped, which is not an error.
            let _ = sender.send(result);
        });
        Self { submission, receiver }
    }

    /// Waits until it is mapped.
    ///
    /// # Errors
    /// Whatever the GPU reported.
    pub(in crate::runtime) async fn wait(self, gpu: &Gpu) -> Result<()> {
        // In browsers this does nothing, and the future resolves by itself.
        gpu.device
            .poll(wgpu::PollType::Wait { submission_index: self.submission, timeout: None })
            .map_err(|error| EngineError::Gpu(error.to_string()))?;
        let mapped = self.receiver.await;
        gpu.check()?;
        mapped
            .map_err(|_| EngineError::Gpu("the buffer to map was dropped".to_owned()))?
            .map_err(|error| EngineError::Gpu(error.to_string()))
    }
}

/// A read-back in progress.
pub struct Readback {
    staging: wgpu::Buffer,
    len_bytes: u64,
    mapping: Mapping,
}

impl Readback {
    /// Waits for the submission and returns the contents of the staging buffer, and the buffer for reuse.
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
        // Copied as bytes, because the view may not be aligned for T.
        let mut contents = bytemuck::zeroed_vec::<T>(view.len() / size_of::<T>());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut contents);
        bytes.copy_from_slice(&view[..bytes.len()]);
        drop(view);
        self.staging.unmap();
        Ok((contents, self.staging))
    }
}
