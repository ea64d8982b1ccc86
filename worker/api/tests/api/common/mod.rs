//! Test helpers: the demo model, and requests to it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each module uses only a part; tests may panic"
)]

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use parlance_api::{ChatCodec, Control, Job, Meta, Processors, RequestError};
use parlance_engine::gguf::{TensorType, Value as Entry, Writer};
use parlance_engine::kernels::random::Random;
use parlance_engine::runtime::{Cpu, Device, Loader, LoaderOptions, Model};
use pollster::block_on;
use serde_json::Value;

/// The demo model, for one test at a time.
pub struct Borrowed(MutexGuard<'static, Option<Model>>);

impl Deref for Borrowed {
    type Target = Model;

    fn deref(&self) -> &Model {
        self.0.as_ref().expect("it is loaded when it is borrowed")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Model {
        self.0.as_mut().expect("it is loaded when it is borrowed")
    }
}

pub fn load_onto(device: Device) -> Model {
    load_with(device, LoaderOptions { context_tokens: Some(1024), ..LoaderOptions::default() })
}

pub fn load_with(device: Device, options: LoaderOptions) -> Model {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask setup` fetches it", path.display()));
    block_on(async {
        let mut loader = Loader::new(device, options);
        loader.push(&bytes).await.unwrap();
        loader.finish().await.unwrap()
    })
}

/// The demo model on the CPU: the API works the same on all devices, and software adapters are many times slower. There
/// are two, with one thread each, for two tests at a time: a second thread for one model gains little.
pub fn model() -> Borrowed {
    static MODELS: [Mutex<Option<Model>>; 2] = [const { Mutex::new(None) }; 2];
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    let free = MODELS.iter().find_map(|model| model.try_lock().ok());
    let mut model = free.unwrap_or_else(|| {
        let number = WAITING.fetch_add(1, Ordering::Relaxed) % MODELS.len();
        MODELS[number].lock().unwrap_or_else(PoisonError::into_inner)
    });
    model.get_or_insert_with(|| load_onto(Cpu::blocking().into()));
    Borrowed(model)
}

/// The model's codec. As in the worker, requests share it, because preparing the vocabulary for grammars takes longer than
/// most answers.
pub fn codec(model: &Model) -> Rc<ChatCodec> {
    thread_local! {
        static LAST: RefCell<Option<Rc<ChatCodec>>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        let known = last.take().filter(|codec| std::ptr::eq(codec.chat(), model.chat()));
        let codec = known.unwrap_or_else(|| Rc::new(ChatCodec::new(model.chat_handle(), model.context_tokens())));
        *last = Some(Rc::clone(&codec));
        codec
    })
}

pub fn meta() -> Meta {
    Meta { random: 7, created: 1_700_000_000, model: "demo".to_owned() }
}

/// Collects chunks, and stops the request after `stop_after` of them.
#[derive(Default)]
pub struct Listener {
    pub chunks: RefCell<Vec<Value>>,
    pub prefilled: Cell<usize>,
    /// How many images were encoded.
    pub encoded: Cell<usize>,
    /// How many seconds of a recording were encoded, and how many it has.
    pub heard: Cell<(f64, f64)>,
    pub stop_after: Option<usize>,
}

impl Control for Listener {
    fn prefilling(&self, done: usize, _total: usize) {
        self.prefilled.set(done);
    }

    fn seeing(&self, done: usize, _total: usize) {
        // Tiny towers have two layers, and one report between them.
        if done % 1000 == 500 {
            self.encoded.set(self.encoded.get() + 1);
        }
    }

    fn listening(&self, seconds: f64, total: f64) {
        self.heard.set((seconds, total));
    }

    fn chunk(&self, chunk: Value) {
        self.chunks.borrow_mut().push(chunk);
    }

    async fn stopped(&self) {
        if self.stop_after.is_some_and(|count| self.chunks.borrow().len() >= count) {
            ready(()).await;
        } else {
            pending::<()>().await;
        }
    }
}

/// The response to a chat request.
pub fn try_chat(model: &mut Model, body: &Value) -> Result<Value, RequestError> {
    let codec = codec(model);
    let mut job = Job::chat(&codec, body, meta(), &Processors::new())?;
    let response = block_on(job.run(model, &Listener::default()))?;
    Ok(response.expect("it is not streamed"))
}

pub fn chat(model: &mut Model, body: &Value) -> Value {
    try_chat(model, body).unwrap()
}

/// The chunks of a streamed chat request.
pub fn stream(model: &mut Model, body: &Value, stop_after: Option<usize>) -> Vec<Value> {
    let codec = codec(model);
    let listener = Listener { stop_after, ..Listener::default() };
    let mut job = Job::chat(&codec, body, meta(), &Processors::new()).unwrap();
    assert!(job.is_stream());
    assert_eq!(block_on(job.run(model, &listener)).unwrap(), None);
    listener.chunks.into_inner()
}

/// The text of a response's first answer.
pub fn content(response: &Value) -> &str {
    response["choices"][0]["message"]["content"].as_str().unwrap_or_default()
}

/// The streamed text of the first answer.
pub fn streamed_content(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

/// A request body with additional fields, which replace fields of the same name.
pub fn with_fields(mut body: Value, fields: Value) -> Value {
    if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
        body.extend(fields);
    }
    body
}

/// The values of an array.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn entry(kind: &str, value: &Value) -> Entry {
    let value = value.clone();
    match kind {
        "u32" => Entry::Unsigned(serde_json::from_value(value).unwrap()),
        "f32" => Entry::Float(serde_json::from_value(value).unwrap()),
        "bool" => Entry::Bool(serde_json::from_value(value).unwrap()),
        "string" => Entry::String(serde_json::from_value(value).unwrap()),
        "i32s" => Entry::Integers(serde_json::from_value(value).unwrap()),
        _ => Entry::Strings(serde_json::from_value(value).unwrap()),
    }
}

/// The file of a tiny model that a fixture of the engine's describes, with `more` metadata.
pub fn described_file(model: &Value, more: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    for item in list(&model["metadata"]).chain(list(more)) {
        writer.metadata(item[0].as_str().unwrap(), &entry(item[1].as_str().unwrap(), &item[2]));
    }
    for tensor in list(&model["tensors"]) {
        let shape: Vec<u64> = list(&tensor["shape"]).map(|len| len.as_u64().unwrap()).collect();
        writer.tensor(tensor["name"].as_str().unwrap(), TensorType::F32, &shape);
    }
    let mut bytes = writer.header();
    for ((index, tensor), (len, padding)) in (1u64..).zip(list(&model["tensors"])).zip(writer.data_sizes()) {
        let [offset, scale] = ["offset", "scale"].map(|key| tensor[key].as_f64().unwrap() as f32);
        let mut random = Random(index << 32);
        bytes.extend((0..len / 4).flat_map(|_| (offset + scale * random.float()).to_le_bytes()));
        bytes.resize(bytes.len() + padding as usize, 0);
    }
    bytes
}
