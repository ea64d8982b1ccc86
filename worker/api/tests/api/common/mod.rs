//! Helpers of the tests: the demo model and requests to it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses a part; tests may panic"
)]

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use parlance_api::{Control, Job, Language, Meta, Processors, RequestError};
use parlance_engine::runtime::{Cpu, Device, Loader, LoaderOptions, Model, Threads};
use pollster::block_on;
use serde_json::Value;

static MODEL: LazyLock<Mutex<Model>> = LazyLock::new(|| Mutex::new(load()));

/// The model on two threads of the CPU: the API is the same on every device, and software adapters are many times slower.
pub fn load() -> Model {
    load_onto(Cpu::blocking().with_crew(Arc::new(Threads::start(1, 100_000))).into())
}

pub fn load_onto(device: Device) -> Model {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask setup` fetches it", path.display()));
    block_on(async {
        let mut loader = Loader::new(device, LoaderOptions { context_tokens: Some(1024), ..LoaderOptions::default() });
        loader.push(&bytes).await.unwrap();
        loader.finish().await.unwrap()
    })
}

/// The model, for one test at a time.
pub fn model() -> MutexGuard<'static, Model> {
    MODEL.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn language(model: &Model) -> Rc<Language> {
    Rc::new(Language::new(model.chat_handle(), model.context_tokens()))
}

pub fn meta() -> Meta {
    Meta { random: 7, created: 1_700_000_000, model: "demo".to_owned() }
}

/// Keeps chunks, and stops after some of them.
#[derive(Default)]
pub struct Listener {
    pub chunks: RefCell<Vec<Value>>,
    pub prefilled: Cell<usize>,
    pub stop_after: Option<usize>,
}

impl Control for Listener {
    fn prefilling(&self, done: usize, _total: usize) {
        self.prefilled.set(done);
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
    let language = language(model);
    let mut job = Job::chat(&language, body, meta(), &Processors::new())?;
    let response = block_on(job.run(model, &Listener::default()))?;
    Ok(response.expect("it is not streamed"))
}

pub fn chat(model: &mut Model, body: &Value) -> Value {
    try_chat(model, body).unwrap()
}

/// The chunks of a streamed chat request.
pub fn stream(model: &mut Model, body: &Value, stop_after: Option<usize>) -> Vec<Value> {
    let language = language(model);
    let listener = Listener { stop_after, ..Listener::default() };
    let mut job = Job::chat(&language, body, meta(), &Processors::new()).unwrap();
    assert!(job.is_stream());
    assert_eq!(block_on(job.run(model, &listener)).unwrap(), None);
    listener.chunks.into_inner()
}

/// The text of a response's first answer.
pub fn content(response: &Value) -> &str {
    response["choices"][0]["message"]["content"].as_str().unwrap_or_default()
}
