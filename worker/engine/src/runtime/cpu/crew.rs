//! Products shared among threads that need no memory in common.
//!
//! A page that is cross-origin isolated may share memory between workers, but a wasm module whose own memory is shared needs
//! a standard library built for that. So each thread is a module of its own that holds its rows of every matrix
//! ([`super::shard`]); what they exchange for a product is its inputs and outputs, some kilobytes. The rest of a model stays with the
//! first thread. How orders and replies travel is a [`Link`]'s matter.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::activations::Activations;
use super::shard::{Shard, Thread};
use crate::error::{EngineError, Result};
use crate::gguf::TensorType;

/// Words of an order on its way.
pub const ORDER_WORDS: usize = 5;
/// The longest payload of an order, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;
/// The longest reply, in floats.
pub const MAX_REPLY_FLOATS: usize = 1 << 20;

/// The way from the first thread to the others.
pub trait Link: wgpu::WasmNotSendSync {
    /// How many others there are.
    fn members(&self) -> usize;

    /// Matrices of fewer weights are not shared: handing them over would take longer than doing them.
    fn min_shared_weights(&self) -> usize {
        1 << 16
    }

    /// Gives the same order to all. They have followed the one before.
    fn post(&self, order: [u32; ORDER_WORDS], payload: &[u8]);

    /// Waits until a member has followed the order, and takes the beginning of its reply.
    ///
    /// # Errors
    /// What the member's [`Member::follow`] said, or that it is gone.
    fn wait(&self, member: usize, reply: &mut [f32]) -> Result<()>;
}

/// What a member is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    /// Forget all matrices, and share those of so many weights from now on.
    Begin { min_shared_weights: u32 },
    /// Make room for the next matrix.
    Allocate { tensor_type: TensorType, rows: u32, cols: u32 },
    /// Keep what is yours of the blocks in the payload.
    Write { matrix: u32, first_block: u32 },
    /// Multiply your part of these rows with the payload `[tokens][cols]`; the reply is `[your rows][tokens]`.
    Multiply { matrix: u32, first_row: u32, rows: u32, cols: u32 },
    /// Give a row, if it is yours.
    Row { matrix: u32, row: u32 },
}

impl Order {
    fn words(self) -> [u32; ORDER_WORDS] {
        match self {
            Self::Begin { min_shared_weights } => [0, min_shared_weights, 0, 0, 0],
            Self::Allocate { tensor_type, rows, cols } => [1, tensor_type.number(), rows, cols, 0],
            Self::Write { matrix, first_block } => [2, matrix, first_block, 0, 0],
            Self::Multiply { matrix, first_row, rows, cols } => [3, matrix, first_row, rows, cols],
            Self::Row { matrix, row } => [4, matrix, row, 0, 0],
        }
    }

    fn from_words(words: [u32; ORDER_WORDS]) -> Option<Self> {
        Some(match words {
            [0, min_shared_weights, ..] => Self::Begin { min_shared_weights },
            [1, tensor_type, rows, cols, _] => {
                Self::Allocate { tensor_type: TensorType::from_number(tensor_type)?, rows, cols }
            }
            [2, matrix, first_block, ..] => Self::Write { matrix, first_block },
            [3, matrix, first_row, rows, cols] => Self::Multiply { matrix, first_row, rows, cols },
            [4, matrix, row, ..] => Self::Row { matrix, row },
            _ => return None,
        })
    }
}

/// A thread that works for the first one.
pub struct Member {
    thread: Thread,
    shard: Shard,
}

impl Member {
    /// Number `index` of `members`.
    pub fn new(index: usize, members: usize) -> Self {
        let thread = Thread { index: index + 1, count: members + 1, min_shared_weights: 0 };
        Self { thread, shard: Shard::new(thread) }
    }

    /// Follows an order, and puts the reply in the place of what is in `reply`.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`], or that the order makes no sense.
    pub fn follow(&mut self, order: [u32; ORDER_WORDS], payload: &[u8], reply: &mut Vec<f32>) -> Result<()> {
        reply.clear();
        let order =
            Order::from_words(order).ok_or_else(|| EngineError::Threads(format!("no such order: {order:?}")))?;
        match order {
            Order::Begin { min_shared_weights } => {
                self.shard = Shard::new(Thread { min_shared_weights: min_shared_weights as usize, ..self.thread });
            }
            Order::Allocate { tensor_type, rows, cols } => {
                self.shard.allocate(tensor_type, rows as usize, cols as usize)?;
            }
            Order::Write { matrix, first_block } => self.shard.write(matrix as usize, first_block as usize, payload),
            Order::Multiply { matrix, first_row, rows, cols } => {
                let floats: Vec<f32> = bytemuck::pod_collect_to_vec(payload);
                let x = Activations::new(&floats, cols as usize);
                let rows = first_row as usize..(first_row + rows) as usize;
                self.shard.multiply(matrix as usize, rows, &x, &(0..x.tokens()), |_, _, value| reply.push(value));
            }
            Order::Row { matrix, row } => {
                reply.extend(self.shard.row(matrix as usize, row as usize).unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// The first thread's view of the others. After a fault of theirs, their part is zeros, and [`Crew::check`] says so.
pub(super) struct Crew {
    link: Arc<dyn Link>,
    /// An order was posted whose end nobody waited for yet.
    is_busy: AtomicBool,
    fault: OnceLock<EngineError>,
}

impl Crew {
    /// A crew without matrices.
    pub(super) fn new(link: Arc<dyn Link>) -> Self {
        let crew = Self { link, is_busy: AtomicBool::new(false), fault: OnceLock::new() };
        crew.post(Order::Begin { min_shared_weights: crew.first().min_shared_weights as u32 }, &[]);
        crew
    }

    /// The thread that the others work for.
    pub(super) fn first(&self) -> Thread {
        Thread { index: 0, count: self.link.members() + 1, min_shared_weights: self.link.min_shared_weights() }
    }

    /// The first fault.
    pub(super) fn check(&self) -> Result<()> {
        self.finish();
        self.fault.get().cloned().map_or(Ok(()), Err)
    }

    pub(super) fn allocate(&self, tensor_type: TensorType, rows: u32, cols: u32) {
        self.post(Order::Allocate { tensor_type, rows, cols }, &[]);
    }

    pub(super) fn write(&self, matrix: usize, first_block: usize, bytes: &[u8]) {
        self.post(Order::Write { matrix: matrix as u32, first_block: first_block as u32 }, bytes);
    }

    /// How many tokens of a product fit an order and its replies, at least one.
    pub(super) fn tokens_at_once(&self, cols: usize, rows: usize) -> usize {
        let replied = rows.div_ceil(self.link.members() + 1);
        (MAX_PAYLOAD_BYTES / (4 * cols.max(1))).min(MAX_REPLY_FLOATS / replied.max(1)).max(1)
    }

    /// Begins a product of all others' parts of `rows` with `x`: `[tokens][cols]`.
    pub(super) fn multiply(&self, matrix: usize, rows: &Range<usize>, x: &[f32], cols: usize) {
        let (first_row, rows) = (rows.start as u32, rows.len() as u32);
        let order = Order::Multiply { matrix: matrix as u32, first_row, rows, cols: cols as u32 };
        self.post(order, bytemuck::cast_slice(x));
    }

    /// A row that another thread holds.
    pub(super) fn row(&self, thread: usize, matrix: usize, row: usize, cols: usize) -> Vec<f32> {
        self.post(Order::Row { matrix: matrix as u32, row: row as u32 }, &[]);
        self.replies(|other| if other == thread { cols } else { 0 }).swap_remove(thread - 1)
    }

    /// The beginnings of all others' replies to the order posted last; `len` says how many floats of a thread's.
    pub(super) fn replies(&self, len: impl Fn(usize) -> usize) -> Vec<Vec<f32>> {
        self.is_busy.store(false, Ordering::Relaxed);
        let reply = |member| {
            let mut reply = vec![0.0; len(member + 1)];
            if self.fault.get().is_none()
                && let Err(error) = self.link.wait(member, &mut reply)
            {
                // There was none.
                let _ = self.fault.set(error);
            }
            reply
        };
        (0..self.link.members()).map(reply).collect()
    }

    fn post(&self, order: Order, payload: &[u8]) {
        self.finish();
        if self.fault.get().is_none() {
            self.link.post(order.words(), payload);
            self.is_busy.store(true, Ordering::Relaxed);
        }
    }

    /// Waits for the order before.
    fn finish(&self) {
        if self.is_busy.load(Ordering::Relaxed) {
            self.replies(|_| 0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn orders_arrive_as_they_were_sent() {
        let orders = [
            Order::Begin { min_shared_weights: 9 },
            Order::Allocate { tensor_type: TensorType::Q4_K, rows: 7, cols: 256 },
            Order::Write { matrix: 1, first_block: 2 },
            Order::Multiply { matrix: 1, first_row: 2, rows: 3, cols: 4 },
            Order::Row { matrix: 5, row: 6 },
        ];
        for order in orders {
            assert_eq!(Order::from_words(order.words()), Some(order));
        }
        assert!(Member::new(0, 1).follow([9; ORDER_WORDS], &[], &mut Vec::new()).is_err());
    }

    /// Members that are gone.
    struct Gone;

    impl Link for Gone {
        fn members(&self) -> usize {
            2
        }

        fn post(&self, _: [u32; ORDER_WORDS], _: &[u8]) {}

        fn wait(&self, member: usize, _: &mut [f32]) -> Result<()> {
            Err(EngineError::Threads(format!("{member} is gone")))
        }
    }

    #[test]
    fn a_fault_is_told_and_stays() {
        let crew = Crew::new(Arc::new(Gone));
        crew.multiply(0, &(0..8), &[0.0; 32], 32);
        assert_eq!(crew.replies(|thread| thread), [vec![0.0], vec![0.0, 0.0]]);
        for _ in 0..2 {
            assert_eq!(crew.check(), Err(EngineError::Threads("0 is gone".to_owned())));
        }
    }
}
