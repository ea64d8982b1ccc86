//! A model's weights in memory.

use std::ops::Range;

use super::Cpu;
use super::activations::Activations;
use super::matrix::zeros;
use super::shard::{Shard, Thread};
use super::thread_pool::ThreadPool;
use crate::error::Result;
use crate::models::{MatrixId, Product, VectorId, WeightPlan};

/// The only thread, if there are no helper threads.
const ALONE: Thread = Thread { index: 0, count: 1, min_shared_weights: 0 };

/// A model's weights, indexed as in the plan.
pub(in crate::runtime) struct CpuWeights {
    /// This thread's rows.
    shard: Shard,
    /// The helper threads that hold the other rows.
    pool: Option<ThreadPool>,
    /// The rows of the product's output that each matrix computes.
    output_rows: Vec<Range<usize>>,
    vectors: Vec<Vec<f32>>,
}

impl CpuWeights {
    /// Allocates all weights of a plan.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`], or [`crate::EngineError::Threads`] if a helper thread failed.
    pub(in crate::runtime) fn allocate(cpu: &Cpu, plan: &WeightPlan) -> Result<Self> {
        let pool = cpu.threads.clone().map(ThreadPool::new);
        let mut shard = Shard::new(pool.as_ref().map_or(ALONE, ThreadPool::primary));
        for matrix in &plan.matrices {
            if let Some(pool) = &pool {
                pool.allocate(matrix.tensor_type, matrix.rows, matrix.cols);
            }
            shard.allocate(matrix.tensor_type, matrix.rows as usize, matrix.cols as usize)?;
        }
        let output_rows = |first: u32, rows: u32| first as usize..(first + rows) as usize;
        let weights = Self {
            shard,
            pool,
            output_rows: plan.matrices.iter().map(|matrix| output_rows(matrix.first_row, matrix.rows)).collect(),
            vectors: plan.vectors.iter().map(|vector| zeros(vector.len() as usize)).collect::<Result<_>>()?,
        };
        weights.check()?;
        Ok(weights)
    }

    /// Writes whole blocks of a matrix, in the file format. `first_block` counts blocks of 32 weights.
    pub(in crate::runtime) fn write_matrix(&mut self, index: usize, first_block: u64, bytes: &[u8]) {
        if let Some(pool) = &self.pool {
            pool.write(index, first_block as usize, bytes);
        }
        self.shard.write(index, first_block as usize, bytes);
    }

    /// Checks that no helper thread has failed.
    ///
    /// # Errors
    /// The first error of a helper thread. Everything computed since then is wrong.
    pub(in crate::runtime) fn check(&self) -> Result<()> {
        self.pool.as_ref().map_or(Ok(()), ThreadPool::check)
    }

    /// Writes part of a vector, starting at its byte `at`.
    pub(in crate::runtime) fn write_vector(&mut self, index: usize, at: u64, bytes: &[u8]) {
        let floats = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        self.vectors[index][at as usize / 4..].iter_mut().zip(floats).for_each(|(place, float)| *place = float);
    }

    /// The rows of the product's output that a matrix computes.
    pub(super) fn output_rows(&self, id: MatrixId) -> Range<usize> {
        self.output_rows[id.0].clone()
    }

    /// Multiplies `rows` of a matrix with the tokens of `x`, and passes each (token, row, value) to `store`.
    pub(super) fn multiply(
        &self,
        id: MatrixId,
        rows: Range<usize>,
        x: &Activations<'_>,
        mut store: impl FnMut(usize, usize, f32),
    ) {
        let partition = self.shard.partition(id.0);
        let Some(pool) = self.pool.as_ref().filter(|_| partition.is_shared()) else {
            return self.shard.multiply(id.0, rows, x, &(0..x.tokens()), store);
        };
        let cols = self.shard.cols(id.0);
        let at_once = pool.tokens_at_once(cols, rows.len());
        for first in (0..x.tokens()).step_by(at_once) {
            let tokens = first..(first + at_once).min(x.tokens());
            pool.multiply(id.0, &rows, x.rows(&tokens), cols);
            self.shard.multiply(id.0, rows.clone(), x, &tokens, &mut store);
            let rows_of = |thread| partition.rows_of(thread, rows.clone());
            for (thread, values) in (1..).zip(pool.replies(|thread| rows_of(thread).count() * tokens.len())) {
                let places = rows_of(thread).flat_map(|row| tokens.clone().map(move |token| (token, row)));
                places.zip(values).for_each(|((token, row), value)| store(token, row, value));
            }
        }
    }

    /// A vector's elements.
    pub(super) fn vector(&self, id: VectorId) -> &[f32] {
        &self.vectors[id.0]
    }

    /// The `rows` output rows of a product for the tokens of `x`, plus `bias`: `[tokens][rows]`.
    pub(super) fn product(
        &self,
        product: &Product,
        rows: usize,
        x: &Activations<'_>,
        bias: Option<VectorId>,
    ) -> Vec<f32> {
        let mut y = match bias {
            Some(bias) => self.vector(bias).repeat(x.tokens()),
            None => vec![0.0; x.tokens() * rows],
        };
        for id in product {
            let output = self.output_rows(*id);
            self.multiply(*id, 0..output.len(), x, |token, row, value| y[token * rows + output.start + row] += value);
        }
        y
    }

    /// The product of an expert's part of a matrix, `rows` rows, with the tokens of `x`: `[tokens][rows]`.
    pub(super) fn expert_product(&self, id: MatrixId, expert: usize, rows: usize, x: &Activations<'_>) -> Vec<f32> {
        let first = expert * rows;
        let mut y = vec![0.0; x.tokens() * rows];
        self.multiply(id, first..first + rows, x, |token, row, value| y[token * rows + row - first] = value);
        y
    }

    /// The rows of a table with these IDs: `[ids][cols]`.
    pub(super) fn embed(&self, table: &Product, ids: &[u32]) -> Vec<f32> {
        let row_of = |id: &u32| {
            let id = *id as usize;
            let matrix = table.iter().rfind(|matrix| self.output_rows[matrix.0].start <= id);
            matrix.map_or_else(Vec::new, |matrix| self.row(matrix.0, id - self.output_rows[matrix.0].start))
        };
        ids.iter().flat_map(row_of).collect()
    }

    fn row(&self, index: usize, row: usize) -> Vec<f32> {
        match (self.shard.row(index, row), &self.pool) {
            (Some(row), _) => row,
            (None, Some(pool)) => pool.row(self.shard.partition(index).owner(row), index, row, self.shard.cols(index)),
            // Without helpers this thread has every row.
            (None, None) => Vec::new(),
        }
    }
}
