//! One thread's rows of a model's matrices, and the products it computes with them.

use std::ops::Range;

use super::activations::{Activations, BLOCK_LEN};
use super::matrix::CpuMatrix;
use crate::error::Result;
use crate::gguf::TensorType;

/// Rows in a stripe. Stripes are dealt to the threads in turn, so that every thread takes part in any long range of
/// rows.
const STRIPE: usize = 8;

/// How a matrix's rows are divided among threads. Thread 0 is the primary thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partition {
    rows: usize,
    threads: usize,
}

/// Consecutive rows that one thread holds.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    /// Row numbers in the whole matrix.
    rows: Range<usize>,
    /// Index of the first of them among the thread's own rows.
    first_own: usize,
}

impl Partition {
    /// Whether threads other than the primary thread hold rows.
    pub(super) fn is_shared(self) -> bool {
        self.threads > 1
    }

    /// The thread that holds a row.
    pub(super) fn owner(self, row: usize) -> usize {
        if self.is_shared() { row / STRIPE % self.threads } else { 0 }
    }

    /// The runs of a range of rows that `thread` holds, in order.
    fn runs(self, thread: usize, rows: Range<usize>) -> impl Iterator<Item = Run> {
        let stripe = if self.is_shared() { STRIPE } else { self.rows.max(1) };
        let round = stripe * self.threads;
        // A matrix that is not shared belongs to thread 0 alone.
        let rounds = if thread < self.threads { rows.start / round..rows.end.div_ceil(round) } else { 0..0 };
        rounds.filter_map(move |index| {
            let first = index * round + thread * stripe;
            let (start, end) = (first.max(rows.start), (first + stripe).min(rows.end));
            (start < end).then(|| Run { rows: start..end, first_own: index * stripe + start - first })
        })
    }

    /// The rows of a range that `thread` holds, in order.
    pub(super) fn rows_of(self, thread: usize, rows: Range<usize>) -> impl Iterator<Item = usize> {
        self.runs(thread, rows).flat_map(|run| run.rows)
    }
}

/// A thread's place among those that share a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread {
    /// 0 for the primary thread.
    pub(super) index: usize,
    /// Number of threads.
    pub(super) count: usize,
    /// Matrices with fewer weights stay on the primary thread: exchanging inputs and outputs would take longer than the
    /// product.
    pub(super) min_shared_weights: usize,
}

/// One thread's rows of all matrices.
pub(super) struct Shard {
    thread: Thread,
    matrices: Vec<(Partition, CpuMatrix)>,
}

impl Shard {
    /// A shard without matrices.
    pub(super) fn new(thread: Thread) -> Self {
        Self { thread, matrices: Vec::new() }
    }

    /// Allocates this thread's rows of the next matrix `[rows][cols]`.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`].
    pub(super) fn allocate(&mut self, tensor_type: TensorType, rows: usize, cols: usize) -> Result<()> {
        let Thread { index, count, min_shared_weights } = self.thread;
        let partition = Partition { rows, threads: if rows * cols < min_shared_weights { 1 } else { count } };
        let own = partition.rows_of(index, 0..rows).count();
        self.matrices.push((partition, CpuMatrix::allocate(tensor_type, own, cols)?));
        Ok(())
    }

    /// Stores this thread's part of whole blocks of a matrix, in the file format. `first_block` counts blocks of 32
    /// weights.
    pub(super) fn write(&mut self, index: usize, first_block: usize, bytes: &[u8]) {
        let (partition, matrix) = &mut self.matrices[index];
        let row_blocks = matrix.cols / BLOCK_LEN;
        let tensor_type = matrix.tensor_type;
        let bytes_of =
            |blocks: usize| blocks * BLOCK_LEN / tensor_type.block_len() as usize * tensor_type.block_bytes() as usize;
        let blocks = bytes.len() / tensor_type.block_bytes() as usize * tensor_type.block_len() as usize / BLOCK_LEN;
        let end = first_block + blocks;
        for run in partition.runs(self.thread.index, first_block / row_blocks..end.div_ceil(row_blocks)) {
            let run_start = run.rows.start * row_blocks;
            let (from, to) = (run_start.max(first_block), (run.rows.end * row_blocks).min(end));
            let own_block = run.first_own * row_blocks + from - run_start;
            matrix.write(own_block, &bytes[bytes_of(from - first_block)..bytes_of(to - first_block)]);
        }
    }

    /// How a matrix is divided among the threads.
    pub(super) fn partition(&self, index: usize) -> Partition {
        self.matrices[index].0
    }

    /// Number of columns of a matrix.
    pub(super) fn cols(&self, index: usize) -> usize {
        self.matrices[index].1.cols
    }

    /// Multiplies this thread's part of `rows` with `tokens` of `x`, and passes each (token, row, value) to `store`,
    /// row by row.
    pub(super) fn multiply(
        &self,
        index: usize,
        rows: Range<usize>,
        x: &Activations<'_>,
        tokens: &Range<usize>,
        mut store: impl FnMut(usize, usize, f32),
    ) {
        let (partition, matrix) = &self.matrices[index];
        for Run { rows, first_own } in partition.runs(self.thread.index, rows) {
            let own = first_own..first_own + rows.len();
            matrix.multiply(own, x, tokens, |token, row, value| store(token, row - first_own + rows.start, value));
        }
    }

    /// A row as floats, if it is this thread's.
    pub(super) fn row(&self, index: usize, row: usize) -> Option<Vec<f32>> {
        let (partition, matrix) = &self.matrices[index];
        let run = partition.runs(self.thread.index, row..row + 1).next()?;
        Some(matrix.row(run.first_own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_owner_and_ranges_are_divided_evenly() {
        for (rows, threads) in [(1, 1), (1000, 1), (1000, 3), (4096, 4), (4097, 8)] {
            let partition = Partition { rows, threads };
            let mut all: Vec<usize> = (0..threads).flat_map(|thread| partition.rows_of(thread, 0..rows)).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..rows), "{rows} rows, {threads} threads");
            for thread in 0..threads {
                assert!(partition.rows_of(thread, 0..rows).all(|row| partition.owner(row) == thread));
                // The index of a run does not depend on where the range starts.
                let own: Vec<_> = partition.rows_of(thread, 0..rows).collect();
                for range in [0..rows, rows / 3..rows / 2] {
                    for Run { rows, first_own } in partition.runs(thread, range) {
                        assert_eq!(own[first_own..first_own + rows.len()], rows.collect::<Vec<_>>());
                    }
                }
            }
            assert_eq!(partition.rows_of(threads, 0..rows).count(), 0, "there are no further threads");
        }
        let partition = Partition { rows: 4096, threads: 4 };
        for thread in 0..4 {
            assert_eq!(partition.rows_of(thread, 1024..2048).count(), 256);
        }
    }
}
