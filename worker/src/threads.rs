//! The thread pool of the CPU, where the page is cross-origin isolated: workers started by this one, with the same program.
//!
//! They share no memory but a `SharedArrayBuffer`, through which commands and replies go (`parlance_engine::runtime::HelperThreads`). A helper waits
//! for the next command and hears nothing else; it ends with its pool.

use std::cell::Cell;
use std::time::Duration;

use futures::future::{Either, select, try_join_all};
use gloo_timers::future::sleep;
use js_sys::{Array, Atomics, Int32Array, Promise, Reflect, SharedArrayBuffer, Uint8Array};
use parlance_engine::runtime::{COMMAND_WORDS, Helper, HelperThreads, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS};
use parlance_engine::{EngineError, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::policy;

/// The name of helpers, which distinguishes them from the workers that pages start.
const NAME: &str = "helper-thread";
/// More threads than this only wait for memory.
const MAX_THREADS: u32 = 8;
/// How long helpers may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a word is polled before waiting: products follow each other closely, and waking up takes longer than a poll.
const POLLS: u32 = 2000;
/// A helper that does not answer within this many waits is gone. Each wait is short, since time goes on while a tab is frozen.
const WAITS: u32 = 150;
const WAIT_MS: f64 = 100.0;

thread_local! {
    /// A helper was lost: from then on, it is better to do without.
    static HAS_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// The layout of the shared memory. First come words: the turn, the command, the length of its payload; then three for each helper. Turns count
/// commands.
mod place {
    use super::{COMMAND_WORDS, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS};

    pub(super) const TURN: u32 = 0;
    pub(super) const COMMAND: u32 = 1;
    pub(super) const PAYLOAD_LEN: u32 = COMMAND + COMMAND_WORDS as u32;
    const HELPERS: u32 = PAYLOAD_LEN + 1;
    /// The payload's first byte.
    pub(super) const PAYLOAD: u32 = 4096;

    /// The turn that a helper finished last.
    pub(super) const fn done(helper: u32) -> u32 {
        HELPERS + 3 * helper
    }

    /// Whether it failed.
    pub(super) const fn has_failed(helper: u32) -> u32 {
        done(helper) + 1
    }

    /// Bytes of its reply, or of its error's text.
    pub(super) const fn reply_len(helper: u32) -> u32 {
        done(helper) + 2
    }

    /// The first byte of a helper's reply. For the number of helpers, it is the end of the memory.
    pub(super) const fn reply(helper: u32) -> u32 {
        PAYLOAD + MAX_PAYLOAD_BYTES as u32 + helper * 4 * MAX_REPLY_FLOATS as u32
    }
}

/// What helpers and the primary thread share.
struct SharedMemory {
    words: Int32Array,
    bytes: Uint8Array,
}

impl SharedMemory {
    fn new(memory: &SharedArrayBuffer) -> Self {
        Self { words: Int32Array::new(memory), bytes: Uint8Array::new(memory) }
    }

    fn word(&self, place: u32) -> i32 {
        // It fails only for places outside the memory.
        Atomics::load(&self.words, place).unwrap_or_default()
    }

    fn set(&self, place: u32, value: i32) {
        let _ = Atomics::store(&self.words, place, value);
    }

    /// Sets a word that others wait for.
    fn announce(&self, place: u32, value: i32) {
        self.set(place, value);
        let _ = Atomics::notify(&self.words, place);
    }

    /// Waits for a moment until a word differs from `value`. Says whether it does.
    fn wait_while(&self, place: u32, value: i32) -> bool {
        if (0..POLLS).any(|_| self.word(place) != value) {
            return true;
        }
        let _ = Atomics::wait_with_timeout(&self.words, place, value, WAIT_MS);
        self.word(place) != value
    }

    fn write(&self, place: u32, bytes: &[u8]) {
        self.bytes.subarray(place, place + bytes.len() as u32).copy_from(bytes);
    }

    fn read(&self, place: u32, bytes: &mut [u8]) {
        self.bytes.subarray(place, place + bytes.len() as u32).copy_to(bytes);
    }
}

/// A pool of helpers. Dropping it ends them.
pub(crate) struct ThreadPool {
    workers: Vec<Worker>,
    memory: SharedMemory,
}

impl ThreadPool {
    /// Starts as many helpers as this device has processors for; none where memory cannot be shared.
    pub(crate) async fn open() -> Option<Self> {
        let count = helper_count();
        if count == 0 || HAS_FAILED.get() {
            return None;
        }
        let memory = SharedArrayBuffer::new(place::reply(count));
        let workers = (0..count).map(|_| start(NAME)).collect::<Result<Vec<_>, JsValue>>().ok()?;
        // If not all of them start, dropping the pool ends those that did.
        let pool = Self { workers, memory: SharedMemory::new(&memory) };
        let all = try_join_all(pool.workers.iter().map(first_message));
        match select(std::pin::pin!(all), std::pin::pin!(sleep(START_TIMEOUT))).await {
            Either::Left((Ok(_), _)) => {}
            Either::Left((Err(_), _)) | Either::Right(_) => return None,
        }
        for (index, worker) in pool.workers.iter().enumerate() {
            let numbers = [index as u32, count].map(JsValue::from);
            worker.post_message(&Array::of3(&memory, &numbers[0], &numbers[1])).ok()?;
        }
        Some(pool)
    }
}

impl HelperThreads for ThreadPool {
    fn count(&self) -> usize {
        self.workers.len()
    }

    fn post(&self, command: [u32; COMMAND_WORDS], payload: &[u8]) {
        for (place, word) in (place::COMMAND..).zip(command) {
            self.memory.set(place, word.cast_signed());
        }
        self.memory.set(place::PAYLOAD_LEN, payload.len() as i32);
        self.memory.write(place::PAYLOAD, payload);
        let turn = self.memory.word(place::TURN);
        self.memory.announce(place::TURN, turn.wrapping_add(1));
    }

    fn wait(&self, helper: usize, reply: &mut [f32]) -> Result<()> {
        let helper = helper as u32;
        // A helper's last turn is this one or the previous one.
        let previous = self.memory.word(place::TURN).wrapping_sub(1);
        if !(0..WAITS).any(|_| self.memory.wait_while(place::done(helper), previous)) {
            HAS_FAILED.set(true);
            return Err(EngineError::Threads("it did not answer".to_owned()));
        }
        if self.memory.word(place::has_failed(helper)) == 0 {
            self.memory.read(place::reply(helper), bytemuck::cast_slice_mut(reply));
            return Ok(());
        }
        let mut text = vec![0; self.memory.word(place::reply_len(helper)) as usize];
        self.memory.read(place::reply(helper), &mut text);
        Err(EngineError::OutOfMemory(String::from_utf8_lossy(&text).into_owned()))
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.workers.iter().for_each(Worker::terminate);
    }
}

/// How many helpers there should be.
fn helper_count() -> u32 {
    let global = js_sys::global();
    let is_isolated = Reflect::get(&global, &"crossOriginIsolated".into()).is_ok_and(|is| is.is_truthy());
    if !is_isolated {
        return 0;
    }
    let processors = scope().navigator().hardware_concurrency() as u32;
    // With many processors, half of them are second threads of a core, which share its arithmetic units.
    let threads = if processors > 4 { processors / 2 } else { processors };
    threads.min(MAX_THREADS).saturating_sub(1)
}

/// This worker.
pub(crate) fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Starts a worker with this one's script, and so with this one's policy. Its name tells it what to do.
pub(crate) fn start(name: &str) -> Result<Worker, JsValue> {
    policy::allow_own_script()?;
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name(name);
    Worker::new_with_options(&scope().location().href(), &options)
}

/// Waits for a worker's first message, or for its script to fail to load.
async fn first_message(worker: &Worker) -> Result<JsValue, JsValue> {
    let message = Promise::new(&mut |resolve, reject| {
        worker.set_onmessage(Some(&resolve));
        worker.set_onerror(Some(&reject));
    });
    JsFuture::from(message).await
}

/// Whether this worker is another worker's helper.
pub(crate) fn is_helper() -> bool {
    scope().name() == NAME
}

/// Works for another worker until that ends this one.
pub(crate) fn help() {
    let on_message = Closure::once_into_js(|message: MessageEvent| {
        let given: Array = message.data().unchecked_into();
        let number = |index| given.get(index).as_f64().unwrap_or_default() as u32;
        execute_commands(&SharedMemory::new(given.get(0).unchecked_ref()), number(1), number(2));
    });
    scope().set_onmessage(Some(on_message.unchecked_ref()));
    // `first_message` waits for it.
    let _ = scope().post_message(&JsValue::NULL);
}

/// Executes commands as helper number `index` of `count`.
fn execute_commands(memory: &SharedMemory, index: u32, count: u32) {
    let mut helper = Helper::new(index as usize, count as usize);
    let (mut payload, mut reply) = (Vec::new(), Vec::new());
    let mut turn = 0;
    loop {
        while !memory.wait_while(place::TURN, turn) {}
        turn = memory.word(place::TURN);
        let command = std::array::from_fn(|i| memory.word(place::COMMAND + i as u32).cast_unsigned());
        payload.resize(memory.word(place::PAYLOAD_LEN) as usize, 0);
        memory.read(place::PAYLOAD, &mut payload);
        let result = helper.execute(command, &payload, &mut reply).map_err(|error| error.to_string());
        let bytes = result.as_ref().map_or_else(String::as_bytes, |()| bytemuck::cast_slice(&reply));
        memory.write(place::reply(index), bytes);
        memory.set(place::reply_len(index), bytes.len() as i32);
        memory.set(place::has_failed(index), i32::from(result.is_err()));
        memory.announce(place::done(index), turn);
    }
}
