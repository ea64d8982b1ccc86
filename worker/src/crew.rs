//! Threads that share the CPU's work, where the page is cross-origin isolated: workers of this worker, with the same program.
//!
//! They have no memory in common but a `SharedArrayBuffer` of words and bytes through which orders and replies go
//! (`parlance_engine::runtime::Link`). A member waits in it for the next order and hears nothing else; it ends with its crew.

use std::cell::Cell;
use std::time::Duration;

use futures::future::{Either, select, try_join_all};
use gloo_timers::future::sleep;
use js_sys::{Array, Atomics, Int32Array, Promise, Reflect, SharedArrayBuffer, Uint8Array};
use parlance_engine::runtime::{Link, MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS, Member, ORDER_WORDS};
use parlance_engine::{EngineError, Result};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::policy;

/// The name of members, which tells them from the workers that pages start.
const NAME: &str = "crew";
/// Threads beyond this wait for memory.
const MAX_THREADS: u32 = 8;
/// So long may members take to start.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Looks at a word before waiting: products follow each other closely, and waking up takes longer than a look.
const LOOKS: u32 = 2000;
/// A member that does not answer in so many waits is gone. Each wait is short, since time goes on while a tab is frozen.
const WAITS: u32 = 150;
const WAIT_MS: f64 = 100.0;

thread_local! {
    /// A member was lost: better without.
    static HAS_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// The places in the shared memory. First words: the turn, the order, the length of its payload; then three for each member.
mod place {
    use super::{MAX_PAYLOAD_BYTES, MAX_REPLY_FLOATS, ORDER_WORDS};

    pub(super) const TURN: u32 = 0;
    pub(super) const ORDER: u32 = 1;
    pub(super) const PAYLOAD_LEN: u32 = ORDER + ORDER_WORDS as u32;
    const MEMBERS: u32 = PAYLOAD_LEN + 1;
    const PAYLOAD: u32 = 4096;

    /// The turn that a member has done last.
    pub(super) const fn done(member: u32) -> u32 {
        MEMBERS + 3 * member
    }

    /// Whether it failed at it.
    pub(super) const fn has_failed(member: u32) -> u32 {
        done(member) + 1
    }

    /// Bytes of its reply, or of its error's text.
    pub(super) const fn reply_len(member: u32) -> u32 {
        done(member) + 2
    }

    /// The payload's first byte.
    pub(super) const fn payload() -> u32 {
        PAYLOAD
    }

    /// The first byte of a member's reply; that of the number of members is the memory's end.
    pub(super) const fn reply(member: u32) -> u32 {
        PAYLOAD + MAX_PAYLOAD_BYTES as u32 + member * 4 * MAX_REPLY_FLOATS as u32
    }
}

/// What members and their first thread share.
struct Shared {
    words: Int32Array,
    bytes: Uint8Array,
}

impl Shared {
    fn new(memory: &SharedArrayBuffer) -> Self {
        Self { words: Int32Array::new(memory), bytes: Uint8Array::new(memory) }
    }

    fn word(&self, place: u32) -> i32 {
        // Fails for places outside of the memory only.
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

    /// Waits until a word differs from `value`, a while at most. Whether it does.
    fn wait_while(&self, place: u32, value: i32) -> bool {
        if (0..LOOKS).any(|_| self.word(place) != value) {
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

/// The members of a crew. Dropping it ends them.
pub(crate) struct Crew {
    workers: Vec<Worker>,
    shared: Shared,
}

impl Crew {
    /// Starts as many members as this device has processors for; none where memory cannot be shared.
    pub(crate) async fn open() -> Option<Self> {
        let members = members();
        if members == 0 || HAS_FAILED.get() {
            return None;
        }
        let memory = SharedArrayBuffer::new(place::reply(members));
        let workers = (0..members).map(|_| start()).collect::<Result<Vec<_>, JsValue>>().ok()?;
        // Whoever has started is ended again with it, if not all do.
        let crew = Self { workers, shared: Shared::new(&memory) };
        let all = try_join_all(crew.workers.iter().map(first_message));
        match select(std::pin::pin!(all), std::pin::pin!(sleep(START_TIMEOUT))).await {
            Either::Left((Ok(_), _)) => {}
            Either::Left((Err(_), _)) | Either::Right(_) => return None,
        }
        for (index, worker) in crew.workers.iter().enumerate() {
            let numbers = [index as u32, members].map(JsValue::from);
            worker.post_message(&Array::of3(&memory, &numbers[0], &numbers[1])).ok()?;
        }
        Some(crew)
    }
}

impl Link for Crew {
    fn members(&self) -> usize {
        self.workers.len()
    }

    fn post(&self, order: [u32; ORDER_WORDS], payload: &[u8]) {
        for (place, word) in (place::ORDER..).zip(order) {
            self.shared.set(place, word.cast_signed());
        }
        self.shared.set(place::PAYLOAD_LEN, payload.len() as i32);
        self.shared.write(place::payload(), payload);
        let turn = self.shared.word(place::TURN);
        self.shared.announce(place::TURN, turn.wrapping_add(1));
    }

    fn wait(&self, member: usize, reply: &mut [f32]) -> Result<()> {
        let member = member as u32;
        // A member's last turn is this one or the one before.
        let before = self.shared.word(place::TURN).wrapping_sub(1);
        if !(0..WAITS).any(|_| self.shared.wait_while(place::done(member), before)) {
            HAS_FAILED.set(true);
            return Err(EngineError::Threads("it did not answer".to_owned()));
        }
        if self.shared.word(place::has_failed(member)) == 0 {
            self.shared.read(place::reply(member), bytemuck::cast_slice_mut(reply));
            return Ok(());
        }
        let mut text = vec![0; self.shared.word(place::reply_len(member)) as usize];
        self.shared.read(place::reply(member), &mut text);
        Err(EngineError::OutOfMemory(String::from_utf8_lossy(&text).into_owned()))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.workers.iter().for_each(Worker::terminate);
    }
}

/// How many members there should be.
fn members() -> u32 {
    let global = js_sys::global();
    let is_isolated = Reflect::get(&global, &"crossOriginIsolated".into()).is_ok_and(|is| is.is_truthy());
    if !is_isolated {
        return 0;
    }
    let processors = scope().navigator().hardware_concurrency() as u32;
    // Of many processors half are second threads of a core, which share its arithmetic.
    let threads = if processors > 4 { processors / 2 } else { processors };
    threads.min(MAX_THREADS).saturating_sub(1)
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Starts a worker with this one's script, and with it this one's policy.
fn start() -> Result<Worker, JsValue> {
    policy::allow_own_script()?;
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name(NAME);
    Worker::new_with_options(&scope().location().href(), &options)
}

/// Waits until a worker says something, or its script fails to load.
async fn first_message(worker: &Worker) -> Result<JsValue, JsValue> {
    let said = Promise::new(&mut |resolve, reject| {
        worker.set_onmessage(Some(&resolve));
        worker.set_onerror(Some(&reject));
    });
    JsFuture::from(said).await
}

/// Whether this worker is a member of another one's crew.
pub(crate) fn is_member() -> bool {
    scope().name() == NAME
}

/// Works for another worker until that ends this one.
pub(crate) fn serve() {
    let on_message = Closure::once_into_js(|message: MessageEvent| {
        let given: Array = message.data().unchecked_into();
        let number = |index| given.get(index).as_f64().unwrap_or_default() as u32;
        work(&Shared::new(given.get(0).unchecked_ref()), number(1), number(2));
    });
    scope().set_onmessage(Some(on_message.unchecked_ref()));
    // Heard by `first_message`.
    let _ = scope().post_message(&JsValue::NULL);
}

/// Follows orders.
fn work(shared: &Shared, index: u32, members: u32) {
    let mut member = Member::new(index as usize, members as usize);
    let (mut payload, mut reply) = (Vec::new(), Vec::new());
    let mut turn = 0;
    loop {
        while !shared.wait_while(place::TURN, turn) {}
        turn = shared.word(place::TURN);
        let order = std::array::from_fn(|i| shared.word(place::ORDER + i as u32).cast_unsigned());
        payload.resize(shared.word(place::PAYLOAD_LEN) as usize, 0);
        shared.read(place::payload(), &mut payload);
        let result = member.follow(order, &payload, &mut reply).map_err(|error| error.to_string());
        let said = result.as_ref().map_or_else(String::as_bytes, |()| bytemuck::cast_slice(&reply));
        shared.write(place::reply(index), said);
        shared.set(place::reply_len(index), said.len() as i32);
        shared.set(place::has_failed(index), i32::from(result.is_err()));
        shared.announce(place::done(index), turn);
    }
}
