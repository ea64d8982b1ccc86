//! What one of several threads holds of a model's matrices, and what it computes with it.

use std::ops::Range;

use super::activations::Activations;
use super::matrix::{BLOCK_LEN, CpuMatrix};
use crate::error::Result;
use crate::gguf::TensorType;

/// Rows that belong together: a thread holds every so-manieth stripe, so that any range of rows is work for all of them.
const STRIPE: usize = 8;

/// Which rows of a matrix each of several threads holds. The first thread is the one that the others work for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    rows: usize,
    threads: usize,
}

/// Rows that one thread holds side by side.
#[derive(Debug, Clone, PartialEq)]
struct Stretch {
    /// Of the whole matrix.
    rows: Range<usize>,
    /// The place of the first of them among the thread's own.
    first_own: usize,
}

impl Shares {
    /// Whether other threads than the first hold rows.
    pub(super) fn is_shared(self) -> bool {
        self.threads > 1
    }

    /// The thread that holds a row.
    pub(super) fn holder(self, row: usize) -> usize {
        if self.is_shared() { row / STRIPE % self.threads } else { 0 }
    }

    /// What `thread` holds of a range of rows, in order.
    fn stretches(self, thread: usize, rows: Range<usize>) -> impl Iterator<Item = Stretch> {
        let stripe = if self.is_shared() { STRIPE } else { self.rows.max(1) };
        let round = stripe * self.threads;
        // A thread that holds nothing of this matrix begins after its end.
        let rounds = if thread < self.threads { rows.start / round..rows.end.div_ceil(round) } else { 0..0 };
        rounds.filter_map(move |index| {
            let first = index * round + thread * stripe;
            let (start, end) = (first.max(rows.start), (first + stripe).min(rows.end));
            (start < end).then(|| Stretch { rows: start..end, first_own: index * stripe + start - first })
        })
    }

    /// The rows of a range that `thread` holds, in order.
    pub(super) fn held(self, thread: usize, rows: Range<usize>) -> impl Iterator<Item = usize> {
        self.stretches(thread, rows).flat_map(|stretch| stretch.rows)
    }
}

/// Which of several threads this is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread {
    /// From 0 on.
    pub(super) index: usize,
    /// How many there are.
    pub(super) count: usize,
    /// Matrices of fewer weights stay with the first thread: handing them over would take longer than doing them.
    pub(super) min_shared_weights: usize,
}

/// A thread's rows of all matrices.
pub(super) struct Shard {
    thread: Thread,
    matrices: Vec<(Shares, CpuMatrix)>,
}

impl Shard {
    /// A thread's empty shard.
    pub(super) fn new(thread: Thread) -> Self {
        Self { thread, matrices: Vec::new() }
    }

    /// Allocates this thread's rows of the next matrix `[rows][cols]`.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`]
    pub(super) fn allocate(&mut self, tensor_type: TensorType, rows: usize, cols: usize) -> Result<()> {
        let Thread { index, count, min_shared_weights } = self.thread;
        let shares = Shares { rows, threads: if rows * cols < min_shared_weights { 1 } else { count } };
        let own = shares.held(index, 0..rows).count();
        self.matrices.push((shares, CpuMatrix::allocate(tensor_type, own, cols)?));
        Ok(())
    }

    /// Keeps what is this thread's of whole blocks of a matrix, as they stand in the file, from its block of 32 weights
    /// `first_block` on.
    pub(super) fn write(&mut self, index: usize, first_block: usize, bytes: &[u8]) {
        let (shares, matrix) = &mut self.matrices[index];
        let row_blocks = matrix.cols / BLOCK_LEN;
        let tensor_type = matrix.tensor_type;
        let bytes_of =
            |blocks: usize| blocks * BLOCK_LEN / tensor_type.block_len() as usize * tensor_type.block_bytes() as usize;
        let blocks = bytes.len() / tensor_type.block_bytes() as usize * tensor_type.block_len() as usize / BLOCK_LEN;
        let end = first_block + blocks;
        for stretch in shares.stretches(self.thread.index, first_block / row_blocks..end.div_ceil(row_blocks)) {
            let stretch_start = stretch.rows.start * row_blocks;
            let (from, to) = (stretch_start.max(first_block), (stretch.rows.end * row_blocks).min(end));
            let own_block = stretch.first_own * row_blocks + from - stretch_start;
            matrix.write(own_block, &bytes[bytes_of(from - first_block)..bytes_of(to - first_block)]);
        }
    }

    /// How a matrix is divided.
    pub(super) fn shares(&self, index: usize) -> Shares {
        self.matrices[index].0
    }

    /// A matrix's columns.
    pub(super) fn cols(&self, index: usize) -> usize {
        self.matrices[index].1.cols
    }

    /// Gives `store` each (token, row, value) of the product of this thread's part of `rows` with `tokens` of `x`: row by row.
    pub(super) fn multiply(
        &self,
        index: usize,
        rows: Range<usize>,
        x: &Activations<'_>,
        tokens: &Range<usize>,
        mut store: impl FnMut(usize, usize, f32),
    ) {
        let (shares, matrix) = &self.matrices[index];
        for Stretch { rows, first_own } in shares.stretches(self.thread.index, rows) {
            let own = first_own..first_own + rows.len();
            matrix.multiply(own, x, tokens, |token, row, value| store(token, row - first_own + rows.start, value));
        }
    }

    /// A row as floats, if it is this thread's.
    pub(super) fn row(&self, index: usize, row: usize) -> Option<Vec<f32>> {
        let (shares, matrix) = &self.matrices[index];
        let stretch = shares.stretches(self.thread.index, row..row + 1).next()?;
        Some(matrix.row(stretch.first_own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_held_once_and_any_range_is_work_for_all() {
        for (rows, threads) in [(1, 1), (1000, 1), (1000, 3), (4096, 4), (4097, 8)] {
            let shares = Shares { rows, threads };
            let mut all: Vec<usize> = (0..threads).flat_map(|thread| shares.held(thread, 0..rows)).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..rows), "{rows} rows, {threads} threads");
            for thread in 0..threads {
                assert!(shares.held(thread, 0..rows).all(|row| shares.holder(row) == thread));
                // Places are counted on over stretches, wherever a range begins.
                let own: Vec<_> = shares.held(thread, 0..rows).collect();
                for range in [0..rows, rows / 3..rows / 2] {
                    for Stretch { rows, first_own } in shares.stretches(thread, range) {
                        assert_eq!(own[first_own..first_own + rows.len()], rows.collect::<Vec<_>>());
                    }
                }
            }
            assert_eq!(shares.held(threads, 0..rows).count(), 0, "others hold nothing");
        }
        let shares = Shares { rows: 4096, threads: 4 };
        for thread in 0..4 {
            assert_eq!(shares.held(thread, 1024..2048).count(), 256);
        }
    }
}
