//! A model's weights in memory.

use std::ops::Range;

use super::Cpu;
use super::activations::Activations;
use super::crew::Crew;
use super::matrix::zeros;
use super::shard::{Shard, Thread};
use crate::error::Result;
use crate::models::{MatrixId, Product, VectorId, WeightPlan};

/// The only thread.
const ALONE: Thread = Thread { index: 0, count: 1, min_shared_weights: 0 };

/// A model's weights, by their places in the plan.
pub(in crate::runtime) struct CpuWeights {
    /// This thread's rows.
    shard: Shard,
    /// Those who hold the others.
    crew: Option<Crew>,
    /// Where a matrix's rows stand among the output rows of its product.
    output_rows: Vec<Range<usize>>,
    vectors: Vec<Vec<f32>>,
}

impl CpuWeights {
    /// Allocates all of them.
    ///
    /// # Errors
    /// [`crate::EngineError::OutOfMemory`], or that another thread is gone.
    pub(in crate::runtime) fn allocate(cpu: &Cpu, plan: &WeightPlan) -> Result<Self> {
        let crew = cpu.crew.clone().map(Crew::new);
        let mut shard = Shard::new(crew.as_ref().map_or(ALONE, Crew::first));
        for matrix in &plan.matrices {
            if let Some(crew) = &crew {
                crew.allocate(matrix.tensor_type, matrix.rows, matrix.cols);
            }
            shard.allocate(matrix.tensor_type, matrix.rows as usize, matrix.cols as usize)?;
        }
        let output_rows = |first: u32, rows: u32| first as usize..(first + rows) as usize;
        let weights = Self {
            shard,
            crew,
            output_rows: plan.matrices.iter().map(|matrix| output_rows(matrix.first_row, matrix.rows)).collect(),
            vectors: plan.vectors.iter().map(|vector| zeros(vector.len() as usize)).collect::<Result<_>>()?,
        };
        weights.check()?;
        Ok(weights)
    }

    /// Writes whole blocks of a matrix, as they stand in the file, from its block of 32 weights `first_block` on.
    pub(in crate::runtime) fn write_matrix(&mut self, index: usize, first_block: u64, bytes: &[u8]) {
        if let Some(crew) = &self.crew {
            crew.write(index, first_block as usize, bytes);
        }
        self.shard.write(index, first_block as usize, bytes);
    }

    /// Whether all threads did what they were to do since the last check.
    ///
    /// # Errors
    /// The first fault of another thread. What was computed since then is wrong.
    pub(in crate::runtime) fn check(&self) -> Result<()> {
        self.crew.as_ref().map_or(Ok(()), Crew::check)
    }

    /// Writes floats of a vector from its byte `at` on.
    pub(in crate::runtime) fn write_vector(&mut self, index: usize, at: u64, bytes: &[u8]) {
        let floats = bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word));
        self.vectors[index][at as usize / 4..].iter_mut().zip(floats).for_each(|(place, float)| *place = float);
    }

    /// Where a matrix's rows stand among the output rows of its product.
    pub(super) fn output_rows(&self, id: MatrixId) -> Range<usize> {
        self.output_rows[id.0].clone()
    }

    /// Gives `store` each (token, row, value) of the product of a matrix's `rows` with the tokens of `x`.
    pub(super) fn multiply(
        &self,
        id: MatrixId,
        rows: Range<usize>,
        x: &Activations<'_>,
        mut store: impl FnMut(usize, usize, f32),
    ) {
        let shares = self.shard.shares(id.0);
        let Some(crew) = self.crew.as_ref().filter(|_| shares.is_shared()) else {
            return self.shard.multiply(id.0, rows, x, &(0..x.tokens()), store);
        };
        let cols = self.shard.cols(id.0);
        let at_once = crew.tokens_at_once(cols, rows.len());
        for first in (0..x.tokens()).step_by(at_once) {
            let tokens = first..(first + at_once).min(x.tokens());
            crew.multiply(id.0, &rows, x.rows(&tokens), cols);
            self.shard.multiply(id.0, rows.clone(), x, &tokens, &mut store);
            let held = |thread| shares.held(thread, rows.clone());
            for (thread, values) in (1..).zip(crew.replies(|thread| held(thread).count() * tokens.len())) {
                let places = held(thread).flat_map(|row| tokens.clone().map(move |token| (token, row)));
                places.zip(values).for_each(|((token, row), value)| store(token, row, value));
            }
        }
    }

    pub(super) fn vector(&self, id: VectorId) -> &[f32] {
        &self.vectors[id.0]
    }

    /// The product of `rows` output rows with the tokens of `x`, and `bias`: `[tokens][rows]`.
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

    /// Rows of a table: `[ids][cols]`.
    pub(super) fn embed(&self, table: &Product, ids: &[u32]) -> Vec<f32> {
        let row_of = |id: &u32| {
            let id = *id as usize;
            let matrix = table.iter().rfind(|matrix| self.output_rows[matrix.0].start <= id);
            matrix.map_or_else(Vec::new, |matrix| self.row(matrix.0, id - self.output_rows[matrix.0].start))
        };
        ids.iter().flat_map(row_of).collect()
    }

    fn row(&self, index: usize, row: usize) -> Vec<f32> {
        match (self.shard.row(index, row), &self.crew) {
            (Some(row), _) => row,
            (None, Some(crew)) => crew.row(self.shard.shares(index).holder(row), index, row, self.shard.cols(index)),
            // Without others every row is this thread's.
            (None, None) => Vec::new(),
        }
    }
}
