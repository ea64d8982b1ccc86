//! Matrix products on several threads without shared memory.
//!
//! A cross-origin isolated page may share memory between workers, but a wasm module whose own memory is shared needs a
//! standard library built for it. So each thread runs its own module instance, which holds its rows of every matrix
//! ([`super::shard`]). A product exchanges only its inputs and outputs, a few kilobytes. Everything else in a model
//! stays on the primary thread. How commands and replies are transported is up to [`HelperThreads`].

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::activations::Activations;
use super::shard::{Shard, Thread};
use crate::error::{EngineError, Result};
use crate::gguf::TensorType;

/// Number of words of an encoded command.
pub const COMMAND_WORDS: usize = 5;
/// Maximum size of a command's payload in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;
/// Maximum length of a reply in floats.
pub const MAX_REPLY_FLOATS: usize = 1 << 20;

/// `Send` and `Sync`, but only natively: a browser's objects stay on their thread.
#[cfg(not(target_family = "wasm"))]
pub trait NativeSendSync: Send + Sync {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + Sync> NativeSendSync for T {}
/// `Send` and `Sync`, but only natively: a browser's objects stay on their thread.
#[cfg(target_family = "wasm")]
pub trait NativeSendSync {}
#[cfg(target_family = "wasm")]
impl<T> NativeSendSync for T {}

/// Threads that execute the primary thread's commands, each with a [`Helper`].
pub trait HelperThreads: NativeSendSync {
    /// Number of helper threads.
    fn count(&self) -> usize;

    /// Matrices with fewer weights stay on the primary thread: exchanging inputs and outputs would take longer than the
    /// product.
    fn min_shared_weights(&self) -> usize {
        1 << 16
    }

    /// Sends a command to all helpers, which have finished the previous one.
    fn post(&self, command: [u32; COMMAND_WORDS], payload: &[u8]);

    /// Waits until a helper has executed the command, and copies the beginning of its reply into `reply`.
    ///
    /// # Errors
    /// The error of the helper's [`Helper::execute`], or [`EngineError::Threads`] if the helper has ended.
    fn wait(&self, helper: usize, reply: &mut [f32]) -> Result<()>;
}

/// A command to all helpers, about one of their models.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Command {
    /// Start without matrices; share those with at least this many weights.
    Begin { min_shared_weights: u32 },
    /// Allocate the next matrix.
    Allocate { tensor_type: TensorType, rows: u32, cols: u32 },
    /// Store this thread's part of the blocks in the payload.
    Write { matrix: u32, first_block: u32 },
    /// Multiply this thread's part of the rows with the payload `[tokens][cols]`; the reply is `[own rows][tokens]`.
    Multiply { matrix: u32, first_row: u32, rows: u32, cols: u32 },
    /// Reply with a row, if it is this thread's.
    Row { matrix: u32, row: u32 },
    /// Drop all matrices.
    End,
}

/// Number of bits in a command's first word for its kind; the others are for the model.
const KIND_BITS: u32 = 8;

impl Command {
    fn words(self, model: u32) -> [u32; COMMAND_WORDS] {
        let mut words = match self {
            Self::Begin { min_shared_weights } => [0, min_shared_weights, 0, 0, 0],
            Self::Allocate { tensor_type, rows, cols } => [1, tensor_type.number(), rows, cols, 0],
            Self::Write { matrix, first_block } => [2, matrix, first_block, 0, 0],
            Self::Multiply { matrix, first_row, rows, cols } => [3, matrix, first_row, rows, cols],
            Self::Row { matrix, row } => [4, matrix, row, 0, 0],
            Self::End => [5, 0, 0, 0, 0],
        };
        words[0] |= model << KIND_BITS;
        words
    }

    /// The model, and the command.
    fn from_words(mut words: [u32; COMMAND_WORDS]) -> Option<(u32, Self)> {
        let model = words[0] >> KIND_BITS;
        words[0] %= 1 << KIND_BITS;
        let command = match words {
            [0, min_shared_weights, ..] => Self::Begin { min_shared_weights },
            [1, tensor_type, rows, cols, _] => {
                Self::Allocate { tensor_type: TensorType::from_number(tensor_type)?, rows, cols }
            }
            [2, matrix, first_block, ..] => Self::Write { matrix, first_block },
            [3, matrix, first_row, rows, cols] => Self::Multiply { matrix, first_row, rows, cols },
            [4, matrix, row, ..] => Self::Row { matrix, row },
            [5, ..] => Self::End,
            _ => return None,
        };
        Some((model, command))
    }
}

/// A helper thread's rows of models, and the commands it executes on them.
pub struct Helper {
    thread: Thread,
    shards: HashMap<u32, Shard>,
}

impl Helper {
    /// The helper with this index, one of `count`.
    pub fn new(index: usize, count: usize) -> Self {
        let thread = Thread { index: index + 1, count: count + 1, min_shared_weights: 0 };
        Self { thread, shards: HashMap::new() }
    }

    /// Executes a command, and replaces the contents of `reply` with its result.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or [`EngineError::Threads`] for an unknown command.
    pub fn execute(&mut self, command: [u32; COMMAND_WORDS], payload: &[u8], reply: &mut Vec<f32>) -> Result<()> {
        reply.clear();
        let unknown = || EngineError::Threads(format!("unknown command {command:?}"));
        let (model, command) = Command::from_words(command).ok_or_else(unknown)?;
        if let Command::Begin { min_shared_weights } = command {
            let thread = Thread { min_shared_weights: min_shared_weights as usize, ..self.thread };
            self.shards.insert(model, Shard::new(thread));
        }
        let shard = self.shards.get_mut(&model).ok_or_else(unknown)?;
        match command {
            Command::Begin { .. } => {}
            Command::Allocate { tensor_type, rows, cols } => {
                shard.allocate(tensor_type, rows as usize, cols as usize)?;
            }
            Command::Write { matrix, first_block } => shard.write(matrix as usize, first_block as usize, payload),
            Command::Multiply { matrix, first_row, rows, cols } => {
                let floats: Vec<f32> = bytemuck::pod_collect_to_vec(payload);
                let x = Activations::new(&floats, cols as usize);
                let rows = first_row as usize..(first_row + rows) as usize;
                shard.multiply(matrix as usize, rows, &x, &(0..x.tokens()), |_, _, value| reply.push(value));
            }
            Command::Row { matrix, row } => {
                reply.extend(shard.row(matrix as usize, row as usize).unwrap_or_default());
            }
            Command::End => drop(self.shards.remove(&model)),
        }
        Ok(())
    }
}

/// Helper threads, and what they are doing. Several models may share them, but only one at a time may compute.
pub(super) struct Crew {
    helpers: Arc<dyn HelperThreads>,
    /// Whether a command was posted and not yet waited for.
    is_busy: AtomicBool,
    /// Number of models so far.
    models: AtomicU32,
}

impl Crew {
    pub(super) fn new(helpers: Arc<dyn HelperThreads>) -> Self {
        Self { helpers, is_busy: AtomicBool::new(false), models: AtomicU32::new(0) }
    }
}

/// The primary thread's side of the helper threads, for one model. Once one of them has failed, all their results are
/// zeros and [`ThreadPool::check`] returns the error.
pub(super) struct ThreadPool {
    crew: Arc<Crew>,
    /// The model's number.
    model: u32,
    error: OnceLock<EngineError>,
}

impl ThreadPool {
    /// A pool without matrices.
    pub(super) fn new(crew: Arc<Crew>) -> Self {
        let model = crew.models.fetch_add(1, Ordering::Relaxed) % (1 << (32 - KIND_BITS));
        let pool = Self { crew, model, error: OnceLock::new() };
        pool.post(Command::Begin { min_shared_weights: pool.primary().min_shared_weights as u32 }, &[]);
        pool
    }

    /// The thread that posts the commands.
    pub(super) fn primary(&self) -> Thread {
        let helpers = &self.crew.helpers;
        Thread { index: 0, count: helpers.count() + 1, min_shared_weights: helpers.min_shared_weights() }
    }

    /// Checks that every command so far succeeded.
    ///
    /// # Errors
    /// The first error of a helper thread.
    pub(super) fn check(&self) -> Result<()> {
        self.finish();
        self.error.get().cloned().map_or(Ok(()), Err)
    }

    pub(super) fn allocate(&self, tensor_type: TensorType, rows: u32, cols: u32) {
        self.post(Command::Allocate { tensor_type, rows, cols }, &[]);
    }

    pub(super) fn write(&self, matrix: usize, first_block: usize, bytes: &[u8]) {
        self.post(Command::Write { matrix: matrix as u32, first_block: first_block as u32 }, bytes);
    }

    /// How many tokens of a product fit into a command and its replies, at least one.
    pub(super) fn tokens_at_once(&self, cols: usize, rows: usize) -> usize {
        let replied = rows.div_ceil(self.crew.helpers.count() + 1);
        (MAX_PAYLOAD_BYTES / (4 * cols.max(1))).min(MAX_REPLY_FLOATS / replied.max(1)).max(1)
    }

    /// Starts the product of the helpers' parts of `rows` with `x`: `[tokens][cols]`.
    pub(super) fn multiply(&self, matrix: usize, rows: &Range<usize>, x: &[f32], cols: usize) {
        let (first_row, rows) = (rows.start as u32, rows.len() as u32);
        let command = Command::Multiply { matrix: matrix as u32, first_row, rows, cols: cols as u32 };
        self.post(command, bytemuck::cast_slice(x));
    }

    /// A row that the helper thread `thread` holds.
    pub(super) fn row(&self, thread: usize, matrix: usize, row: usize, cols: usize) -> Vec<f32> {
        self.post(Command::Row { matrix: matrix as u32, row: row as u32 }, &[]);
        self.replies(|other| if other == thread { cols } else { 0 }).swap_remove(thread - 1)
    }

    /// The start of each helper's reply to the last command; `len` returns how many floats to take from a thread.
    pub(super) fn replies(&self, len: impl Fn(usize) -> usize) -> Vec<Vec<f32>> {
        self.crew.is_busy.store(false, Ordering::Relaxed);
        let reply = |helper| {
            let mut reply = vec![0.0; len(helper + 1)];
            if !self.has_ended()
                && let Err(error) = self.crew.helpers.wait(helper, &mut reply)
            {
                // The first error is kept.
                let _ = self.error.set(error);
            }
            reply
        };
        (0..self.crew.helpers.count()).map(reply).collect()
    }

    /// Whether helpers no longer answer. Those that ran out of memory do.
    fn has_ended(&self) -> bool {
        matches!(self.error.get(), Some(EngineError::Threads(_)))
    }

    fn post(&self, command: Command, payload: &[u8]) {
        self.finish();
        if self.error.get().is_none() {
            self.send(command, payload);
        }
    }

    fn send(&self, command: Command, payload: &[u8]) {
        self.crew.helpers.post(command.words(self.model), payload);
        self.crew.is_busy.store(true, Ordering::Relaxed);
    }

    /// Waits for the previous command.
    fn finish(&self) {
        if self.crew.is_busy.load(Ordering::Relaxed) {
            self.replies(|_| 0);
        }
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.finish();
        if !self.has_ended() {
            self.send(Command::End, &[]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn commands_round_trip() {
        let commands = [
            Command::Begin { min_shared_weights: 9 },
            Command::Allocate { tensor_type: TensorType::Q4_K, rows: 7, cols: 256 },
            Command::Write { matrix: 1, first_block: 2 },
            Command::Multiply { matrix: 1, first_row: 2, rows: 3, cols: 4 },
            Command::Row { matrix: 5, row: 6 },
            Command::End,
        ];
        for (model, command) in (0..).step_by(1000).zip(commands) {
            assert_eq!(Command::from_words(command.words(model)), Some((model, command)));
        }
        assert!(Helper::new(0, 1).execute([9; COMMAND_WORDS], &[], &mut Vec::new()).is_err());
    }

    /// Helper threads that have ended.
    struct Ended;

    impl HelperThreads for Ended {
        fn count(&self) -> usize {
            2
        }

        fn post(&self, _: [u32; COMMAND_WORDS], _: &[u8]) {}

        fn wait(&self, helper: usize, _: &mut [f32]) -> Result<()> {
            Err(EngineError::Threads(format!("{helper} has ended")))
        }
    }

    #[test]
    fn helpers_hold_several_models() {
        let (mut helper, mut reply) = (Helper::new(0, 1), Vec::new());
        let mut execute = |command: Command, model| {
            let result = helper.execute(command.words(model), &[0; 128], &mut reply);
            result.map(|()| reply.clone())
        };
        let matrix = Command::Allocate { tensor_type: TensorType::F32, rows: 16, cols: 32 };
        for model in [1, 2] {
            execute(Command::Begin { min_shared_weights: 0 }, model).unwrap();
            execute(matrix, model).unwrap();
        }
        execute(Command::End, 1).unwrap();
        let product = Command::Multiply { matrix: 0, first_row: 0, rows: 16, cols: 32 };
        assert!(execute(product, 1).is_err());
        assert_eq!(execute(product, 2), Ok(vec![0.0; 8]));
    }

    #[test]
    fn the_first_error_is_kept() {
        let pool = ThreadPool::new(Arc::new(Crew::new(Arc::new(Ended))));
        pool.multiply(0, &(0..8), &[0.0; 32], 32);
        assert_eq!(pool.replies(|thread| thread), [vec![0.0], vec![0.0, 0.0]]);
        for _ in 0..2 {
            assert_eq!(pool.check(), Err(EngineError::Threads("0 has ended".to_owned())));
        }
    }
}
