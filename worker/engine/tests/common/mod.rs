//! Helpers for the engine's tests.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test program uses only a part; tests may panic"
)]

#[path = "../../../../tests/src/notes.rs"]
mod notes;

pub use notes::note;
use parlance_engine::EngineError;
use parlance_engine::gguf::dequantize::dequantize;
use parlance_engine::gguf::{TensorType, Value, Writer};
pub use parlance_engine::kernels::random::Random;
#[cfg(not(target_family = "wasm"))]
use parlance_engine::runtime::NativeThreads;
use parlance_engine::runtime::{Cpu, Device, Gpu, GpuOptions, Source};

/// Turns async functions into tests: native ones, and ones that run in a browser's worker.
#[macro_export]
macro_rules! gpu_tests {
    ($($name:ident),* $(,)?) => {
        #[cfg(not(target_family = "wasm"))]
        mod native {
            $(#[test] fn $name() { pollster::block_on(super::$name()); })*
        }

        #[cfg(target_family = "wasm")]
        mod browser {
            use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

            wasm_bindgen_test_configure!(run_in_dedicated_worker);

            $(#[wasm_bindgen_test] async fn $name() { super::$name().await; })*
        }
    };
}

/// A device with WebGPU's defaults, and one with all features of the adapter.
#[cfg(not(target_family = "wasm"))]
pub async fn devices() -> Vec<Gpu> {
    open_devices().await
}

/// The same. In browsers tests run one after the other, so they can share the devices.
#[cfg(target_family = "wasm")]
pub async fn devices() -> Vec<Gpu> {
    thread_local! {
        static DEVICES: std::cell::RefCell<Vec<Gpu>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let devices = DEVICES.with_borrow(Vec::clone);
    if !devices.is_empty() {
        return devices;
    }
    let devices = open_devices().await;
    DEVICES.set(devices.clone());
    devices
}

/// The device with WebGPU's defaults, which allow the least: for kernels that do not depend on features.
pub async fn plain_device() -> Gpu {
    devices().await.swap_remove(0)
}

async fn open_devices() -> Vec<Gpu> {
    vec![device(GpuOptions { baseline: true, ..GpuOptions::default() }).await, device(GpuOptions::default()).await]
}

/// Opens a device.
pub async fn device(options: GpuOptions) -> Gpu {
    Gpu::new(options).await.expect("a Vulkan adapter; on Linux the package mesa-vulkan-drivers provides one")
}

/// The default options, as a constant.
const OPTIONS: GpuOptions = GpuOptions { baseline: false, tuning: None, max_binding_bytes: None, edit_kernels: None };

/// The device on which a test computes a model.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::large_enum_variant, reason = "few exist at a time, and constants cannot be boxed")]
pub enum On {
    Gpu(GpuOptions),
    Cpu,
    /// The CPU with three threads, which share all matrices.
    #[cfg(not(target_family = "wasm"))]
    Threads,
}

impl On {
    /// Its name in the tables of `docs/models.md`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu(GpuOptions { baseline: true, .. }) => "GPU, WebGPU's defaults",
            Self::Gpu(_) => "GPU",
            Self::Cpu => "CPU",
            #[cfg(not(target_family = "wasm"))]
            Self::Threads => "CPU with threads",
        }
    }

    /// All features of the adapter.
    pub const GPU: Self = Self::Gpu(OPTIONS);
    /// WebGPU's defaults.
    pub const BASELINE: Self = Self::Gpu(GpuOptions { baseline: true, ..OPTIONS });

    pub async fn open(self) -> Device {
        match self {
            Self::Gpu(options) => device(options).await.into(),
            Self::Cpu => Cpu::blocking().into(),
            #[cfg(not(target_family = "wasm"))]
            Self::Threads => Cpu::blocking().with_threads(std::sync::Arc::new(NativeThreads::start(2, 0))).into(),
        }
    }
}

/// The rest of a file.
pub struct InMemory<'a>(pub &'a [u8]);

impl Source for InMemory<'_> {
    type Error = EngineError;

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), EngineError> {
        let (own, rest) = self.0.split_at(bytes.len());
        bytes.copy_from_slice(own);
        self.0 = rest;
        Ok(())
    }

    #[cfg(target_family = "wasm")]
    fn read_to(&mut self, bytes: &js_sys::Uint8Array) -> Result<(), EngineError> {
        let (own, rest) = self.0.split_at(bytes.length() as usize);
        bytes.copy_from(own);
        self.0 = rest;
        Ok(())
    }
}

/// Asserts that two results agree to `tolerance` of the largest expected value.
pub fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((a - e).abs() <= tolerance * largest, "{what}: element {i} is {a}, expected {e} (largest {largest})");
    }
}

/// A model whose weights follow from the indices of its tensors, see `fixtures/make_architectures.py`.
#[derive(Clone, serde::Deserialize)]
pub struct Described {
    pub name: String,
    pub metadata: Vec<(String, String, serde_json::Value)>,
    pub tensors: Vec<DescribedTensor>,
}

#[derive(Clone, serde::Deserialize)]
pub struct DescribedTensor {
    pub name: String,
    pub shape: Vec<u64>,
    #[serde(rename = "type")]
    kind: String,
    offset: f32,
    scale: f32,
    /// Replaces the generated weights.
    #[serde(skip)]
    replacement: Option<Vec<f32>>,
}

/// The file of a described model, with `more` metadata.
pub fn build_file(model: &Described, more: &[(String, String, serde_json::Value)]) -> Vec<u8> {
    let mut parts = build_parts(model, more, 1);
    parts.remove(0)
}

impl Described {
    /// Name, dimensions, format and data of each tensor.
    pub fn tensor_data(&self) -> impl Iterator<Item = (&str, &[u64], TensorType, Vec<u8>)> {
        (0u64..).zip(&self.tensors).map(|(index, tensor)| {
            let kind = kind_of(tensor);
            (tensor.name.as_str(), tensor.shape.as_slice(), kind, generate_weights(index, tensor, kind))
        })
    }

    /// Names of the tensors.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.name.as_str())
    }

    /// This model with its layers' matrices in another format, if their rows are whole blocks of it.
    pub fn in_format(&self, format: TensorType) -> Self {
        let mut changed = self.clone();
        for tensor in changed.tensors.iter_mut().filter(|tensor| tensor.name.starts_with("blk.")) {
            if tensor.shape.len() > 1 && tensor.shape[0].is_multiple_of(format.block_len()) {
                format.name().clone_into(&mut tensor.kind);
            }
        }
        changed
    }

    /// This model with the weights of one tensor changed by `change`, which gets the floats and the number of columns.
    pub fn with_changed_tensor(&self, name: &str, change: fn(&mut [f32], usize)) -> Self {
        let mut changed = self.clone();
        for (index, tensor) in (0u64..).zip(&mut changed.tensors).filter(|(_, tensor)| tensor.name == name) {
            let kind = kind_of(tensor);
            let mut floats = dequantize(kind, &generate_weights(index, tensor, kind)).unwrap();
            change(&mut floats, tensor.shape[0] as usize);
            tensor.replacement = Some(floats);
            "F32".clone_into(&mut tensor.kind);
        }
        changed
    }
}

fn kind_of(tensor: &DescribedTensor) -> TensorType {
    TensorType::supported().find(|kind| kind.name() == tensor.kind).unwrap()
}

/// The file of a tiny model that `fixtures/make_architectures.py` describes, for tests that do not need a real one.
pub fn tiny_model(name: &str) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Fixture {
        tokenizer: Vec<(String, String, serde_json::Value)>,
        models: Vec<Described>,
    }
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/architectures.json")).unwrap();
    build_file(fixture.models.iter().find(|model| model.name == name).unwrap(), &fixture.tokenizer)
}

/// The file of a described model, with `more` metadata, split into `count` files.
pub fn build_parts(model: &Described, more: &[(String, String, serde_json::Value)], count: usize) -> Vec<Vec<u8>> {
    let numbered: Vec<_> = (0u64..).zip(&model.tensors).collect();
    let parts = numbered.chunks(model.tensors.len().div_ceil(count)).enumerate().map(|(number, tensors)| {
        let mut writer = Writer::default();
        // Only the first file has the metadata.
        let metadata = if number == 0 { [model.metadata.as_slice(), more] } else { [&[][..], &[]] };
        for (key, kind, value) in metadata.into_iter().flatten() {
            writer.metadata(key, &metadata_value(kind, value));
        }
        if count > 1 {
            writer
                .metadata("split.no", &Value::Unsigned(number as u64))
                .metadata("split.count", &Value::Unsigned(count as u64));
        }
        for (_, tensor) in tensors {
            writer.tensor(&tensor.name, kind_of(tensor), &tensor.shape);
        }
        let mut bytes = writer.header();
        for ((index, tensor), (len, padding)) in tensors.iter().zip(writer.data_sizes()) {
            let data = generate_weights(*index, tensor, kind_of(tensor));
            assert_eq!(data.len() as u64, len, "{}", tensor.name);
            bytes.extend(data);
            bytes.resize(bytes.len() + padding as usize, 0);
        }
        bytes
    });
    parts.collect()
}

fn metadata_value(kind: &str, value: &serde_json::Value) -> Value {
    match kind {
        "u32" => Value::Unsigned(value.as_u64().unwrap()),
        "f32" => Value::Float(value.as_f64().unwrap()),
        "bool" => Value::Bool(value.as_bool().unwrap()),
        "string" => Value::String(value.as_str().unwrap().to_owned()),
        "i32s" => Value::Integers(serde_json::from_value(value.clone()).unwrap()),
        "f32s" => Value::Floats(serde_json::from_value(value.clone()).unwrap()),
        _ => Value::Strings(serde_json::from_value(value.clone()).unwrap()),
    }
}

/// Reimplements `weights` of the script.
fn generate_weights(index: u64, tensor: &DescribedTensor, kind: TensorType) -> Vec<u8> {
    if let Some(floats) = &tensor.replacement {
        return floats.iter().flat_map(|value| value.to_le_bytes()).collect();
    }
    let count = tensor.shape.iter().product::<u64>() as usize;
    let seed = (index + 1) << 32;
    let floats = |offset: f32, scale: f32| {
        let mut random = Random(seed);
        (0..count).map(move |_| offset + scale * random.float())
    };
    let (scales_at, range): (&[usize], f32) = match kind {
        TensorType::F32 => return floats(tensor.offset, tensor.scale).flat_map(f32::to_le_bytes).collect(),
        TensorType::F16 => {
            let halves = floats(tensor.offset, tensor.scale).map(half::f16::from_f32);
            return halves.flat_map(half::f16::to_le_bytes).collect();
        }
        TensorType::BF16 => {
            let upper = floats(tensor.offset, tensor.scale).map(|value| (value.to_bits() >> 16) as u16);
            return upper.flat_map(u16::to_le_bytes).collect();
        }
        TensorType::Q1_0 => (&[0], 0.3),
        TensorType::Q2_0 => (&[0], 0.2),
        TensorType::Q4_0 => (&[0], 0.04),
        TensorType::Q5_0 => (&[0], 0.02),
        TensorType::Q8_0 => (&[0], 0.0025),
        TensorType::Q4_1 => (&[0, 2], 0.02),
        TensorType::Q5_1 => (&[0, 2], 0.01),
        TensorType::Q2_K => (&[80, 82], 0.01),
        TensorType::Q3_K => (&[108], 0.0025),
        TensorType::Q4_K => (&[0, 2], 0.0006),
        TensorType::Q5_K => (&[0, 2], 0.0003),
        TensorType::Q6_K => (&[208], 0.0001),
        TensorType::IQ4_NL => (&[0], 0.003),
        TensorType::IQ4_XS => (&[0], 0.0001),
        _ => (&[], 0.0),
    };
    let block_bytes = kind.block_bytes() as usize;
    let blocks = count / kind.block_len() as usize;
    let mut random = Random(seed);
    let mut bytes: Vec<u8> = (0..blocks * block_bytes).map(|_| (random.bits() >> 32) as u8).collect();
    for (i, at) in scales_at.iter().enumerate() {
        let mut random = Random(seed + 1 + i as u64);
        for block in bytes.chunks_exact_mut(block_bytes) {
            block[*at..at + 2].copy_from_slice(&half::f16::from_f32(random.float() * range).to_le_bytes());
        }
    }
    if kind == TensorType::MXFP4 {
        bytes.chunks_exact_mut(block_bytes).for_each(|block| block[0] = 120 + block[0] % 4);
    }
    bytes
}
